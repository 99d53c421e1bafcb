"""Measure a finished run or a model file on any part of its split: plainly, and under corruptions."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import Dataset, ferplus
from mien.data.duplicates import duplicate_groups
from mien.errors import MienError, MienWarning
from mien.evaluation import corruptions, logit_adjustment, metrics
from mien.evaluation.metrics import Evaluation
from mien.files import write_json
from mien.training.classifier import Classifier, open_classifier


def evaluate(
    source: str | Path,
    dataset: Dataset,
    part: str = "validation",
    views: tuple[str, ...] = ("single", "flip"),
    lifted: Sequence[str] = (),
) -> dict[str, Evaluation]:
    """Evaluations by test-time augmentation; of a run on its own data, kept as evaluation-PART.json in its folder.

    part: "train", "validation" or "test" of the classifier's own split. Where images of the part have an exact copy
    among the training images, there is a second evaluation for each view without them, "VIEW, no copies". lifted: names of
    classes for one with their recall raised, "VIEW, lifted", each half of the rows by what the other half chose
    (study.lift). Raises MienError where the part has no labels, or no class has such a name.
    """
    classifier = open_classifier(source)
    index, trained = rows(classifier, dataset, part)
    for name in lifted:
        if name not in dataset.classes:
            raise MienError(f"there is no class '{name}' to lift; there are {', '.join(dataset.classes)}")
    labels = dataset.labels[index]
    unseen = _unseen(dataset, index, trained)
    found = {}
    for view in views:
        p = classifier.probabilities(dataset.images[index], view)
        found[view] = metrics.evaluate(p, labels, dataset.classes)
        if 0 < unseen.sum() < len(index):
            found[f"{view}, no copies"] = metrics.evaluate(p[unseen], labels[unseen], dataset.classes)
        if lifted:
            raised = logit_adjustment.crossed(p, labels, [dataset.classes.index(name) for name in lifted])
            found[f"{view}, lifted"] = metrics.evaluate(raised, labels, dataset.classes)
    if Path(source).is_dir() and classifier.fingerprint == dataset.fingerprint:
        write_json(Path(source) / f"evaluation-{part}.json", {view: e.to_dict() for view, e in found.items()})
    return found


def on_votes(
    source: str | Path, dataset: Dataset, part: str = "validation", views: tuple[str, ...] = ("single", "flip")
) -> dict[str, dict[str, Any]]:
    """Accuracy on FER+'s labels instead of the data's own, by test-time augmentation.

    majority: of the faces that a majority of taggers agree on, the share that is given their emotion (contempt, which a
    classifier of seven does not know, counts as missed), with its interval. soft: the mean share of the votes for the
    given emotion, over all faces with votes for one of the seven. Raises MienError as `evaluate`, and without votes.
    """
    classifier = open_classifier(source)
    index, _ = rows(classifier, dataset, part)
    known, votes = ferplus.align(dataset, ferplus.find(dataset))
    here = np.isin(known, index)
    known, votes = known[here], votes[here]
    label, share = ferplus.majority(votes), ferplus.shares(votes)
    clear, voted = label >= 0, share.sum(axis=1) > 0
    if not clear.any():
        raise MienError(f"the FER+ votes have no majority on any face of the {part} part of {dataset.source}")
    found = {}
    for view in views:
        chosen = classifier.probabilities(dataset.images[known], view).argmax(axis=1)
        hits, n = int((chosen == label)[clear].sum()), int(clear.sum())
        found[view] = {
            "n": n, "majority": hits / n, "majority_interval": list(metrics.wilson(hits, n)),
            "n_soft": int(voted.sum()), "soft": float(share[np.arange(len(chosen)), chosen][voted].mean()),
        }  # fmt: skip
    return found


def robustness(
    sources: Sequence[str | Path],
    dataset: Dataset,
    part: str = "validation",
    on_step: Callable[[str], None] = lambda done: None,
) -> dict[str, dict[str, list[float]]]:
    """Accuracy, single view, of each classifier under each corruption: {classifier: {corruption: [severity 0, 1 .. 5]}}.

    All classifiers see the same corrupted pictures; severity 0 is the plain one. on_step is told what has been done.
    Raises MienError as `evaluate`.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for source in sources:
        classifier = open_classifier(source)
        index, _ = rows(classifier, dataset, part)
        faces, labels = dataset.images[index], dataset.labels[index]

        def accuracy(shown: np.ndarray, classifier: Classifier = classifier, labels: np.ndarray = labels) -> float:
            return float((classifier.probabilities(shown).argmax(axis=1) == labels).mean())

        plain = accuracy(faces)
        name = classifier.name if classifier.name not in found else f"{classifier.name} ({source})"
        table = found[name] = {}
        for kind in corruptions.KINDS:
            table[kind] = [plain] + [accuracy(corruptions.corrupt(faces, kind, s)) for s in corruptions.SEVERITIES]
            on_step(f"{name}: {kind}")
    return found


def rows(classifier: Classifier, dataset: Dataset, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The labelled rows of a part of the classifier's split, and the rows it was trained on.

    Warns where the data are not those of the training. Raises MienError where classes differ or no row has a label.
    """
    if tuple(dataset.classes) != classifier.classes:
        raise MienError(
            f"{dataset.source} has classes {', '.join(dataset.classes)}; {classifier.name} was trained on "
            f"{', '.join(classifier.classes)}"
        )
    if dataset.fingerprint != classifier.fingerprint:
        warnings.warn(
            f"{dataset.source} is not the data set that {classifier.name} was trained on; images may be shared",
            MienWarning, stacklevel=3,
        )  # fmt: skip
    parts = classifier.split(dataset)
    index = getattr(parts, part)
    index = index[dataset.labels[index] >= 0]
    if len(index) == 0:
        raise MienError(f"the {part} part of {dataset.source} has no labels to measure against; use --split validation")
    return index, parts.train


def _unseen(dataset: Dataset, index: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Which rows at `index` (N,) have no exact copy among the rows trained on: bool (N,)."""
    group = duplicate_groups(dataset.images)
    return ~np.isin(group[index], group[trained])
