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
# # 6. From the best model to submission.csv
#
# Load the run with the best validation accuracy, measure it, and predict Kaggle's test.csv.

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
from mien.training.run import load_run

finished = [load_run(p.parent) for p in sorted(RUNS.glob("*/metrics.json"))]
finished = [run for run in finished if run.record["data"]["fingerprint"] == dataset.fingerprint] or list(
    run_study(plan(RUNS, ["hybrid"], ["modern"], seed=1, epochs=EPOCHS), dataset, track=TRACKER)
)
best = max(finished, key=lambda run: run.metrics()["evaluations"]["validation"]["flip"]["accuracy"])
print(f"best of {len(finished)} runs on its validation images: {best.name}")

# %% [markdown]
# Choosing the best of several runs on the images it is then measured on flatters it a little: the figure below is a choice, not a result.
# The result is the accuracy on PrivateTest, whose labels nobody here has seen.

# %%
from mien.study import metrics
from mien.training.evaluate import evaluate

for view, found in evaluate(best.folder, dataset, "validation").items():
    print(view)
    print(metrics.table(found), "\n")

# %%
from mien.training.submit import submit

made = submit(best.folder, DATA, RUNS / "submission.csv")
print(f"{made['rows']:,} rows, one integer a line, in the order of test.csv")
print(made["predicted"])
