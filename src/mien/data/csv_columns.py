"""The columns of a csv file of faces, told by its first lines: pixels, labels, parts, and what is between them."""

import re
from dataclasses import dataclass

from mien.data.dataset import SIZE
from mien.data.parts import part_of
from mien.errors import MienError
from mien.labels import emotion_of

PIXELS = SIZE * SIZE
_MANY = 100  # numbers in one field from which it is taken for pixels

EMOTION_NAMES = ("emotion", "emotions", "label", "labels", "emotion_label", "label_name", "expression",
                 "facial_expression", "class", "class_name", "class_id", "label_id", "emotion_id", "target", "category",
                 "emo", "y")  # fmt: skip
USAGE_NAMES = ("usage", "split", "set", "subset", "part", "partition", "data_split", "usage_type", "purpose", "phase",
               "dataset", "fold", "type")  # fmt: skip
_SURE_USAGES = ("usage", "split", "subset")  # columns of these names hold parts and nothing else
_PIXEL_NAMES = ("pixels", "pixel", "pixel_values", "pixel_data", "image_pixels", "image", "img", "image_data", "data",
                "features")  # fmt: skip
_WIDE = re.compile(r"(pixels?|pix|px|p|x|f|feature|feat|col|column|v|attr)?[ _.\-]?\d+", re.IGNORECASE)


_NUMBERS_OF_ROWS = {"id", "", "unnamed:_0", "index"}


