"""Confidence calibration: temperature scaling, calibration error and reliability diagrams.

Fit the temperature on one set of faces (validation) and report calibration on another; on the set it was fitted on, the
error is underestimated.
"""

from dataclasses import dataclass

import numpy as np

from mien.errors import MienError
from mien.inference.model import softmax

COLDEST, HOTTEST = 0.05, 20.0  # bounds of a fitted temperature
HALVES = (
    (slice(0, None, 2), slice(1, None, 2)),
    (slice(1, None, 2), slice(0, None, 2)),
)  # (rows that are judged, rows that are fitted on)


@dataclass(frozen=True)
class Reliability:
    """Predictions binned by confidence, in bins of equal width.

    edges: (B + 1,) from 0 to 1; bin i holds confidences in (edges[i], edges[i + 1]]. count: (B,) int64. confidence,
    accuracy: (B,) float64, means within a bin, nan for empty bins. variance: (B,) float64, of the number of correct
    predictions in a bin if each were correct with the probability given by its confidence.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    variance: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error (ECE), 0..1: |accuracy - confidence| averaged over the predictions (Guo et al.
        2017)."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((gaps * self.count[filled]).sum() / self.count.sum())

    @property
    def ece_by_chance(self) -> float:
        """The ECE that perfectly calibrated predictions with these confidences would show because their number is
        finite, 0..1: an ECE not above it is no evidence of miscalibration.

        The expectation over the outcomes of such predictions (Bröcker and Smith 2007, "Increasing the reliability of
        reliability diagrams"), with a normal approximation to the number of correct predictions in each bin.
        """
        return float(np.sqrt(2 / np.pi * self.variance).sum() / self.count.sum())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimizes the negative log-likelihood of the labels (temperature scaling, Guo et al. 2017).

    logits: (N, C) float, finite. labels: (N,) int, 0..C-1. Returns a float within COLDEST..HOTTEST; scaling changes
    confidences but not accuracy. Raises MienError if shapes disagree or numbers are not finite.
    """
    logits = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels)
    if logits.ndim != 2 or len(logits) == 0 or labels.shape != (len(logits),):
        raise MienError(
            f"temperature needs logits (N, C) and labels (N,), got {logits.shape} and {labels.shape}; "
            "take both from the same evaluation"
        )
    if not np.isfinite(logits).all():
        raise MienError("logits contain nan or infinity; evaluate a run whose loss stayed finite")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise MienError(f"labels for the temperature must be integers 0..{logits.shape[1] - 1}; leave unknown ones out")

    centered = logits - logits.max(axis=1, keepdims=True)
    target = centered[np.arange(len(labels)), labels].mean()

    def slope(beta: float) -> float:
        # d NLL / d beta at beta = 1 / temperature. The NLL is convex in beta, so the slope increases.
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
    """Calibrated probabilities (N, C) by two-fold cross-fitting: even rows use a temperature fitted on odd rows, and
    vice versa. A single row stays uncalibrated."""
    if len(logits) < 2:
        return softmax(logits)
    p = np.empty(np.shape(logits))
    for judged, fitted in HALVES:
        p[judged] = softmax(logits[judged], fit_temperature(logits[fitted], labels[fitted]))
    return p


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> Reliability:
    """The reliability curve, accuracy against confidence, in `bins` bins of equal width.

    probabilities: (N, C) float, 0..1. labels: (N,) int. The confidence of a prediction is its largest probability.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return reliability_of(probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels), bins)


def reliability_of(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> Reliability:
    """`reliability` from the confidence of each prediction, (N,) float, 0..1, and whether it is correct, (N,) bool."""
    edges = np.linspace(0, 1, bins + 1)
    # Bins are open on the left, as in Guo et al.; a confidence slightly above 1 counts as 1.
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
