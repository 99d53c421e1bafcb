"""Evaluation of a trained model on the parts of a data set: what training calls at its end and `mien evaluate` calls.

The shape of what is measured, in memory and in files, is in results.py.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, ferplus
from mien.data.class_names import shared_classes
from mien.data.duplicates import duplicate_groups
from mien.data.packed import faces_at
from mien.errors import MienError, MienWarning, require
from mien.evaluation import corruptions, metrics
from mien.evaluation.classifier import Classifier, Sources, open_classifier, open_dataset, typed
from mien.evaluation.results import EvaluationResult, PartResult
from mien.evaluation.tta import TTA, resolve_tta

PARTS = ("train", "validation", "test", "all")


def evaluate(
    model: Sources,
    dataset: Dataset | str | Path,
    parts: str | Sequence[str] = ("validation", "test"),
    tta: str | Sequence[str] = ("single", "flip"),
    raise_recall: Sequence[str] = (),
    threads: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> EvaluationResult:
    """Measure a trained model on labeled faces: accuracy with its 95 % interval, per class, calibration, confusion.

    model: or several, whose probabilities are averaged. dataset: what load_dataset returned, or a path. parts: of the
    model's own split of the data ("train", "validation", "test"), or "all" for every labeled image; of several, those
    without labels are left out and named in the result. tta: test-time augmentation, "single", "flip", "shift10",
    "rotate6". raise_recall: names of classes for further figures with their recall raised. on_progress gets the faces
    classified so far and in all, each view of each model counted.

    A run that was trained by a split file is measured by it: its parts, its labels, the rows that it keeps.

    Where the data set has other classes than the model, the images of the classes that they share are scored and the
    other classes are named in the result. Warns (MienWarning) where the data are not those that the model was trained
    on, for images may be shared. Raises MienError where nothing is left to score, or a part, view or class is unknown.
    """
    parts, names, raise_recall = check_names(parts, tta, raise_recall)
    classifier = open_classifier(model, threads)
    for name in raise_recall:
        if name not in classifier.classes:
            raise MienError(
                f"there is no class '{name}' to raise; there are {', '.join(classifier.classes)}",
                parameter="raise_recall",
            )
    dataset, given_rows = classifier.as_trained(open_dataset(dataset))
    labels, left_out = model_labels(classifier, dataset)
    index, trained = part_rows(classifier, dataset, parts, labels)
    scored = {name: rows for name, rows in index.items() if len(rows)}
    left_out |= {name: "no labels" for name in parts if name not in scored}
    if not scored:
        raise MienError(
            f"the {' and '.join(parts)} part of {dataset.source or 'the data'} has no labels to measure against; "
            "take validation or all as {parameter}",
            parameter="parts",
        )
    groups = duplicate_groups(dataset.images)
    work = sum(len(rows) * len(TTA[name]) for rows in scored.values() for name in names) * len(classifier.members)
    done = 0

    def count(faces: int) -> None:
        nonlocal done
        done += faces
        on_progress(done, work)

    results = {
        part: PartResult(
            classifier.classes,
            given_rows[rows],
            labels[rows],
            np.isin(groups[rows], groups[trained]) & (part != "train"),
            {name: classifier.probabilities(faces_at(dataset.images, rows), name, count) for name in names},
            tuple(raise_recall),
            classifier.members[0].temperature if len(classifier.members) == 1 else None,
        )
        for part, rows in scored.items()
    }
    data = {"source": Path(dataset.source).name, "fingerprint": dataset.fingerprint, "drawn": dataset.drawn}
    data["trained_on"] = dataset.fingerprint == classifier.fingerprint
    return EvaluationResult(classifier.name, classifier.classes, data, results, left_out)


def check_names(
    parts: str | Sequence[str], tta: str | Sequence[str], raise_recall: Sequence[str] = ()
) -> tuple[list[str], list[str], list[str]]:
    """The parts, views and classes that an evaluation is asked for, as lists, the views by today's names. Raises
    MienError for an unknown part or view, and for what is no name."""
    lists = []
    for parameter, names, least in (("parts", parts, 1), ("tta", tta, 1), ("raise_recall", raise_recall, 0)):
        listed = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
        fine = len(listed) >= least and all(isinstance(name, str) for name in listed)
        require(fine, parameter, names, "a name or a list of names")
        lists.append(listed)
    for name in lists[0]:
        if name not in PARTS:
            raise MienError(f"no part '{name}'; there are {', '.join(PARTS)}", parameter="parts")
    return lists[0], [resolve_tta(name) for name in lists[1]], lists[2]


def model_labels(classifier: Classifier, dataset: Dataset) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Labels (N,) int64 of a data set as the classifier numbers its classes, -1 where it lacks the class, and what was
    left out. Raises MienError where they share no class."""
    shared = shared_classes(classifier.classes, dataset.classes)
    if not len(shared.names):
        raise MienError(
            f"{dataset.source or 'the data'} has the classes {', '.join(dataset.classes)}; {classifier.name} knows "
            f"{', '.join(classifier.classes)}: they share none ({{parameter}} names the classes of the data)",
            parameter="classes",
        )
    numbers = np.full(len(dataset.classes) + 1, -1, np.int64)  # the last is for the label -1
    numbers[shared.in_dataset] = shared.in_model
    counts = dataset.counts()
    left_out = {name: f"{counts[name]:,} images of a class that the model lacks" for name in shared.dataset_only}
    return numbers[dataset.labels], left_out


