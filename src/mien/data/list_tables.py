"""Lists beside pictures as they stand: rows and columns of csv, json, jsonl, parquet and text files that may name
pictures."""

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.data import annotation_tools, headerless
from mien.data.annotated import Table
from mien.data.arrow_files import records
from mien.data.class_legends import is_legend
from mien.data.folder_tree import Folder
from mien.data.image import is_picture
from mien.data.json_records import rows_of_records
from mien.data.label_files import PictureIndex, read_text
from mien.data.parts import part_of
from mien.data.sidecars import a_file_a_picture
from mien.data.tables import parquet_columns
from mien.errors import MienError
from mien.labels import plain_name

LISTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".manifest", ".xml", ".parquet", ".arrow", ".txt", ".lst")
_MANY_FILES = 20  # text, json or xml files in a folder from which they are taken for one a picture
_LIST_WORDS = {"list", "lists", "split", "splits", "label", "labels", "annotation", "annotations"}


@dataclass
class ListTable:
    """A list as it stands: names of its columns in lower case, its whole rows, and what was decided in reading it.

    usage: the part that its own name or its folder's tells. left_out: what of the file is in no row, {reason: n}.
    """

    path: str
    folder: str
    header: list[str]
    rows: list[list[str]]
    usage: str
    left_out: Counter[str] = field(default_factory=Counter)
    decisions: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return os.path.basename(self.path)

    def values(self, column: int) -> list[str]:
        """A column from top to bottom, stripped."""
        return [row[column].strip() for row in self.rows]


def tables(root: Folder, index: PictureIndex) -> Iterator[ListTable]:
    """The lists anywhere under a folder."""
    for folder in root.walk():
        if beside := a_file_a_picture(folder, index):
            path, rows = beside
            yield _listed(rows, path, folder.path, part_of(folder.name) or "", [])
        for name in _possible(folder):
            table = table_at(os.path.join(folder.path, name), folder.path, index)
            if table is None or (len(index.paths) > len(table.rows) and is_legend(table.header, table.rows)):
                continue
            yield table


def lists_in(folder: Folder) -> list[str]:
    """Names of the files in a folder that may be lists; of texts, those that are called as lists or parts are."""
    return [name for name in _possible(folder) if not _is_text(name) or _is_called_list(name)]


def _is_called_list(name: str) -> bool:
    stem = os.path.splitext(name)[0]
    return part_of(stem) is not None or not _LIST_WORDS.isdisjoint(plain_name(stem).split())


def _possible(folder: Folder) -> Iterator[str]:
    small = Counter(os.path.splitext(name)[1].lower() for name in folder.files)
    for name in folder.files:
        suffix = os.path.splitext(name)[1].lower()
        many = suffix in (".txt", ".json", ".xml") and small[suffix] > _MANY_FILES
        if suffix in LISTS and (not many or _is_called_list(name)):
            yield name


