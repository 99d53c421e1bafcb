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
# FER2013: 48x48 gray faces, seven emotions, 28,709 to learn from. The study begins with two small networks: `normal`, three
# convolutions with no activation between its two last layers, and `baseline`, two narrow ones. Its protocol: train.csv alone, cut
# 70/15/15 by class (random state 7), Adam, weight decay 1e-5, no augmentation, the last epoch kept.

# %%
import os
from pathlib import Path

from IPython.display import Image, Markdown, display

from mien import data
from mien.study import report
from mien.training.family import plan, run_study

DATA = Path(os.environ.get("MIEN_DATA", "../data"))  # Kaggle's files
RUNS = Path(os.environ.get("MIEN_RUNS", "../runs"))  # finished trainings are taken from here, others are made
EPOCHS = int(os.environ.get("MIEN_EPOCHS", "0")) or None  # cut short, to try the notebook
TRACKER = os.environ.get("MIEN_TRACKER", "wandb")

dataset = data.load(DATA)
print(f"{len(dataset):,} faces from {Path(dataset.source).name}", "(drawn: a demo, no result)" if dataset.drawn else "")


def trained(networks, trainings=("study",)):
    """Runs of these networks; their curves and verdicts are shown, then one table."""
    planned = plan(RUNS, list(networks), list(trainings), seed=1, epochs=EPOCHS)
    runs = list(run_study(planned, dataset, seed=1, track=TRACKER))
    for run in runs:
        display(Image(str(run.folder / "figures" / "curves.png"), width=900))
        verdict = run.metrics()["verdict"]
        print(f"{run.recipe.name}: {verdict['kind']}\n  {verdict['evidence']}\n  try: {verdict['advice']}\n")
    rows = [report.study_row(p.folder, p.training) for p in planned]
    display(Markdown(report.study_markdown(rows)))
    return runs

# %% [markdown]
# ## What there is to learn from
#
# The classes are far from balanced: disgust is one image in sixty-six, happy one in four.

# %%
from mien.study import pictures

for name, n in dataset.counts("Training").items():
    print(f"{name:<10}{n:>7,}  {'#' * (60 * n // max(dataset.counts('Training').values()))}")
average = RUNS / "averages.png"
pictures.class_averages(dataset, average)
display(Image(str(average), width=900))

# %% [markdown]
# ## Two small networks
#
# How far apart are training and validation, and how high do they come? Both low: underfitting. Far apart: overfitting.

# %%
runs = trained(["normal", "baseline"])

# %% [markdown]
# Neither gets far: they are too small to tell more of the faces apart, and what they do add late is of no use to faces they have not
# seen. The next notebook makes the network deeper.
