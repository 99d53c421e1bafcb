"""The columns of a csv file of faces, told by its first lines: pixels, labels, parts, and what is between them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mien.data.dataset import SIZE
from mien.data.part_columns import USAGE_NAMES, may_say_parts
from mien.data.parts import part_of
from mien.errors import MienError
from mien.labels import emotion_of

PIXELS = SIZE * SIZE
_MIN_PIXELS = 100  # numbers in one field from which it is taken for pixels

EMOTION_NAMES = ("emotion", "emotions", "label", "labels", "emotion_label", "label_name", "labelname", "expression",
                 "facial_expression", "class", "class_name", "class_id", "label_id", "emotion_id", "target", "category",
                 "emo", "y")  # fmt: skip
# Words in the names of columns of labels, and words beside them that make it a column of something else.
_EMOTION_WORDS = {"emotion", "emotions", "emo", "expression", "expressions", "fer", "affect", "feeling"}
_LABEL_WORDS = _EMOTION_WORDS | {"label", "labels", "class", "category", "target"}
_MEASURES = {"confidence", "conf", "score", "scores", "prob", "probs", "probability", "probabilities", "logits",
             "intensity", "weight", "count", "box", "path", "file", "filename", "valence", "arousal",
             "time"}  # fmt: skip
_PREDICTED = {"pred", "preds", "predicted", "prediction", "predictions", "predict", "guess", "guessed", "estimated",
              "output", "detected"}  # fmt: skip
_CALLED = {"emotion": {"emotion", "emotions", "expression", "facial_expression"}, "label": {"label", "labels"}}
_PIXEL_NAMES = ("pixels", "pixel", "pixel_values", "pixel_data", "image_pixels", "image", "img", "image_data", "data",
                "features")  # fmt: skip
_WIDE = re.compile(r"(pixels?|pix|px|p|x|f|feature|feat|col|column|v|attr)?[ _.\-]?\d+", re.IGNORECASE)


_EMPTY = re.compile(rb"(^|[,;\t|])[ \"']*($|[,;\t|])")
_LOOKED_AT = 32  # rows among which one without an empty field is sought
_NUMBERS_OF_ROWS = {"id", "", "unnamed:_0", "index"}


@dataclass(frozen=True)
class Columns:
    """Where the fields stand in a row. kind: "full" (labels and usages), "train" (labels) or "test" (neither).

    n: fields in a row. pixels: the fields that hold them, one or 2304 (`stop` excluded). delimiter: between fields.
    header: whether the first line is one. decisions: one sentence for each choice that was made. labels: all columns
    that may hold the labels, by name and field, the likeliest first: `emotion`. own: they are called as FER2013's.
    parts: all columns that may say the parts, by name and field; all rows tell which do.
    """

    n: int
    pixels: tuple[int, int]
    emotion: int | None
    parts: tuple[tuple[str, int], ...] = ()
    delimiter: bytes = b","
    header: bool = True
    decisions: tuple[str, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    own: bool = False

    @property
    def kind(self) -> str:
        """What the file can give."""
        return "test" if self.emotion is None else "full" if self.parts else "train"


def first_rows(stream: BinaryIO, longest: int) -> list[bytes]:
    """Some of the rows that come next, up to one that is longer than `longest` or the last."""
    rows = []
    for _ in range(_LOOKED_AT):
        rows.append(stream.readline(longest))
        if not rows[-1].endswith(b"\n"):
            break
    return rows


def telling_row(rows: Sequence[bytes]) -> bytes:
    """The first of some rows that has no empty field, which tells best what the columns hold; else the first."""
    whole = (row for row in rows if row.strip() and not _EMPTY.search(row.rstrip(b"\r\n")))
    return next(whole, rows[0] if rows else b"")


def emotion_in(name: str) -> bool:
    """Whether a column's name speaks of emotions."""
    return not _EMOTION_WORDS.isdisjoint(_words(name))


def is_called(name: str, what: str) -> bool:
    """Whether a column is called "emotion" or "label" and nothing more."""
    return _usual(name) in _CALLED[what]


def is_prediction(name: str) -> bool:
    """Whether a column's or file's name says that it holds what a model made of the faces."""
    return not _PREDICTED.isdisjoint(_words(name))


