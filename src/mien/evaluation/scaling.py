"""Power law of the validation error over the number of training images, error = a * n^-b, with a bootstrap interval
over seeds (Hestness et al. 2017)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

SAMPLES = 2000
MIN_SIZES = 3  # fewest sizes for a fit


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = factor * n ** -exponent; interval: 95 %, of the exponent. doubling: relative reduction of the error
    with twice the images."""

    factor: float
    exponent: float
    interval: tuple[float, float]

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
        return (
            f"Validation error falls as the number of training images to the power of -{self.exponent:.3f} (95 % "
            f"interval -{high:.3f} to -{low:.3f}, over seeds): twice the images take away {self.doubling:.0%} of it."
        )


def fit_power_law(errors: Mapping[int, Sequence[float]], samples: int = SAMPLES, seed: int = 0) -> PowerLaw:
    """Fit by least squares on the logarithms of sizes and errors.

    errors: number of training images -> validation error of each seed, 0..1. The interval resamples the seeds of each
    size. Raises MienError for fewer than three sizes, and for an error of 0.
    """
    sizes = sorted(errors)
    if len(sizes) < MIN_SIZES:
        raise MienError(f"a power law needs {MIN_SIZES} sizes or more, not {len(sizes)}")
    if any(min(errors[n]) <= 0 for n in sizes):
        raise MienError("a power law needs errors above 0")
    rng = np.random.default_rng(seed)

    def fitted(means: Sequence[float]) -> tuple[float, float]:
        slope, intercept = np.polyfit(np.log(sizes), np.log(means), 1)
        return float(np.exp(intercept)), -float(slope)

    factor, exponent = fitted([float(np.mean(errors[n])) for n in sizes])
    drawn = [
        fitted([float(rng.choice(np.asarray(errors[n]), len(errors[n])).mean()) for n in sizes])[1]
        for _ in range(samples)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return PowerLaw(factor, exponent, (float(low), float(high)))
