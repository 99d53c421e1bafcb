"""Files that name numbered classes: class_to_idx.json, classes.txt, data.yaml, emotions.csv of numbers and names."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator

from mien.data.folder_tree import Folder
from mien.data.label_files import read_text
from mien.errors import MienError
from mien.labels import emotion_of

_TELLING = re.compile(
    r"class|label|idx|index|names?\b|category|categories|emotion|expression|mapping|legend", re.IGNORECASE
)


def find_legend(root: Folder, labels: Iterable[str]) -> tuple[dict[int, str], str] | None:
    """The names of numbered classes, and the file that gives them; None where the labels are no numbers or no file
    names them all. Raises MienError where two files name them in different ways."""
    labels = set(labels)
    if not labels or not all(label.isdecimal() for label in labels):
        return None
    numbers = {int(label) for label in labels}
    found = [(names, path) for path, names in _legends(root) if numbers <= names.keys()]
    if not found:
        return None
    names, path = found[0]
    for others, other in found[1:]:
        if any(_same(others[number]) != _same(names[number]) for number in numbers):
            raise MienError(
                f"{path} and {other} name the classes differently ({', '.join(names[n] for n in sorted(numbers))}; "
                f"{', '.join(others[n] for n in sorted(numbers))}); delete the wrong one, or say it with {{parameter}}",
                parameter="classes",
            )
    return names, os.path.relpath(path, root.path)


def _same(name: str) -> str:
    return emotion_of(name) or name.casefold()


def _legends(root: Folder) -> Iterator[tuple[str, dict[int, str]]]:
    for folder in root.walk():
        for file in folder.files:
            stem, suffix = os.path.splitext(file.lower())
            path = os.path.join(folder.path, file)
            if suffix not in _READERS or (suffix in (".txt", ".csv", ".tsv", ".names") and not _TELLING.search(file)):
                continue
            names = _READERS[suffix](read_text(path))
            # {"version": 1, "revision": 0} names no classes, unless the file says so.
            if names and (_TELLING.search(stem) or sum(map(bool, map(emotion_of, names.values()))) * 2 >= len(names)):
                yield path, names


def _json_names(text: str) -> dict[int, str]:
    """{"0": "happy"}, {"happy": 0} or ["happy", "sad"]."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    if isinstance(content, list):
        return dict(enumerate(content)) if all(isinstance(name, str) for name in content) else {}
    if not isinstance(content, dict):
        return {}
    if all(isinstance(value, int) for value in content.values()):
        content = {value: name for name, value in content.items()}
    if all(str(key).isdecimal() and isinstance(name, str) for key, name in content.items()):
        return {int(key): name for key, name in content.items()}
    return {}


def _line_names(text: str) -> dict[int, str]:
    """A name a line in the order of the numbers, or lines such as "0 happy", "happy: 0"."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    pairs = [re.fullmatch(r"(\d+)[\s:,;=]+(\D.*)|(\D.*?)[\s:,;=]+(\d+)", line) for line in lines]
    numbered = {int(m[1] or m[4]): (m[2] or m[3]).strip() for m in pairs if m} if all(pairs) else {}
    names = numbered if len(numbered) == len(lines) else dict(enumerate(lines))
    # Names of pictures and sentences are no names of classes.
    return names if all(len(name) < 40 and not re.search(r"[\d/.,;]", name) for name in names.values()) else {}


def _table_names(text: str) -> dict[int, str]:
    """Rows of a number and a name, in this order or the other."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    if rows and not any(cell.isdecimal() for cell in rows[0]):
        rows = rows[1:]
    if not rows or any(len(row) != 2 for row in rows):
        return {}
    if all(row[1].isdecimal() for row in rows):
        rows = [row[::-1] for row in rows]
    named = all(row[0].isdecimal() and row[1] and not row[1].isdecimal() for row in rows)
    return {int(number): name for number, name in rows} if named and len({n for n, _ in rows}) == len(rows) else {}


def yaml_names(text: str) -> dict[int, str]:
    """`names:` of a yaml file: [a, b], {0: a}, lines "- a" or "0: a". Raises MienError where nc: is another number."""
    text = "\n".join(line for line in re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE).splitlines() if line.strip())
    match = re.search(
        r"^names:[ \t]*(?P<list>[\[{][^\]}]*[\]}])?(?P<block>(?:\n[ \t]*(?:-|\d+:).*)*)", text, re.MULTILINE
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


_READERS = {
    ".json": _json_names, ".txt": _line_names, ".names": _line_names, ".csv": _table_names, ".tsv": _table_names,
    ".yaml": yaml_names, ".yml": yaml_names,
}  # fmt: skip
