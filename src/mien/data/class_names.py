"""Class names: synonyms of the emotions, numbers by presets or as asked, and what a model and data share."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import UNKNOWN
from mien.data.parts import natural
from mien.errors import MienError
from mien.labels import CONTEMPT, EMOTIONS, emotion_of

_NUMBER = re.compile(r"(?:(?:class|label|emotion|expression)[ _-]?)?([0-9]{1,9})(?:\.0+)?", re.IGNORECASE)  # 3, class_3
AS_IS = "as-is"  # class names stay as they stand in the data

# What the numbers mean in published data sets.
PRESETS: dict[str, dict[int, str]] = {
    "fer2013": dict(enumerate(EMOTIONS)),
    "ckextended": dict(enumerate((*EMOTIONS, CONTEMPT))),
    "ferplus": dict(enumerate(("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", CONTEMPT))),
    "rafdb": dict(enumerate(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), start=1)),
    "affectnet": dict(enumerate(("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", CONTEMPT))),
    "expw": dict(enumerate(EMOTIONS)),
    "ck+": dict(enumerate(("neutral", "angry", CONTEMPT, "disgust", "fear", "happy", "sad", "surprise"))),
}
_SPELT = {"fer": "fer2013", "raf-db": "rafdb", "raf": "rafdb", "fer+": "ferplus", "ckplus": "ck+", "ck": "ck+"}
# What stands in the place of a label where there is none; "unknown" is a class of some data sets and stays one.
_MISSING = {"", "-1", "-1.0", "nan", "-nan", "none", "null", "na", "n/a", "#n/a", "<na>", "?", "-", "unlabelled",
            "unlabeled", "no label", "no_label"}  # fmt: skip
HOW = f"it takes {', '.join(PRESETS)}, {AS_IS}, or numbers with names such as 1=surprise,2=fear"


@dataclass(frozen=True)
class SharedClasses:
    """The classes that a model and a data set have in common, in the model's order.

    names: as the model spells them. in_model, in_dataset: (K,) int64 indices into either side's classes.
    model_only, dataset_only: the rest of each side.
    """

    names: tuple[str, ...]
    in_model: NDArray[np.int64]
    in_dataset: NDArray[np.int64]
    model_only: tuple[str, ...]
    dataset_only: tuple[str, ...]


def shared_classes(model_classes: Sequence[str], dataset_classes: Sequence[str]) -> SharedClasses:
    """Which classes of a model and of a data set are the same: by name, else regardless of case, else by emotion.

    Each class has one partner at most; an exact name goes before a synonym.
    """
    partner: dict[int, int] = {}
    for same in (str, lambda name: str(name).strip().casefold(), emotion_of):
        free = {same(name): j for j, name in reversed(list(enumerate(dataset_classes))) if j not in partner.values()}
        for i, name in enumerate(model_classes):
            key = same(name)
            if i not in partner and key is not None and key in free:
                partner[i] = free.pop(key)
    pairs = sorted(partner.items())
    return SharedClasses(
        tuple(model_classes[i] for i, _ in pairs),
        np.array([i for i, _ in pairs], np.int64),
        np.array([j for _, j in pairs], np.int64),
        tuple(name for i, name in enumerate(model_classes) if i not in partner),
        tuple(name for j, name in enumerate(dataset_classes) if j not in partner.values()),
    )


def parse_classes(classes: str | dict[int, str] | None) -> dict[str, str] | None:
    """What `classes` says, as {label in the data: class name}; None for nothing said, {} for "as-is".

    classes: a preset's name, "as-is", "1=surprise,2=fear", or a dict. Raises MienError for anything else, and for one
    that names nothing.
    """
    if classes is None:
        return None
    if isinstance(classes, dict):
        for label, name in classes.items():
            if not isinstance(label, (str, int)) or not isinstance(name, str) or not name.strip():
                raise MienError(
                    f"{{parameter}} has {label!r}: {name!r}, where a label stands with the name of its class, "
                    "as in {1: 'surprise'}",
                    parameter="classes",
                )
        if classes:
            return {str(label): name for label, name in classes.items()}
    if not isinstance(classes, str) or not classes.strip():
        raise MienError(f"{{parameter}} = {classes!r} names no class; leave it out, or: {HOW}", parameter="classes")
    asked = classes.strip().lower()
    if asked == AS_IS:
        return {}
    preset = PRESETS.get(_SPELT.get(asked, asked))
    if preset is not None:
        return {str(label): name for label, name in preset.items()}
    pairs = [pair.partition("=") for pair in classes.split(",") if pair.strip()]
    if not pairs or any(not (label.strip() and equals and name.strip()) for label, equals, name in pairs):
        raise MienError(f"{{parameter}} {classes!r} is not known; {HOW}", parameter="classes")
    named = {label.strip(): name.strip() for label, _, name in pairs}
    if len(named) < len(pairs):
        raise MienError(f"{{parameter}} {classes!r} names a class twice; give each once", parameter="classes")
    return named


@dataclass(frozen=True)
class Naming:
    """How the labels of a data set became its classes.

    classes: in their order. index: label as it stands in the data -> index into classes, for every label; UNKNOWN (-1)
    for those that mean "no label".
    decisions: one sentence for each choice that was made.
    """

    classes: tuple[str, ...]
    index: dict[str, int]
    decisions: tuple[str, ...]


def is_missing(label: str) -> bool:
    """Whether a label means that there is none: "", -1, nan, None, null, NA, N/A, ?, -, unlabeled; in any case.

    `name_classes` gives such labels the index UNKNOWN, unless the user names them (classes="none=calm"). "unknown" is
    none of them: some data sets have it as a class, and where it is one, that is told.
    """
    return label.strip().casefold() in _MISSING


def name_classes(
    labels: Iterable[str], classes: str | dict[int, str] | None = None, numbers: str = "", where: str = "the data"
) -> Naming:
    """Name the classes of a data set by the labels that stand in it.

    labels: folder names, or values of a csv column, one for each face or with their counts as {label: n}; integers as
    text. classes: see `parse_classes`. numbers: the preset by which numbers are read when nothing is said; "" reads
    0..6 as FER2013's, and leaves other numbers as names. where: what holds the labels, for messages.
    The seven emotions stand in FER2013's order, other classes after them in the alphabet's. Raises MienError where
    `classes` does not name a number of the data, where a label is no class (-2, 2.5, a list), where some labels are
    numbers and others emotions, and where no face has a label.
    """
    counts = Counter(labels)
    given = parse_classes(classes)
    decisions: list[str] = []
    asked = {label.casefold() for label in given or {}}
    missing = [label for label in counts if is_missing(label) and label.strip().casefold() not in asked]
    present = [label for label in counts if label not in missing]  # in the order in which they come: the first
    if missing:  # spelling stays
        shown = ", ".join(sorted(map(repr, missing)))
        if not present:
            raise MienError(f"{where} has no labels but {shown}, which mean none; label some of the faces")
        n = sum(counts[label] for label in missing)
        decisions.append(f"faces without a label ({shown}), which stay unlabeled: {n:,}")
    if given != {}:  # as they stand, all may be classes
        _check(present, asked, where)
    if given:
        names = _given(present, given, str(classes))
        shown = ", ".join(
            f"{label} = {name}" for label, name in sorted(names.items(), key=lambda item: natural(item[0]))
        )
        decisions.append(f"classes as asked: {shown}")
    elif given is not None:
        names = {label: label for label in present}
        decisions.append(f"class names stay as they stand in the data: {', '.join(sorted(present, key=natural))}")
    elif all(number_of(label) is not None for label in present):
        names = _numbers(present, numbers, decisions)
    else:
        names = _synonyms(present, decisions, where)
    order = ordered(names.values())
    spelt = {name.casefold(): i for i, name in enumerate(order)}
    index = {label: spelt[name.casefold()] for label, name in names.items()}
    return Naming(order, index | dict.fromkeys(missing, UNKNOWN), tuple(decisions))


def no_class(label: str) -> str | None:
    """What a label is that cannot be a class: a negative number, a fraction, infinite, a list; None for others."""
    text = label.strip()
    number = re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?inf(inity)?", text, re.IGNORECASE)
    if number and number_of(text) is None:
        return "which is no number of a class"
    if re.fullmatch(r"\[.*\]|\{.*\}|\(.*,.*\)", text, re.DOTALL):
        return "which is a list and no class"
    return None


def _check(present: list[str], asked: set[str], where: str) -> None:
    for label in present:
        reason = no_class(label)
        if reason and label.casefold() not in asked:
            raise MienError(
                f"{where} has the label {label[:40]!r}, {reason}; write the number or the name of its class, or keep "
                f"labels as they stand with {{parameter}} {AS_IS}",
                parameter="classes",
            )


def _given(present: list[str], given: dict[str, str], asked: str) -> dict[str, str]:
    """Label -> name, by what the user gave; labels that are names of classes already may stay unnamed."""
    by_number = {int(label): name for label, name in given.items() if re.fullmatch("[0-9]{1,9}", label)}
    by_name = {label.casefold(): name for label, name in given.items()}
    names = {}
    for label in present:
        name = by_name.get(label.casefold())
        number = number_of(label)
        if name is None and number is not None:
            name = by_number.get(number)
            if name is None:
                raise MienError(
                    f"{{parameter}} {asked} does not name the label {label}; the data has "
                    f"{', '.join(sorted(present, key=natural))}",
                    parameter="classes",
                )
        names[label] = (name or emotion_of(label) or label).strip()
    return names


def number_of(label: str) -> int | None:
    """The number that a label is, as 3, 03, 3.0 or class_3; None where it is none."""
    match = _NUMBER.fullmatch(label.strip())
    return int(match[1]) if match else None


def unnamed(numbers: Iterable[int], where: str) -> MienError:
    """The error for numbers in a table that nothing names, and that are not plainly FER2013's."""
    present = set(numbers)
    shown = ", ".join(map(str, sorted(present)[:12])) + (", ..." if len(present) > 12 else "")
    legend = ", ".join(f"{number} {name}" for number, name in PRESETS["fer2013"].items())
    exact = [preset for preset, known in PRESETS.items() if present == set(known)]
    readings: dict[str, str] = {}  # one preset for each reading of these numbers
    for preset in exact or [preset for preset, known in PRESETS.items() if present <= set(known)]:
        readings.setdefault(", ".join(PRESETS[preset][number] for number in sorted(present)), preset)
    fitting = " or ".join(f"{{parameter}} {preset}" for preset in readings.values())
    return MienError(
        f"{where} has the labels {shown}{'' if 0 in present else ' and no 0'}, so they are not plainly FER2013's "
        f"({legend}); name them with {{parameter}} 1=surprise,2=fear,..."
        + (f" or say whose they are: {fitting}" if fitting else ""),
        parameter="classes",
    )


