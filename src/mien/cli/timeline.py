"""Timeline plot: for each face of a film, its probabilities over time, and with a baseline their change. From the
CSV."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.cli.table import clock
from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.annotate import font, rgb
from mien.labels import color

LANES = 6  # the faces seen longest
WIDTH, LANE, GAP, LEFT, RIGHT, TOP, BOTTOM = 1500, 120, 26, 132, 40, 118, 64  # pixels
BINS = WIDTH - LEFT - RIGHT
CHANGE = 76  # pixels, the lane of changes and the gap above it
FINE = 2  # drawn this much larger and then reduced, for smooth edges
PAPER, GRID, TEXT, FAINT, EMPTY = (255, 255, 255), (226, 229, 235), (32, 36, 46), (118, 125, 140), (244, 245, 248)


@dataclass(frozen=True)
class _Lane:
    """One face over time, a value for each of BINS columns, NaN where it was not seen.

    means: (BINS, C) probabilities. changes: (BINS, C) changes against its baseline; None without one.
    """

    id: int
    means: NDArray[np.float64]
    changes: NDArray[np.float64] | None


class _Bins:
    """Values that run straight from one look at the film to the next, averaged over columns of equal time."""

    def __init__(self, span: tuple[float, float], width: int) -> None:
        self._start, self._scale = span[0], BINS / (span[1] - span[0])
        self._sums, self._weights = np.zeros((BINS, width)), np.zeros(BINS)

    def add(self, first: float, last: float, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
        """From `start` at the time `first` to `end` at the time `last`."""
        left, right = (first - self._start) * self._scale, (last - self._start) * self._scale
        columns = np.arange(max(0, int(left)), min(BINS - 1, int(right)) + 1)
        low, high = np.maximum(columns, left), np.minimum(columns + 1, right)
        inside = high > low
        columns, low, high = columns[inside], low[inside], high[inside]
        part = (((low + high) / 2 - left) / max(right - left, 1e-12))[:, None]
        self._sums[columns] += (high - low)[:, None] * ((1 - part) * start + part * end)
        self._weights[columns] += high - low

    def means(self) -> NDArray[np.float64]:
        """(BINS, width), NaN where nothing was added."""
        weights = self._weights[:, None]
        return np.where(weights > 0, self._sums / np.maximum(weights, 1e-12), np.nan)


def plot_timeline(timeline: Path, path: Path, title: str, end: float = 0.0) -> None:
    """Draw the CSV that `mien read --timeline` writes as a picture: one lane for each of the six faces seen longest.

    A lane is a stack of probabilities, each in its class's color, adding up to 1; it is empty where the face was
    not seen. With a baseline there is a second lane below: what rose against it above the line, what fell below.
    end: of the film, in seconds. The file is read row by row, so films of any length need the same memory.
    Raises MienError where the file is no such timeline or `path` cannot be written.
    """
    survey = _survey(timeline)
    last = end if end > survey.last else survey.last + survey.step
    span = (survey.first, max(last, survey.first + 1e-3))
    longest = sorted(survey.seconds, key=lambda id: (-survey.seconds[id], id))[:LANES]
    lanes = _lanes(timeline, survey, sorted(longest), span)
    image = _draw(lanes, survey.classes, span, title, len(survey.seconds))
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG")


@dataclass(frozen=True)
class _Survey:
    """What a timeline holds. step: the mean time between two looks. seconds: for which each face was seen, by id."""

    classes: list[str]
    has_changes: bool
    first: float
    last: float
    step: float
    seconds: dict[int, float]


def _looks(timeline: Path) -> Iterator[tuple[float, dict[int, dict[str, str]]]]:
    """Each look at the film: its time, and the rows of its faces by id."""
    time: float | None = None
    faces: dict[int, dict[str, str]] = {}
    for row in _rows(timeline):
        now = float(row["time"])
        if time is not None and now != time:
            yield time, faces
            faces = {}
        time = now
        if row["id"]:
            faces[int(row["id"])] = row
    if time is not None:
        yield time, faces


def _rows(timeline: Path) -> Iterator[dict[str, str]]:
    with open(timeline, newline="", encoding="utf-8", errors="surrogateescape") as file:
        for row in csv.DictReader(file):
            if row.get("time"):
                yield row


def _survey(timeline: Path) -> _Survey:
    with open(timeline, newline="", encoding="utf-8", errors="surrogateescape") as file:
        columns = next(csv.reader(file), [])
    classes = [name[2:] for name in columns if name.startswith("p_")]
    if not classes or "time" not in columns or "id" not in columns:
        raise MienError(f"{timeline} is not the timeline of a video (mien read VIDEO --csv)")
    first, last, looks = 0.0, 0.0, 0
    before: list[int] = []
    seconds: dict[int, float] = {}
    for now, faces in _looks(timeline):
        first = now if looks == 0 else first
        for id in before:
            seconds[id] += now - last
        for id in faces:
            seconds.setdefault(id, 0.0)
        before, last, looks = list(faces), now, looks + 1
    return _Survey(classes, f"change_{classes[0]}" in columns, first, last, (last - first) / max(1, looks - 1), seconds)


def _lanes(timeline: Path, survey: _Survey, chosen: list[int], span: tuple[float, float]) -> list[_Lane]:
    means = {id: _Bins(span, len(survey.classes)) for id in chosen}
    changes = {id: _Bins(span, len(survey.classes)) for id in chosen}
    before: dict[int, dict[str, str]] = {}
    last = span[0]
    for now, faces in chain(_looks(timeline), [(span[1], {})]):
        for id, row in before.items():
            following = faces.get(id, row)  # a face that is gone at the next look was seen as it was until then
            for bins, prefix in ((means, "p_"), (changes, "change_")):
                if id in bins and (start := _values(row, prefix, survey.classes)) is not None:
                    end = _values(following, prefix, survey.classes)
                    bins[id].add(last, now, start, start if end is None else end)
        before, last = faces, now
    return [_Lane(id, means[id].means(), changes[id].means() if survey.has_changes else None) for id in chosen]


def _values(row: dict[str, str], prefix: str, classes: list[str]) -> NDArray[np.float64] | None:
    if not row.get(f"{prefix}{classes[0]}"):
        return None
    return np.array([float(row[f"{prefix}{name}"]) for name in classes])


def _draw(lanes: list[_Lane], classes: list[str], span: tuple[float, float], title: str, people: int) -> Image.Image:
    tall = LANE + (CHANGE if any(lane.changes is not None for lane in lanes) else 0)
    height = TOP + max(1, len(lanes)) * (tall + GAP) - GAP + BOTTOM
    scale = _change_scale(lanes)
    image = Image.new("RGB", (WIDTH * FINE, height * FINE), PAPER)
    draw = ImageDraw.Draw(image)

    def at(*numbers: float) -> list[float]:
        return [number * FINE for number in numbers]

    def write(x: float, y: float, text: str, size: int, ink: tuple[int, int, int], anchor: str) -> None:
        draw.text((x * FINE, y * FINE), text, font=font(size * FINE), fill=ink, anchor=anchor)

    shown = f"{len(lanes)} of {people} faces: those visible longest" if people > len(lanes) else ""
    write(LEFT, 34, title, 24, TEXT, "lm")
    write(WIDTH - RIGHT, 34, shown, 16, FAINT, "rm")
    x = float(LEFT)
    for index, name in enumerate(classes):
        draw.rounded_rectangle(at(x, 68, x + 16, 84), 4 * FINE, fill=rgb(color(name, index)))
        write(x + 24, 76, name, 16, TEXT, "lm")
        x += 24 + font(16 * FINE).getlength(name) / FINE + 26
    bottom = height - BOTTOM
    ticks = _ticks(*span)
    whole = all(moment == round(moment) for moment in ticks)
    for moment in ticks:
        x = LEFT + (moment - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT)
        draw.line(at(x, TOP - 8, x, bottom + 8), fill=GRID, width=FINE)
        write(x, bottom + 24, clock(moment).removesuffix(".0" if whole else ""), 15, FAINT, "mm")
    for number, lane in enumerate(lanes):
        top = TOP + number * (tall + GAP)
        best = int(np.nanmean(lane.means, axis=0).argmax())
        write(LEFT - 20, top + LANE / 2 - 12, f"#{lane.id}", 22, TEXT, "rm")
        write(LEFT - 20, top + LANE / 2 + 14, classes[best], 15, FAINT, "rm")
        _paste_rounded(image, _stack(lane.means, classes), top)
        if lane.changes is not None:
            top += LANE + 6
            write(LEFT - 20, top + (CHANGE - 6) / 2 - 8, "change", 15, FAINT, "rm")
            write(LEFT - 20, top + (CHANGE - 6) / 2 + 10, f"\u00b1{scale * 100:.0f} points", 13, FAINT, "rm")
            _paste_rounded(image, _diverging(lane.changes / scale, classes), top)
    if not lanes:
        write(WIDTH / 2, TOP + LANE / 2, "no face found", 20, FAINT, "mm")
    return image.resize((WIDTH, height), Image.Resampling.LANCZOS)


def _paste_rounded(image: Image.Image, strip: Image.Image, top: float) -> None:
    mask = Image.new("L", strip.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, strip.width - 1, strip.height - 1), 6 * FINE, fill=255)
    image.paste(strip, (LEFT * FINE, round(top * FINE)), mask)


def _stack(means: NDArray[np.float64], classes: list[str]) -> Image.Image:
    """(BINS, C) probabilities as stacked colors, LANE * FINE rows high; the first class at the top."""
    edges = np.cumsum(means, axis=1)  # (BINS, C)
    rows = (np.arange(LANE * FINE) + 0.5) / (LANE * FINE)
    layer = (rows[:, None, None] > edges[None]).sum(axis=2).clip(max=len(classes) - 1)
    pixels = _paint(classes)[layer]
    pixels[:, np.isnan(means).any(axis=1)] = EMPTY
    return Image.fromarray(pixels.repeat(FINE, axis=1))


def _diverging(changes: NDArray[np.float64], classes: list[str]) -> Image.Image:
    """(BINS, C) changes, -1..1, as colors stacked up from a middle line where they rose, and down where they fell."""
    half = (CHANGE - 6) * FINE // 2
    heights = (np.arange(half) + 0.5) / half
    pixels = np.full((2 * half, len(changes), 3), EMPTY, np.uint8)
    for sign, order in ((1, heights[::-1]), (-1, heights)):
        edges = np.cumsum(np.nan_to_num(np.maximum(sign * changes, 0)), axis=1)
        layer = (order[:, None, None] >= edges[None]).sum(axis=2)  # (half, BINS); C where nothing is
        colors = np.vstack([_paint(classes), np.array([EMPTY], np.uint8)])[layer]
        pixels[:half] = colors if sign > 0 else pixels[:half]
        pixels[half:] = colors if sign < 0 else pixels[half:]
    pixels[half - 1 : half + 1] = GRID
    return Image.fromarray(pixels.repeat(FINE, axis=1))


def _change_scale(lanes: list[_Lane]) -> float:
    """The change, of 1, that fills half of a lane."""
    largest = 0.0
    for lane in lanes:
        if lane.changes is not None and not np.isnan(lane.changes).all():
            largest = max(largest, float(np.nanmax(np.maximum(lane.changes, 0).sum(axis=1))))
    return next((scale for scale in (0.1, 0.25, 0.5) if largest <= scale), 1.0)


def _paint(classes: list[str]) -> NDArray[np.uint8]:
    """(C, 3), the color of each class."""
    return np.array([rgb(color(name, index)) for index, name in enumerate(classes)], np.uint8)


def _ticks(first: float, last: float) -> list[float]:
    """Round moments, about eight of them."""
    wanted = (last - first) / 8
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step = next((step for step in steps if step >= wanted), 14400)
    start = int(np.ceil(first / step - 1e-9))
    return [number * step for number in range(start, int(last / step + 1e-9) + 1)]
