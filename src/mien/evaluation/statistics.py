"""Statistics for comparing classifiers: confidence intervals, paired tests, bootstrap over images and seeds, Holm's
correction.

Correctness arrays are bool: (N,) for one training, (S, N) for S seeds of it, over the same N images in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, lgamma, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

SAMPLES = 10_000  # resamples of a bootstrap or permutation test
CHUNK = 250  # bootstrap samples per block: bounds memory
NOTHING = 0.01  # equivalence margin: an effect within one point counts as none
Claim = Literal["increases", "decreases", "does nothing", "does not increase", "does not decrease"]
Ruling = Literal["confirmed", "refuted", "undecided"]


@dataclass(frozen=True)
class Difference:
    """A difference between two trainings, second minus first, with its 95 % interval; all as shares, 0.01 is one point.

    p: two-sided p value of McNemar's exact test; None if several seeds are compared.
    """

    estimate: float
    low: float
    high: float
    p: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.low <= 0 <= self.high

    def to_dict(self) -> dict[str, float | None]:
        """estimate, low, high and p as plain numbers."""
        return {"estimate": self.estimate, "low": self.low, "high": self.high, "p": self.p}


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval for a proportion, 95 % by default (Wilson 1927); (0, 1) if n is 0."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    center = p + z * z / (2 * n)
    reach = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (center - reach) / scale), min(1.0, (center + reach) / scale)


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Two-sided p value of McNemar's exact test (McNemar 1947): do two classifiers have the same accuracy on the same
    images?

    first, second: (N,) bool, whether each image is classified correctly. Returns 1.0 if they never differ. Raises
    MienError for other shapes.
    """
    first, second = _pair(first, second)
    if first.ndim != 1:
        raise MienError("McNemar's test compares one training with one other; for several seeds use paired_bootstrap")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n, least = only_first + only_second, min(only_first, only_second)
    tail = sum(exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2)) for k in range(least + 1))
    return min(1.0, 2 * tail)


def paired_bootstrap(
    first: NDArray[np.bool_], second: NDArray[np.bool_], samples: int = SAMPLES, seed: int = 0, level: float = 0.95
) -> Difference:
    """Accuracy of the second minus that of the first, with a percentile interval from resampling images and seeds.

    first, second: (N,) or (S, N) bool; the numbers of seeds may differ. Every sample draws images with replacement, the
    same for both, and seeds with replacement, independently for each (Efron & Tibshirani 1993; both sources of variance
    are included as in Bouthillier et al. 2021). Raises MienError if the numbers of images differ.
    """
    a, b = _pair(first, second)
    if a.ndim == b.ndim == 1:
        # Only the numbers of discordant and concordant images matter: they are multinomial.
        n, counts = len(a), np.array([(a & ~b).sum(), (b & ~a).sum(), (a == b).sum()])
        drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=samples)
        return _interval((drawn[:, 1] - drawn[:, 0]) / n, float(b.mean() - a.mean()), level, mcnemar(a, b))
    a, b = np.atleast_2d(a).astype(np.float64), np.atleast_2d(b).astype(np.float64)
    rng, n = np.random.default_rng(seed), a.shape[1]
    differences = np.empty(samples)
    for start in range(0, samples, CHUNK):
        size = min(CHUNK, samples - start)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n) / n
        accuracies = [_over_seeds(weights @ runs.T, rng) for runs in (a, b)]
        differences[start : start + size] = accuracies[1] - accuracies[0]
    return _interval(differences, float(b.mean() - a.mean()), level, None)


def newcombe(hits: int, n: int, other_hits: int, other_n: int) -> Difference:
    """Second proportion minus the first, for independent images, with Newcombe's 95 % interval (1998, method 10)."""
    first, second = hits / n, other_hits / other_n
    low, high = wilson(hits, n)
    other_low, other_high = wilson(other_hits, other_n)
    return Difference(
        second - first,
        second - first - hypot(second - other_low, high - first),
        second - first + hypot(other_high - second, first - low),
    )


def permutation_test(
    correct: NDArray[np.bool_], groups: NDArray[np.int64], samples: int = SAMPLES, seed: int = 0
) -> float:
    """Permutation test of the largest difference in accuracy between groups: its p value under random assignment of
    images.

    correct: (N,) bool. groups: (N,) int, 0..G-1, each with at least one image.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(groups)
    hits = np.asarray(correct, np.float64)

    def spread(order: NDArray[np.float64]) -> float:
        accuracy = np.bincount(groups, order) / sizes
        return float(accuracy.max() - accuracy.min())

    observed = spread(hits)
    as_large = sum(spread(rng.permutation(hits)) >= observed - 1e-12 for _ in range(samples))
    return (1 + as_large) / (1 + samples)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (Holm 1979), in the same order; rejecting those below 0.05 keeps the
    family-wise error rate at 5 %."""
    order = np.argsort(p_values)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def rule(difference: Difference, claim: Claim, nothing: float = NOTHING) -> Ruling:
    """Decide a claim by a confidence interval, by a rule fixed in advance.

    "increases", "decreases": confirmed if the interval lies on that side of 0, refuted if on the other. "does nothing":
    confirmed if the interval lies within `nothing` of 0, refuted if it lies outside (equivalence test). "does not
    increase", "does not decrease": the one-sided version. Otherwise undecided.
    """
    if claim in ("does not increase", "does not decrease"):
        low, high = (
            (difference.low, difference.high) if claim == "does not increase" else (-difference.high, -difference.low)
        )
        return "confirmed" if high <= nothing else "refuted" if low > nothing else "undecided"
    if claim == "does nothing":
        if -nothing <= difference.low and difference.high <= nothing:
            return "confirmed"
        return "refuted" if difference.low > nothing or difference.high < -nothing else "undecided"
    low, high = (difference.low, difference.high) if claim == "increases" else (-difference.high, -difference.low)
    return "confirmed" if low > 0 else "refuted" if high < 0 else "undecided"


def _pair(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if not (1 <= a.ndim <= 2 and 1 <= b.ndim <= 2 and a.shape[-1] == b.shape[-1] and a.size and b.size):
        raise MienError(
            f"correctness of shapes {a.shape} and {b.shape} cannot be paired; it is of the same images, (N,)"
        )
    return a, b


def _interval(differences: NDArray[np.float64], estimate: float, level: float, p: float | None) -> Difference:
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Difference(estimate, float(low), float(high), p)


def _over_seeds(accuracies: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Mean accuracy (B,) over seeds drawn with replacement, from accuracies (B, S) of each seed on each sample of
    images."""
    seeds = accuracies.shape[1]
    if seeds == 1:
        return accuracies[:, 0]
    drawn = rng.integers(0, seeds, accuracies.shape)
    mean: NDArray[np.float64] = np.take_along_axis(accuracies, drawn, axis=1).mean(axis=1)
    return mean