def label_columns(names: Sequence[str]) -> list[str]:
    """The names of columns that may hold labels, the likeliest first: emotion, label, class, emo_label, label_text."""
    usual = [name for wanted in EMOTION_NAMES for name in names if _usual(name) == wanted]
    others = [
        name for name in names
        if name not in usual and _words(name) & _LABEL_WORDS and not _words(name) & (_MEASURES | _PREDICTED)
    ]  # fmt: skip
    found = [name for name in dict.fromkeys((*usual, *others)) if _usual(name) not in USAGE_NAMES]
    return sorted(found, key=lambda name: not emotion_in(name))


def _usual(name: str) -> str:
    return re.sub(r"[ \-.]+", "_", name.strip(" \t\"'").lower())


def _words(name: str) -> set[str]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return set(re.split(r"[\W_]+", apart.lower()))


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
        layout = _headed(fields, values, delimiter, name) or _headless(fields, values, delimiter, name)
        if layout is not None:
            return layout
    return None


def _headed(fields: list[str], values: list[str], delimiter: bytes, name: str) -> Columns | None:
    names = [field.strip(" \t\"'").lower() for field in fields]
    usual = {_usual(field): i for i, field in reversed(list(enumerate(names)))}
    if len(values) != len(names):
        values = []  # quoted fields with delimiters inside, or a row that is cut off: reading will tell
    pixels = _pixel_columns(names, usual, values, name)
    if pixels is None:
        return None
    others = {field: i for field, i in usual.items() if not pixels[0] <= i < pixels[1]}
    labels = [(field, others[field]) for field in label_columns(list(others))]
    emotion = labels[0][1] if labels else None
    known = {field for field, _ in labels}
    parts = [
        (names[i], i) for field, i in sorted(others.items(), key=lambda item: item[1])
        if field not in known and may_say_parts(field, values[i].strip(" \"'") if values else "")
    ]  # fmt: skip
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
    if emotion is not None and len(labels) == 1 and names[emotion] != "emotion":
        decisions.append(f"the column {names[emotion]!r} holds the labels")
    read = {i for _, i in (*parts, *labels)}
    unread = [field for field, i in others.items() if i not in read and field not in _NUMBERS_OF_ROWS]
    unread += [f"{names[i]} in field {i + 1}" for i in range(len(names)) if usual[_usual(names[i])] != i]  # once more
    if unread:
        decisions.append(f"left out: the column{'s' * (len(unread) > 1)} {', '.join(unread[:8])}")
    if pixels[1] - pixels[0] > 1:
        decisions.append(f"each pixel has a column of its own ({names[pixels[0]]} to {names[pixels[1] - 1]})")
    own = emotion is not None and names[emotion] == "emotion" and names[pixels[0]] == "pixels"
    return Columns(
        len(names), pixels, emotion, tuple(parts), delimiter, decisions=tuple(decisions), labels=tuple(labels), own=own
    )


def _pixel_columns(names: list[str], usual: dict[str, int], values: list[str], name: str) -> tuple[int, int] | None:
    for field in _PIXEL_NAMES:
        at = usual.get(field)
        if at is not None and (field == "pixels" or (values and _count(values[at]) >= _MIN_PIXELS)):
            return at, at + 1
    wide = [i for i, field in enumerate(names) if _WIDE.fullmatch(field)]
    if len(wide) < _MIN_PIXELS or any(
        not re.search("[a-z]", field) for field in names if not _WIDE.fullmatch(field) and field
    ):
        return None
    bare = [int(names[i]) for i in wide if names[i].isdecimal()]
    if len(bare) == len(wide) and bare != list(range(bare[0], bare[0] + len(bare))):
        return None  # a row of values, not the numbers of columns
    if len(wide) != PIXELS or wide[-1] - wide[0] + 1 != PIXELS:
        raise MienError(
            f"{name} has {len(wide):,} pixel columns instead of {PIXELS:,} ({SIZE}x{SIZE}); resize its pictures to "
            f"{SIZE}x{SIZE}"
        )
    numbers = [int(re.findall(r"\d+", names[i])[-1]) for i in wide]
    if numbers != list(range(numbers[0], numbers[0] + PIXELS)):
        raise MienError(
            f"{name} has its pixel columns in another order than their numbers ({names[wide[0]]}, {names[wide[1]]}, "
            f"{names[wide[2]]}, ...); sort them (pandas: df = df[['label', *(f'pixel{{i}}' for i in range({PIXELS}))]])"
        )
    return wide[0], wide[-1] + 1


