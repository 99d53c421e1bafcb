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
# # 5. All of it together
#
# The hybrid: batch norm (Ioffe & Szegedy 2015), dropout and global average pooling, in 304,743 parameters. First the
# study's way, then with
# modern training: augmentation, label smoothing, decoupled weight decay, one-cycle learning rate, averaged weights.

# %%
from story import faces, show, trained

dataset = faces()

# %%
runs = trained(dataset, "hybrid", trainings=("study", "modern"))

# %% [markdown]
# ## Where it goes wrong, and what its confidence is worth
#
# Rows of the confusion matrix are the true emotions. In the reliability diagram, a model on the diagonal is right as
# often as it says.

# %%
for name in ("confusion", "reliability"):
    show(runs[-1].folder / "figures" / f"{name}.png")
