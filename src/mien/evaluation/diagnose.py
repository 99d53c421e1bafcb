"""From a training history to a verdict: underfit, overfit since an epoch, good fit, unstable, improving.

The reading follows common practice (Goodfellow, Bengio & Courville 2016, chapters 5, 7.8 and 11; Prechelt
1998): a validation loss that turns upwards while training goes on is overfitting since its turning point,
even while the accuracies still creep up; a wide gap between flat curves is overfitting, too; two low flat
curves are underfitting. With augmentation and dropout, training accuracy is measured on harder images than
validation accuracy and may lie below it: a negative gap is healthy, and the level of a run is the better of
the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from mien.errors import MienError

Kind = Literal["underfit", "overfit", "good fit", "unstable", "still improving", "too short"]

FEWEST = 4  # epochs below which a curve has no shape
WIDE_GAP = 0.10  # training minus validation accuracy that is overfitting whatever the losses say
SLIGHT_GAP = 0.05  # the gap from which a rising validation loss is overfitting
LOSS_RISE = 0.05  # rise of the validation loss over its lowest, as a share of that
LOW_LEVEL = 0.5  # accuracy under which flat curves are underfitting, where the chance level is not known
LOW_SKILL = 0.4  # the same as a share of the way from chance to perfect
CLIMB = 0.03  # validation accuracy gained in the second half of a run that is still improving
JUMPY = 0.04  # epoch-to-epoch noise of the validation accuracy that hides everything else
JUMPY_LOSS = 0.15  # the same for the validation loss, as a share of its median


@dataclass(frozen=True)
class Verdict:
    """What the curves say. `epoch`: since when it overfits, or where it became unstable, else None."""

    kind: Kind
    epoch: int | None
    evidence: str
    advice: str

    @property
    def title(self) -> str:
        """The verdict in a few words: "overfit since epoch 6"."""
        if self.epoch is None:
            return self.kind
        return f"{self.kind} {'since' if self.kind == 'overfit' else 'at'} epoch {self.epoch}"

    def to_dict(self) -> dict[str, object]:
        """As metrics.json keeps it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.title}: {self.evidence}\n  try: {self.advice}"


