"""Conformal prediction sets: the classes a face may show, by the threshold in the model file.

mien.evaluation.conformal fits and evaluates the threshold.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def more_probable(probabilities: ArrayLike) -> NDArray[np.float64]:
    """(N, C) -> (N, C): for each class the sum of the probabilities of all more probable classes; 0 for the most
    probable."""
    values = np.asarray(probabilities, np.float64)
    order = np.argsort(-values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    sums = np.empty_like(ranked)
    np.put_along_axis(sums, order, np.cumsum(ranked, axis=1) - ranked, axis=1)
    return sums


def prediction_sets(probabilities: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """(N, C) probabilities -> (N, C) bool, which classes are in each face's set; the most probable always is."""
    sets: NDArray[np.bool_] = more_probable(probabilities) <= threshold + 1e-12
    return sets
