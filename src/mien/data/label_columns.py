"""The labels of a table, be it csv, parquet or npz: which column holds them, and which classes its values are."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.data.class_legends import NO_LEGENDS, Legends
from mien.data.class_names import PRESETS, is_missing, name_classes, no_class, number_of, parse_classes, unnamed
from mien.data.csv_columns import emotion_in, is_called
from mien.data.encodings import decode
from mien.errors import MienError
from mien.labels import EMOTIONS, emotion_of

_EXCERPT = 2 * len(EMOTIONS)  # rows below which an excerpt of FER2013 may well lack any of its classes
_IDS = 20  # rows from which a label that differs in most of them is none


@dataclass(frozen=True)
class LabelColumn:
    """A column that may hold the labels.

    values: its K distinct values as text. rows: (N,) index into values. places: where each value first stands, K words
    such as "row 3 (line 4)".
    """

    name: str
    values: list[str]
    rows: NDArray[np.int64]
    places: list[str]

    def counts(self) -> dict[str, int]:
        """Rows of each value, in the order in which they come."""
        n = np.bincount(self.rows, minlength=len(self.values))
        result = Counter[str]()
        for value, k in zip(self.values, n.tolist(), strict=True):
            result[value] += k
        return dict(result)

    def present(self) -> list[str]:
        """The values that are labels, without those that mean "no label"."""
        return [value for value in dict.fromkeys(self.values) if not is_missing(value)]

    def numbers(self) -> set[int] | None:
        """The class numbers, where all labels are some."""
        numbers = {number_of(value) for value in self.present()}
        return {number for number in numbers if number is not None} if numbers and None not in numbers else None


class NamedColumn(NamedTuple):
    """The labels of a table. labels: (N,) int64 into classes, -1 where there is none. by_order: they are numbers that
    nothing names, read in FER2013's order."""

    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    by_order: bool = False


