"""What lies beside the data and is not read: archives, arrays, tables and folders of parts that hold no pictures."""

import os
import re
from collections import Counter
from collections.abc import Iterable

from mien.data.folder_tree import Folder
from mien.data.parts import part_of

# What may hold faces or labels and is never opened, or is read only where nothing goes before it.
CLOSED = (
    ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".npy", ".zip", ".rar", ".7z", ".tfrecord", ".db", ".zst",
    ".tar", ".tgz", ".gz", ".bz2", ".xz", ".xlsx", ".xls", ".feather", ".sqlite", ".mdb", ".rec",
)  # fmt: skip
_TABLES = (".csv", ".tsv", ".parquet", ".arrow", ".npz", ".json", ".jsonl", ".ndjson")
_BESIDE_PICTURES = re.compile(r".*_(exp|lnd|val|aro)\.npy|label\.csv", re.IGNORECASE)  # AffectNet's, FER+'s
_OF_LABELS = (".txt", ".xml", ".json", ".csv", ".npy", ".yaml", ".yml")
_MANY_FILES = 20  # files of one kind in a folder from which there is one for each picture
_MAX_SHOWN = 6


def left_out(root: Folder, told: Iterable[str]) -> list[str]:
    """A sentence for the files that may hold data, and one for the folders of parts without pictures, of which none of
    the sentences `told` speaks."""
    text = "\n".join(told)
    closed, tables, empty = list[str](), list[str](), list[str]()
    for folder in root.walk():
        here = [
            name
            for name in folder.files
            if name.lower().endswith((*CLOSED, *_TABLES))
            and not _said(name, text)
            and _path(folder, f"*{os.path.splitext(name)[1]}", root) not in text  # a file a picture
        ]
        for suffixes, found in ((CLOSED, closed), (_TABLES, tables)):
            of_kind = [name for name in here if name.lower().endswith(suffixes)]
            found += [_path(folder, name, root) for name in of_kind if len(of_kind) <= _MANY_FILES]
        names = [name for within in folder.walk() for name in within.files]
        if folder is not root and part_of(folder.name) and not folder.count and f"{folder.name}/" not in text and all(
            not name.lower().endswith(_OF_LABELS) and not _said(name, text) for name in names
        ):  # fmt: skip
            n = f"; none of its {len(names):,} files has a picture's suffix" if names else ""
            empty.append(_path(folder, "", root) + n)
    decisions = []
    if closed:
        decisions.append(f"left out: {_listed(closed)} (not opened; to read it, unpack or convert it)")
    if tables:
        decisions.append(f"left out: {_listed(tables)} (not used for what is read)")
    if empty:
        decisions.append(f"left out: {_listed(empty)} (no pictures in it)")
    return decisions


def seen(root: Folder) -> str:
    """What files lie in a folder without pictures, for a message: "12 files without a suffix, 3 .txt"; "" for none."""
    suffixes = Counter(os.path.splitext(name)[1].lower() for folder in root.walk() for name in folder.files)
    return ", ".join(f"{n:,} {suffix or 'files without a suffix'}" for suffix, n in suffixes.most_common(_MAX_SHOWN))


def _said(name: str, text: str) -> bool:
    """Whether a file is read by its name, or the text speaks of it."""
    return bool(_BESIDE_PICTURES.fullmatch(name) or re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text))


def _path(folder: Folder, name: str, root: Folder) -> str:
    return os.path.relpath(os.path.join(folder.path, name), root.path) + ("" if name else "/")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_SHOWN:,} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(names[:_MAX_SHOWN]) + more
