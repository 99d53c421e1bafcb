"""submission.csv: write and read predictions for test.csv, in its order, in several layouts.

The hosts' own script expects one integer per line, no header, no id ("plain"). Others use `id,emotion` counted from 0
("id0") or from 1 ("id1"), or the layout of an example file ("like:FILE").
"""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data.dataset import Dataset
from mien.errors import MienError, require
from mien.files import atomic_write
from mien.labels import EMOTIONS

FORMATS = ("plain", "id0", "id1", "like:FILE")
LABEL_NAMES = {"emotion", "label", "class", "prediction", "predicted", "expression", "target", "y"}


@dataclass(frozen=True)
class Layout:
    """The layout of a submission.

    header: column names, empty for none. ids: text of the id column, one per row; None for no id column. label_column:
    0 or 1, if there are ids. names: how each class is written; None: as numbers.
    """

    header: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    label_column: int = 0
    separator: str = ","
    names: tuple[str, ...] | None = None
    newline: str = "\n"


@dataclass(frozen=True)
class Match:
    """Labels of the test rows, (N,) int64, -1 if unknown, and the number of known labels per usage."""

    labels: np.ndarray
    known: dict[str, int]


def write(predictions: np.ndarray, path: str | Path, format: str = "plain", classes: Sequence[str] = EMOTIONS) -> None:
    """Write predictions in test.csv order, atomically.

    predictions: (N,) int, 0..C-1. format: one of FORMATS; like:FILE copies header names, ids, column order, separator,
    line ends and label style (number or name) of an example file with the same number of rows. Raises MienError for
    predictions that are not class numbers, an unknown format, an unsuitable example.
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 1 or not np.issubdtype(predictions.dtype, np.integer) or len(predictions) == 0:
        raise MienError(
            f"predictions have shape {predictions.shape} and type {predictions.dtype}; a submission needs "
            "one class number per row (argmax over probabilities)"
        )
    if predictions.min() < 0 or predictions.max() >= len(classes):
        raise MienError(f"predictions span {predictions.min()}..{predictions.max()}; classes are 0..{len(classes) - 1}")
    layout = _layout(format, len(predictions), classes)
    names = layout.names or tuple(map(str, range(len(classes))))
    values = [names[p] for p in predictions.tolist()]
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        out = csv.writer(file, delimiter=layout.separator, lineterminator=layout.newline)
        if layout.header:
            out.writerow(layout.header)
        if layout.ids is None:
            out.writerows([value] for value in values)
        elif layout.label_column == 0:
            out.writerows(zip(values, layout.ids, strict=True))
        else:
            out.writerows(zip(layout.ids, values, strict=True))


def check_format(format: str, rows: int, classes: Sequence[str] = EMOTIONS) -> None:
    """Raise MienError unless `format` is one of FORMATS and, for like:FILE, the example has `rows` rows."""
    _layout(format, rows, classes)


def read(path: str | Path, classes: Sequence[str] = EMOTIONS) -> np.ndarray:
    """Predictions of a submission in any layout of `write`: (N,) int64, 0..C-1, in file order.

    Raises MienError, naming file and row, if it is not a submission.
    """
    return _parse(Path(path), classes)[1]


def match_test_rows(test: Dataset, labeled: Dataset) -> Match:
    """Check that test.csv and the labeled files belong together, and label the test rows whose labels are known.

    test: rows of test.csv in order. labeled: a Dataset with usages; its PublicTest and PrivateTest rows, labeled or
    not, must all occur in test, matched by their pixels, each copy counted. Copies with different labels are matched in
    order. Raises MienError if a row is missing, or if test has rows that a full set does not have.
    """
    places: dict[bytes, list[int]] = defaultdict(list)
    for row in range(len(test) - 1, -1, -1):
        places[test.images[row].tobytes()].append(row)
    labels = np.full(len(test), -1, dtype=np.int64)
    known: dict[str, int] = {}
    matched = 0
    for usage in ("PublicTest", "PrivateTest"):
        rows = np.flatnonzero(labeled.usage == usage)
        missing = []
        for row in rows.tolist():
            stack = places.get(labeled.images[row].tobytes())
            if stack:
                labels[stack.pop()] = labeled.labels[row]
                matched += 1
            else:
                missing.append(row)
        if missing:
            raise MienError(
                f"{len(missing):,} of {len(rows):,} {usage} images of {labeled.source or 'the data'} are "
                f"not in {test.source or 'the test rows'} (first: row {missing[0]}); take both from the same source"
            )
        known[usage] = int((labeled.labels[rows] >= 0).sum())
    both = all((labeled.usage == usage).any() for usage in known)
    if both and matched != len(test):
        raise MienError(
            f"{test.source or 'the test rows'} has {len(test):,} rows, PublicTest and PrivateTest of "
            f"{labeled.source or 'the data'} have {matched:,}; take both from the same source"
        )
    return Match(labels, known)


def _layout(format: str, n: int, classes: Sequence[str]) -> Layout:
    require(isinstance(format, str), "format", format, f"one of {', '.join(FORMATS)}")
    if format == "plain":
        return Layout()
    if format in ("id0", "id1"):
        start = int(format[2])
        return Layout(("id", "emotion"), tuple(map(str, range(start, start + n))), label_column=1)
    if format.startswith("like:") and len(format) > 5:
        example = Path(format[5:])
        layout, labels = _parse(example, classes)
        if len(labels) != n:
            raise MienError(
                f"{example} has {len(labels):,} rows, the test set {n:,}; the example needs the same number",
                parameter="format",
            )
        return layout
    raise MienError(f"no submission format '{format}'; there are {', '.join(FORMATS)}", parameter="format")


def _parse(path: Path, classes: Sequence[str]) -> tuple[Layout, np.ndarray]:
    """Layout of a submission, and its predictions (N,) int64."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MienError(f"cannot read the submission {path}: {error}; give a text file") from error
    first = text.lstrip().split("\n", 1)[0].strip()
    separator = next((mark for mark in ",;\t " if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    known = {name.lower(): i for i, name in enumerate(classes)}
    header: tuple[str, ...] = ()
    if rows and not any(_is_value(cell.strip(), known) for cell in rows[0][1]):
        header = tuple(rows.pop(0)[1])
    if not rows:
        raise MienError(f"{path} contains no predictions; a submission has one line per test row")
    width = len(header or rows[0][1])
    for number, row in rows:
        if len(row) != width or width > 2:
            raise MienError(f"{path}, row {number}: {len(row)} columns; a submission has a label and, at most, an id")
    column = _label_column(header, [row for _, row in rows], known) if width == 2 else 0
    cells = [row[column].strip() for _, row in rows]
    labels = np.array([_label(cell, known) for cell in cells], dtype=np.int64)
    if (bad := np.flatnonzero(labels < 0)).size:
        raise MienError(
            f"{path}, row {rows[bad[0]][0]}: '{cells[bad[0]]}' is not a class; use 0..{len(classes) - 1} "
            f"or {', '.join(classes)}"
        )
    ids = [row[1 - column].strip() for _, row in rows] if width == 2 else []
    if len(set(ids)) < len(ids):
        raise MienError(
            f"{path} has the id {max(ids, key=ids.count)!r} in several rows; use a different id for each row"
        )
    layout = Layout(
        header=header,
        ids=tuple(row[1 - column] for _, row in rows) if width == 2 else None,
        label_column=column,
        separator=separator,
        names=None if all(map(str.isdigit, cells)) else _names(cells, classes),
        newline="\r\n" if "\r\n" in text else "\n",
    )
    return layout, labels


def _is_value(cell: str, known: dict[str, int]) -> bool:
    return cell.lstrip("-").isdecimal() or cell.lower() in known


def _label(cell: str, known: dict[str, int]) -> int:
    if cell.isdecimal():
        return int(cell) if int(cell) < len(known) else -1
    return known.get(cell.lower(), -1)


def _label_column(header: tuple[str, ...], rows: list[list[str]], known: dict[str, int]) -> int:
    """Which of two columns holds the labels: by its name, else the one with fewer distinct values."""
    for column, name in enumerate(header):
        if name.strip().lower() in LABEL_NAMES:
            return column
    fits = [all(_label(row[column].strip(), known) >= 0 for row in rows) for column in (0, 1)]
    if fits[0] != fits[1]:
        return 0 if fits[0] else 1
    return 0 if len({row[0] for row in rows}) < len({row[1] for row in rows}) else 1


def _names(cells: list[str], classes: Sequence[str]) -> tuple[str, ...]:
    """Class names spelled as in the example: lower case, Capitalized, or UPPER CASE."""
    for style in (str, str.lower, str.title, str.upper):
        names = tuple(style(name) for name in classes)
        if set(cells) <= set(names):
            return names
    return tuple(classes)