@dataclass(frozen=True)
class Columns:
    """Where the fields stand in a row. kind: "full" (labels and usages), "train" (labels) or "test" (neither).

    n: fields in a row. pixels: the fields that hold them, one or 2304 (`stop` excluded). delimiter: between fields.
    header: whether the first line is one. decisions: one sentence for each choice that was made.
    """

    n: int
    pixels: tuple[int, int]
    emotion: int | None
    usage: int | None
    delimiter: bytes = b","
    header: bool = True
    decisions: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What the file can give."""
        return "test" if self.emotion is None else "train" if self.usage is None else "full"


def columns(first: bytes, name: str, second: bytes = b"") -> Columns | None:
    """The layout that the first lines tell, or None when there is no column of pixels (then it is no file of faces).

    first, second: the lines, utf-8. Raises MienError, with the file's `name`, for an empty file, for one that has other
    columns than pixels but no emotion among them, and for another number of pixel columns than 2304.
    """
    first = first.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n")
    if not first.strip():
        raise MienError(f"{name} is empty (or its first line is); fetch it again (mien data fetch)")
    for delimiter in (b",", b";", b"\t", b"|"):
        fields, values = _fields(first, delimiter), _fields(second.strip(b"\r\n"), delimiter)
        layout = _headed(fields, values, delimiter, name) or _headless(fields, delimiter)
        if layout is not None:
            return layout
    return None


def _headed(fields: list[str], values: list[str], delimiter: bytes, name: str) -> Columns | None:
    names = [field.strip(" \t\"'").lower() for field in fields]
    usual = {re.sub(r"[ \-.]+", "_", field): i for i, field in reversed(list(enumerate(names)))}
    if len(values) != len(names):
        values = []  # quoted fields with delimiters inside, or a row that is cut off: reading will tell
    pixels = _pixel_columns(names, usual, values, name)
    if pixels is None:
        return None
    others = {field: i for field, i in usual.items() if not pixels[0] <= i < pixels[1]}
    emotion = next((others[field] for field in EMOTION_NAMES if field in others), None)
    usage = next((others[f] for f in USAGE_NAMES if f in others and _holds_parts(f, others[f], values)), None)
    if emotion is None and not set(others) <= _NUMBERS_OF_ROWS:
        if sum(emotion_of(field) is not None for field in others) > 1:
            raise MienError(
                f"{name} has a column for each emotion; write the one that is meant, in words, into a column 'emotion'"
            )
        shown = ascii(delimiter.decode().join(fields)[:60].strip())
        raise MienError(f"{name} has no 'emotion' column (its header is {shown}); rename the column of class numbers")
    decisions = []
    if delimiter != b",":
        decisions.append(f"fields are apart by {'tabs' if delimiter == b'	' else delimiter.decode()!r}")
    for field, i in (("emotion", emotion), ("usage", usage)):
        if i is not None and names[i] != field:
            role = "labels" if field == "emotion" else "parts"
            decisions.append(f"the column {names[i]!r} holds the {role}")
    unread = [field for field, i in others.items() if i not in (emotion, usage) and field not in _NUMBERS_OF_ROWS]
    if unread:
        decisions.append(f"left out: the column{'s' * (len(unread) > 1)} {', '.join(unread[:8])}")
    if pixels[1] - pixels[0] > 1:
        decisions.append(f"each pixel has a column of its own ({names[pixels[0]]} to {names[pixels[1] - 1]})")
    return Columns(len(names), pixels, emotion, usage, delimiter, decisions=tuple(decisions))


def _pixel_columns(names: list[str], usual: dict[str, int], values: list[str], name: str) -> tuple[int, int] | None:
    for field in _PIXEL_NAMES:
        at = usual.get(field)
        if at is not None and (field == "pixels" or (values and _count(values[at]) >= _MANY)):
            return at, at + 1
    wide = [i for i, field in enumerate(names) if _WIDE.fullmatch(field)]
    if len(wide) < _MANY or any(
        not re.search("[a-z]", field) for field in names if not _WIDE.fullmatch(field) and field
    ):
        return None
    bare = [int(names[i]) for i in wide if names[i].isdigit()]
    if len(bare) == len(wide) and bare != list(range(bare[0], bare[0] + len(bare))):
        return None  # a row of values, not the numbers of columns
    if len(wide) != PIXELS or wide[-1] - wide[0] + 1 != PIXELS:
        raise MienError(
            f"{name} has {len(wide):,} pixel columns instead of {PIXELS:,} ({SIZE}x{SIZE}); resize its pictures to "
            f"{SIZE}x{SIZE}"
        )
    return wide[0], wide[-1] + 1


def _holds_parts(field: str, at: int, values: list[str]) -> bool:
    """Whether a column of that name holds parts: some names are used for other things, too."""
    if field in _SURE_USAGES or not values:
        return field in (*_SURE_USAGES, "set", "part", "partition")
    return part_of(values[at].strip(" \"'")) is not None


def _headless(fields: list[str], delimiter: bytes) -> Columns | None:
    """The layout of a file whose first line is a row already."""
    counts = [_count(field) for field in fields]
    message = "there is no header:"
    if max(counts) >= _MANY:
        at = counts.index(max(counts))
        rest = [i for i in range(len(fields)) if i != at]
        usage = next((i for i in rest if part_of(fields[i].strip(" \"'"))), None)
        emotion = next((i for i in rest if i != usage and _is_label(fields[i])), None)
        if emotion is None and rest:
            return None
        roles = [
            f"field {i + 1} is {what}"
            for i, what in ((emotion, "the emotion"), (at, "the pixels"), (usage, "the part"))
            if i is not None
        ]
        return Columns(len(fields), (at, at + 1), emotion, usage, delimiter, False, (f"{message} {', '.join(roles)}",))
    if len(fields) < PIXELS or len(fields) > PIXELS + 2 or sum(count == 1 for count in counts) < PIXELS:
        return None
    extra = len(fields) - PIXELS
    usage = next((i for i in (0, 1, len(fields) - 1) if extra and part_of(fields[i].strip(" \"'"))), None)
    if extra == (usage is not None):
        return (
            None
            if extra
            else Columns(len(fields), (0, PIXELS), None, None, delimiter, False, (f"{message} each field is a pixel",))
        )
    front = next((i for i in (0, 1) if i != usage), 0) if usage in (None, 0, 1) or extra == 2 else 0
    if usage is None and extra != 1:
        return None
    first = extra - (usage == len(fields) - 1)
    return Columns(
        len(fields), (first, first + PIXELS), front, usage, delimiter, False,
        (f"{message} field {front + 1} is the emotion and {PIXELS:,} fields from number {first + 1} on are the "
         f"pixels",),
    )  # fmt: skip


def _fields(line: bytes, delimiter: bytes) -> list[str]:
    """The fields of a line; delimiters in quotes do not count."""
    pieces = line.split(b'"')
    pieces[1::2] = [piece.replace(delimiter, b" ") for piece in pieces[1::2]]
    return [field.decode("utf-8", "replace") for field in b"".join(pieces).split(delimiter)]


def _count(field: str) -> int:
    """How many numbers a field holds, where it holds nothing else; 0 otherwise."""
    words = field.strip(" \t\"'[]()").replace(",", " ").split()
    return len(words) if words and all(re.fullmatch(r"[\[(]?\d+(\.\d*)?[\])]?", word) for word in words) else 0


def _is_label(field: str) -> bool:
    text = field.strip(" \"'")
    return re.fullmatch(r"\d{1,2}(\.0*)?", text) is not None or emotion_of(text) is not None
