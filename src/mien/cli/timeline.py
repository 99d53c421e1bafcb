"""The course of a film on one page: for each face, how its probabilities moved. Drawn from the timeline's CSV."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mien.cli.table import clock
from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.annotate import font, rgb
from mien.labels import color

LANES = 6  # the faces seen longest
WIDTH, LANE, GAP, LEFT, RIGHT, TOP, BOTTOM = 1500, 120, 26, 132, 40, 118, 64  # pixels
FINE = 2  # drawn this much larger and then reduced, for smooth edges
PAPER, GRID, TEXT, FAINT, EMPTY = (255, 255, 255), (226, 229, 235), (32, 36, 46), (118, 125, 140), (244, 245, 248)


@dataclass(frozen=True)
class _Lane:
    """One face over time. means: (bins, C) mean probabilities, NaN where it was not seen."""

    id: int
    seen: int
    means: np.ndarray


def plot_timeline(timeline: Path, path: Path, title: str) -> None:
    """Draw the CSV that `read_film` writes as a picture: one lane for each of the six faces seen longest.

    A lane is a stack of probabilities, each in its class's colour, adding up to 1; it is empty where the face was
    not seen. The file is read row by row, so films of any length need the same memory.
    Raises MienError where the file is no such timeline or `path` cannot be written.
    """
    classes, times, counts = _survey(timeline)
    last = max(times[1], times[0] + 1e-3)
    bins = WIDTH - LEFT - RIGHT
    # A bin is never shorter than the step between two looks, or lanes would be combs.
    steps = max(1, min(bins, round((last - times[0]) / times[2]) + 1 if times[2] > 0 else 1))
    chosen = sorted(sorted(counts, key=lambda id: (-counts[id], id))[:LANES])
    lanes = _bin(timeline, classes, chosen, counts, (times[0], last), steps)
    image = _draw(lanes, classes, (times[0], last), title, len(counts))
    with atomic_write(path) as temporary:
        try:
            image.save(temporary, format="PNG")
        except OSError as error:
            raise MienError(f"cannot write {path}: {error.strerror or error}") from error


def _rows(timeline: Path) -> Iterator[dict[str, str]]:
    with open(timeline, newline="", encoding="utf-8", errors="surrogateescape") as file:
        for row in csv.DictReader(file):
            if row.get("time"):
                yield row


def _survey(timeline: Path) -> tuple[list[str], tuple[float, float, float], dict[int, int]]:
    """The classes; the first and last time and the usual step between two; how often each face was seen."""
    with open(timeline, newline="", encoding="utf-8", errors="surrogateescape") as file:
        columns = next(csv.reader(file), [])
    classes = [name[2:] for name in columns if name.startswith("p_")]
    if not classes or "time" not in columns or "id" not in columns:
        raise MienError(f"{timeline} is not the timeline of a film (mien read FILM --csv)")
    first, last, looks = 0.0, 0.0, 0
    counts: dict[int, int] = {}
    for row in _rows(timeline):
        now = float(row["time"])
        first, looks = (now, 1) if looks == 0 else (first, looks + (now > last))
        last = max(last, now)
        if row["id"]:
            counts[int(row["id"])] = counts.get(int(row["id"]), 0) + 1
    return classes, (first, last, (last - first) / max(1, looks - 1)), counts


def _bin(
    timeline: Path, classes: list[str], chosen: list[int], counts: dict[int, int], span: tuple[float, float], bins: int
) -> list[_Lane]:
    sums = {id: np.zeros((bins, len(classes))) for id in chosen}
    for row in _rows(timeline):
        if row["id"] and int(row["id"]) in sums:
            where = round((float(row["time"]) - span[0]) / (span[1] - span[0]) * (bins - 1))
            sums[int(row["id"])][where] += [float(row[f"p_{name}"]) for name in classes]
    lanes = []
    for id in chosen:
        total = sums[id].sum(axis=1, keepdims=True)  # probabilities add up to 1 a row: this counts the rows
        lanes.append(_Lane(id, counts[id], np.where(total > 0, sums[id] / np.maximum(total, 1e-9), np.nan)))
    return lanes


def _draw(lanes: list[_Lane], classes: list[str], span: tuple[float, float], title: str, people: int) -> Image.Image:
    height = TOP + max(1, len(lanes)) * (LANE + GAP) - GAP + BOTTOM
    image = Image.new("RGB", (WIDTH * FINE, height * FINE), PAPER)
    draw = ImageDraw.Draw(image)

    def at(*numbers: float) -> list[float]:
        return [number * FINE for number in numbers]

    def write(x: float, y: float, text: str, size: int, ink: tuple[int, int, int], anchor: str) -> None:
        draw.text((x * FINE, y * FINE), text, font=font(size * FINE), fill=ink, anchor=anchor)

    shown = f"{len(lanes)} of {people} faces, those seen longest" if people > len(lanes) else ""
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
        top = TOP + number * (LANE + GAP)
        means = np.nanmean(lane.means, axis=0)
        best = int(means.argmax())
        write(LEFT - 20, top + LANE / 2 - 12, f"#{lane.id}", 22, TEXT, "rm")
        write(LEFT - 20, top + LANE / 2 + 14, classes[best], 15, FAINT, "rm")
        strip = _lane_image(lane.means, classes).resize(
            ((WIDTH - LEFT - RIGHT) * FINE, LANE * FINE), Image.Resampling.BOX
        )
        mask = Image.new("L", strip.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, strip.width - 1, strip.height - 1), 6 * FINE, fill=255)
        image.paste(strip, (LEFT * FINE, top * FINE), mask)
    if not lanes:
        write(WIDTH / 2, TOP + LANE / 2, "no face found", 20, FAINT, "mm")
    return image.resize((WIDTH, height), Image.Resampling.LANCZOS)


def _lane_image(means: np.ndarray, classes: list[str]) -> Image.Image:
    """(bins, C) probabilities as stacked colours, LANE * FINE rows high, a column or more a bin."""
    columns = (WIDTH - LEFT - RIGHT) * FINE
    where = np.linspace(0, len(means) - 1, columns)
    # Between two looks the shares run straight from one to the other; a gap stays a gap.
    low, high = np.floor(where).astype(int), np.ceil(where).astype(int)
    part = (where - low)[:, None]
    mixed = means[low] * (1 - part) + means[high] * part
    near = means[np.rint(where).astype(int)]
    mixed = np.where(np.isnan(mixed), near, mixed)
    edges = np.cumsum(mixed, axis=1)  # (columns, C)
    rows = (np.arange(LANE * FINE) + 0.5) / (LANE * FINE)
    layer = (rows[:, None, None] > edges[None]).sum(axis=2).clip(max=len(classes) - 1)  # first class at the top
    paint = np.array([rgb(color(name, index)) for index, name in enumerate(classes)], np.uint8)
    pixels = paint[layer]
    pixels[:, np.isnan(mixed).any(axis=1)] = EMPTY
    return Image.fromarray(pixels)


def _ticks(first: float, last: float) -> list[float]:
    """Round moments, about eight of them."""
    wanted = (last - first) / 8
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step = next((step for step in steps if step >= wanted), 14400)
    start = int(np.ceil(first / step - 1e-9))
    return [number * step for number in range(start, int(last / step + 1e-9) + 1)]
