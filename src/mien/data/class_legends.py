"""Files that name numbered classes: class_to_idx.json, classes.txt, data.yaml, id2label of a config, emotions.csv."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mien.data.class_names import PRESETS, number_of
from mien.data.folder_tree import Folder
from mien.data.image import SUFFIXES
from mien.data.label_files import read_text
from mien.errors import MienError
from mien.labels import emotion_of, emotions_of

_TELLING = re.compile(
    r"class|label|idx|index|names?\b|category|categories|emotion|expression|mapping|legend|readme|config|dataset_info",
    re.IGNORECASE,
)
_MAX_BYTES = 100_000  # of a file that names classes
_MAX_LINES = 60  # from which a text names pictures or is prose
_MIN_EMOTIONS = 3  # that a text names which speaks of the classes
# Words beside the numbers and names that say which is which.
_KEYS = {"id", "name", "label", "title", "display_name", "value", "index", "idx", "class", "number", "names", "classes"}
_NUMBER_COLUMNS = {"id", "label", "class", "index", "idx", "number", "class_id", "label_id", "emotion_id", "value", ""}


@dataclass(frozen=True)
class Legends:
    """What the files in a folder say of numbered classes. found: names by number and file, of each that says it.
    unread: a file that names emotions in a form that is not known; "" without such."""

    found: tuple[tuple[dict[int, str], str], ...] = ()
    unread: str = ""

    def naming(self, numbers: set[int]) -> tuple[dict[int, str], str] | None:
        """The names of these numbers, and the file that gives them; None without such a file.

        Raises MienError where two files name them in different ways, and where the numbers look like FER2013's and a
        file that cannot be read may name them otherwise.
        """
        fitting = [(names, file) for names, file in self.found if numbers <= names.keys()]
        if not fitting:
            if self.unread and numbers <= PRESETS["fer2013"].keys():
                raise MienError(
                    f"{self.unread} names emotions in a form that mien does not know, and the labels are numbers; say "
                    "what they mean with {parameter} 0=angry,1=disgust,... (or {parameter} fer2013)",
                    parameter="classes",
                )
            return None
        names, file = fitting[0]
        for others, other in fitting[1:]:
            if any(_same(others[number]) != _same(names[number]) for number in numbers):
                raise MienError(
                    f"{file} and {other} name the classes differently ({', '.join(names[n] for n in sorted(numbers))}; "
                    f"{', '.join(others[n] for n in sorted(numbers))}); delete the wrong one, or say it with "
                    "{parameter}",
                    parameter="classes",
                )
        return names, file


NO_LEGENDS = Legends()


def find_legend(root: Folder, labels: Iterable[str]) -> tuple[dict[int, str], str] | None:
    """The names of numbered classes, and the file that gives them; None where the labels are no numbers or no file
    names them all. Raises MienError as `Legends.naming` does."""
    numbers = {number_of(label) for label in labels}
    if not numbers or None in numbers:
        return None
    return read_legends(root).naming({number for number in numbers if number is not None})


def read_legends(root: Folder) -> Legends:
    """What the files in a folder and below say of numbered classes."""
    found, unread = [], ""
    for path, suffix in _files(root):
        text = read_text(path)
        file = os.path.relpath(path, root.path)
        names = _READERS[suffix](text)
        # {"version": 1, "revision": 0} names no classes, unless the file says so.
        emotions = emotions_of(names.values())
        if names and (_TELLING.search(os.path.basename(path)) or len(emotions) * 2 >= len(names)):
            found.append((names, file))
        elif not names and "readme" not in file.lower() and _speaks_of_emotions(text):
            unread = unread or file
    return Legends(tuple(found), unread)


def is_legend(header: list[str], rows: list[list[str]]) -> bool:
    """Whether the rows of a table name the classes and no pictures: each a number, counted from 0 or 1, and a name."""
    names = _rows_names([header, *rows]) if len(rows) <= _MAX_LINES else {}
    return len(names) > 1 and len(emotions_of(names.values())) * 2 >= len(names)


def _same(name: str) -> str:
    return emotion_of(name) or name.casefold()


def _files(root: Folder) -> Iterator[tuple[str, str]]:
    """The files that may name classes, by their names and sizes, and their suffixes."""
    for folder in root.walk():
        for file in folder.files:
            suffix = os.path.splitext(file.lower())[1]
            path = os.path.join(folder.path, file)
            named = suffix in (".json", ".yaml", ".yml", ".pbtxt") or _TELLING.search(file)
            if suffix in _READERS and named and os.path.getsize(path) <= _MAX_BYTES:
                yield path, suffix


def _speaks_of_emotions(text: str) -> bool:
    """Whether a short text, which names no pictures, names several emotions, each once, and numbers beside them."""
    if text.count("\n") > _MAX_LINES or re.search(rf"\w({'|'.join(map(re.escape, SUFFIXES))})\b", text, re.IGNORECASE):
        return False
    words = [emotion for _, word in _tokens(text) if word and (emotion := emotion_of(word))]
    return len(words) >= _MIN_EMOTIONS and len(set(words)) == len(words) and bool(re.search(r"\d", text))


def _json_names(text: str) -> dict[int, str]:
    """{"0": "happy"}, {"happy": 0}, ["happy", "sad"], [{"id": 0, "name": "happy"}], {"happy": {"id": 0}}, or one of
    these anywhere within, as id2label in a model's config.json."""
    try:
        return _names_within(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _names_within(content: Any) -> dict[int, str]:
    if names := _names_of(content):
        return names
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    for each in inner:
        names = _names_within(each) if isinstance(each, (dict, list)) else {}
        if len(emotions_of(names.values())) > 1:
            return names
    return {}


def _names_of(content: Any) -> dict[int, str]:
    if isinstance(content, list) and content:
        if all(isinstance(name, str) for name in content):
            return dict(enumerate(content))
        pairs = [_pair(each) for each in content]
        return {number: name for number, name in pairs if number is not None} if None not in dict(pairs) else {}
    if not isinstance(content, dict) or not content:
        return {}
    if all(isinstance(value, dict) for value in content.values()):  # {"happy": {"id": 0}}
        content = {name: _pair({**value, "name": name})[0] for name, value in content.items()}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in content.values()):
        return {value: name for name, value in content.items()}
    if all(str(key).isdecimal() and isinstance(name, str) for key, name in content.items()):
        return {int(key): name for key, name in content.items()}
    return {}


