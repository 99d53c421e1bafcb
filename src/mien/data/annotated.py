"""Pictures as an annotation tool describes them, regions with boxes and attributes, and these as the rows of a list."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mien.data.pictures import Box
from mien.labels import emotion_of

BOX_NAMES = ("xmin", "ymin", "xmax", "ymax")
UNNAMED = "annotations of a class number that the export does not name"
_NO_FACES = {"point", "points", "keypoint", "line", "linestrip", "polyline", "graph", "skeleton"}  # have no area
_FACES = {"face", "faces", "head", "person", "people", "human", "object"}  # labels that name no expression


class Table(NamedTuple):
    """Names of columns, rows, what of the export is in none of them, {reason: n}, and what else was passed over."""

    header: list[str]
    rows: list[list[str]]
    left_out: Counter[str]
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Annotated:
    """One picture of an export: what is said of all of it, and of regions of it. told: {attribute: value}; "label" is
    the tool's own class. regions: the same with a box. unread: what has none, {reason: n}. marks: points and lines,
    {kind: n}."""

    picture: str
    told: dict[str, str] = field(default_factory=dict)
    regions: list[tuple[dict[str, str], Box]] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)

    def leave_out(self, kind: str) -> None:
        """Count an annotation of a kind that has no box, such as points."""
        if kind.lower() in _NO_FACES:
            self.marks[kind.lower()] += 1
        else:
            self.unread[f"annotations of the kind {kind}, which has no box"] += 1


def table_of(pictures: Iterable[Annotated]) -> Table:
    """A row a region, or a picture where there is none; what is said of a picture holds for its regions.

    The tool's own label is left out where it names no expression ("face") and attributes tell the regions apart; a sole
    attribute is the label.
    """
    rows: list[tuple[str, dict[str, str], Box | None]] = []
    unread, marks = Counter[str](), Counter[str]()
    for each in pictures:
        rows += [(each.picture, each.told | told, box) for told, box in each.regions]
        unread.update(each.unread)
        marks.update(each.marks)
        if not each.regions and (each.told or not each.unread):
            rows.append((each.picture, each.told, None))
    names = list(dict.fromkeys(name for _, told, _ in rows for name in told))
    if says_nothing([told for _, told, _ in rows]):
        names.remove("label")
    boxed = any(box for _, _, box in rows)
    lines = [
        [picture, *(told.get(name, "") for name in names), *(map(repr, box) if box else [""] * 4 * boxed)]
        for picture, told, box in rows
    ]
    header = with_label(["file", *names], lines)
    told = [f"passed over: {n:,} annotations of the kind {kind}, which hold no face" for kind, n in marks.items()]
    return Table([*header, *(BOX_NAMES if boxed else ())], lines, unread, tuple(told))


def with_label(header: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The names of columns, where the first names the pictures; the sole other one that differs is called label."""
    telling = [i for i in range(1, len(header)) if header[i] != "subset" and len({row[i] for row in rows} - {""}) > 1]
    return ["label" if [i] == telling else name for i, name in enumerate(header)]


def says_nothing(told: Sequence[dict[str, str]]) -> bool:
    """Whether attributes tell apart what has one label: all regions, or those called face beside other things."""
    values: dict[str, set[str]] = defaultdict(set)
    for each in told:
        for name, value in each.items():
            values[name].add(value)
    telling = [name for name in values if name != "label" and len(values[name] - {""}) > 1]
    described = {each.get("label", "") for each in told if any(each.get(name) for name in telling)}
    return bool(described) and (
        len(values["label"]) == 1
        or ({label.casefold() for label in described} <= _FACES and not any(map(emotion_of, values["label"])))
    )


def sole(words: Sequence[str]) -> str:
    """The one of several words that is meant: the only one, or the only emotion among them; "" where there is none."""
    emotions = [word for word in words if emotion_of(word)]
    meant = emotions if len(words) > 1 else words
    return meant[0] if len(meant) == 1 else ""


def around(points: Iterable[Any]) -> Box:
    """The box around points (x, y)."""
    xs, ys = zip(*points, strict=True)
    return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))


def turned(box: Box, degrees: float, x: float, y: float) -> Box:
    """The box around a box that is turned clockwise about the point x, y."""
    if not degrees:
        return box
    left, top, right, bottom = box
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    corners = [(px - x, py - y) for px in (left, right) for py in (top, bottom)]
    return around([(x + px * cos - py * sin, y + px * sin + py * cos) for px, py in corners])


def attributes(values: dict[str, Any]) -> dict[str, str]:
    """Attributes as text; of check boxes, the one that is ticked."""
    told = {}
    for name, value in values.items():
        if isinstance(value, dict):
            value = value["value"] if "value" in value else sole([key for key, on in value.items() if on is True])
        if not isinstance(value, (dict, list)):
            told[name.strip().lower()] = text(value)
    return told


def text(value: Any) -> str:
    """A value of json as text; nothing as ""."""
    return "" if value is None else str(value)
