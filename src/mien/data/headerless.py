"""Names for the columns of lists without a header: those of MakeSense and Google's AutoML, or their numbers."""

from collections.abc import Sequence

from mien.data.image import is_picture
from mien.data.label_files import number_in
from mien.data.parts import part_of
from mien.errors import MienError

_MAKE_SENSE = ["label", "bbox_x", "bbox_y", "bbox_width", "bbox_height", "image", "image_width", "image_height"]
# The corners of a box, of which the second and the fourth may be left out.
_AUTO_ML = ["split", "image", "label", "xmin", "ymin", "second_x", "second_y", "xmax", "ymax", "fourth_x", "fourth_y"]


def names_of(lines: Sequence[Sequence[str]], path: str) -> list[str]:
    """The names of the columns, "field 1" and so on where they are not known.

    Raises MienError where numbers in them may be a box, of which nothing tells which numbers they are.
    """
    first = lines[0]
    numbers = [number_in(cell) is not None for cell in first]
    if len(first) == len(_MAKE_SENSE) and is_picture(first[5]) and [*range(1, 5), 6, 7] == _where(numbers):
        return _MAKE_SENSE
    if len(first) == len(_AUTO_ML) and part_of(first[0]) and is_picture(first[1]) and all(
        numbers[i] for i in (3, 4, 7, 8)
    ):  # fmt: skip
        return _AUTO_ML
    in_a_row = [i for i in range(len(first) - 3) if all(numbers[i : i + 4])]
    some = [row for row in lines[:200] if len(row) == len(first)]
    if any(_may_be_box([row[i : i + 4] for row in some]) for i in in_a_row):
        raise MienError(
            f"{path} has no header, and four numbers in a row that may be a box; put a line with the names of its "
            "columns in front, such as image,xmin,ymin,xmax,ymax,label (or x,y,width,height)"
        )
    return [f"field {i + 1}" for i in range(len(first))]


def _where(marks: Sequence[bool]) -> list[int]:
    return [i for i, mark in enumerate(marks) if mark]


def _may_be_box(rows: Sequence[Sequence[str]]) -> bool:
    """Whether four columns may be a box: no marks of 0, 1 and -1, and with an extent."""
    numbers = [[number_in(cell) for cell in row] for row in rows]
    known = [[value for value in row if value is not None] for row in numbers]
    return any(value not in (-1, 0, 1) for row in known for value in row) and all(
        len(row) == 4 and min(row) >= 0 and row[2] > 0 and row[3] > 0 for row in known
    )
