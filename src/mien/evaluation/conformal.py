"""Split conformal prediction: sets of classes with guaranteed coverage, and selective classification.

Adaptive prediction sets (Romano, Sesia & Candes 2020; Angelopoulos & Bates 2021): a class is in the set while the
probabilities of the more probable classes sum to at most a threshold, which is fitted on held-out images. Without the
paper's randomized tie-breaking, so that a face always gets the same set; leaving the class's own probability out of the
sum keeps the most probable class in every set and the coverage exact where it is above the accuracy. The guarantee
holds for images of the same distribution, on average over them, not for every class or group.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError, require
from mien.evaluation.calibration import HALVES
from mien.evaluation.statistics import wilson
from mien.inference.prediction_sets import more_probable, prediction_sets

__all__ = ["Coverage", "accuracy_by_coverage", "fit_threshold", "measure_coverage", "prediction_sets"]

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]
COVERAGE = 0.9


def fewest(coverage: float) -> int:
    """The least number of images that a threshold can be fitted on. Raises MienError like check_coverage."""
    check_coverage(coverage)
    return ceil(coverage / (1 - coverage) - 1e-9)


def check_coverage(coverage: float) -> None:
    """Raise MienError unless 0 < coverage < 1."""
    fits = isinstance(coverage, int | float) and 0 < coverage < 1
    require(fits, "coverage", coverage, "a share above 0 and below 1")


def fit_threshold(probabilities: Probabilities, labels: Labels, coverage: float = COVERAGE) -> float:
    """The threshold with which sets cover the true class for a share `coverage` or more of further images.

    probabilities: (N, C), of held-out images. labels: (N,) int. Raises MienError for a coverage outside 0..1 and for
    too few images.
    """
    check_coverage(coverage)
    n = len(labels)
    rank = max(1, ceil((n + 1) * coverage - 1e-9))
    if rank > n:
        raise MienError(
            f"{n} images are too few for sets with {100 * coverage:g}% coverage; give {fewest(coverage)}",
            parameter="coverage",
        )
    scores = more_probable(np.asarray(probabilities, np.float64))[np.arange(n), labels]
    return float(np.partition(scores, rank - 1)[rank - 1])


@dataclass(frozen=True)
class Coverage:
    """Evaluation of conformal sets: each half of the images with the threshold fitted on the other half.

    promised: the requested coverage; measured: share of images whose set contains the true class. interval: Wilson's,
    95 %, of measured. threshold: fitted on all images, for use on others. mean_size: mean number of classes per set.
    sizes: share of sets with 1, 2, ... C classes. single_accuracy: accuracy on images whose set has one class; nan if
    there are none. by_class: coverage of each class, nan for classes without images. n: number of images.
    """

    promised: float
    measured: float
    interval: tuple[float, float]
    threshold: float
    mean_size: float
    sizes: tuple[float, ...]
    single_accuracy: float
    by_class: tuple[float, ...]
    n: int

    def to_dict(self) -> dict[str, object]:
        """Plain numbers and lists, None for nan."""
        return {
            "promised": self.promised, "measured": self.measured, "interval": list(self.interval), "n": self.n,
            "threshold": self.threshold, "mean_size": self.mean_size, "sizes": list(self.sizes),
            "single_accuracy": None if np.isnan(self.single_accuracy) else self.single_accuracy,
            "by_class": [None if np.isnan(value) else value for value in self.by_class],
        }  # fmt: skip


def measure_coverage(probabilities: Probabilities, labels: Labels, coverage: float = COVERAGE) -> Coverage:
    """Fit sets on one half of the images and evaluate them on the other, both ways. Raises MienError as
    fit_threshold."""
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    sets = np.empty(probabilities.shape, bool)
    if len(labels) < 2 * fewest(coverage):
        raise MienError(
            f"{len(labels)} images are too few for sets with {100 * coverage:g}% coverage, fitted on a half, measured "
            f"on the other; give {2 * fewest(coverage)}",
            parameter="coverage",
        )
    for judged, fitted in HALVES:
        threshold = fit_threshold(probabilities[fitted], labels[fitted], coverage)
        sets[judged] = prediction_sets(probabilities[judged], threshold)
    n, classes = probabilities.shape
    covered = sets[np.arange(n), labels]
    size = sets.sum(axis=1)
    single = size == 1
    correct = probabilities.argmax(axis=1) == labels
    counts = np.bincount(labels, minlength=classes)
    with np.errstate(invalid="ignore"):
        by_class = np.bincount(labels, covered, minlength=classes) / counts
    return Coverage(
        promised=coverage,
        measured=float(covered.mean()),
        interval=wilson(int(covered.sum()), n),
        threshold=fit_threshold(probabilities, labels, coverage),
        mean_size=float(size.mean()),
        sizes=tuple((np.bincount(size, minlength=classes + 1)[1:] / n).tolist()),
        single_accuracy=float(correct[single].mean()) if single.any() else float("nan"),
        by_class=tuple(by_class.tolist()),
        n=n,
    )


def accuracy_by_coverage(
    probabilities: Probabilities, labels: Labels
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Selective classification (Geifman & El-Yaniv 2017): the share of images answered, (N,) ascending, and the
    accuracy on them, (N,), when images with the lowest confidence are left out."""
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    correct = (probabilities.argmax(axis=1) == labels)[order]
    answered = np.arange(1, len(labels) + 1)
    return answered / len(labels), np.cumsum(correct) / answered
