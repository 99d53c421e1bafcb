"""Power law of the validation error over the number of training images, error = a * n^-b (Hestness et al. 2017), with
an interval from bootstrap samples of the errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

MIN_SIZES = 3  # fewest sizes for a fit


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = factor * n ** -exponent; interval: 95 %, of the exponent. seeds: the fewest of a size. doubling:
    relative reduction of the error with twice the images."""

    factor: float
    exponent: float
    interval: tuple[float, float]
    seeds: int

    @property
    def doubling(self) -> float:
        """Relative reduction of the error, 0..1, with twice the images."""
        return 1 - float(2.0**-self.exponent)

    def error(self, n: NDArray[np.float64]) -> NDArray[np.float64]:
        """The law's error for n training images, 0..1."""
        result: NDArray[np.float64] = self.factor * n**-self.exponent
        return result

    def sentence(self) -> str:
        """The law and its interval as a sentence."""
        low, high = self.interval
        one = "" if self.seeds > 1 else "; of a size with one seed, over images alone"
        return (
            f"Validation error falls as the number of training images to the power of {-self.exponent:.3f} (95 % "
            f"interval {-high:.3f} to {-low:.3f}, over seeds and validation images{one}): twice the images take away "
            f"{self.doubling:.0%} of it."
        )


def fit_power_law(errors: Mapping[int, Sequence[float]], samples: Mapping[int, NDArray[np.float64]]) -> PowerLaw:
    """Fit by least squares on the logarithms of sizes and errors.

    errors: number of training images -> validation error of each seed, 0..1. samples: for the same numbers, bootstrap
    samples of the mean error over seeds, (B,), drawn together. Raises MienError for fewer than three sizes, and for an
    error of 0.
    """
    sizes = sorted(errors)
    if len(sizes) < MIN_SIZES:
        raise MienError(f"a power law needs {MIN_SIZES} sizes or more, not {len(sizes)}")
    means = np.array([np.mean(errors[n]) for n in sizes])
    drawn = np.stack([samples[n] for n in sizes])
    if min(means.min(), drawn.min()) <= 0:
        raise MienError("a power law needs errors above 0")
    slope, intercept = np.polyfit(np.log(sizes), np.log(means), 1)
    low, high = np.quantile(-np.polyfit(np.log(sizes), np.log(drawn), 1)[0], [0.025, 0.975])
    seeds = min(len(values) for values in errors.values())
    return PowerLaw(float(np.exp(intercept)), -float(slope), (float(low), float(high)), seeds)