def _pair(record: Any) -> tuple[int | None, str]:
    """The number and the name of {"id": 0, "name": "happy"}; (None, "") of other things."""
    if isinstance(record, dict):
        number = next((record[key] for key in ("id", "index", "label", "value") if type(record.get(key)) is int), None)
        name = next((record[key] for key in ("name", "title", "label") if isinstance(record.get(key), str)), None)
        if number is not None and name is not None:
            return number, name
    return None, ""


def _text_names(text: str) -> dict[int, str]:
    """A name a line in the order of the numbers, "0 happy", "happy: 0", "1. happy", "happy, sad, ..." in one line, or
    numbers beside emotions in any form that goes on alike."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MAX_LINES:
        return {}
    if len(lines) == 1:
        lines = [item.strip() for item in re.split(r"[,;|\t]", lines[0])]
    between = r"[\s:,;=.)\]>-]+"
    pairs = [re.fullmatch(rf"(\d+){between}(\D.*)|(\D.*?){between}(\d+)", line) for line in lines]
    numbered = {int(m[1] or m[4]): (m[2] or m[3]).strip() for m in pairs if m} if all(pairs) else {}
    names = numbered if len(numbered) == len(lines) else dict(enumerate(lines))
    # Names of pictures and sentences are no names of classes.
    plain = all(name and len(name) < 40 and not re.search(r"[\d/.,;:{}]", name) for name in names.values())
    return names if plain and len(names) > 1 else _beside_emotions(text)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The numbers and words of a text as (number, "") and ("", word); what says that one is an id is passed over."""
    for match in re.finditer(r"(?<![\w.])(\d{1,3})(?![\w.]\d)|[^\W\d_]+", text):
        if match[1]:
            yield match[1], ""
        elif match[0].casefold() not in _KEYS:
            yield "", match[0]


