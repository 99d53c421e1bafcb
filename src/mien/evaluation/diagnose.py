"""Diagnose a training from its learning curves: underfit, overfit, good fit, unstable, still improving.

The rules follow common practice (Goodfellow, Bengio & Courville 2016, chapters 5, 7.8 and 11; Prechelt 1998). A
validation loss that turns upwards while the training loss falls is overfitting since the turning point, even if
accuracies still creep up; a wide gap between flat curves is overfitting too; two low flat curves are underfitting. With
augmentation and dropout, training accuracy is measured on harder images than validation accuracy and may be lower: a
negative gap is healthy. What counts as low depends on the data: on the chance level, and for FER2013 on what networks
and people are known to reach. A class with recall 0 comes first in the verdict, and such a run is no good fit.

The gap of a run is that of its last epoch: above WIDE_GAP it is overfitting (unless validation accuracy still climbs),
from SLIGHT_GAP on it is moderate, below it is small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from mien.data.fer2013 import FER2013
from mien.evaluation.curves import (
    SLIGHT_GAP,
    WIDE_GAP,
    Curves,
    climb,
    last_epochs,
    noise,
    reach,
    read_curves,
    roughness,
    smooth,
)
from mien.labels import EMOTIONS

Kind = Literal["underfit", "overfit", "good fit", "unstable", "still improving", "too short"]

MIN_EPOCHS = 4  # fewer epochs are too short to judge
FEW_EPOCHS = 10  # with fewer epochs, more epochs are the first advice
LOSS_RISE = 0.05  # rise of the validation loss above its minimum, as a share of the minimum
LOW_LEVEL = 0.5  # accuracy below which flat curves are underfitting, if the chance level is unknown
LOW_SKILL = 0.4  # the same, as a share of the way from chance to 1
FER2013_GOOD = 0.60  # validation accuracy of a good fit on FER2013: people agree with its labels on about 65 %
SATURATED_ACCURACY = 0.995  # accuracy above which nothing is left to gain
RARELY = 0.10  # recall below which a class is hardly found
JUMPY = 0.04  # epoch-to-epoch noise of the validation accuracy that makes a run unstable
JUMPY_LOSS = 0.15  # the same for the validation loss, as a share of its median, but at least JUMPY
SIMILAR = 0.02  # largest difference of class shares from FER2013's for data taken to be FER2013

# Advice names recipe fields in Python syntax; the command line prints them as options.
AUGMENT = "flip=True, rotate=12, translate=0.08, scale=0.12, brightness_contrast=0.25, random_erasing=0.25"


@dataclass(frozen=True)
class Verdict:
    """The diagnosis. epoch: since when it overfits, or where it became unstable, else None."""

    kind: Kind
    epoch: int | None
    evidence: str
    advice: str

    @property
    def title(self) -> str:
        """The verdict in short: "overfit since epoch 6"."""
        if self.epoch is None:
            return self.kind
        return f"{self.kind} {'since' if self.kind == 'overfit' else 'at'} epoch {self.epoch}"

    def to_dict(self) -> dict[str, object]:
        """As stored in metrics.json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Verdict":
        """A verdict from metrics.json. Raises KeyError if a field is missing."""
        return cls(value["kind"], value["epoch"], str(value["evidence"]), str(value["advice"]))

    def __str__(self) -> str:
        return f"{self.title}: {self.evidence}\n  try: {self.advice}"


def diagnose(
    history: Sequence[Mapping[str, float]],
    chance: float | None = None,
    recall: Mapping[str, float] | None = None,
    good: float | None = None,
) -> Verdict:
    """Diagnose a training from its history.

    history: a row per epoch with epoch, train_loss, train_accuracy, val_loss, val_accuracy (and learning_rate, if
    known); accuracies 0..1. chance: accuracy of always guessing the largest class, 0..1. recall: of each class in
    validation, 0..1, with the kept weights. good: validation accuracy of a good fit on these data (`good_level`);
    default: 40 % of the way from chance to 1, or 0.5 if chance is unknown. Raises MienError for a history without those
    columns.
    """
    curves = read_curves(history)
    if verdict := _broken(curves):
        return verdict
    if good is None:
        good = LOW_LEVEL if chance is None else chance + LOW_SKILL * (1 - chance)
    if len(curves.epoch) < MIN_EPOCHS or not curves.validated:
        verdict = _too_short(curves)
    else:
        verdict = (
            _unstable(curves)
            or _overfit(curves)
            or _improving(curves)
            or _low(curves, chance, good)
            or _good(curves, chance)
        )
    return _with_recall(verdict, recall or {})


