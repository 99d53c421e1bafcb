"""Label errors by confident learning (Northcutt, Jiang and Chuang, "Confident Learning", JAIR 70, 2021).

An image confidently belongs to class j if its probability of j is at least the mean probability of j among the images
labeled j. Counting these by given label estimates the number of wrong labels per pair of classes; as many images are
flagged, those with the largest margin of j over the given label ("prune by noise rate"). The probabilities must be
out-of-fold, from models that did not see the labels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError, require


@dataclass(frozen=True)
class LabelErrors:
    """Rows whose label is likely wrong, least probable label first, (M,) int64, and the class suggested for each, (M,).

    joint: (C, C) estimated number of images by given label (row) and true class (column).
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    joint: NDArray[np.float64]


def find_label_errors(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> LabelErrors:
    """Find rows whose given label is likely wrong.

    labels: (N,) in 0..C - 1. probabilities: (N, C), out-of-fold, rows sum to 1. Raises MienError if shapes do not
    match, or a label or probability is out of range.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    fits = chances.ndim == 2 and len(chances) == len(labels)
    require(fits, "probabilities", f"an array of shape {chances.shape}", f"a row for each of {len(labels):,} labels")
    in_range = bool(np.isfinite(chances).all() and (chances >= 0).all() and (chances <= 1.001).all())
    require(in_range, "probabilities", "values outside 0 to 1", "probabilities")
    n_classes = chances.shape[1]
    known = len(labels) == 0 or bool(labels.min() >= 0 and labels.max() < n_classes)
    require(known, "labels", f"{labels.min(initial=0)} to {labels.max(initial=0)}", f"classes 0 to {n_classes - 1}")

    joint = confident_joint(labels, chances)
    counts = np.floor(joint + 0.5).astype(np.int64)
    flagged = np.zeros(len(labels), dtype=bool)
    for given in range(n_classes):
        rows = np.flatnonzero(labels == given)
        if len(rows) <= 1:
            continue
        for true in range(n_classes):
            if true != given and counts[given, true]:
                margin = chances[rows, true] - chances[rows, given]
                flagged[rows[np.argsort(-margin, kind="stable")[: counts[given, true]]]] = True
    suggested = chances.argmax(axis=1)
    errors = np.flatnonzero(flagged & (suggested != labels))
    errors = errors[np.argsort(chances[errors, labels[errors]], kind="stable")]
    return LabelErrors(errors, suggested[errors], joint)


def confident_joint(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimated number of images by given label and true class, (C, C); rows sum to the number of images with that
    label."""
    n_classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    # Classes without labeled images have no threshold.
    thresholds = np.array([probabilities[labels == j, j].mean() if counts[j] else np.inf for j in range(n_classes)])
    confident = probabilities >= thresholds - 1e-6
    believed = np.where(confident, probabilities, -1.0).argmax(axis=1)
    is_confident = confident.any(axis=1)
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (labels[is_confident], believed[is_confident]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    calibrated: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True) * counts[:, None]
    return calibrated


def read_probabilities(path: Path) -> NDArray[np.floating[Any]]:
    """The array `probabilities` of an .npz file, or its only array. Raises MienError if there is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(getattr(file, "files", []))
            if "probabilities" not in names and len(names) != 1:
                raise MienError(f"{path} contains no array named probabilities", parameter="probabilities")
            array = file["probabilities" if "probabilities" in names else names[0]]
    except MienError:
        raise
    except OSError as error:
        reason = error.strerror or "it is no .npz file"
        raise MienError(f"cannot read {path}: {reason}", parameter="probabilities") from error
    except Exception as error:  # a damaged archive raises any exception of zipfile, zlib or numpy
        raise MienError(f"{path} is not an .npz file of numbers", parameter="probabilities") from error
    if array.dtype.kind != "f":
        raise MienError(f"{path} holds {array.dtype}, not floating-point numbers", parameter="probabilities")
    return np.asarray(array)
