"""Audit every image of a data set: reasons to doubt it, whether to keep it, and image statistics."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.data.duplicates import duplicate_groups
from mien.data.near_duplicates import NearDuplicates, connected, near_duplicates
from mien.data.split_file import PARTS
from mien.data.splits import parts_of
from mien.errors import MienError, MienWarning
from mien.evaluation.audit import Audit, audit
from mien.evaluation.face_scores import NO_FACE, face_scores
from mien.evaluation.label_errors import LabelErrors, find_label_errors

# Reasons to doubt an image, as named in audit.csv and audit.html.
REASONS = {
    "exact duplicate": "the same pixels stand in another row",
    "near duplicate": "the same photograph, cropped, scaled, re-encoded or mirrored, stands in another row",
    "in another part": "a duplicate stands in another part: training on one flatters the score on the other",
    "contradicting labels": "a duplicate has another label",
    "single gray": "all pixels have one gray value",
    "placeholder": "most pixels have one gray value, as in an 'image removed' notice; some are line drawings",
    "no face": f"the face detector gives a score under {NO_FACE}",
    "label error": "models that did not see this label are confident of another one",
}


@dataclass(frozen=True)
class RowAudit:
    """An audit of every row; all arrays have one value per row of `dataset`, (N,).

    flags: by reason of REASONS, bool. group: first row of the group of exact or near duplicates that the row belongs
    to; its own number if there is none. part: "train", "validation", "test" or "". keep: False for training rows that
    should be removed; rows of validation and test always stay, so that scores remain comparable. suggested: class
    suggested by confident learning, -1 if none. summary: the counts of `audit`. near: pairs of near duplicates.
    statistics: brightness, contrast, sharpness, float64. probabilities, (N, C), and label_errors: None if no
    probabilities were given.
    """

    dataset: Dataset
    summary: Audit
    near: NearDuplicates
    flags: dict[str, NDArray[np.bool_]]
    group: NDArray[np.int64]
    part: NDArray[np.str_]
    keep: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    face_scores: NDArray[np.float64]
    statistics: dict[str, NDArray[np.float64]]
    probabilities: NDArray[np.float64] | None = None
    label_errors: LabelErrors | None = None

    @property
    def flagged(self) -> NDArray[np.int64]:
        """Rows with at least one reason, ascending, (M,) int64."""
        return np.flatnonzero(np.any(list(self.flags.values()), axis=0))

    def reasons(self, row: int) -> list[str]:
        """The reasons to doubt a row, in the order of REASONS."""
        return [reason for reason, rows in self.flags.items() if rows[row]]


def audit_rows(
    dataset: Dataset,
    probabilities: NDArray[np.floating] | None = None,
    threads: int = 1,
    on_rows: Callable[[str, int], None] | None = None,
) -> RowAudit:
    """Find duplicates, images without content, images without a face, and likely label errors.

    probabilities: (N, C), out-of-fold, in the order of `dataset`, NaN in rows without; or for the Training rows only.
    None: label errors are not searched. on_rows: called with the current step ("duplicates" or "faces") and a number of
    rows done. FER2013's 35,887 images take under a minute on two cores. Raises MienError if the data set is empty or
    the probabilities do not fit it.
    """
    summary = audit(dataset)
    aligned = None if probabilities is None else align_probabilities(dataset, probabilities)
    n, report = len(dataset), on_rows or (lambda what, count: None)
    part = parts(dataset)

    exact = duplicate_groups(dataset.images)
    near = near_duplicates(dataset.images, lambda count: report("duplicates", count))
    chained = np.stack([np.arange(n), exact], axis=1)
    group = connected(np.concatenate([chained, near.pairs]), n)
    gray = np.zeros(n, bool)
    gray[summary.constant] = True
    group[gray] = np.flatnonzero(gray)  # constant images are not duplicates of each other
    flags = {reason: np.zeros(n, bool) for reason in REASONS}
    flags["exact duplicate"] = (np.bincount(exact, minlength=n)[exact] > 1) & ~gray
    flags["near duplicate"][near.pairs] = True
    flags["in another part"] = _differs_within(group, part) & (part != "")
    flags["contradicting labels"] = _differs_within(group, np.where(dataset.labels < 0, "", dataset.labels.astype(str)))
    flags["contradicting labels"] &= dataset.labels >= 0
    flags["single gray"] = gray
    flags["placeholder"][summary.placeholders] = True

    scores = face_scores(dataset.images, threads, lambda count: report("faces", count))
    flags["no face"] = (scores < NO_FACE) & ~gray
    rows = RowAudit(
        dataset=dataset,
        summary=summary,
        near=near,
        flags=flags,
        group=group,
        part=part,
        keep=_keep(dataset, flags, group, part),
        suggested=np.full(n, -1),
        face_scores=scores,
        statistics=statistics(dataset.images),
    )
    return rows if aligned is None else add_label_errors(rows, aligned)


def add_label_errors(audit: RowAudit, probabilities: NDArray[np.floating]) -> RowAudit:
    """The audit with label errors estimated from these probabilities (as in `audit_rows`), replacing earlier ones.

    Raises MienError if they do not fit the data set.
    """
    dataset = audit.dataset
    aligned = align_probabilities(dataset, probabilities)
    usable = np.flatnonzero((dataset.labels >= 0) & np.isfinite(aligned).all(axis=1))
    errors = find_label_errors(dataset.labels[usable], aligned[usable])
    errors = LabelErrors(usable[errors.rows], errors.suggested, errors.joint)
    flag = np.zeros(len(dataset), bool)
    flag[errors.rows] = True
    suggested = np.full(len(dataset), -1)
    suggested[errors.rows] = errors.suggested
    flags = {**audit.flags, "label error": flag}
    keep = _keep(dataset, flags, audit.group, audit.part)
    return replace(audit, flags=flags, keep=keep, suggested=suggested, probabilities=aligned, label_errors=errors)


def parts(dataset: Dataset) -> NDArray[np.str_]:
    """The part of each row, (N,): "train", "validation" or "test" as training uses them by default, "" for none."""
    part = np.full(len(dataset), "", dtype="U10")
    split_rows, _ = parts_of(dataset)
    for name in PARTS:
        part[getattr(split_rows, name)] = name
    return part


def align_probabilities(dataset: Dataset, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities for every row of the data set, (N, C) float64, each row summing to 1, NaN where there are none.

    Accepts those of all rows, or of the Training rows only, in order. Raises MienError if neither fits, rows are not
    probabilities, or all are NaN. Warns (MienWarning) if some are NaN.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    training = np.flatnonzero(dataset.usage == "Training")
    shape, n_classes = chances.shape, len(dataset.classes)
    if chances.ndim != 2 or shape[1] != n_classes or shape[0] not in (len(dataset), len(training)):
        wanted = f"({len(dataset)}, {n_classes})" + (f" or ({len(training)}, {n_classes})" if len(training) else "")
        raise MienError(
            f"the array has shape {shape}; {dataset.source or 'the data'} needs {wanted}: a row for each image, or for "
            "each Training image, and a column for each class",
            parameter="probabilities",
        )
    aligned = np.full((len(dataset), n_classes), np.nan)
    aligned[np.arange(len(dataset)) if shape[0] == len(dataset) else training] = chances
    total = aligned.sum(axis=1, keepdims=True)
    finite = np.isfinite(total)
    partly = np.isnan(chances).any(axis=1) & ~np.isnan(chances).all(axis=1)
    if (np.abs(total[finite] - 1) > 0.02).any() or (aligned < 0).any() or np.isinf(chances).any() or partly.any():
        raise MienError("rows must be probabilities that sum to 1; apply softmax to logits", parameter="probabilities")
    if missing := int(np.isnan(chances).all(axis=1).sum()):
        if missing == len(chances):
            raise MienError("all probabilities are NaN; give those of networks that did not see the labels",
                            parameter="probabilities")  # fmt: skip
        warnings.warn(f"{missing:,} rows have no probabilities (NaN): their labels are not checked",
                      MienWarning, stacklevel=2)  # fmt: skip
    return np.asarray(aligned / total)


def statistics(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Brightness (mean, 0..255), contrast (standard deviation, 0..128) and sharpness (standard deviation of the
    Laplacian) of each image, (N,) float64."""
    brightness, contrast, sharpness = [], [], []
    for start in range(0, len(images), 2048):
        gray = images[start : start + 2048].astype(np.float32)
        inner = gray[:, 1:-1, 1:-1]
        laplacian = gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:] - 4 * inner
        brightness.append(gray.mean(axis=(1, 2)))
        contrast.append(gray.std(axis=(1, 2)))
        sharpness.append(laplacian.std(axis=(1, 2)))
    columns = {"brightness": brightness, "contrast": contrast, "sharpness": sharpness}
    return {name: np.concatenate(values).astype(np.float64) for name, values in columns.items()}