def _beside_emotions(text: str) -> dict[int, str]:
    """The numbers before each emotion of a text, or behind each, where they count from 0 or 1; {} for other texts."""
    tokens = list(_tokens(text))
    at = [i for i, (_, word) in enumerate(tokens) if word and emotion_of(word)]
    for step in (-1, 1):
        beside = {int(tokens[i + step][0]): tokens[i][1] for i in at
                  if 0 <= i + step < len(tokens) and tokens[i + step][0]}  # fmt: skip
        emotions = emotions_of(beside.values())
        if len(beside) == len(at) == len(set(emotions.values())) >= _MIN_EMOTIONS and _counted(beside):
            return beside
    return {}


def _counted(names: dict[int, str]) -> bool:
    """Whether the numbers go from 0 or 1 on without a gap."""
    return sorted(names) in (list(range(len(names))), list(range(1, len(names) + 1)))


def _table_names(text: str) -> dict[int, str]:
    """Rows of a number, a name and perhaps more, apart by commas, semicolons or tabs."""
    delimiter = max(",;\t|", key=text.count)
    return _rows_names(list(csv.reader(io.StringIO(text), delimiter=delimiter))) or (
        _text_names(text) if delimiter not in text or text.count("\n") < 2 else {}
    )


def _rows_names(lines: list[list[str]]) -> dict[int, str]:
    rows = [[cell.strip() for cell in row] for row in lines if any(map(str.strip, row))]
    if not rows or len(rows) > _MAX_LINES or len({len(row) for row in rows}) != 1:
        return {}
    header = [] if any(cell.isdecimal() for cell in rows[0]) else [cell.lower() for cell in rows.pop(0)]
    columns = list(zip(*rows, strict=True))
    numbers = [i for i, column in enumerate(columns) if all(cell.isdecimal() for cell in column)]
    numbers = [i for i in numbers if len({int(cell) for cell in columns[i]}) == len(rows)]
    numbers.sort(key=lambda i: not _counted({int(cell): "" for cell in columns[i]}))
    numbers.sort(key=lambda i: not header or header[i] not in _NUMBER_COLUMNS)
    named = [not any(not cell or cell.isdecimal() or "." in cell for cell in column) for column in columns]
    words = [i for i, column in enumerate(columns) if named[i] and len(set(column)) == len(rows)]
    words.sort(key=lambda i: not all(map(emotion_of, columns[i])))
    if not numbers or not words:
        return {}
    return {int(number): name for number, name in zip(columns[numbers[0]], columns[words[0]], strict=True)}


def yaml_names(text: str) -> dict[int, str]:
    """`names:` of a yaml file: [a, b], {0: a}, lines "- a" or "0: a". Raises MienError where nc: is another number."""
    text = "\n".join(line for line in re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE).splitlines() if line.strip())
    match = re.search(
        r"^(?:names|classes):[ \t]*(?P<list>[\[{][^\]}]*[\]}])?(?P<block>(?:\n[ \t]*(?:-|\d+:).*)*)", text, re.MULTILINE
    )
    if match is None:
        return {}
    quoted = r"""\s*(?:\d+\s*:\s*)?(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^,'"]*)\s*"""
    items = (
        re.findall(rf"{quoted}(?:,|$)", match["list"].strip("[]{}")) if match["list"] else match["block"].splitlines()
    )
    names: dict[int, str] = {}
    for item in items:
        whole = item.strip().removesuffix(",").removeprefix("-").strip()
        number, colon, name = whole.partition(":")
        numbered = bool(colon) and number.strip().isdecimal()
        plain = (name if numbered else whole).strip().strip("'\"")
        if plain:
            names[int(number) if numbered else len(names)] = plain
    count = re.search(r"^nc\s*:\s*(\d+)", text, re.MULTILINE)
    if names and count and int(count[1]) != len(names):
        raise MienError(f"a yaml file says nc: {count[1]} and names {len(names)} classes; correct one of the two")
    return names


def _yaml_or_text(text: str) -> dict[int, str]:
    return yaml_names(text) or _beside_emotions(text)


_READERS = {
    ".json": _json_names, ".txt": _text_names, ".names": _text_names, ".csv": _table_names, ".tsv": _table_names,
    ".yaml": _yaml_or_text, ".yml": _yaml_or_text, ".pbtxt": _beside_emotions, ".md": _beside_emotions,
}  # fmt: skip
