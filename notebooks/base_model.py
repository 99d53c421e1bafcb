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
# FER2013: 48x48 gray faces, seven emotions, 28,709 to learn from. The study begins with two small networks: `normal`,
# three
# convolutions with no activation between its two last layers, and `baseline`, two narrow ones. Its protocol: train.csv
# alone, cut
# 70/15/15 by class (random state 7), Adam, weight decay 1e-5, no augmentation, the last epoch kept.

# %%
from story import RUNS, faces, show, trained

dataset = faces()

# %% [markdown]
# ## What there is to learn from
#
# The classes are far from balanced: disgust is one image in sixty-six, happy one in four.

# %%
from mien.evaluation import face_figures

for name, n in dataset.counts("Training").items():
    print(f"{name:<10}{n:>7,}  {'#' * (60 * n // max(dataset.counts('Training').values()))}")
average = RUNS / "averages.png"
face_figures.class_averages(dataset, average)
show(average)

# %% [markdown]
# ## Two small networks
#
# How far apart are training and validation, and how high do they come? Both low: underfitting. Far apart: overfitting.

# %%
runs = trained(dataset, "normal", "baseline")

# %% [markdown]
# Neither gets far on faces that it has not seen, about 53 and 49 in a hundred, and the baseline's curves part all the
# same: most of its
# weights stand in one layer behind the maps, and what they learn late is about the training faces alone. The next
# notebook makes the network
# deeper.
