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
# # 4. Global pooling
#
# Most of the deep network's weights sit in one layer behind its maps. Taking one number from each map instead (Lin et
# al. 2014) removes them: more depth, with a ninth of the weights. ([How to start](base_model.ipynb).)

# %%
import story

dataset = story.faces()

# %% [markdown]
# ## The network

# %%
model = story.network("study/globalpool")
story.print_layers(model)
story.draw_layers(model)

# %%
story.sample_faces(columns=6)

# %% tags=["real-faces"]
story.sample_faces(dataset, columns=6)

# %% [markdown]
# ## Global pooling by hand
#
# A face, and the same face three pixels to the right. How much does what the classifier gets change, behind the last
# maps as they are (what a dense layer sees), and behind the largest value of each map?

# %%
import torch

face = (torch.from_numpy(dataset.images[:1]).float().unsqueeze(1) / 255 - 0.5) / 0.5
moved = torch.roll(face, 3, dims=3)
maps = model.eval()[:11]  # up to the last convolution
views = {"each value of the maps": lambda m: m.flatten(1), "the largest of each map": lambda m: m.amax((2, 3))}
with torch.no_grad():
    for words, view in views.items():
        one, other = view(maps(face)), view(maps(moved))
        print(f"{words:<24}{one.shape[1]:>7,} numbers, changed by {(one - other).norm() / one.norm():.0%}")

# %% [markdown]
# The price: where something is, is gone, and at first the network stands still. How far apart are its answers for 64
# faces, and how far apart those for one face that dropout meets 64 times? Beside a fresh network's dropout, what faces
# differ by is next to nothing; only after some thousand steps it has grown enough to be learned from.

# %%
x = (torch.from_numpy(dataset.images[:64]).float().unsqueeze(1) / 255 - 0.5) / 0.5
with torch.no_grad():
    between_faces = model.eval()(x).std(0).mean()
    by_dropout = model.train()(x[:1].repeat(64, 1, 1, 1)).std(0).mean()
print(f"spread of the answers: between faces {between_faces:.4f}, by dropout alone {by_dropout:.4f}")

# %% [markdown]
# ## The knobs to turn

# %%
story.knobs("study/globalpool", "learning_rate", "batch_size", "fc_drop", "epochs")
print("of the deep network:")
story.knobs("study/deep", "head")

# %% [markdown]
# A short training hardly leaves the plateau at the share of the largest class, even without dropout. Try more epochs.

# %%
run = story.short_training("study/globalpool", dataset, train_fraction=0.05, epochs=3, fc_drop=0.0)

# %% [markdown]
# ## The curves of the long training

# %%
story.curves("study-globalpool")

# %%
story.curves("study-globalpool", seed=2)

# %% [markdown]
# ## The verdict, explained

# %%
story.explain_verdict("study-globalpool")

# %% [markdown]
# ## Wrong guesses

# %%
long = story.committed("study-globalpool") if not dataset.drawn else None
kept = long is not None and story.predictions_of(long) is not None
rows = story.wrong_guesses(long if kept else run.folder, dataset)

# %% tags=["real-faces"]
story.show_rows(dataset, rows)

# %% [markdown]
# ## What global pooling did, with its interval

# %%
story.effects(
    ("globalpool, not deep", "study-deep", "study-globalpool"),
    ("the deep network with global average pooling", "study-deep", "deep-global-pooling"),
    ("the bare hybrid with global pooling", "ablation-bare", "ablation-bare-global-pooling"),
    ("the full hybrid with its global pooling", "ablation-full-no-global-pooling", "ablation-full"),
)

# %% [markdown]
# Next: [all of it together](hybrid_cnn.ipynb).