def _differs_within(group: NDArray[np.int64], values: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Rows in a group with more than one value, (N,) bool; "" does not count as a value."""
    has_value = values != ""
    _, code = np.unique(values, return_inverse=True)
    low = np.full(len(group), len(values))
    high = np.full(len(group), -1)
    np.minimum.at(low, group[has_value], code[has_value])
    np.maximum.at(high, group[has_value], code[has_value])
    differs: NDArray[np.bool_] = (high > low)[group] & has_value
    return differs


def _keep(
    dataset: Dataset, flags: dict[str, NDArray[np.bool_]], group: NDArray[np.int64], part: NDArray[np.str_]
) -> NDArray[np.bool_]:
    """Which rows to keep, (N,) bool; training rows to remove are False.

    Removed are images without content or face, likely label errors, and all but one row of each group of duplicates.

    A group that also occurs in validation or test, or whose labels have no majority, is removed entirely.
    """
    trained = part == "train"
    doubtful = flags["single gray"] | flags["placeholder"] | flags["no face"] | flags["label error"]
    keep: NDArray[np.bool_] = ~(trained & doubtful)
    held_out = np.zeros(len(group), bool)
    held_out[group[(part == "validation") | (part == "test")]] = True
    keep &= ~(trained & held_out[group])
    repeated = np.flatnonzero(trained & keep & (np.bincount(group, minlength=len(group))[group] > 1))
    in_groups = repeated[np.argsort(group[repeated], kind="stable")]
    for rows in np.split(in_groups, np.flatnonzero(np.diff(group[in_groups])) + 1):
        labels, counts = np.unique(dataset.labels[rows], return_counts=True)
        keep[rows] = False
        if len(rows) and (counts == counts.max()).sum() == 1:
            keep[rows[dataset.labels[rows] == labels[counts.argmax()]][0]] = True
    return keep
