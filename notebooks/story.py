"""What all six notebooks begin with: where the data and the runs are, and how a run is shown."""

import os
import warnings
from pathlib import Path

from IPython.display import Image, Markdown, display

from mien import data
from mien.data import Dataset
from mien.evaluation import report
from mien.training.run import Run, load_run, train
from mien.training.study import plan, with_epochs

DATA = Path(os.environ.get("MIEN_DATA", "../data"))  # Kaggle's files
RUNS = Path(os.environ.get("MIEN_RUNS", "../runs"))  # finished trainings are taken from here, others are made
EPOCHS = int(os.environ.get("MIEN_EPOCHS", "0")) or None  # cut short, to try a notebook
TRACKER = os.environ.get("MIEN_TRACKER", "wandb")

warnings.showwarning = lambda message, *_, **__: print(
    f"warning: {message}"
)  # the message, without the place in the code


def faces() -> Dataset:
    """The data set, with a line that says what it is."""
    dataset = data.load(DATA)
    print(f"{len(dataset):,} faces", "drawn by mien: a demo, no result" if dataset.drawn else "of FER2013")
    return dataset


def show(picture: Path) -> None:
    display(Image(str(picture), width=900))


def trained(dataset: Dataset, *networks: str, trainings: tuple[str, ...] = ("study",)) -> list[Run]:
    """Runs of these networks, trained here if they are not there yet; shows curves, verdicts and one table."""
    planned = [run for run in plan(RUNS, ["a"], [1], networks) if run.training in trainings]
    if EPOCHS:
        planned = with_epochs(planned, EPOCHS)
    for run in planned:
        if not run.finished:
            train(run.recipe, dataset, run.folder, seed=run.seed, track=TRACKER)
    runs = [load_run(run.folder) for run in planned]
    for run in runs:
        show(run.folder / "figures" / "curves.png")
        verdict = run.metrics()["verdict"]
        print(f"{run.recipe.name}: {verdict['kind']}\n  {verdict['evidence']}\n  try: {verdict['advice']}\n")
    display(Markdown(report.study_markdown([report.study_row(p.folder, p.training) for p in planned])))
    return runs
