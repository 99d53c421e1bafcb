"""Which columns of a list hold the pictures' names, labels, parts and faces' boxes, by what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mien.data.annotated import Annotated, says_nothing, table_of
from mien.data.class_names import is_missing
from mien.data.csv_columns import EMOTION_NAMES, is_prediction
from mien.data.image import is_picture
from mien.data.label_files import PictureIndex, number_in
from mien.data.list_boxes import BoxColumns, box_columns
from mien.data.list_tables import ListTable
from mien.data.part_columns import USAGE_NAMES, PartColumns, flagged_part, part_columns
from mien.data.parts import part_of
from mien.errors import MienError
from mien.labels import emotion_of

FILE_NAMES = ("image", "file_name", "filename", "file", "path", "pth", "filepath", "file_path", "image_path", "img",
               "image_name", "img_path", "img_name", "imagename", "subdirectory_filepath", "name", "picture", "photo",
               "image_id", "imageid", "id")  # fmt: skip
_WEAK_NAMES = (
    "file",
    "name",
    "id",
    "image_id",
    "imageid",
)  # of columns that may well name no pictures; of json without any
_MIN_SHARE = 0.9  # share of the values that tells what a column holds


@dataclass(frozen=True)
class ListColumns:
    """Which columns hold what. usage: those that say the parts. one_hot: a column for each emotion, by its name. parts:
    what `usage` says. box: those of the faces' boxes."""

    file: int
    label: int | None
    usage: tuple[int, ...] = ()
    parts: PartColumns | None = None
    one_hot: dict[str, int] = field(default_factory=dict)
    box: BoxColumns | None = None


def list_columns(table: ListTable, index: PictureIndex) -> ListColumns | None:
    """Which columns of a list hold what, by what stands in them; None where none names pictures."""
    header, some = table.header, table.rows[:200]
    here = [[index.holds(row[i], table.folder) for row in some] for i in range(len(header))]
    with_suffix = [
        sum(known and is_picture(row[i]) for known, row in zip(here[i], some, strict=True)) for i in range(len(header))
    ]
    if table.usage and header[:1] == ["field 1"] and not any(with_suffix):  # train.txt with names without suffix
        with_suffix[0] = sum(here[0])
    named = [i for name in FILE_NAMES for i in range(len(header)) if header[i] == name]
    order = [*named, *(i for i in range(len(header)) if i not in named)]
    if not order:
        return None
    # Names with a picture's suffix go before numbers that some pictures are called by, too, even if none is here.
    called = [sum(is_picture(row[i]) for row in some) >= _MIN_SHARE * max(len(some), 1) for i in range(len(header))]
    file = max(
        order, key=lambda i: (with_suffix[i], called[i], i in named and any(here[i]), i in named, -order.index(i))
    )
    if not with_suffix[file] and file not in named:
        return None
    if not any(here[file]) and not called[file] and header[file] in _WEAK_NAMES:
        return None  # names and numbers of something else
    others = [i for i in range(len(header)) if i != file]
    box = box_columns(table, others)
    others = [i for i in others if box is None or i not in box.fields]
    parts, usage = _usage_columns(table, others)
    others = [i for i in others if i not in usage]
    label = _label_column(table, others)
    one_hot = {} if label is not None else _one_hot(table, others)
    return ListColumns(file, label, usage, parts, one_hot, box)


def labels_told(told: Sequence[dict[str, str]], path: str) -> list[str]:
    """The label of each region of a file of boxes: its class, or where that is face for all, its attribute; "" for
    none. told: {attribute: value}, "label" is the class."""
    if says_nothing(told):
        header, rows, *_ = table_of([Annotated(str(i), each) for i, each in enumerate(told)])
        column = _label_column(ListTable(path, "", header, rows, ""), range(1, len(header)))
        if column is not None:
            return [row[column].strip() for row in rows]
    return [each["label"] for each in told]


def _label_column(table: ListTable, columns: Sequence[int]) -> int | None:
    """The column that is called as labels are, or one of emotions in words: that names its numbers one by one, or where
    none is called so. Raises MienError where two such columns differ."""
    called = [i for name in EMOTION_NAMES for i in columns if table.header[i] == name]
    words = [i for i in columns if not is_prediction(table.header[i]) and _emotions_in(table, i)]
    if meant := [i for i in called if i in words]:
        return meant[0]
    numbers = [i for i in called if not words or 2 * len(set(table.values(i))) <= len(table.rows)]  # and no ids
    if numbers:
        named_by = next((i for i in words if _names_one_by_one(table, i, numbers[0])), None)
        if named_by is None and words and table.header[numbers[0]] not in EMOTION_NAMES[:2]:
            raise MienError(
                f"{table.path} has the columns {table.header[numbers[0]]!r} and {table.header[words[0]]!r}, which may "
                "both be the labels and do not agree; call the one that is meant 'emotion'"
            )
        return numbers[0] if named_by is None else named_by
    if len({tuple(map(emotion_of, table.values(i))) for i in words}) > 1:
        names = " and ".join(repr(table.header[i]) for i in words[:2])
        raise MienError(
            f"{table.path} has emotions in its columns {names}, which differ; call the one that is meant 'label'"
        )
    if not words and table.header[0].startswith("field ") and len(columns) == 1:
        return columns[0]
    return words[0] if words else None