def part_rows(
    classifier: Classifier, dataset: Dataset, parts: Sequence[str], labels: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Rows with a label of each part, and the rows that the classifier was trained on (none of another data set)."""
    own = dataset.fingerprint == classifier.fingerprint
    if not own and classifier.fingerprint:
        warnings.warn(
            f"{dataset.source or 'the data'} is not the data set that {classifier.name} was trained on; "
            "images may be shared",
            MienWarning,
            stacklevel=3,
        )
    if not own and list(parts) == ["all"]:
        return {"all": np.flatnonzero(labels >= 0)}, np.zeros(0, np.int64)
    try:
        split = classifier.split(dataset)
    except MienError as error:
        raise MienError(f"{error}; all as {{parameter}} scores every labeled image", parameter="parts") from error
    rows = {name: np.arange(len(labels)) if name == "all" else getattr(split, name) for name in parts}
    return {name: index[labels[index] >= 0] for name, index in rows.items()}, split.train


def evaluate_votes(
    model: Sources,
    dataset: Dataset,
    part: str = "validation",
    tta: Sequence[str] = ("single", "flip"),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[str, Any]]:
    """Accuracy on FER+'s votes instead of the data's own labels, {tta: figures}.

    majority: of the faces that a majority of taggers agree on, the share that is given their emotion (contempt, which a
    classifier of seven does not know, counts as missed), with its interval. soft: the mean share of the votes for the
    given emotion, over all faces with votes for one of the seven. Raises MienError as `evaluate`, and without votes.
    """
    classifier = open_classifier(model)
    dataset, _ = classifier.as_trained(dataset)
    labels, _ = model_labels(classifier, dataset)
    index = part_rows(classifier, dataset, [part], labels)[0][part]
    try:
        known, votes = ferplus.align(dataset, ferplus.find(dataset))
    except MienError as error:
        raise MienError(error.message, parameter="labels") from error
    here = np.isin(known, index)
    known, votes = known[here], votes[here]
    label, share = ferplus.majority(votes), ferplus.shares(votes)
    clear, voted = label >= 0, share.sum(axis=1) > 0
    if not clear.any():
        raise MienError(
            f"the FER+ votes have no majority on any face of the {part} part of {dataset.source}", parameter="part"
        )
    names = [resolve_tta(name) for name in tta]
    work, done = len(known) * sum(len(TTA[name]) for name in names) * len(classifier.members), 0

    def count(faces: int) -> None:
        nonlocal done
        done += faces
        on_progress(done, work)

    result = {}
    for name in names:
        predicted = classifier.probabilities(dataset.images[known], name, count).argmax(axis=1)
        hits, n = int((predicted == label)[clear].sum()), int(clear.sum())
        result[name] = {
            "n": n, "majority": hits / n, "majority_interval": list(metrics.wilson(hits, n)),
            "n_soft": int(voted.sum()), "soft": float(share[np.arange(len(predicted)), predicted][voted].mean()),
        }  # fmt: skip
    return result


def evaluate_corruptions(
    models: Sequence[str | Path],
    dataset: Dataset,
    part: str = "validation",
    kinds: Sequence[str] = tuple(corruptions.KINDS),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_images: Callable[[int], None] = lambda n: None,
) -> dict[str, dict[str, list[float]]]:
    """Accuracy, single view, of each model under each corruption: {model: {corruption: [severity 0, 1 .. 5]}}.

    All models see the same corrupted images; severity 0 is the plain one. on_progress gets the faces classified so far
    and in all, on_images how many images each model is measured on. Raises MienError as `evaluate`.
    """
    result: dict[str, dict[str, list[float]]] = {}
    done, total = 0, 0

    given = dataset

    def accuracy(classifier: Classifier, faces: NDArray[np.uint8], truth: NDArray[np.int64]) -> float:
        nonlocal done
        correct = classifier.probabilities(faces).argmax(axis=1) == truth
        done += len(faces)
        on_progress(done, total)
        return float(correct.mean())

    for model in models:
        classifier = open_classifier(model)
        dataset, _ = classifier.as_trained(given)
        labels, _ = model_labels(classifier, dataset)
        rows = part_rows(classifier, dataset, [part], labels)[0][part]
        if not len(rows):
            raise MienError(
                f"the {part} part of {dataset.source or 'the data'} has no labels; take validation as {{parameter}}",
                parameter="part",
            )
        on_images(len(rows))
        faces, truth = dataset.images[rows], labels[rows]
        total = total or len(models) * len(rows) * (1 + len(kinds) * len(corruptions.SEVERITIES))
        plain = accuracy(classifier, faces, truth)
        result[typed(model, classifier.name)] = {
            kind: [plain]
            + [accuracy(classifier, corruptions.corrupt(faces, kind, s), truth) for s in corruptions.SEVERITIES]
            for kind in kinds
        }
    return result
