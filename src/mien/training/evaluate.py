"""Measure a finished run on any part of its split."""

import warnings
from pathlib import Path

from mien.data import Dataset
from mien.errors import MienError, MienWarning
from mien.files import write_json
from mien.study import metrics
from mien.study.metrics import Evaluation
from mien.training import predict
from mien.training.run import load_run


def evaluate(
    folder: str | Path, dataset: Dataset, part: str = "validation", views: tuple[str, ...] = ("single", "flip")
) -> dict[str, Evaluation]:
    """Evaluations by test-time augmentation; kept as evaluation-PART.json in the run folder.

    part: "train", "validation" or "test" of the run's own split. Raises MienError where the part has no labels.
    """
    run = load_run(folder)
    if tuple(dataset.classes) != run.classes:
        raise MienError(
            f"{dataset.source} has classes {', '.join(dataset.classes)}; {folder} was trained on {', '.join(run.classes)}"
        )
    if dataset.fingerprint != run.record["data"]["fingerprint"]:
        warnings.warn(
            f"{dataset.source} is not the data set that {folder} was trained on; images may be shared",
            MienWarning,
            stacklevel=2,
        )
    index = getattr(run.split(dataset), part)
    index = index[dataset.labels[index] >= 0]
    if len(index) == 0:
        raise MienError(f"the {part} part of {dataset.source} has no labels to measure against; use --split validation")
    model, r = run.model(), run.recipe
    labels = dataset.labels[index]
    found = {
        view: metrics.evaluate(
            predict.probabilities(model, dataset.images[index], r.mean, r.std, view), labels, dataset.classes
        )
        for view in views
    }
    write_json(run.folder / f"evaluation-{part}.json", {view: e.to_dict() for view, e in found.items()})
    return found