@dataclass(frozen=True)
class _Curves:
    """The history as arrays (n,), its end as means over the last epochs: one odd epoch decides nothing."""

    epoch: np.ndarray
    train_loss: np.ndarray
    train: np.ndarray
    val_loss: np.ndarray
    val: np.ndarray
    rate: np.ndarray

    def end(self, series: np.ndarray) -> float:
        return float(series[-max(1, min(5, len(series) // 5)) :].mean())

    @property
    def gap(self) -> float:
        return self.end(self.train) - self.end(self.val)

    @property
    def annealed(self) -> bool:
        """Whether a schedule has taken the learning rate to its end."""
        return bool(np.isfinite(self.rate).all() and self.rate[-1] <= 0.1 * self.rate.max())

    @property
    def levels(self) -> str:
        train, val = self.train[-1], self.val[-1]
        return f"training {train:.1%}, validation {val:.1%} (gap {100 * (train - val):+.1f} points)"


def diagnose(history: Sequence[Mapping[str, float]], chance: float | None = None) -> Verdict:
    """Read a history's curves.

    history: a row per epoch with epoch, train_loss, train_accuracy, val_loss, val_accuracy (and
    learning_rate, if known); accuracies 0..1. chance: accuracy of guessing, 0..1 (share of the most frequent
    class, or 1 / classes); with it, "low" is measured from there instead of from 0. Raises MienError for a
    history without those columns.
    """
    curves = _curves(history)
    if verdict := _broken(curves):
        return verdict
    if len(curves.epoch) < FEWEST or np.isnan(curves.val).all():
        return _too_short(curves)
    return _unstable(curves) or _overfit(curves) or _improving(curves) or _underfit(curves, chance) or _good(curves)


def _curves(history: Sequence[Mapping[str, float]]) -> _Curves:
    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in history], dtype=np.float64)

    try:
        return _Curves(
            column("epoch"),
            column("train_loss"),
            column("train_accuracy"),
            column("val_loss"),
            column("val_accuracy"),
            rate=np.array([row.get("learning_rate", np.nan) for row in history], dtype=np.float64),
        )
    except KeyError as error:
        raise MienError(f"history has no column {error}; give the rows that history.read returns") from error


def _broken(c: _Curves) -> Verdict | None:
    """A loss that is no longer a number."""
    lost = ~np.isfinite(c.train_loss) | np.isinf(c.val_loss)
    if not np.isnan(c.val_loss).all():
        lost |= np.isnan(c.val_loss)
    if not lost.any():
        return None
    at = int(np.flatnonzero(lost)[0])
    return Verdict(
        "unstable",
        int(c.epoch[at]),
        f"the loss stopped being a number in epoch {int(c.epoch[at])}",
        "a --learning-rate 3 to 10 times smaller; full precision (--precision 32-true) if it ran in half",
    )


def _too_short(c: _Curves) -> Verdict:
    n = len(c.epoch)
    if n and not np.isnan(c.val).all():
        seen = f"{n} epoch{'s' * (n > 1)}; so far {c.levels}"
    elif n:
        seen = f"{n} epoch{'s' * (n > 1)} without validation figures"
    else:
        seen = "no epoch has been recorded"
    advice = f"--epochs {max(10, 3 * n)} and a validation split: then the curves have a shape"
    return Verdict("too short", None, seen, advice)


def _unstable(c: _Curves) -> Verdict | None:
    """Training that loses what it had learned, or validation that jumps too much to be trusted."""
    loss = _smooth(c.train_loss)
    best = int(loss.argmin())
    lost, gained = c.end(c.train_loss) - loss[best], max(loss[0] - loss[best], 0.0)
    if lost > max(0.1 * loss[best], gained / 3):
        return Verdict(
            "unstable",
            int(c.epoch[best]),
            f"training loss was {c.train_loss[best]:.3f} in epoch {int(c.epoch[best])} and ends at "
            f"{c.train_loss[-1]:.3f}",
            "a --learning-rate 3 to 10 times smaller, or one that rises and falls (--schedule onecycle); "
            "a larger --batch-size",
        )
    # What a high rate does early on may still settle: the second half counts.
    start = max(0, len(c.val) - max(5, len(c.val) // 2))
    accuracy, losses = c.val[start:], c.val_loss[start:]
    if _roughness(accuracy) < JUMPY and _roughness(losses) < JUMPY_LOSS * np.median(losses):
        return None
    # A steep climb is as rough, but never falls back.
    if np.diff(accuracy).min() > -JUMPY and np.diff(losses).max() < JUMPY_LOSS * np.median(losses):
        return None
    steps = np.abs(np.diff(accuracy))
    worst = start + 1 + int(steps.argmax())
    return Verdict(
        "unstable",
        int(c.epoch[worst]),
        f"validation accuracy jumps by up to {100 * steps.max():.1f} points from one epoch to the next, "
        f"{100 * c.val[worst - 1]:.1f} to {100 * c.val[worst]:.1f} % at epoch {int(c.epoch[worst])}",
        "a smaller --learning-rate or one that falls (--schedule cosine), a larger --batch-size, "
        "averaged weights (--ema 0.998); check that the validation split is not tiny",
    )


def _overfit(c: _Curves) -> Verdict | None:
    """Validation loss that has turned upwards, or a wide gap between curves that have come to rest."""
    loss, accuracy = _smooth(c.val_loss), _smooth(c.val)
    turn = int(loss.argmin())
    rise = c.end(c.val_loss) - loss[turn]
    rose = rise > max(LOSS_RISE * loss[turn], 2 * _noise(c.val_loss))
    fell = accuracy.max() - c.end(c.val) > max(0.02, 2 * _noise(c.val))
    learning_on = c.end(c.train_loss) < _smooth(c.train_loss)[turn]
    if rose and learning_on and (c.gap > SLIGHT_GAP or fell):
        first = max(0, turn - _reach(len(loss)))
        lowest = first + int(c.val_loss[first : turn + _reach(len(loss)) + 1].argmin())
        since = int(c.epoch[lowest])
        evidence = (
            f"validation loss is lowest in epoch {since} ({c.val_loss[lowest]:.3f}) and ends at "
            f"{c.val_loss[-1]:.3f} ({c.val_loss[-1] / c.val_loss[lowest] - 1:+.0%}), while training loss "
            f"falls to {c.train_loss[-1]:.3f}; {c.levels}"
        )
    elif c.gap > WIDE_GAP and not _climb(c):
        narrow = np.flatnonzero(_smooth(c.train) - accuracy <= WIDE_GAP)
        since = int(c.epoch[min(narrow[-1] + 1, len(c.epoch) - 1) if len(narrow) else 0])
        evidence = f"the gap has been over {100 * WIDE_GAP:.0f} points since epoch {since}; {c.levels}"
    else:
        return None
    advice = (
        "more augmentation first (--flip --rotate 12 --shift 0.08 --scale 0.12 --light 0.25 --erase 0.25); "
        "then --label-smoothing 0.1, --conv-drop 0.25, more --weight-decay; a network that ends in global "
        "pooling (globalpool, hybrid); or fewer epochs (--early-stopping 5 --keep best)"
    )
    return Verdict("overfit", since, evidence, advice)


def _improving(c: _Curves) -> Verdict | None:
    """Validation accuracy that climbs to the end."""
    climb = _climb(c)
    if not climb:
        return None
    n, last = len(c.epoch), _last(c)
    more = f"more training: --epochs {2 * n}"
    if not c.annealed:
        more += ", its rate falling to 0 at the end (--schedule cosine)"
    if c.gap > WIDE_GAP:
        more += "; with augmentation (--flip --rotate 12 --shift 0.08 --erase 0.25), as the gap is wide"
    return Verdict(
        "still improving",
        None,
        f"validation accuracy gained {100 * climb:.1f} points in the last {last} of {n} epochs; " + c.levels,
        more,
    )


def _underfit(c: _Curves, chance: float | None) -> Verdict | None:
    """Both curves low. Which cure depends on what holds the network down."""
    level = max(c.end(c.train), c.end(c.val))
    low = level < LOW_LEVEL if chance is None else level - chance < LOW_SKILL * (1 - chance)
    if not low:
        return None
    guess = "" if chance is None else f", guessing gives {chance:.1%}"
    near_chance = chance is not None and level - chance < 0.05 * (1 - chance)
    if near_chance or c.end(c.train_loss) > 0.97 * c.train_loss[0]:
        loss = f"{c.train_loss[0]:.3f} to {c.train_loss[-1]:.3f}"
        evidence = f"it has hardly learned: training loss went from {loss}; "
        advice = "a --learning-rate 10 times smaller, then 10 times larger; check the labels (mien data info)"
    elif c.gap < -SLIGHT_GAP:
        evidence = "regularisation holds training below validation, and both end low; "
        advice = (
            "less augmentation (--erase 0 --rotate 0) and dropout (--conv-drop 0 --fc-drop 0.2); "
            f"then longer: --epochs {2 * len(c.epoch)}"
        )
    else:
        evidence = "both curves end low and close together; "
        advice = (
            "a larger network (hybrid, globalpool, deep), a higher --learning-rate, less dropout "
            "(--conv-drop 0 --fc-drop 0.2)"
        )
    return Verdict("underfit", None, evidence + c.levels + guess, advice)


def _good(c: _Curves) -> Verdict:
    if c.gap > SLIGHT_GAP:
        advice = "a little more regularisation (--flip --erase 0.25 --label-smoothing 0.1) may close it"
    elif c.annealed:
        advice = f"nothing overfits, so there is room: --epochs {2 * len(c.epoch)}, or a wider network"
    else:
        advice = "a rate that falls to 0 at the end (--schedule cosine) often wins a point or two"
    how = "the schedule has run out" if c.annealed else "validation gains little by now"
    gap = "the gap is small" if c.gap > -0.02 else "augmentation and dropout keep training below validation"
    return Verdict("good fit", None, f"{how} and {gap}; {c.levels}", advice)


def _last(c: _Curves) -> int:
    """How many epochs count as the last ones: half of them, as fewer would drown in noise."""
    return max(3, len(c.val) // 2)


def _climb(c: _Curves) -> float:
    """Validation accuracy gained over the last epochs; 0 where that is little, noise, or the loss rises.

    A falling learning rate always gains something at its end: a run that ends with its schedule must gain more.
    """
    n = _last(c)
    gain = n * _slope(c.val[-n:])
    least = 3 * CLIMB if c.annealed else CLIMB
    # In a few epochs, the bend of the curve cannot be told from noise.
    doubt = 2 * _noise(c.val) * float(np.sqrt(12 / n)) if len(c.val) >= 10 else CLIMB
    return gain if gain > max(least, doubt) and _slope(c.val_loss[-n:]) < 0 else 0.0


def _slope(series: np.ndarray) -> float:
    """Change from one epoch to the next: the median over all pairs of epochs (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(series), k=1)
    return float(np.median((series[second] - series[first]) / (second - first)))


def _reach(n: int) -> int:
    return 0 if n < 8 else 1 if n < 20 else min(5, 1 + n // 20)


def _smooth(series: np.ndarray) -> np.ndarray:
    """Centred moving average over 1, 3 or more epochs by the length of the run; shorter at the ends."""
    reach = _reach(len(series))
    return np.array([series[max(0, i - reach) : i + reach + 1].mean() for i in range(len(series))])


def _noise(series: np.ndarray) -> float:
    """Standard deviation of the noise about the trend, from second differences; the median forgives jumps."""
    return float(np.median(np.abs(np.diff(series, 2))) / (0.6745 * np.sqrt(6)))


def _roughness(series: np.ndarray) -> float:
    """The same with the root mean square, which counts single jumps in full."""
    return float(np.sqrt((np.diff(series, 2) ** 2).mean() / 6))