def _emotions_in(table: ListTable, column: int) -> bool:
    values = [value for value in table.values(column)[:2000] if not is_missing(value)]
    emotions = [emotion for value in values if (emotion := emotion_of(value))]
    return len(set(emotions)) > 1 and len(emotions) >= _MIN_SHARE * len(values)


def _names_one_by_one(table: ListTable, words: int, numbers: int) -> bool:
    """Whether the words of a column stand for the numbers of another."""
    pairs = set(zip(table.values(words), table.values(numbers), strict=True))
    return len(pairs) == len({word for word, _ in pairs}) == len({number for _, number in pairs})


def _one_hot(table: ListTable, columns: Sequence[int]) -> dict[str, int]:
    """Columns of 0 and 1, or False and True as pandas writes them, one for each emotion, or for each class where every
    row has one of them marked. Raises MienError for columns of other numbers, such as votes."""
    emotions = {table.header[i]: i for i in columns if emotion_of(table.header[i])}
    marks = {table.header[i]: i for i in columns if table.header[i] and part_of(table.header[i]) is None
             and not flagged_part(table.header[i]) and {_mark(v) for v in table.values(i)} <= {0.0, 1.0}}  # fmt: skip
    if len(marks) > 1 and emotions.keys() <= marks.keys() and table.rows and all(
        sum(_mark(row[i]) == 1 for i in marks.values()) == 1 for row in table.rows
    ):  # fmt: skip
        return marks
    if len(emotions) < 2:
        return {}
    if any(_mark(value) not in (0, 1) for i in emotions.values() for value in table.values(i)):
        raise MienError(
            f"{table.path} has a column of numbers for each emotion; write the one that is meant, in words, into a "
            "column 'label'"
        )
    return emotions


def _mark(value: str) -> float | None:
    """The number that a value is, of True and False, too."""
    return {"true": 1.0, "false": 0.0}.get(value.strip().lower(), number_in(value))


def _usage_columns(table: ListTable, columns: Sequence[int]) -> tuple[PartColumns | None, tuple[int, ...]]:
    """The columns of parts. Raises MienError for a row in no part, where it is not without a word on it."""
    at = {table.header[i]: i for i in reversed(columns) if table.header[i]}
    parts = part_columns({name: set(table.values(i)) for name, i in reversed(at.items())})
    if parts is None:
        return None, ()
    usage = tuple(at[name] for name in parts.names)
    for number, row in enumerate(table.rows, start=1):
        values = [row[i].strip() for i in usage]
        if parts.part(values) is None and not all(map(is_missing, values)):
            raise MienError(f"{table.path} row {number} {parts.fault(values)}")
    return parts, usage


def label_in(row: list[str], columns: ListColumns, table: ListTable) -> str:
    """The label of a row as it stands there, a whole number without its ".0"; "" where none or several are
    marked. Raises MienError for a list of labels."""
    if columns.one_hot:
        marked = [name for name, i in columns.one_hot.items() if _mark(row[i]) == 1]
        return marked[0] if len(marked) == 1 else ""
    text = row[columns.label or 0].strip()
    if text[:1] in ("[", "{"):
        raise MienError(
            f"{table.path} has the label {text[:40]}; write one name or number a picture into its column "
            f"{table.header[columns.label or 0]!r}"
        )
    value = number_in(text)
    return str(int(value)) if value is not None and value == int(value) else text


def part_in(row: list[str], columns: ListColumns, table: ListTable) -> str:
    """The usage of a row, by its column or else by the table; "" where neither says one."""
    values = [row[i].strip() for i in columns.usage]
    if columns.parts is None or all(map(is_missing, values)):
        return table.usage
    return columns.parts.part(values) or table.usage


def told_of(table: ListTable, columns: ListColumns) -> list[str]:
    """Which columns were taken, unless that is plain, and which were not."""
    header = table.header
    label = (
        f"one each ({', '.join(list(columns.one_hot)[:8])})" if columns.one_hot else repr(header[columns.label or 0])
    )
    taken = {
        columns.file,
        columns.label,
        *columns.usage,
        *columns.one_hot.values(),
        *(columns.box.fields if columns.box else ()),
    }
    told = []
    rest = [name for i, name in enumerate(header) if i not in taken and name and not name.startswith("unnamed:")]
    if rest or header[columns.file] not in FILE_NAMES or columns.one_hot:
        parts = f", {', '.join(repr(header[i]) for i in columns.usage)} the parts" if columns.usage else ""
        told.append(f"{table.name}: {header[columns.file]!r} names the pictures, {label} the labels{parts}")
    if columns.parts and (columns.parts.celeba or header[columns.usage[0]] not in USAGE_NAMES):
        told.append(f"{table.name}: {columns.parts.told()}")
    if columns.box:
        names = ", ".join(header[i] for i in columns.box.fields)
        told.append(f"faces cut out of the pictures by the boxes in {table.name} ({names}: {columns.box.form})")
    if rest:
        told.append(f"left out: the column{'s' * (len(rest) > 1)} {', '.join(rest[:8])} of {table.name}")
    return told