def _headless(fields: list[str], values: list[str], delimiter: bytes, name: str) -> Columns | None:
    """The layout of a file whose first line is a row already."""
    lines = [fields, values] if len(values) == len(fields) else [fields]
    counts = [_count(field) for field in fields]
    if max(counts) >= _MIN_PIXELS:
        at = counts.index(max(counts))
        spans, most = [(at, at + 1)], 10
    elif PIXELS <= len(fields) <= PIXELS + 2:
        extra = len(fields) - PIXELS
        spans = [(i, i + PIXELS) for i in range(extra + 1) if all(count == 1 for count in counts[i : i + PIXELS])]
        most = 9  # the pixel in a corner may be as small as any label, but seldom so small
    else:
        return None
    found: list[Columns] = []
    for span in spans:
        rest = [i for i in range(len(fields)) if not span[0] <= i < span[1]]
        usage = next((i for i in rest if part_of(fields[i].strip(" \"'"))), None)
        like = [i for i in rest if i != usage and all(_is_label(line[i], most) for line in lines)]
        number = [i for i in rest if i != usage and _counts_rows([line[i] for line in lines])]
        emotions: list[int | None] = [i for i in like if i not in number] or [*like]
        if (rest and not emotions) or (most < 10 and set(rest) - {usage, *like, *number}):
            continue
        found += [_without_header(len(fields), span, i, usage, delimiter) for i in emotions or [None]]
    if len(found) > 1:
        emotion = sorted(layout.emotion + 1 for layout in found if layout.emotion is not None)
        places = " or ".join(f"field {i:,}" for i in emotion)
        raise MienError(
            f"{name} has no header, and {places} may be the emotion; put a line with the names of its columns in front "
            f"({'emotion,pixels' if spans[0][1] - spans[0][0] == 1 else 'emotion,pixel0,pixel1,...'})"
        )
    return found[0] if found else None


def _without_header(n: int, span: tuple[int, int], emotion: int | None, usage: int | None, delimiter: bytes) -> Columns:
    start, stop = span
    wide = stop - start > 1
    if emotion is None and wide:
        told = "each field is a pixel"
    elif wide:
        told = (
            f"field {(emotion or 0) + 1} is the emotion and {PIXELS:,} fields from number {start + 1} on are the pixels"
        )
    else:
        roles = ((emotion, "the emotion"), (start, "the pixels"), (usage, "the part"))
        told = ", ".join(f"field {i + 1} is {what}" for i, what in roles if i is not None)
    unread = [str(i + 1) for i in range(n) if i not in (emotion, usage) and not start <= i < stop]
    told += f"; left out: field {', '.join(unread)}" if unread else ""
    labels = () if emotion is None else (("emotion", emotion),)
    parts = () if usage is None else (("usage", usage),)
    return Columns(n, span, emotion, parts, delimiter, False, (f"there is no header: {told}",), labels)


def _fields(line: bytes, delimiter: bytes) -> list[str]:
    """The fields of a line; delimiters in quotes do not count."""
    pieces = line.split(b'"')
    pieces[1::2] = [piece.replace(delimiter, b" ") for piece in pieces[1::2]]
    return [field.decode("utf-8", "replace") for field in b"".join(pieces).split(delimiter)]


def _count(field: str) -> int:
    """How many numbers a field holds, where it holds nothing else; 0 otherwise."""
    words = field.strip(" \t\"'[]()").replace(",", " ").split()
    return len(words) if words and all(re.fullmatch(r"[\[(]?\d+(\.\d*)?[\])]?", word) for word in words) else 0


def _is_label(field: str, most: int) -> bool:
    text = field.strip(" \"'")
    number = re.fullmatch(r"(\d{1,2})(\.0*)?", text)
    return int(number[1]) <= most if number else emotion_of(text) is not None


def _counts_rows(values: list[str]) -> bool:
    """Whether the values of the first two rows are numbers of rows: 0 and 1, or 1 and 2."""
    return [value.strip(" \"'") for value in values] in (["0", "1"], ["1", "2"])
