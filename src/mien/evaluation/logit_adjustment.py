"""Classes that a classifier overlooks, lifted: constants added to their log-probabilities, bought with a little
accuracy.

The rarer a class and the softer its look, the seldomer it wins. A constant a class moves the decision without another
training (after Menon et al. 2021, who derive it from the shares of the classes).
"""

from collections.abc import Sequence

import numpy as np

from mien.errors import MienError
from mien.evaluation.calibration import HALVES

COST = 0.0025  # accuracy that the lift may cost on the rows it is fitted on; on others it costs about twice that
STEP, MOST = 0.05, 2.0  # of a constant


def fit(p: np.ndarray, labels: np.ndarray, classes: Sequence[int], cost: float = COST) -> np.ndarray:
    """Constants (C,) float64, above zero for `classes` alone.

    p: probabilities (N, C). labels: (N,) int. Whichever of the classes has gained least recall goes up by a step, as
    long as accuracy stays within `cost` of where it was. Raises MienError where a class to lift is not among the
    labels.
    """
    counts = np.bincount(labels, minlength=p.shape[1])
    for c in classes:
        if not counts[c]:
            raise MienError(
                f"half of the images have none of class {c}, whose recall is to be raised; take a part with more of it",
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
            tried = constants.copy()
            tried[c] += STEP
            if tried[c] <= MOST and ((score + tried).argmax(axis=1) == labels).mean() >= least:
                constants = tried
                break
        else:
            return constants


def cross_fitted(p: np.ndarray, labels: np.ndarray, classes: Sequence[int], cost: float = COST) -> np.ndarray:
    """Lifted probabilities (N, C) of rows that played no part in their own constants: even rows by those fitted on odd
    ones, and the other way round. Raises MienError as `fit`."""
    lifted = np.empty(p.shape)
    for one, other in HALVES:
        lifted[one] = apply(p[one], fit(p[other], labels[other], classes, cost))
    return lifted


def apply(p: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) with the constants (C,) added to their logarithms; each row sums to 1."""
    lifted = p * np.exp(constants)
    result: np.ndarray = lifted / lifted.sum(axis=1, keepdims=True)
    return result