def _is_text(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in (".txt", ".lst")


def table_at(path: str, folder: str, index: PictureIndex | None = None) -> ListTable | None:
    """A list's columns and rows; None for a file that is no list of pictures' names."""
    suffix = os.path.splitext(path)[1].lower()
    decisions: list[str] = []
    # The name of the whole data set's own folder, "test", says nothing of what a list in it is.
    home = "" if index is not None and folder == index.root else os.path.basename(folder)
    usage = part_of(Path(path).stem) or part_of(home) or ""
    if suffix in (".parquet", ".arrow"):
        rows = records(Path(path)) if parquet_columns(Path(path)) is None else []
        return _listed(rows_of_records(rows), path, folder, usage, decisions) if rows else None
    text = read_text(path, decisions)
    if suffix in (".jsonl", ".ndjson", ".json", ".manifest", ".xml"):
        exported = annotation_tools.rows_of_xml(text, path) if suffix == ".xml" else _json_rows(text, suffix, path)
        if exported is None or not exported.rows:
            return None
        return _listed(exported, path, folder, usage, decisions)
    text, comment = _without_comments(text)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    words = _is_text(path) and delimiter not in head
    try:
        lines = list(csv.reader(io.StringIO(text), delimiter=" " if words else delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise MienError(f"{path} cannot be read as csv ({error}); correct or delete it") from error
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if not lines:
        return None
    headed = _fields(comment, delimiter) if not words else []
    if len(headed) > 1 and len(headed) == len(lines[0]):
        lines.insert(0, headed)
    first = lines[0]
    names = [cell for cell in first if is_picture(cell)]
    if not names and _is_text(path) and part_of(Path(path).stem):
        names = first[:1]  # train.txt has the names as Pascal VOC does, without suffix
    if names:
        if index is None or not any(index.holds(cell, folder) for cell in names):
            return None
        header = headerless.names_of(lines, path)
        if len(first) == 2 and Path(path).stem.lower() == "list_eval_partition":  # CelebA's
            header = ["image_id", "partition"]
        if len(first) > 1:
            decisions.append(f"{os.path.basename(path)} has no header")
    elif _is_text(path):
        return None
    else:
        header, lines = [re.sub(r"[ \-.]+", "_", name.strip().lower()) for name in first], lines[1:]
        if exported := annotation_tools.rows_of_csv(header, lines):
            return _listed(exported, path, folder, usage, decisions)
    whole = [line for line in lines if len(line) >= len(header) and not any(map(str.strip, line[len(header) :]))]
    broken = Counter({"rows of another number of fields than its header": len(lines) - len(whole)})
    return ListTable(path, folder, header, whole, usage, +broken, decisions)


def _listed(table: Table, path: str, folder: str, usage: str, decisions: list[str]) -> ListTable:
    return ListTable(path, folder, table.header, table.rows, usage, table.left_out, [*decisions, *table.decisions])


def _without_comments(text: str) -> tuple[str, str]:
    """A list without the comments before it, and the last of these, which may be its header: "#filename,label"."""
    match = re.match(r"(sep=.[^\S\n]*\n)?((#.*)?[^\S\n]*\n)*", text)
    before = match[0] if match else ""
    comments = [line.strip("# \t\r") for line in before.splitlines() if line.startswith("#")]
    return text[len(before) :], re.sub(r"^CSV_HEADER\s*=\s*", "", comments[-1]) if comments else ""


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _json_rows(text: str, suffix: str, path: str) -> Table | None:
    """The rows of json: an object a line, a list of objects, or {name: label}. None for other json."""
    if suffix == ".json":
        try:
            content = json.loads(text)
        except ValueError:
            return None
        # {"0": "happy"} names classes and no pictures.
        if (
            isinstance(content, dict)
            and not all(name.strip().isdecimal() for name in content)
            and all(isinstance(value, (str, int)) for value in content.values())
        ):
            return Table(["file", "label"], [[name, str(label)] for name, label in content.items()], Counter())
        if isinstance(content, dict) and (rows := _by_name(content)):
            return Table(["file", "split" if all(part_of(name) for _, name in rows) else "label"], rows, Counter())
        if exported := annotation_tools.rows_of(content):
            return exported
        records = content if isinstance(content, list) else []
    else:
        records = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                records += [json.loads(line)] if line.strip() else []
            except ValueError as error:
                raise MienError(f"{path} line {number} is no whole json ({error}); correct or delete it") from error
    if exported := annotation_tools.rows_of_manifest(records):
        return exported
    if not records or not all(isinstance(record, dict) for record in records):
        return None
    return rows_of_records(records)


def _by_name(content: dict[str, Any]) -> list[list[str]]:
    """Rows of pictures and the part or class that lists them, of {"train": ["1.png", ...], "test": [...]} or {"happy":
    [...], ...}; none for other json."""
    listed = [(str(name), value) for name, value in content.items() if isinstance(value, list)]
    files = [file for _, value in listed for file in value]
    if not files or not all(isinstance(file, str) for file in files):
        return []
    parts = all(part_of(name) for name, _ in listed)  # lists of parts may have names without suffix
    if not parts and (len(listed) < len(content) or not all(map(is_picture, files))):
        return []
    return [[file, name] for name, value in listed for file in value]
