"""A trained classifier from wherever it is kept: a run folder, a model file, a shipped model, or several averaged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import Dataset, split
from mien.data.splits import Split
from mien.errors import MienError
from mien.inference.model import open_model
from mien.training import predict
from mien.training.run import load_run


@dataclass(frozen=True)
class Classifier:
    """One or more networks with the same classes.

    members: functions from faces (N, 48, 48) uint8 to logits (N, C). trained: how each was trained. fingerprint: of
    the data they were trained on, "" where it is not known or not the same. split: cuts a data set as their training did.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[Callable[[np.ndarray], np.ndarray], ...]
    trained: tuple[Mapping[str, Any], ...]
    fingerprint: str
    split: Callable[[Dataset], Split]

    def probabilities(self, faces: np.ndarray, tta: str = "single") -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, C) float64: the mean over the networks and over the views of `tta`; uncalibrated."""
        return np.mean([predict.over_views(logits, faces, tta) for logits in self.members], axis=0)


def open_classifier(*sources: str | Path) -> Classifier:
    """The classifier of a run folder, a model file or a shipped model's name; of several, their average.

    Raises MienError where one is none of these, or their classes differ.
    """
    found = [_run(Path(s)) if Path(s).is_dir() else _model(s) for s in sources]
    first = found[0]
    for other in found[1:]:
        if other.classes != first.classes:
            raise MienError(
                f"{other.name} knows {', '.join(other.classes)}; {first.name} knows {', '.join(first.classes)}: "
                "only networks with the same classes can be averaged"
            )
    same = {c.fingerprint for c in found}
    return Classifier(
        " + ".join(c.name for c in found), first.classes, tuple(m for c in found for m in c.members),
        tuple(t for c in found for t in c.trained), same.pop() if len(same) == 1 else "", first.split,
    )  # fmt: skip


def _run(folder: Path) -> Classifier:
    run = load_run(folder)
    model, r = run.model(), run.recipe
    return Classifier(
        run.name, run.classes, (lambda faces: predict.logits(model, faces, r.mean, r.std),), (dict(run.record),),
        run.record["data"]["fingerprint"], run.split,
    )  # fmt: skip


def _model(source: str | Path) -> Classifier:
    model = open_model(source)
    trained = model.info.training
    return Classifier(
        model.name, model.classes, (model.logits,), (trained,), model.info.fingerprint,
        lambda dataset: split(
            dataset, trained.get("split", "official"), fold=trained.get("fold", 0), duplicates=trained.get("copies", "warn")
        ),
    )  # fmt: skip
