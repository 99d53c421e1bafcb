"""Split conformal prediction: sets of classes that hold the right one with a promised probability, and abstention.

Adaptive prediction sets (Romano, Sesia & Candes 2020; Angelopoulos & Bates 2021): a class is in the set while the more
probable ones sum to a threshold at most, and the threshold is fitted on images that were not trained on. Without the
paper's random tie-breaking, so that a face always gets the same set; leaving the class's own probability out of the sum
keeps the most probable class in every set and the coverage exact where it is above the accuracy. The promise holds for
images of the same kind as those, on average over them, not for every class or group.
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
    """How many images a threshold needs. Raises MienError as check_coverage."""
    check_coverage(coverage)
    return ceil(coverage / (1 - coverage) - 1e-9)


def check_coverage(coverage: float) -> None:
    """Raises MienError for a share that no sets can promise."""
    fits = isinstance(coverage, int | float) and 0 < coverage < 1
    require(fits, "coverage", coverage, "a share above 0 and below 1")


def fit_threshold(probabilities: Probabilities, labels: Labels, coverage: float = COVERAGE) -> float:
    """The threshold with which sets hold the right class for a share `coverage` of further images, or more.

    probabilities: (N, C), of images that were not trained on. labels: (N,) int. Raises MienError for a coverage outside
    0..1 and for fewer images than it needs.
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
    """Conformal sets measured: each half of the images with the threshold fitted on the other half.

    promised, measured: share of images whose set holds the right class. interval: Wilson's, 95 %, of measured.
    threshold: fitted on all images, for use on others. mean_size: classes a set. sizes: share of sets with 1, 2, ... C
    classes.
    single_accuracy: accuracy where the set has one class; nan where none has. by_class: measured, of each class.
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
        """Plain numbers and lists, None for what was not measured."""
        return {
            "promised": self.promised, "measured": self.measured, "interval": list(self.interval), "n": self.n,
            "threshold": self.threshold, "mean_size": self.mean_size, "sizes": list(self.sizes),
            "single_accuracy": None if np.isnan(self.single_accuracy) else self.single_accuracy,
            "by_class": [None if np.isnan(value) else value for value in self.by_class],
        }  # fmt: skip


def measure_coverage(probabilities: Probabilities, labels: Labels, coverage: float = COVERAGE) -> Coverage:
    """Fit sets on one half of the images and measure them on the other, both ways. Raises MienError as
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
    """Selective classification (Geifman & El-Yaniv 2017): share of images answered, (N,) ascending, and the accuracy on
    them, (N,), where those with the least confidence are left out."""
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    correct = (probabilities.argmax(axis=1) == labels)[order]
    answered = np.arange(1, len(labels) + 1)
    return answered / len(labels), np.cumsum(correct) / answered