def label_text(value: Any) -> str:
    """A label as text: 3, 3.0, True and "3.0" as whole numbers, bytes decoded, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return label_text(decoded([value])[0][0])
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    return re.sub(r"^(-?\d+)\.0*$", r"\1", str(value).strip())


def decoded(fields: Iterable[bytes]) -> tuple[list[str], str]:
    """Fields as text, and their encoding where it is not UTF-8, as one field tells of all ("" if it is)."""
    lines = [field.replace(b"\n", b" ") for field in fields]
    text, encoding = decode(b"\n".join(lines))
    return [field.strip() for field in text.split("\n")[: len(lines)]], encoding


def column_of(name: str, values: Iterable[Any], names: Sequence[str], decisions: list[str]) -> LabelColumn:
    """A column of any values, one a row. names: of the numbers, where the file tells them. 255 means "no label"."""
    index: dict[str, int] = {}
    places: list[str] = []
    rows = []
    for row, value in enumerate(values, start=1):
        text = label_text(value)
        if text not in index:
            index[text] = len(index)
            places.append(f"row {row}")
        rows.append(index[text])
    if "255" in index:
        decisions.append("labels of 255 mean that there is none")
    texts = ["-1" if text == "255" else text for text in index]
    if names and all(is_missing(text) or text.isdecimal() for text in texts):
        texts = [names[int(text)] if text.isdecimal() and int(text) < len(names) else text for text in texts]
        decisions.append(f"numbers named by the file itself: {', '.join(f'{i} {n}' for i, n in enumerate(names))}")
    return LabelColumn(name, texts, np.array(rows, np.int64), places)


def choose(columns: Sequence[LabelColumn], classes: str | dict[int, str] | None, decisions: list[str]) -> LabelColumn:
    """The column of labels among some, given in the order of their names' likelihood; the choice is told.

    First the one whose values `classes` names; then one of words that name the numbers of another one by one; then one
    that is called emotion; then one that holds emotions in words; then one with labels and no measures or numbers of
    rows. Raises MienError where numbers are called label and another column has emotions that do not name them.
    """
    if len(columns) == 1:
        return columns[0]
    asked = {label.casefold() for label in parse_classes(classes) or {}}
    numbered = [column for column in columns if column.numbers()]

    def worth(column: LabelColumn) -> tuple[bool, ...]:
        present = column.present()
        emotions = sum(emotion_of(value) is not None for value in present)
        words = bool(present) and not any(no_class(value) or number_of(value) is not None for value in present)
        usable = bool(present) and not any(no_class(value) for value in present) and not _differs(column)
        numbers = column.numbers()
        return (
            bool(asked and present) and all(_plain(value) in asked for value in present),
            usable and words and any(_names(column, other) for other in numbered),
            usable and is_called(column.name, "emotion"),
            usable and words and 2 * emotions >= len(present),
            usable,
            emotion_in(column.name),
            numbers in [set(known) for known in PRESETS.values()],
        )

    chosen = max(columns, key=worth)  # the first of equals
    rival = next((other for other in numbered if is_called(other.name, "label") and not _differs(other)), None)
    sure = any(worth(chosen)[:3]) or is_called(chosen.name, "label")
    if rival and not sure:
        raise MienError(
            f"the columns {rival.name!r} (numbers) and {chosen.name!r} ({', '.join(chosen.present()[:3])}) may both be "
            "the labels and do not agree; rename the one that is meant to 'emotion'"
        )
    others = [column.name for column in columns if column is not chosen]
    decisions.append(f"the column {chosen.name!r} holds the labels; left out: {', '.join(map(repr, others))}")
    return chosen


def _plain(value: str) -> str:
    number = number_of(value)
    return value.casefold() if number is None else str(number)


def _names(words: LabelColumn, numbers: LabelColumn) -> bool:
    """Whether words and numbers stand for each other, one for one."""
    pairs = np.unique(np.stack([words.rows, numbers.rows], axis=1), axis=0)
    return len(pairs) == len(words.values) == len(numbers.values) > 1


def _differs(column: LabelColumn) -> bool:
    """Whether a column has another value in most of its rows, as names of files and measures do."""
    return len(column.rows) >= _IDS and 2 * len(column.values) > len(column.rows)


def name_column(
    column: LabelColumn,
    classes: str | dict[int, str] | None,
    where: str,
    decisions: list[str],
    own: bool = False,
    *,
    tell: bool = True,
    legends: Legends = NO_LEGENDS,
) -> NamedColumn:
    """The classes of a column, and the class of each row.

    legends: what files beside the table say of numbers. Numbers that nothing names are FER2013's if they are its seven,
    0..6. own: the columns are called as FER2013's; then an excerpt may lack classes, as long as its numbers do not
    begin or end elsewhere, and 7 is contempt. tell: say that also of all seven. Raises MienError, with `where` and the
    row, for labels that are no classes, and for other numbers without names.
    """
    for value, place in zip(column.values, column.places, strict=True):
        reason = None if is_missing(value) else no_class(value)
        if reason and value.casefold() not in {label.casefold() for label in parse_classes(classes) or {}}:
            raise MienError(f"{where} {place} has the label {value[:40]!r}, {reason}; correct or delete the row")
    if classes is None and _differs(column):
        raise MienError(
            f"{where} has another label in most of its rows ({', '.join(column.values[:3])}, ...), in the column "
            f"{column.name!r}; rename that column, and call the one with the emotions 'emotion'"
        )
    labels = column.counts()
    numbers = column.numbers() if classes is None else None
    if numbers is None:
        naming = name_classes(labels, classes, where=where)
        decisions += naming.decisions
        named = np.array([naming.index[value] for value in column.values], np.int64)
        return NamedColumn(named[column.rows], naming.classes)
    if legend := legends.naming(numbers):
        decisions.append(f"the numbers are named by {legend[1]}")
        naming = name_classes(labels, legend[0], where=where)
        decisions += naming.decisions
        return NamedColumn(np.array([naming.index[v] for v in column.values], np.int64)[column.rows], naming.classes)
    preset = _order(numbers, len(column.rows), own)
    if preset is None:
        raise unnamed(numbers, where)
    missing = {value: n for value, n in labels.items() if is_missing(value)}
    naming = name_classes(missing | {str(number): 1 for number in PRESETS[preset]}, None, preset)
    if tell or numbers != set(PRESETS["fer2013"]):
        decisions += naming.decisions
    absent = [PRESETS[preset][number] for number in sorted(set(PRESETS[preset]) - numbers)]
    if absent:
        decisions.append(f"no rows of {', '.join(absent)}")
    index = [naming.index[value if is_missing(value) else str(number_of(value))] for value in column.values]
    return NamedColumn(np.array(index, np.int64)[column.rows], naming.classes, by_order=True)


def _order(numbers: set[int], n: int, own: bool) -> str | None:
    """The preset of numbers that nothing names; None where they are not plainly FER2013's.

    Sets of fewer classes are often numbered anew, from 0 or 1, so that both ends of FER2013's numbers tell them apart.
    """
    known, extended = set(PRESETS["fer2013"]), set(PRESETS["ckextended"])
    if numbers == known or (own and numbers <= known and (n < _EXCERPT or {0, 6} <= numbers)):
        return "fer2013"
    return "ckextended" if own and {0, 7} <= numbers <= extended else None
