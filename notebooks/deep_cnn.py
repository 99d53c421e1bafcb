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
# Four convolutions and a layer of 4.7 million weights behind them. Does depth alone help?

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

# %%
runs = trained(["deep"])

# %% [markdown]
# It learns its training faces by heart and stays where it was on others: the loss on validation faces turns upwards within a few
# epochs while training accuracy runs towards one. That is overfitting, and the rest of the study is about what mends it.

# %%
from mien.study import history

rows = history.read(runs[0].folder / "history.csv")
for row in rows:
    print(f"epoch {row['epoch']:>3.0f}   train {row['train_accuracy']:.3f}   validation {row['val_accuracy']:.3f}   gap {row['generalisation_gap']:+.3f}")