def _numbers(present: list[str], preset: str, decisions: list[str]) -> dict[str, str]:
    meant = {label: number_of(label) for label in present}
    numbers = {number for number in meant.values() if number is not None}
    known = PRESETS[preset or "fer2013"]
    if numbers <= set(known) and (preset or numbers == set(known)):
        shown = ", ".join(f"{number} {known[number]}" for number in sorted(numbers))
        source = f"the order of {preset}" if preset and preset != "fer2013" else "FER2013's order"
        decisions.append(f"numbers read in {source}: {shown} (another order: classes=...)")
        return {label: known[number or 0] for label, number in meant.items()}
    fitting = [name for name, known in PRESETS.items() if numbers == set(known)]
    hint = (
        f"if they are {' or '.join(fitting)}'s: " + " or ".join(f"classes='{name}'" for name in fitting)
        if fitting
        else "to name them: classes='1=happy,2=...'"
    )
    decisions.append(
        f"the classes {', '.join(sorted(present, key=natural))} are numbers of unknown meaning and stay numbers; {hint}"
    )
    return {label: label for label in present}


def _synonyms(present: list[str], decisions: list[str], where: str) -> dict[str, str]:
    bare = sorted((label for label in present if label.strip().isdecimal()), key=natural)
    words = sorted(label for label in present if emotion_of(label))
    if bare and words:
        raise MienError(
            f"{where} has labels that are numbers ({', '.join(bare[:8])}) beside names ({', '.join(words[:8])}); name "
            f"the numbers with {{parameter}} {bare[0].strip()}=..., or keep all as they stand: {{parameter}} {AS_IS}",
            parameter="classes",
        )
    names = {label: emotion_of(label) or label.strip() for label in present}
    read = [
        f"{label!r} as {name}" for label, name in sorted(names.items()) if label.strip().casefold() != name.casefold()
    ]
    if read:
        decisions.append(f"class names read as emotions: {', '.join(read)} (as they stand: classes='{AS_IS}')")
    others = sorted({names[label] for label in present if emotion_of(label) is None}, key=natural)
    if others and len(others) < len(present):
        decisions.append(f"classes beside the emotions, kept as they are: {', '.join(others)}")
    return names


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Emotions in FER2013's order, then contempt, then the rest; Happy and happy are one, spelt as it comes first."""
    spelt = {name.casefold(): name for name in reversed(list(names))}
    rank = {name: i for i, name in enumerate((*EMOTIONS, CONTEMPT))}
    return tuple(spelt[key] for key in sorted(spelt, key=lambda key: (rank.get(key, len(rank)), natural(key))))
