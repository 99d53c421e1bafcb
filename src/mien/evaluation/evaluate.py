"""Evaluate a trained model on the parts of a data set: `mien evaluate`, and the end of every training.

The results and their file format are in results.py.
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
    """Evaluate a trained model on labeled faces: accuracy with its 95 % interval, per-class scores, calibration,
    confusion.

    model: one, or several whose probabilities are averaged. dataset: from load_dataset, or a path. parts: of the
    model's own split of the data ("train", "validation", "test"), or "all" for every labeled image; parts without
    labels are left out and named in the result. tta: test-time augmentation, "single", "flip", "shift10", "rotate6".
    raise_recall: classes for additional scores with their recall raised. on_progress: called with the number of faces
    classified so far and in total, counting each view of each model.

    A run that was trained with a split file is evaluated with its parts, labels and rows.

    If the data set has other classes than the model, only images of shared classes are scored, and the other classes
    are named in the result. Warns (MienWarning) if the data are not those the model was trained on, because images may
    be shared. Raises MienError if nothing is left to score, or a part, view or class is unknown.
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
            f"the {' and '.join(parts)} part of {dataset.source or 'the data'} has no labels; "
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
    """Validate the requested parts, views and classes and return them as lists, with views by their current names.
    Raises MienError for an unknown part or view, and for values that are not names."""
    lists = []
    for parameter, names, least in (("parts", parts, 1), ("tta", tta, 1), ("raise_recall", raise_recall, 0)):
        listed = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
        valid = len(listed) >= least and all(isinstance(name, str) for name in listed)
        require(valid, parameter, names, "a name or a list of names")
        lists.append(listed)
    for name in lists[0]:
        if name not in PARTS:
            raise MienError(f"no part '{name}'; there are {', '.join(PARTS)}", parameter="parts")
    return lists[0], [resolve_tta(name) for name in lists[1]], lists[2]


def model_labels(classifier: Classifier, dataset: Dataset) -> tuple[NDArray[np.int64], dict[str, str]]:
    """The data set's labels (N,) int64 in the classifier's class numbers, -1 for classes it lacks, and what was left
    out. Raises MienError if they share no class."""
    shared = shared_classes(classifier.classes, dataset.classes)
    if not len(shared.names):
        raise MienError(
            f"{dataset.source or 'the data'} has the classes {', '.join(dataset.classes)}; {classifier.name} knows "
            f"{', '.join(classifier.classes)}: they share none ({{parameter}} names the classes of the data)",
            parameter="classes",
        )
    numbers = np.full(len(dataset.classes) + 1, -1, np.int64)  # the last entry is for label -1
    numbers[shared.in_dataset] = shared.in_model
    counts = dataset.counts()
    left_out = {name: f"{counts[name]:,} images of a class that the model lacks" for name in shared.dataset_only}
    return numbers[dataset.labels], left_out


def part_rows(
    classifier: Classifier, dataset: Dataset, parts: Sequence[str], labels: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Labeled rows of each part, and the rows the classifier was trained on (none if the data set is another one)."""
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
    """Accuracy by FER+'s votes instead of the data's own labels, {tta: figures}.

    majority: accuracy on faces with a majority emotion, with its interval (contempt, which a seven-class model lacks,
    counts as an error). soft: mean share of the votes for the predicted emotion, over all faces with votes for one of
    the seven. Raises MienError as `evaluate`, and if there are no votes.
    """
    classifier = open_classifier(model)
    dataset, _ = classifier.as_trained(dataset)
    labels, _ = model_labels(classifier, dataset)
    index = part_rows(classifier, dataset, [part], labels)[0][part]
    try:
        voted_rows, votes = ferplus.align(dataset, ferplus.find(dataset))
    except MienError as error:
        raise MienError(error.message, parameter="labels") from error
    in_part = np.isin(voted_rows, index)
    voted_rows, votes = voted_rows[in_part], votes[in_part]
    label, share = ferplus.majority(votes), ferplus.shares(votes)
    clear, voted = label >= 0, share.sum(axis=1) > 0
    if not clear.any():
        raise MienError(
            f"the FER+ votes have no majority on any face of the {part} part of {dataset.source}", parameter="part"
        )
    names = [resolve_tta(name) for name in tta]
    work, done = len(voted_rows) * sum(len(TTA[name]) for name in names) * len(classifier.members), 0

    def count(faces: int) -> None:
        nonlocal done
        done += faces
        on_progress(done, work)

    result = {}
    for name in names:
        predicted = classifier.probabilities(dataset.images[voted_rows], name, count).argmax(axis=1)
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
    """Single-view accuracy of each model under each corruption: {model: {corruption: [severity 0, 1 .. 5]}}.

    All models see the same corrupted images; severity 0 is uncorrupted. on_progress: called with the number of faces
    classified so far and in total; on_images: with the number of images of each model. Raises MienError as `evaluate`.
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