def diagnose_record(history: Sequence[Mapping[str, float]], record: Mapping[str, Any]) -> Verdict:
    """Diagnose a finished run, with the chance level, recalls and good level of its validation part.

    record: its metrics.json in format 2 (results.read_record). Raises MienError as `diagnose`.
    """
    views = record.get("evaluations", {}).get("validation", {})
    figures = views.get("single") or next(iter(views.values()), None)
    if figures is None:
        return diagnose(history)
    support = {score["name"]: int(score["support"]) for score in figures["per_class"]}
    recall = {score["name"]: float(score["recall"]) for score in figures["per_class"] if score["support"]}
    drawn = bool(record.get("data", {}).get("drawn", record.get("drawn", False)))
    return diagnose(history, chance_level(support), recall, None if drawn else good_level(support))


def chance_level(support: Mapping[str, int]) -> float:
    """Accuracy of always guessing the largest class, 0..1. support: images per class, at least one in total."""
    return max(support.values()) / sum(support.values())


def good_level(support: Mapping[str, int]) -> float | None:
    """Validation accuracy of a good fit, if known for such data: FER2013, recognized by its class names and class
    shares. None for other data."""
    if tuple(support) != EMOTIONS:
        return None
    training_counts, n_images = FER2013["Training"], sum(support.values())
    total = sum(training_counts.values())
    similar = all(abs(support[name] / n_images - training_counts[name] / total) <= SIMILAR for name in EMOTIONS)
    return FER2013_GOOD if similar else None


def _broken(c: Curves) -> Verdict | None:
    """A loss or an accuracy that is not finite."""
    loss = ~np.isfinite(c.train_loss) | np.isinf(c.val_loss)
    broken = loss | ~np.isfinite(c.train) | np.isinf(c.val)
    if c.validated:
        loss |= np.isnan(c.val_loss)
        broken |= loss | np.isnan(c.val)
    if not broken.any():
        return None
    at = int(np.flatnonzero(broken)[0])
    return Verdict(
        "unstable",
        int(c.epoch[at]),
        f"the {'loss' if loss[at] else 'accuracy'} stopped being a number in epoch {int(c.epoch[at])}",
        "a learning_rate 3 to 10 times smaller; full precision (precision='32-true') if it ran in half",
    )


def _too_short(c: Curves) -> Verdict:
    n = len(c.epoch)
    longer = f"epochs={max(FEW_EPOCHS, 3 * n)}: then the curves have a shape"
    if n and c.validated:
        return Verdict("too short", None, f"{n} epoch{'s' * (n > 1)}; so far {c.levels}", longer)
    if n:
        evidence = f"{n} epoch{'s' * (n > 1)} without validation figures"
        return Verdict("too short", None, evidence, "a split that leaves images to validate on (split='study')")
    return Verdict("too short", None, "no epoch has been recorded", longer)


