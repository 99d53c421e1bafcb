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
# # 1. The base models
#
# Seven expressions, 48×48 gray pixels: can a small network name them? This is the first of six notebooks that tell the
# story of a study of FER2013 (the Kaggle challenge of 2013): where overfitting comes from, and what mends it.
#
# **To start**, in a checkout: `pip install torch`, `pip install ".[train]" jupyterlab`, `jupyter lab notebooks/`.
# With Kaggle's files in `data/` (`mien data fetch`) the notebooks read real faces; without, faces that mien draws.
# Nothing here trains for more than a minute or two; the long trainings are read from `results/study/runs/`.

# %%
import story

dataset = story.faces()

# %% [markdown]
# ## The data
#
# The classes are far from balanced: happy is one face in four, disgust one in sixty-six. Always saying "happy" is
# right a quarter of the time; that is what *learning nothing* looks like.

# %%
counts = dataset.counts("Training")
for name, n in counts.items():
    print(f"{name:<10}{n:>7,}  {'#' * (60 * n // max(counts.values()))}")

# %% [markdown]
# So that nobody's face is passed on, the sheet below is drawn by mien; the cell after it shows yours, on your machine.

# %%
story.sample_faces()

# %% tags=["real-faces"]
story.sample_faces(dataset)

# %% [markdown]
# ## Two small networks
#
# `baseline` has two narrow convolutions, and behind them one layer that holds nearly all of its weights. A
# convolution looks at 3×3 pixels at a time with the same weights everywhere; a pool keeps the largest of 2×2 values.

# %%
model = story.network("study/baseline")
story.print_layers(model)
story.draw_layers(model)

# %% [markdown]
# `normal` has a third convolution, and no activation between its two last layers, so that these are one linear map.

# %%
story.print_layers(story.network("study/normal"))

# %% [markdown]
# ## One training step by hand
#
# Sixteen faces go in, and seven numbers each come out. Softmax makes probabilities of them; the loss is minus the
# logarithm of the probability of the right class, 1.95 = log 7 for a network that knows nothing. `backward` asks each
# weight in which direction the loss grows, and the optimizer takes a small step the other way.

# %%
import torch
from torch.nn import functional

rows = torch.arange(16)
pixels = torch.from_numpy(dataset.images[rows.numpy()]).float().unsqueeze(1) / 255  # (16, 1, 48, 48), 0..1
x, labels = (pixels - 0.5) / 0.5, torch.from_numpy(dataset.labels[rows.numpy()])
model.train()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1, 11):
    logits = model(x)
    loss = functional.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    size = sum(p.grad.square().sum() for p in model.parameters()) ** 0.5
    optimizer.step()
    right = (logits.argmax(1) == labels).sum()
    print(f"step {step:>2}: loss {loss:.3f}, {right} of 16 right, length of the gradient {size:.2f}")

# %% [markdown]
# The loss on *these* sixteen falls at once. Whether anything was learned about other faces is another question, and
# the question of the study.
#
# ## The knobs to turn
#
# Every field of a recipe can be given to `short_training`, and to `mien train` as an option.

# %%
story.knobs("study/baseline", "epochs", "learning_rate", "batch_size", "optimizer", "weight_decay", "train_fraction")

# %% [markdown]
# A short training, on a quarter of the training faces. Try `learning_rate=1e-2`, or `train_fraction=0.05`.

# %%
run = story.short_training("study/baseline", dataset, train_fraction=0.25, epochs=5)

# %% [markdown]
# ## The curves of the long trainings
#
# The study's protocol: train.csv cut 70/15/15 by class, Adam, no augmentation, the last epoch kept.

# %%
story.curves("study-baseline")

# %%
story.curves("study-normal")

# %% [markdown]
# ## The verdict, explained
#
# mien reads the curves as a person would. Both low and close together: underfitting. Training running away from
# validation: overfitting, since the epoch from which the validation loss rises or the gap is wide. The study had
# claimed that the baseline underfits; at the gap that it ends with, it does not.

# %%
story.explain_verdict("study-baseline")

# %% [markdown]
# ## Wrong guesses
#
# What the long training takes for what. The rows are those of the data set: `show_rows` shows them on your machine.

# %%
rows = story.wrong_guesses(story.committed("study-baseline") if not dataset.drawn else run.folder, dataset)

# %% tags=["real-faces"]
story.show_rows(dataset, rows)

# %% [markdown]
# ## What one more convolution does
#
# Every difference has a 95 % interval: other seeds and other faces would have given other numbers. An interval
# around 0 means: nobody knows.

# %%
story.effects(("normal, not baseline", "study-baseline", "study-normal"))

# %% [markdown]
# Next: [deeper](deep_cnn.ipynb).
