"""Learning curves as arrays: final values, slope, noise and roughness of a series over epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

Series = NDArray[np.float64]

WIDE_GAP = 0.10  # training minus validation accuracy above which a run overfits, whatever the losses
CLIMB = 0.03  # gain of validation accuracy in the second half of a run that still improves
SLIGHT_GAP = 0.05  # gap from which it is moderate, and overfitting if the validation loss rises


@dataclass(frozen=True)
class Curves:
    """A training history as arrays (n,). Final values are means over the last epochs, so that one outlier decides
    nothing."""

    epoch: Series
    train_loss: Series
    train: Series
    val_loss: Series
    val: Series
    rate: Series

    def end(self, series: Series) -> float:
        """Mean over the last fifth of the epochs, at most five."""
        return float(series[-max(1, min(5, len(series) // 5)) :].mean())

    @property
    def validated(self) -> bool:
        """Whether there are validation figures, losses and accuracies."""
        return not (np.isnan(self.val_loss).all() or np.isnan(self.val).all())

    @property
    def gap(self) -> float:
        """Training minus validation accuracy in the last epoch."""
        return float(self.train[-1] - self.val[-1])

    @property
    def gap_words(self) -> str:
        """The final gap in words."""
        if self.gap > WIDE_GAP:
            return "the gap is wide"
        if self.gap > SLIGHT_GAP:
            return "the gap is moderate"
        return "the gap is small" if self.gap > -0.02 else "augmentation and dropout keep training below validation"

    @property
    def annealed(self) -> bool:
        """Whether a schedule has reduced the learning rate to the end."""
        return bool(np.isfinite(self.rate).all() and self.rate[-1] <= 0.1 * self.rate.max())

    @property
    def levels(self) -> str:
        """Training and validation accuracy of the last epoch, and their gap, in words."""
        train, val = self.train[-1], self.val[-1]
        return f"training {train:.1%}, validation {val:.1%} (gap {100 * (train - val):+.1f} points)"


def read_curves(history: Sequence[Mapping[str, float]]) -> Curves:
    """Curves from a history with one row per epoch. Raises MienError if a column is missing."""

    def column(name: str) -> Series:
        return np.array([row[name] for row in history], dtype=np.float64)

    try:
        return Curves(
            column("epoch"),
            column("train_loss"),
            column("train_accuracy"),
            column("val_loss"),
            column("val_accuracy"),
            rate=np.array([row.get("learning_rate", np.nan) for row in history], dtype=np.float64),
        )
    except KeyError as error:
        raise MienError(f"history has no column {error}; give the rows that history.read returns") from error


def slope(series: Series) -> float:
    """Change per epoch: the median over all pairs of epochs (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(series), k=1)
    return float(np.median((series[second] - series[first]) / (second - first)))


def reach(n: int) -> int:
    """Half-width of the smoothing window in epochs, by the number of epochs."""
    return 0 if n < 8 else 1 if n < 20 else min(5, 1 + n // 20)


def smooth(series: Series) -> Series:
    """Centered moving average over 1, 3 or more epochs depending on the run's length; shorter at the ends."""
    width = reach(len(series))
    return np.array([series[max(0, i - width) : i + width + 1].mean() for i in range(len(series))])


def noise(series: Series) -> float:
    """Standard deviation of the noise around the trend, from second differences; the median makes it robust to
    jumps."""
    return float(np.median(np.abs(np.diff(series, 2))) / (0.6745 * np.sqrt(6)))


def roughness(series: Series) -> float:
    """Like `noise`, but with the root mean square, to which single jumps contribute in full."""
    return float(np.sqrt((np.diff(series, 2) ** 2).mean() / 6))


def last_epochs(c: Curves) -> int:
    """How many epochs count as the last ones: half of them, as fewer would drown in noise."""
    return max(3, len(c.val) // 2)


def climb(c: Curves) -> float:
    """Validation accuracy gained over the last epochs; 0 where that is little, noise, or the loss rises.

    A falling learning rate always gains something at its end: a run that ends with its schedule must gain more.
    """
    n = last_epochs(c)
    gain = n * slope(c.val[-n:])
    least = 3 * CLIMB if c.annealed else CLIMB
    # In a few epochs, the bend of the curve cannot be told from noise.
    doubt = 2 * noise(c.val) * float(np.sqrt(12 / n)) if len(c.val) >= 10 else CLIMB
    return gain if gain > max(least, doubt) and slope(c.val_loss[-n:]) < 0 else 0.0
