"""FER2013's csv layouts: bytes in, arrays out, and an exact word about every fault.

The header tells the layout, whatever the file is called: `emotion,pixels` (train.csv), `pixels` (test.csv),
`emotion, Usage, pixels` (icml_face_data.csv), `emotion,pixels,Usage` (fer2013.csv); more columns are ignored.

FER2013 is 74 million small numbers in text, so they are parsed many at a time: whole rows are joined to one
buffer, every byte is looked at by a handful of vectorised uint8 operations, and the value that ends at each
digit is kept where a number really ends. A buffer that is not plainly right goes row by row through `_careful`.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from mien.data.dataset import SIZE, USAGES
from mien.errors import MienError
from mien.labels import EMOTIONS

PIXELS = SIZE * SIZE
_BLOCK = 1 << 18  # bytes read at once: they stay in the processor's caches while they are cut up
_BATCH = 16  # rows parsed at once, for the same reason
_LONGEST = 1 << 20  # bytes in a row that make it hopeless (a right one has 12 KB at most)

_LABELS = {str(i).encode(): i for i in range(len(EMOTIONS))}
_USAGES = {name.encode(): i for i, name in enumerate(USAGES)}


@dataclass(frozen=True)
class Rows:
    """What a csv file holds. images (N, 48, 48) uint8; labels (N,) int64, or None without that column;
    usage (N,) uint8 index into USAGES, or None without that column."""

    images: np.ndarray
    labels: np.ndarray | None
    usage: np.ndarray | None


@dataclass(frozen=True)
class Columns:
    """Where the fields stand in a row. kind: "full" (labels and usages), "train" (labels) or "test" (neither)."""

    n: int
    pixels: int
    emotion: int | None
    usage: int | None
    kind: str


def columns(header: bytes, name: str) -> Columns | None:
    """The layout that a header line tells, or None when there is no column of pixels (then it is no file of faces).

    Raises MienError, with the file's `name`, for an empty file, and for one that has other columns than pixels but
    no emotion among them.
    """
    if not header.strip():
        raise MienError(f"{name} is empty (or its first line is); fetch it again (mien data fetch)")
    names = [f.strip(b" \t\r\n\"'").lower() for f in header.removeprefix(b"\xef\xbb\xbf").split(b",")]
    at = {field: i for i, field in enumerate(names)}
    if b"pixels" not in at:
        return None
    emotion, usage = at.get(b"emotion"), at.get(b"usage")
    if emotion is None and not set(names) <= {b"pixels", b"id", b""}:
        shown = ascii(header[:60].decode("utf-8", "replace").strip())
        raise MienError(f"{name} has no 'emotion' column (its header is {shown}); rename the column of class numbers")
    kind = "test" if emotion is None else "train" if usage is None else "full"
    return Columns(len(names), at[b"pixels"], emotion, usage, kind)


def read_rows(stream: BinaryIO, name: str, threads: int | None = None) -> Rows:
    """Parse a csv file of any of the four layouts. `name` is for messages; threads: by default up to four.

    Raises MienError, with file and row, for a missing column, a wrong number of pixels or fields, a pixel that
    is no integer in 0..255, an emotion out of 0..6, an unknown usage, and for a file without rows.
    """
    header = stream.readline(_LONGEST)
    layout = columns(header, name)
    if layout is None:
        raise no_pixels(header, name)

    labels: list[int] = []
    usage: list[int] = []
    parts: list[np.ndarray] = []
    workers = threads or min(4, os.cpu_count() or 1)
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for first, lines in _lines(stream, name):
                kept = [(k, line.strip(b"\r")) for k, line in enumerate(lines) if line and not line.isspace()]
                if not kept:
                    continue
                numbers = [first + k for k, _ in kept]
                fields = _fields([line for _, line in kept], numbers, layout, name)
                if layout.emotion is not None:
                    labels += _labels(fields[1], numbers, name)
                if layout.usage is not None:
                    usage += _usages(fields[2], numbers, name)
                part = np.empty((len(kept), PIXELS), np.uint8)
                parts.append(part)
                pending.append(pool.submit(_pixels, fields[0], part, numbers, name))
                while len(pending) > 4 * workers:
                    pending.popleft().result()
            while pending:
                pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
    if not parts:
        raise MienError(f"{name} has a header and no rows; fetch it again (mien data fetch)")
    images = np.concatenate(parts).reshape(-1, SIZE, SIZE)
    return Rows(
        images,
        np.array(labels, np.int64) if layout.emotion is not None else None,
        np.array(usage, np.uint8) if layout.usage is not None else None,
    )


def no_pixels(header: bytes, name: str) -> MienError:
    """The error for a file whose header names no pixels."""
    shown = ascii(header[:60].decode("utf-8", "replace").strip())
    return MienError(f"{name} has no 'pixels' column (it begins with {shown}); give one of FER2013's csv files")


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, list[bytes]]]:
    """Whole lines, many at a time, with the number in the file of the first of them (the header is line 1)."""
    number, rest = 2, b""
    while block := stream.read(_BLOCK):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield number, lines
        number += len(lines)
        if len(rest) > _LONGEST:
            raise _fault(name, number, "is longer than a megabyte", "this is not a file of faces")
    yield number, [rest]


def _fields(
    lines: list[bytes], numbers: list[int], layout: Columns, name: str
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The pixels, emotion and usage of each row, as bytes without quotes (nothing where there is no such column)."""
    rows = [line.split(b",") for line in lines]
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != layout.n:
            raise _fault(name, number, f"has {len(row)} fields where the header has {layout.n}", _CUT)

    def column(at: int | None) -> list[bytes]:
        return [] if at is None else [row[at].strip(b' "') for row in rows]

    return column(layout.pixels), column(layout.emotion), column(layout.usage)


