"""Logit adjustment: raise the recall of selected classes by constants added to their log-probabilities, at a small cost
in accuracy.

Rare and subtle classes are predicted too seldom. A constant per class shifts the decision without retraining (after
Menon et al. 2021, who derive it from the class shares).
"""

from collections.abc import Sequence

import numpy as np

from mien.errors import MienError
from mien.evaluation.calibration import HALVES

COST = 0.0025  # accuracy that may be lost on the rows it is fitted on; on others the loss is about twice that
STEP, MOST = 0.05, 2.0  # step size and maximum of a constant


def fit(p: np.ndarray, labels: np.ndarray, classes: Sequence[int], cost: float = COST) -> np.ndarray:
    """Fit constants (C,) float64, nonzero only for `classes`.

    p: probabilities (N, C). labels: (N,) int. Greedy: the class with the smallest gain in recall is raised by a step,
    as long as accuracy loses at most `cost`. Raises MienError if a class does not occur in the labels.
    """
    counts = np.bincount(labels, minlength=p.shape[1])
    for c in classes:
        if not counts[c]:
            raise MienError(
                f"half of the images contain none of class {c}, whose recall should be raised; choose a part with more",
                parameter="raise_recall",
            )
    score = np.log(np.maximum(p, 1e-12))
    right = score.argmax(axis=1) == labels
    least = right.mean() - cost
    constants = np.zeros(p.shape[1])

    def gained(c: int) -> float:
        hit = (score + constants).argmax(axis=1) == labels
        return float((hit.astype(int) - right)[labels == c].mean())

    while True:
        for c in sorted(classes, key=gained):
            candidate = constants.copy()
            candidate[c] += STEP
            if candidate[c] <= MOST and ((score + candidate).argmax(axis=1) == labels).mean() >= least:
                constants = candidate
                break
        else:
            return constants


def cross_fitted(p: np.ndarray, labels: np.ndarray, classes: Sequence[int], cost: float = COST) -> np.ndarray:
    """Adjusted probabilities (N, C) by two-fold cross-fitting: even rows use constants fitted on odd rows, and vice
    versa. Raises MienError as `fit`."""
    lifted = np.empty(p.shape)
    for judged, fitted in HALVES:
        lifted[judged] = apply(p[judged], fit(p[fitted], labels[fitted], classes, cost))
    return lifted


def apply(p: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) with constants (C,) added to their logarithms; each row sums to 1."""
    lifted = p * np.exp(constants)
    result: np.ndarray = lifted / lifted.sum(axis=1, keepdims=True)
    return result
