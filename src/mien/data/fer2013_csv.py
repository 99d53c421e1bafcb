"""FER2013's csv layouts: bytes in, arrays out, and an exact word about every fault.

The first lines tell the layout, whatever the file is called (see `mien.data.csv_columns`): `emotion,pixels`
(train.csv), `pixels` (test.csv), `emotion, Usage, pixels` (icml_face_data.csv), `emotion,pixels,Usage` (fer2013.csv),
and their relatives with other names, delimiters, quoted lists, a column for each pixel, or no header; more columns are
ignored.

FER2013 is 74 million small numbers in text, so they are parsed many at a time: whole rows are joined to one buffer,
every byte is looked at by a handful of vectorized uint8 operations, and the value that ends at each digit is kept where
a number really ends. A buffer that is not plainly right goes row by row through `_careful`.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mien.cores import cores
from mien.data.class_legends import NO_LEGENDS, Legends
from mien.data.class_names import is_missing
from mien.data.csv_columns import PIXELS, Columns, columns, first_rows, telling_row
from mien.data.dataset import SIZE, USAGES
from mien.data.label_columns import LabelColumn, NamedColumn, choose, decoded, label_text, name_column
from mien.data.part_columns import part_columns
from mien.data.parts import part_of
from mien.data.pixel_values import only_0_and_1
from mien.data.rows import Rows
from mien.errors import MienError
from mien.labels import EMOTIONS

_BLOCK = 1 << 18  # bytes read at once: they stay in the processor's caches while they are cut up
_BATCH = 16  # rows parsed at once, for the same reason
MAX_ROW_BYTES = 1 << 20  # bytes in a row that make it hopeless (a right one has 12 KB at most)
_ROWS = 4096  # rows for which there is room at first
_WHOLE = re.compile(r"[0-9]{1,9}")
_BRACKETS = bytes.maketrans(b"[](),;\t", b"       ")


class _Codes:
    """The values of a column as small numbers, in the order in which they come, with the line where each first
    stood.
    """

    def __init__(self) -> None:
        self.codes: dict[bytes, int] = {}
        self.lines: list[int] = []
        self.rows: list[NDArray[np.int32]] = []

    def add(self, fields: list[bytes], numbers: list[int], check: Callable[[str, int], None]) -> None:
        """Take the fields of some rows, and their line numbers; check: called once for each new value and its line."""
        known = self.codes
        for field, number in zip(fields, numbers, strict=True):
            if field not in known:
                check(decoded([field])[0][0], number)
                known[field] = len(known)
                self.lines.append(number)
        self.rows.append(np.fromiter((known[field] for field in fields), np.int32, len(fields)))

    def all_rows(self) -> NDArray[np.int64]:
        """The code of each row: (N,) int64."""
        return np.concatenate(self.rows).astype(np.int64)


class _Pixels:
    """Room for the pixels of rows whose number is not known before the end; it grows without a copy beside it."""

    def __init__(self) -> None:
        self.array = np.empty((_ROWS, PIXELS), np.uint8)
        self.used = 0

    def room(self, n: int, pending: deque[Future[None]]) -> NDArray[np.uint8]:
        """Room for n more rows; parsing into earlier room is waited for where the array has to move."""
        if self.used + n > len(self.array):
            while pending:
                pending.popleft().result()
            self.array.resize((max(self.used + n, len(self.array) * 6 // 5), PIXELS), refcheck=False)
        self.used += n
        return self.array[self.used - n : self.used]

    def images(self) -> NDArray[np.uint8]:
        """What was parsed: (N, 48, 48) uint8."""
        self.array.resize((self.used, PIXELS), refcheck=False)
        return self.array.reshape(-1, SIZE, SIZE)


def read_rows(
    stream: BinaryIO,
    name: str,
    threads: int | None = None,
    classes: str | dict[int, str] | None = None,
    legends: Legends = NO_LEGENDS,
) -> Rows:
    """Parse a csv file of faces. `name` is for messages; threads: by default up to four; classes: see `parse_classes`;
    legends: what files beside it say of numbered classes.

    Raises MienError, with file and row, for a missing column, a wrong number of pixels or fields, a pixel that is no
    integer in 0..255, labels of unknown meaning, an unknown usage, and for a file without rows.
    """
    first = stream.readline(MAX_ROW_BYTES)
    following = first_rows(stream, MAX_ROW_BYTES)
    layout = columns(first, name, telling_row(following))
    if layout is None:
        raise no_pixels(first, name)
    before = b"".join([*([] if layout.header else [first.removeprefix(b"\xef\xbb\xbf")]), *following])

    labels, parts = [_Codes() for _ in layout.labels], [_Codes() for _ in layout.parts]
    pixels = _Pixels()
    # Where there is a choice, it is made in the end, and so is what the labels are.
    needed = len(labels) == 1 and classes is None
    workers = threads or min(4, cores())
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for number, lines in _lines(stream, name, before, 2 if layout.header else 1):
                kept = [(k, line.strip(b"\r")) for k, line in enumerate(lines) if line and not line.isspace()]
                if not kept:
                    continue
                numbers = [number + k for k, _ in kept]
                fields = _fields([line for _, line in kept], numbers, layout, name)
                for codes, values in zip(labels, fields[1], strict=True):
                    codes.add(values, numbers, lambda text, line: _check_label(text, line, name, needed))
                for (title, _), codes, values in zip(layout.parts, parts, fields[2], strict=True):
                    codes.add(values, numbers, lambda text, line, title=title: _check_usage(text, line, name, title))  # type: ignore[misc]
                room = pixels.room(len(kept), pending)
                pending.append(pool.submit(_pixels, fields[0], room, numbers, name))
                while len(pending) > 4 * workers:
                    pending.popleft().result()
            while pending:
                pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
    if not pixels.used:
        raise MienError(f"{name} has a header and no rows; fetch it again (mien data fetch)")
    decisions = list(layout.decisions)
    named = _labels(labels, layout, classes, name, decisions, legends) if labels else None
    usage = _usages(parts, layout, name, decisions) if parts else None
    images = pixels.images()
    if only_0_and_1(images):
        images *= np.uint8(255)
        decisions.append("all pixels are 0 or 1, which are read as black and white")
    if named is None:
        return Rows(images, None, usage, decisions=tuple(decisions))
    return Rows(images, named.labels, usage, named.classes, tuple(decisions), named.by_order)


def no_pixels(header: bytes, name: str) -> MienError:
    """The error for a file whose header names no pixels."""
    shown = ascii(header[:60].decode("utf-8", "replace").strip())
    return MienError(f"{name} has no 'pixels' column (it begins with {shown}); give one of FER2013's csv files")


def _lines(stream: BinaryIO, name: str, rest: bytes, number: int) -> Iterator[tuple[int, list[bytes]]]:
    """Whole lines, many at a time, with the number in the file of the first of them. rest: what is read already."""
    while block := stream.read(_BLOCK):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield number, lines
        number += len(lines)
        if len(rest) > MAX_ROW_BYTES:
            raise _fault(name, number, "is longer than a megabyte", "this is not a file of faces")
    yield number, rest.split(b"\n")


def _fields(
    lines: list[bytes], numbers: list[int], layout: Columns, name: str
) -> tuple[list[bytes], list[list[bytes]], list[list[bytes]]]:
    """The pixels, and the columns that may be labels and parts, as bytes without quotes."""
    rows = [line.split(layout.delimiter) for line in lines]
    for i, number in enumerate(numbers):
        if len(rows[i]) != layout.n and b'"' in lines[i]:
            pieces = lines[i].split(b'"')  # what stands in quotes is at odd places
            pieces[1::2] = [piece.replace(layout.delimiter, b" ") for piece in pieces[1::2]]
            rows[i] = b"".join(pieces).split(layout.delimiter)
        if len(rows[i]) != layout.n:
            where = "header" if layout.header else "first row"
            raise _fault(name, number, f"has {len(rows[i])} fields where the {where} has {layout.n}", _CUT)

    def column(at: int) -> list[bytes]:
        return [row[at].strip(b" \"'\t") for row in rows]

    start, stop = layout.pixels
    pixels = column(start) if stop - start == 1 else [b" ".join(row[start:stop]) for row in rows]
    return pixels, [column(at) for _, at in layout.labels], [column(at) for _, at in layout.parts]


def _labels(
    found: list[_Codes],
    layout: Columns,
    classes: str | dict[int, str] | None,
    name: str,
    decisions: list[str],
    legends: Legends,
) -> NamedColumn:
    """The class of each row, and the classes. found: the columns that may be the labels."""
    kept: dict[str, _Codes] = {}
    options = []
    for (title, _), codes in zip(layout.labels, found, strict=True):
        texts, encoding = decoded(codes.codes)
        places = [f"row {line - 1} (line {line})" for line in codes.lines]
        options.append(LabelColumn(title, [label_text(text) for text in texts], codes.all_rows(), places))
        kept[title] = codes
        if encoding:
            decisions.append(f"the column {title!r} is not UTF-8 and is read as {encoding}")
    column = choose(options, classes, decisions)
    if classes is None and not legends.found:
        _check_labels(column, kept[column.name].lines, name)
    if column.numbers() and any(b"." in field for field in kept[column.name].codes):
        decisions.append("labels written as floating-point numbers (3.0) are read as whole ones")
    own = layout.own and column.name == "emotion"
    return name_column(column, classes, name, decisions, own, tell=not own, legends=legends)


def _check_labels(column: LabelColumn, lines: list[int], name: str) -> None:
    """Raise MienError, with the row, where there is no label, a number that is none of 0..7, or a number among
    names.
    """
    present = column.present()
    numbers = all(re.match(r"[-+.\d]", text) for text in present)
    legend = ", ".join(f"{i} {emotion}" for i, emotion in enumerate(EMOTIONS))
    for text, line in zip(column.values, lines, strict=True):
        what = f"has the emotion {text[:20]!a}"
        if is_missing(text):
            todo = "write its number or name, or delete the row, or give {parameter}, and such rows stay unlabeled"
            raise _fault(name, line, what, f"a label is needed: {todo}", "classes")
        if numbers and (not _WHOLE.fullmatch(text) or int(text) > len(EMOTIONS)):
            raise _fault(name, line, what, f"it must be one of {legend}, or give {{parameter}}", "classes")
        if not numbers and _WHOLE.fullmatch(text):
            raise _fault(name, line, f"{what} where others are names", _FIX)


def _check_label(text: str, line: int, name: str, needed: bool) -> None:
    if not text and needed:
        raise _fault(name, line, "has the emotion ''", "give its number or name, or delete the row")


def _check_usage(text: str, line: int, name: str, title: str) -> None:
    if title == "usage" and part_of(text) is None:
        shown = ascii(text[:20]) + ("..." if len(text) > 20 else "")
        raise _fault(
            name, line, f"has the Usage {shown}", f"it must be one of {', '.join(USAGES)}, train, validation, test"
        )


def _usages(found: list[_Codes], layout: Columns, name: str, decisions: list[str]) -> NDArray[np.uint8] | None:
    """Index into USAGES of each row; None where no column says the parts. found: the columns that may."""
    columns = {title: codes for (title, _), codes in zip(layout.parts, found, strict=True)}
    texts = {title: decoded(codes.codes)[0] for title, codes in columns.items()}
    chosen = part_columns(texts)
    left = [title for title in columns if chosen is None or title not in chosen.names]
    if left:
        decisions.append(f"left out: the column{'s' * (len(left) > 1)} {', '.join(left[:8])}")
    if chosen is None:
        return None
    codes = np.stack([columns[title].all_rows() for title in chosen.names], axis=1)
    kinds, first, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    rows = [[texts[title][code] for title, code in zip(chosen.names, kind, strict=True)] for kind in kinds.tolist()]
    parts = [chosen.part(row) for row in rows]
    for at in np.argsort(first).tolist():
        if parts[at] is None:
            line = int(first[at]) + (2 if layout.header else 1)
            if len(chosen.names) == 1:
                line = columns[chosen.names[0]].lines[int(kinds[at, 0])]
            raise _fault(name, line, *chosen.fault(rows[at]).rsplit("; ", 1))
    decisions += [chosen.told()] if chosen.told() and layout.header else []
    if not chosen.flags and not chosen.celeba and any(row[0] not in USAGES for row in rows):
        roles = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
        shown = ", ".join(f"{rows[at][0]!r} is {roles[str(parts[at])]}" for at in np.argsort(first).tolist())
        decisions.append(f"parts: {shown}")
    return np.array([USAGES.index(str(part)) for part in parts], np.uint8)[inverse.reshape(-1)]


def _pixels(texts: list[bytes], out: NDArray[np.uint8], numbers: list[int], name: str) -> None:
    """Parse the pixels of many rows into out (n, 2304) uint8."""
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        rows = out[start : start + _BATCH]
        if _parse(batch, rows) or _parse([_plain(text) for text in batch], rows):
            continue
        for k, text in enumerate(batch, start):
            out[k] = _careful(text, numbers[k], name)


def _plain(text: bytes) -> bytes:
    """The pixels of a row without brackets, commas and needless zeros: "[70.0, 80]" as "70 80"."""
    text = b" ".join(text.translate(_BRACKETS, b"\"'").split())
    return re.sub(rb"(?<=\d)\.0*(?= |$)", b"", text) if b"." in text else text


def _parse(texts: list[bytes], out: np.ndarray) -> bool:
    """Parse rows of digits and single spaces into out (n, 2304) uint8; False when anything is out of order."""
    # Two spaces in front and one behind, so that every digit has its neighbors.
    buffer = b"".join((b"  ", b" ".join(texts), b" "))
    d = np.frombuffer(buffer, np.uint8) - np.uint8(48)  # a space becomes 240
    digit = (d < 10).view(np.uint8)
    if np.count_nonzero(digit) + np.count_nonzero(d == 240) != len(d):
        return False
    end = np.flatnonzero(digit[2:-1] > digit[3:])
    if len(end) != out.size:
        return False
    d *= digit
    low = d[1:-2] * np.uint8(10)
    low += d[2:-1]
    triple = digit[1:-2] & digit[2:-1]
    hundreds = triple * d[:-3]
    value = hundreds * np.uint8(100)
    value += low  # the value of the number that ends here, modulo 256
    # Numbers stay under 256: three digits at most, no hundreds above 2, no sum that has wrapped.
    if (triple[1:] & triple[:-1] & digit[:-4]).any() or hundreds.max() > 2 or (value < low).any():
        return False
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    if not np.array_equal(np.searchsorted(end, np.cumsum(lengths)), np.arange(1, len(texts) + 1) * PIXELS):
        return False
    np.take(value, end, out=out.reshape(-1), mode="clip")
    return True


def _careful(text: bytes, number: int, name: str) -> np.ndarray:
    """One row the slow way: (2304,) uint8, or the exact reason why not."""
    words = _plain(text).split()
    for k, word in enumerate(words, 1):
        if not word.isdigit():
            is_integer = word[:1] in b"+-" and word[1:].isdigit()
            what = "not in 0..255" if is_integer else "not an integer"
            raise _fault(name, number, f"has {_show(word)} as pixel {k}, {what}", _FIX)
        word = word.lstrip(b"0") or b"0"
        if len(word) > 3 or int(word) > 255:
            raise _fault(name, number, f"has {_show(word)} as pixel {k}, not in 0..255", _FIX)
    if len(words) != PIXELS:
        raise _fault(name, number, f"has {len(words):,} pixels instead of {PIXELS:,} ({SIZE}x{SIZE})", _CUT)
    return np.array([int(word[-3:]) for word in words], np.uint8)


_FIX = "correct or delete the row, or fetch the file again"
_CUT = "the file may be cut off or not FER2013's: fetch it again, or delete the row"


def _fault(name: str, number: int, what: str, todo: str, parameter: str | None = None) -> MienError:
    return MienError(f"{name} row {number - 1} (line {number}) {what}; {todo}", parameter=parameter)


def _show(field: bytes) -> str:
    return ascii(field[:20].decode("utf-8", "replace")) + ("..." if len(field) > 20 else "")