def _labels(fields: list[bytes], numbers: list[int], name: str) -> list[int]:
    found = [_LABELS.get(field, -1) for field in fields]
    if -1 in found:
        at = found.index(-1)
        legend = ", ".join(f"{i} {emotion}" for i, emotion in enumerate(EMOTIONS))
        raise _fault(name, numbers[at], f"has the emotion {_show(fields[at])}", f"it must be one of {legend}")
    return found


def _usages(fields: list[bytes], numbers: list[int], name: str) -> list[int]:
    found = [_USAGES.get(field, -1) for field in fields]
    if -1 in found:
        at = found.index(-1)
        raise _fault(name, numbers[at], f"has the Usage {_show(fields[at])}", f"it must be one of {', '.join(USAGES)}")
    return found


def _pixels(texts: list[bytes], out: np.ndarray, numbers: list[int], name: str) -> None:
    """Parse the pixels of many rows into out (n, 2304) uint8."""
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        if not _parse(batch, out[start : start + _BATCH]):
            for k, text in enumerate(batch, start):
                out[k] = _careful(text, numbers[k], name)


def _parse(texts: list[bytes], out: np.ndarray) -> bool:
    """Parse rows of digits and single spaces into out (n, 2304) uint8; False when anything is out of order."""
    # Two spaces in front and one behind, so that every digit has its neighbours.
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
    words = text.split()
    for k, word in enumerate(words, 1):
        if not word.isdigit():
            is_integer = word[:1] in b"+-" and word[1:].isdigit()
            what = "not in 0..255" if is_integer else "not an integer"
            raise _fault(name, number, f"has {_show(word)} as pixel {k}, {what}", _FIX)
        if int(word[:20]) > 255:
            raise _fault(name, number, f"has {_show(word)} as pixel {k}, not in 0..255", _FIX)
    if len(words) != PIXELS:
        raise _fault(name, number, f"has {len(words):,} pixels instead of {PIXELS:,} ({SIZE}x{SIZE})", _CUT)
    return np.array([int(word) for word in words], np.uint8)


_FIX = "correct or delete the row, or fetch the file again"
_CUT = "the file may be cut off or not FER2013's: fetch it again, or delete the row"


def _fault(name: str, number: int, what: str, todo: str) -> MienError:
    return MienError(f"{name} row {number - 1} (line {number}) {what}; {todo}")


def _show(field: bytes) -> str:
    return ascii(field[:20].decode("utf-8", "replace")) + ("..." if len(field) > 20 else "")
