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
# # 3. Dropout
#
# Dropping values at random while training (Srivastava et al. 2014) keeps a network from relying on any one of them.
# `dropout` drops after the last pool and before the last layer, `dropout_heavy` after each pool.
# ([How to start](base_model.ipynb).)

# %%
import story

dataset = story.faces()

# %% [markdown]
# ## The network

# %%
model = story.network("study/dropout")
story.print_layers(model)
story.draw_layers(model)

# %%
story.sample_faces(columns=6)

# %% tags=["real-faces"]
story.sample_faces(dataset, columns=6)

# %% [markdown]
# ## Dropout by hand
#
# Four maps of 3×3 ones, dropped with probability 0.25 in two ways. By *element*, each value has its own fate; by
# *channel*, a map goes as a whole (`Dropout2d`, Tompson et al. 2015), which matters because neighbors in a map say
# nearly the same. What stays is divided by 0.75, so that the sum is right on average; in evaluation nothing is dropped.

# %%
import torch

torch.manual_seed(3)
maps = torch.ones(1, 4, 3, 3)
for words, layer in (("by element", torch.nn.Dropout(0.25)), ("by channel", torch.nn.Dropout2d(0.25))):
    print(words)
    for row in layer.train()(maps)[0].transpose(0, 1):
        print("   ".join(" ".join(f"{value:4.2f}" for value in line) for line in row.tolist()))
print("in evaluation, nothing is dropped:", bool((torch.nn.Dropout(0.25).eval()(maps) == maps).all()))

# %% [markdown]
# One step with dropout: the same face twice, and the network says two things. Averaged over many such networks, what
# it says is steadier; that is what evaluation does in one pass.

# %%
face = (torch.from_numpy(dataset.images[:1]).float().unsqueeze(1) / 255 - 0.5) / 0.5
model.train()
with torch.no_grad():
    for attempt in (1, 2):
        print(f"training, time {attempt}: ", [f"{p:.3f}" for p in model(face).softmax(1)[0].tolist()])
    print("evaluation:       ", [f"{p:.3f}" for p in model.eval()(face).softmax(1)[0].tolist()])

# %% [markdown]
# ## The knobs to turn

# %%
story.knobs("study/dropout", "conv_drop", "fc_drop", "drop_kind", "learning_rate", "epochs")

# %% [markdown]
# With and without, on a twentieth of the faces. Training accuracy is measured with dropout on: it may lie below
# validation accuracy, and part of the smaller gap is that alone.

# %%
print("without dropout")
story.short_training("study/dropout", dataset, train_fraction=0.05, epochs=4, conv_drop=0.0, fc_drop=0.0)
print("with dropout")
run = story.short_training("study/dropout", dataset, train_fraction=0.05, epochs=4)

# %% [markdown]
# ## The curves of the long trainings

# %%
story.curves("study-dropout")

# %%
story.curves("study-dropout_heavy")

# %% [markdown]
# ## The verdict, explained

# %%
story.explain_verdict("study-dropout")

# %% [markdown]
# ## Wrong guesses

# %%
long = story.committed("study-dropout") if not dataset.drawn else None
kept = long is not None and story.predictions_of(long) is not None
rows = story.wrong_guesses(long if kept else run.folder, dataset)

# %% tags=["real-faces"]
story.show_rows(dataset, rows)

# %% [markdown]
# ## What dropout did, with its interval
#
# First as the study compared: a network with dropout against the deep one, which differ in more than that. Then
# alone: the same network with and without.

# %%
story.effects(
    ("dropout, not deep", "study-deep", "study-dropout"),
    ("heavy dropout, not deep", "study-deep", "study-dropout_heavy"),
    ("the deep network with channel dropout", "study-deep", "deep-dropout-channel"),
    ("the bare hybrid with dropout by element", "ablation-bare", "ablation-bare-dropout-element"),
    ("the bare hybrid with dropout by channel", "ablation-bare", "ablation-bare-dropout-channel"),
    ("the full hybrid with its dropout", "ablation-full-no-dropout", "ablation-full"),
)

# %% [markdown]
# Next: [global pooling](globalpool_cnn.ipynb).
