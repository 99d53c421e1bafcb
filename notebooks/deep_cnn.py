# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Deeper
#
# Four convolutions, and behind them a layer of 4.7 million weights: over two hundred for each face that it learns from.
# Does depth alone help? ([How to start](base_model.ipynb).)

# %%
import story

dataset = story.faces()

# %% [markdown]
# ## The network

# %%
model = story.network("study/deep")
story.print_layers(model)
story.draw_layers(model)

# %% [markdown]
# The red block is the dense layer. It sees each of the 18,432 numbers of the last maps by itself: to it, a mouth two
# pixels to the left is another thing.

# %%
story.sample_faces(columns=6)

# %% tags=["real-faces"]
story.sample_faces(dataset, columns=6)

# %% [markdown]
# ## Learning by heart, by hand
#
# Give the network 32 faces with labels *drawn by lot*. There is nothing to learn about expressions, and still it gets
# them all right within some steps (Zhang et al. 2017): it has weights enough to remember.

# %%
import numpy as np
import torch
from torch.nn import functional

chosen = np.arange(32)
x = (torch.from_numpy(dataset.images[chosen]).float().unsqueeze(1) / 255 - 0.5) / 0.5
lot = torch.from_numpy(np.random.default_rng(0).integers(0, 7, 32))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
model.train()
for step in range(1, 41):
    logits = model(x)
    loss = functional.cross_entropy(logits, lot)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 8 == 0:
        print(f"step {step:>2}: loss {loss:.3f}, {(logits.argmax(1) == lot).sum()} of 32 'right'")

# %% [markdown]
# ## The knobs to turn

# %%
story.knobs("study/deep", "epochs", "learning_rate", "batch_size", "weight_decay", "batch_norm", "head", "flip")

# %% [markdown]
# A short training on a twentieth of the faces: watch training and validation part. Then try `flip=True, rotate=12.0`,
# or `head="global_avg"`, which takes the red block away.

# %%
run = story.short_training("study/deep", dataset, train_fraction=0.05, epochs=4, learning_rate=3e-4)

# %% [markdown]
# ## The curves of the long training

# %%
story.curves("study-deep")

# %% [markdown]
# ## The verdict, explained
#
# The loss on validation faces turns upwards within a few epochs, while training accuracy runs towards one. The
# accuracy on validation faces shows no clear change: more epochs make it surer of what it says.

# %%
story.explain_verdict("study-deep")

# %% [markdown]
# ## Wrong guesses

# %%
long = story.committed("study-deep") if not dataset.drawn else None
kept = long is not None and story.predictions_of(long) is not None
rows = story.wrong_guesses(long if kept else run.folder, dataset)

# %% tags=["real-faces"]
story.show_rows(dataset, rows)

# %% [markdown]
# ## What depth did
#
# Against the baseline, trained the study's way: a higher validation accuracy, and a gap that dwarfs it.

# %%
story.effects(
    ("deep, not baseline, the study's way", "study-baseline", "study-deep"),
    ("deep, not baseline, the modern way", "baseline", "deep"),
)

# %% [markdown]
# Next: [dropout](dropout_cnn.ipynb).
