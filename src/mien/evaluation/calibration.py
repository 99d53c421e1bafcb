"""Confidence that means something: softmax with a temperature, the fit of that temperature, reliability bins.

Fit a temperature on one set of faces (validation) and report calibration on another; measured on the set it
was fitted on, it flatters.
"""

from dataclasses import dataclass

import numpy as np

from mien.errors import MienError
from mien.inference.model import softmax

COLDEST, HOTTEST = 0.05, 20.0  # a fitted temperature stays within these
HALVES = (
    (slice(0, None, 2), slice(1, None, 2)),
    (slice(1, None, 2), slice(0, None, 2)),
)  # what is judged, what is fitted on


@dataclass(frozen=True)
class Reliability:
    """Predictions in bins of equal width over their confidence.

    edges: (B + 1,) from 0 to 1. count: (B,) int64. confidence, accuracy: (B,) float64, means within a bin,
    nan where it is empty. variance: (B,) float64, of the number of right ones in a bin, were each prediction right with
    the probability that is its confidence. Bin i holds the confidences in (edges[i], edges[i + 1]].
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    variance: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: |accuracy - confidence| averaged over the predictions, 0..1 (Guo et al.
        2017)."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((gaps * self.count[filled]).sum() / self.count.sum())

    @property
    def ece_by_chance(self) -> float:
        """The expected calibration error that perfectly calibrated predictions with these confidences would show, for
        their number is limited, 0..1: what is not above it is no miscalibration.

        The mean over what such predictions get right (Bröcker and Smith 2007, "Increasing the reliability of
        reliability diagrams"), each bin's number of right ones taken as normally distributed.
        """
        return float(np.sqrt(2 / np.pi * self.variance).sum() / self.count.sum())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimizes the negative log-likelihood of the labels (Guo et al. 2017).

    logits: (N, C) float, finite. labels: (N,) int, 0..C-1. Returns a float within COLDEST..HOTTEST; accuracy
    does not change, only the confidences do. Raises MienError where shapes disagree or numbers are not
    finite.
    """
    logits = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels)
    if logits.ndim != 2 or len(logits) == 0 or labels.shape != (len(logits),):
        raise MienError(
            f"temperature needs logits (N, C) and labels (N,), got {logits.shape} and {labels.shape}; "
            "take both from the same evaluation"
        )
    if not np.isfinite(logits).all():
        raise MienError("logits hold nan or infinity; evaluate a run whose loss stayed finite")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise MienError(f"labels for the temperature must be integers 0..{logits.shape[1] - 1}; leave unknown ones out")

    centered = logits - logits.max(axis=1, keepdims=True)
    target = centered[np.arange(len(labels)), labels].mean()

    def slope(beta: float) -> float:
        # d NLL / d beta at beta = 1 / temperature. The NLL is convex in beta, so the slope only rises.
        weights = np.exp(beta * centered)
        return float(((weights * centered).sum(axis=1) / weights.sum(axis=1)).mean() - target)

    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(40):
        middle = (low + high) / 2
        if slope(np.exp(middle)) > 0:
            high = middle
        else:
            low = middle
    return float(np.exp(-(low + high) / 2))


def cross_fitted(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (N, C) of rows that played no part in their own temperature: that of even rows is fitted
    on odd ones, and the other way round. A single row stays uncalibrated."""
    if len(logits) < 2:
        return softmax(logits)
    p = np.empty(np.shape(logits))
    for one, other in HALVES:
        p[one] = softmax(logits[one], fit_temperature(logits[other], labels[other]))
    return p


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> Reliability:
    """Confidence against accuracy: the reliability curve, in `bins` bins of equal width.

    probabilities: (N, C) float, 0..1. labels: (N,) int. The confidence of a prediction is its largest
    probability.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return reliability_of(probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels), bins)


def reliability_of(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> Reliability:
    """The same from the confidence of each prediction, (N,) float, 0..1, and whether it is right, (N,) bool."""
    edges = np.linspace(0, 1, bins + 1)
    # Intervals open at the left, as Guo et al. have them; a confidence a hair above 1 counts as 1.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            edges=edges,
            count=count,
            confidence=np.bincount(place, confidence, minlength=bins) / count,
            accuracy=np.bincount(place, correct, minlength=bins) / count,
            variance=np.bincount(place, np.clip(confidence * (1 - confidence), 0, None), minlength=bins),
        )
