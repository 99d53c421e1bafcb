"""Columns of faces' boxes in lists: corners, a corner or the middle with width and height; others are refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mien.data.class_names import is_missing
from mien.data.csv_columns import EMOTION_NAMES
from mien.data.label_files import number_in
from mien.data.list_tables import ListTable
from mien.data.pictures import Box
from mien.errors import MienError

_CORNERS = "left, top, right, bottom"
_SIZED = "left, top, width, height"
_MAX_SHARE = 1.01  # a share that is let pass, for rounding
_CENTERED = "the middle, width, height"
_SIDES = (("w", "h"), ("width", "height"))
# Names of columns without "_" and without what stands before all of them ("bbox_", "face_").
_FORMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((_CORNERS, names) for names in (
        ("xmin", "ymin", "xmax", "ymax"), ("minx", "miny", "maxx", "maxy"), ("x1", "y1", "x2", "y2"),
        ("x0", "y0", "x1", "y1"), ("left", "top", "right", "bottom"), ("xleft", "ytop", "xright", "ybottom"),
        ("leftx", "topy", "rightx", "bottomy"), ("xtl", "ytl", "xbr", "ybr"),
        ("topleftx", "toplefty", "bottomrightx", "bottomrighty"), ("topx", "topy", "bottomx", "bottomy"),
        ("xstart", "ystart", "xend", "yend"),
    )),
    *((_SIZED, (*corner, *sides)) for corner in (
        ("x", "y"), ("left", "top"), ("xmin", "ymin"), ("minx", "miny"), ("x1", "y1"), ("x0", "y0"),
        ("topleftx", "toplefty"),
    ) for sides in _SIDES),
    *((_CENTERED, (*middle, *sides)) for middle in (
        ("xcenter", "ycenter"), ("xcentre", "ycentre"), ("centerx", "centery"), ("centrex", "centrey"), ("cx", "cy"),
        ("xc", "yc"), ("xmid", "ymid"), ("midx", "midy"),
    ) for sides in _SIDES),
)  # fmt: skip
_BEFORE = re.compile(r"((?:face|head|bounding|bbox|bb|bndbox|box|boxes|facebox|rect|roi|crop)_?)+_?(?=[a-z])")
_BOX_WORDS = {"bbox", "bboxes", "bndbox", "box", "boxes", "facebox", "rect", "roi"}
_PLACES = {"x", "y", "w", "h", "width", "height", "left", "top", "right", "bottom", "min", "max", "xmin", "ymin",
           "xmax", "ymax", "tl", "br", "tr", "bl", "center", "centre", "cx", "cy", "start", "end", "mid", "upper",
           "lower", "corner", "coord", "face", "crop"}  # fmt: skip
_OUTLINES = {"coordinates", "points", "polygon", "geometry", "segmentation", "vertices"}  # in a cell of json
_SIZES = {"w", "h", "width", "height", "min", "max"}  # of the picture, and of anything
_FOUR = re.compile(r"[\[(]?\s*(?:-?\d+(?:\.\d+)?(?:\s*[,;]\s*|\s+|\s*[\])]?$)){4}")
_MEASURES = {
    "confidence",
    "conf",
    "score",
    "prob",
    "probability",
    "id",
    "area",
    "count",
    "n",
    "number",
    "index",
    "type",
}


@dataclass(frozen=True)
class BoxColumns:
    """The fields of four numbers that are a box, and which numbers they are."""

    fields: tuple[int, ...]
    form: str

    def boxes(self, table: ListTable) -> tuple[list[Box | None], bool]:
        """The box of each row, None where a number is missing, and whether all are in shares of the picture.

        Raises MienError for shares that reach over the picture, as those do whose x and y are the middle.
        """
        boxes = [self._box(row) for row in table.rows]
        numbers = [number for row in table.rows for i in self.fields if (number := number_in(row[i])) is not None]
        relative = max(numbers, default=2) <= 1
        far = next((box for box in boxes if box and max(box) > _MAX_SHARE), None)
        if relative and self.form == _SIZED and far:
            x, y = (table.header[i] for i in self.fields[:2])
            raise MienError(
                f"{table.path} has a box that ends at {max(far):g} of its picture; if {x} and {y} are the middle, "
                "call them x_center and y_center"
            )
        return boxes, relative

    def _box(self, row: Sequence[str]) -> Box | None:
        """Left, top, right and bottom of the box in a row; None where one of its numbers is missing."""
        numbers = [value for i in self.fields if (value := number_in(row[i])) is not None]
        if len(numbers) < 4:
            return None
        x, y, right, bottom = numbers
        if self.form == _CENTERED:
            return x - right / 2, y - bottom / 2, x + right / 2, y + bottom / 2
        return (x, y, x + right, y + bottom) if self.form == _SIZED else (x, y, right, bottom)


def box_columns(table: ListTable, columns: Sequence[int]) -> BoxColumns | None:
    """The columns of a face's box, by their names; None without such.

    Raises MienError for columns that look like a box in another form: one for all four numbers, polygons, names that
    tell nothing.
    """
    sets: dict[str, dict[str, int]] = {}
    for i in columns:
        match = _BEFORE.match(table.header[i])
        before = match[0].strip("_") if match else ""
        sets.setdefault(before, {})[table.header[i][len(match[0]) if match else 0 :].replace("_", "")] = i
    for before in sorted(sets, reverse=True):  # bbox_x goes before x
        at = sets[before]
        for form, names in _FORMS:
            if all(name in at for name in names) and not {"x3", "y3"} & set(at):
                return BoxColumns(tuple(at[name] for name in names), form)
    if odd := _like_a_box(table, columns):
        shown = ", ".join(odd[:8])
        raise MienError(
            f"{table.path} has what look like the faces' boxes in {shown!r}, which mien does not read; write them into "
            "columns xmin, ymin, xmax, ymax, or delete those columns"
        )
    return None


def _like_a_box(table: ListTable, columns: Sequence[int]) -> list[str]:
    """The names of columns that look like a box: of those with four numbers in one cell, or else of four or more with
    a number that are called as boxes and places are."""
    whole, places, sure = [], [], 0
    for i in columns:
        name = table.header[i]
        words = {word for word in re.split(r"[\W_\d]+", name) if word}
        value = next((value for value in table.values(i) if not is_missing(value)), "")
        if words & _MEASURES or name in EMOTION_NAMES:
            continue
        called = words & _BOX_WORDS or (words & _OUTLINES and value[:1] in ("[", "{"))
        if _FOUR.fullmatch(value) or (called and len(re.findall(r"\d+", value)) >= 4):
            whole.append(name)
        elif number_in(value) is not None and words and (words & _BOX_WORDS or words <= _PLACES):
            places.append(name)
            sure += not words <= _SIZES
    return whole or (places if len(places) >= 4 and sure >= 2 else [])