def _unstable(c: Curves) -> Verdict | None:
    """Training loss that rises again, or validation accuracy that jumps too much."""
    loss = smooth(c.train_loss)
    best = int(loss.argmin())
    lost, gained = c.end(c.train_loss) - loss[best], max(loss[0] - loss[best], 0.0)
    if lost > max(0.1 * loss[best], gained / 3):
        return Verdict(
            "unstable",
            int(c.epoch[best]),
            f"training loss was {c.train_loss[best]:.3f} in epoch {int(c.epoch[best])} and ends at "
            f"{c.train_loss[-1]:.3f}",
            "a learning_rate 3 to 10 times smaller, or one that rises and falls (schedule='onecycle'); "
            "a larger batch_size",
        )
    # A high learning rate may settle later, so only the second half counts.
    start = max(0, len(c.val) - max(5, len(c.val) // 2))
    accuracy, losses = c.val[start:], c.val_loss[start:]
    jumpy_loss = max(JUMPY_LOSS * float(np.median(losses)), JUMPY)
    if roughness(accuracy) < JUMPY and roughness(losses) < jumpy_loss:
        return None
    # A steep climb is as rough, but never falls back.
    if np.diff(accuracy).min() > -JUMPY and np.diff(losses).max() < jumpy_loss:
        return None
    calm = roughness(accuracy) < JUMPY  # then it is the loss that jumps
    steps = np.abs(np.diff(losses if calm else accuracy))
    worst = start + 1 + int(steps.argmax())
    jump = (
        f"loss jumps by up to {steps.max():.3f} from one epoch to the next, {c.val_loss[worst - 1]:.3f} to "
        f"{c.val_loss[worst]:.3f}" if calm else
        f"accuracy jumps by up to {100 * steps.max():.1f} points from one epoch to the next, "
        f"{100 * c.val[worst - 1]:.1f} to {100 * c.val[worst]:.1f} %"
    )  # fmt: skip
    return Verdict(
        "unstable",
        int(c.epoch[worst]),
        f"validation {jump} at epoch {int(c.epoch[worst])}",
        "a smaller learning_rate or one that falls (schedule='cosine'), a larger batch_size, "
        "averaged weights (ema_decay=0.998); check that the validation part is not tiny",
    )


def _overfit(c: Curves) -> Verdict | None:
    """Validation loss that has turned upwards, or a wide gap between flat curves."""
    loss, accuracy = smooth(c.val_loss), smooth(c.val)
    turn = int(loss.argmin())
    rise = c.end(c.val_loss) - loss[turn]
    rose = rise > max(LOSS_RISE * loss[turn], 2 * noise(c.val_loss))
    fell = accuracy.max() - c.end(c.val) > max(0.02, 2 * noise(c.val))
    learning_on = c.end(c.train_loss) < smooth(c.train_loss)[turn]
    if rose and learning_on and (c.gap > SLIGHT_GAP or fell):
        first = max(0, turn - reach(len(loss)))
        lowest = first + int(c.val_loss[first : turn + reach(len(loss)) + 1].argmin())
        since = int(c.epoch[lowest])
        evidence = (
            f"validation loss is lowest in epoch {since} ({c.val_loss[lowest]:.3f}) and ends at "
            f"{c.val_loss[-1]:.3f} ({c.val_loss[-1] / c.val_loss[lowest] - 1:+.0%}), while training loss "
            f"falls to {c.train_loss[-1]:.3f}; {c.levels}"
        )
    elif c.gap > WIDE_GAP and not climb(c):
        narrow = np.flatnonzero(smooth(c.train) - accuracy <= WIDE_GAP)
        since = int(c.epoch[min(narrow[-1] + 1, len(c.epoch) - 1) if len(narrow) else 0])
        evidence = f"the gap has been over {100 * WIDE_GAP:.0f} points since epoch {since}; {c.levels}"
    else:
        return None
    return Verdict("overfit", since, evidence, _regularize())


def _regularize() -> str:
    return (
        f"more augmentation first ({AUGMENT}); "
        "then label_smoothing=0.1, conv_drop=0.25, more weight_decay; a network that ends in global "
        "pooling (globalpool, hybrid); or fewer epochs (early_stopping=5, checkpoint_metric='val_accuracy')"
    )


def _improving(c: Curves) -> Verdict | None:
    """Validation accuracy that rises until the end."""
    gained = climb(c)
    if not gained:
        return None
    n, last = len(c.epoch), last_epochs(c)
    more = f"more training: epochs={2 * n}"
    if not c.annealed:
        more += ", its rate falling to 0 at the end (schedule='cosine')"
    if c.gap > WIDE_GAP:
        more += f"; with augmentation ({AUGMENT}), as the gap is wide"
    return Verdict(
        "still improving",
        None,
        f"validation accuracy gained {100 * gained:.1f} points in the last {last} of {n} epochs; " + c.levels,
        more,
    )


def _low(c: Curves, chance: float | None, good: float) -> Verdict | None:
    """Curves that end below a good fit. The advice depends on the cause."""
    train, val = max(c.end(c.train), c.train[-1]), max(c.end(c.val), c.val[-1])
    if val >= good:
        return None
    level = max(train, val)
    chance_note = "" if chance is None else f", always guessing the largest class gives {chance:.1%}"
    good_note = f"; a good fit reaches {good:.0%} here{chance_note}"
    near_chance = chance is not None and level - chance < 0.05 * (1 - chance)
    if near_chance or c.end(c.train_loss) > 0.97 * c.train_loss[0]:
        loss = f"{c.train_loss[0]:.3f} to {c.train_loss[-1]:.3f}"
        evidence = f"it has hardly learned: training loss went from {loss}; "
        advice = "a learning_rate 10 times smaller, then 10 times larger; check the labels (mien data info)"
    elif train >= good and c.gap > SLIGHT_GAP:
        narrow = np.flatnonzero(smooth(c.train) - smooth(c.val) <= SLIGHT_GAP)
        since = int(c.epoch[min(narrow[-1] + 1, len(c.epoch) - 1) if len(narrow) else 0])
        evidence = f"training goes on where validation stays low, and {c.gap_words}; "
        return Verdict("overfit", since, evidence + c.levels + good_note, _regularize())
    elif len(c.epoch) < FEW_EPOCHS:
        evidence = f"{len(c.epoch)} epochs end low; "
        advice = f"more training first: epochs={max(20, 3 * len(c.epoch))}"
    elif c.gap < -SLIGHT_GAP:
        evidence = "regularization holds training below validation, and both end low; "
        advice = (
            "less augmentation (random_erasing=0, rotate=0) and dropout (conv_drop=0, fc_drop=0.2); "
            f"then longer: epochs={2 * len(c.epoch)}"
        )
    else:
        evidence = f"both curves end low, and {c.gap_words}; "
        advice = (
            "a larger network (hybrid, globalpool, deep), a higher learning_rate, less dropout "
            "(conv_drop=0, fc_drop=0.2)"
        )
    return Verdict("underfit", None, evidence + c.levels + good_note, advice)


def _good(c: Curves, chance: float | None) -> Verdict:
    if min(c.train[-1], c.val[-1]) >= SATURATED_ACCURACY:
        advice = (
            "nothing left to gain on these images; faces from elsewhere tell more (an evaluation of "
            "theirs with parts='all')"
        )
    elif c.gap > SLIGHT_GAP:
        advice = "a little more regularization (flip=True, random_erasing=0.25, label_smoothing=0.1) may close it"
    elif c.annealed:
        advice = f"nothing overfits, so there is room: epochs={2 * len(c.epoch)}, or a wider network"
    else:
        advice = "a rate that falls to 0 at the end (schedule='cosine') often wins a point or two"
    how = "the schedule has run out" if c.annealed else "validation gains little by now"
    chance_note = "" if chance is None else f"; always guessing the largest class gives {chance:.1%}"
    return Verdict("good fit", None, f"{how} and {c.gap_words}; {c.levels}{chance_note}", advice)


def _with_recall(verdict: Verdict, recall: Mapping[str, float]) -> Verdict:
    """Put classes with recall 0 or hardly found first in the verdict; a run with recall 0 is no good fit.

    After too few epochs this is true of nearly all classes, and longer training is the only advice.
    """
    if verdict.kind == "too short":
        return verdict
    never = [name for name, value in recall.items() if value == 0]
    rarely = [name for name, value in recall.items() if 0 < value < RARELY]
    if not never and not rarely:
        return verdict
    parts = [f"{_listed(never)} {'is' if len(never) == 1 else 'are'} never found (recall 0 %)"] if never else []
    parts += [f"{name} is hardly found (recall {recall[name]:.0%})" for name in rarely]
    advice = (
        f"more images of {_listed(never + rarely)}, and longer training; an evaluation with "
        f"raise_recall='{' '.join(never + rarely)}' shows what a shift towards "
        f"{'it' if len(never + rarely) == 1 else 'them'} costs"
    )
    kind: Kind = "underfit" if verdict.kind == "good fit" and never else verdict.kind
    if verdict.kind != "good fit":
        advice = f"{verdict.advice}; then {advice}"
    return replace(verdict, kind=kind, evidence=f"{'; '.join(parts)}; {verdict.evidence}", advice=advice)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
