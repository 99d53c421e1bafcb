"""Split files: a csv with a line for each row of a data set, its part, its label, and whether it is kept.

    row,part,label,keep
    0,train,angry,1
    1,train,sad,0

part is train, validation, test or empty (in no part); label a class name, or empty where unknown; keep 1 or 0.
"""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import UNKNOWN, USAGES, Dataset
from mien.errors import MienError
from mien.files import atomic_write

NAME = "split.csv"  # in a run folder, beside the model file
COLUMNS = ["row", "part", "label", "keep"]
PARTS = ("train", "validation", "test")


def write_split(path: str | Path, dataset: Dataset, part: NDArray[np.str_], keep: NDArray[np.bool_]) -> None:
    """Write a split file, whole or not at all. part: (N,) names of PARTS or "". keep: (N,) bool."""
    labels = [dataset.classes[label] if label >= 0 else "" for label in dataset.labels.tolist()]
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(zip(range(len(dataset)), part.tolist(), labels, keep.astype(int).tolist(), strict=True))


def apply_split(dataset: Dataset, path: str | Path) -> Dataset:
    """The kept rows of a data set, with the parts and labels of a split file; usage says the part, as in FER2013.

    Raises MienError as `split_rows`.
    """
    return split_rows(dataset, path)[0]


def split_rows(dataset: Dataset, path: str | Path) -> tuple[Dataset, NDArray[np.int64]]:
    """As `apply_split`, with the kept rows themselves, (M,) int64.

    Raises MienError where the file cannot be read, is no split file, does not have a line for each row of the data set,
    in order, names a class or a part that there is not, or leaves nothing to train on or to validate with.
    """
    lines = _lines(Path(path))
    if len(lines) != len(dataset):
        raise MienError(
            f"{path} has {len(lines):,} rows, {dataset.source or 'the data'} has {len(dataset):,}; a split file "
            "belongs to one data set, in its order"
        )
    usage_of = dict(zip(PARTS, USAGES, strict=True)) | {"": ""}
    class_index = {name: i for i, name in enumerate(dataset.classes)} | {"": UNKNOWN}
    labels, usage, keep = dataset.labels.copy(), dataset.usage.astype("U16"), np.zeros(len(dataset), bool)
    for i, line in enumerate(lines):
        where = f"{path}, line {i + 2}"
        if len(line) != len(COLUMNS) or line[0] != str(i):
            raise MienError(f"{where}: expected row,part,label,keep of row {i}, not {','.join(line)[:60]!r}")
        _, part, label, kept = line
        if part not in usage_of:
            raise MienError(f"{where}: there is no part {part[:40]!r}; choose {', '.join(PARTS)}, or leave it empty")
        if label not in class_index:
            raise MienError(f"{where}: there is no class {label[:40]!r}; choose one of {', '.join(dataset.classes)}")
        if kept not in ("0", "1"):
            raise MienError(f"{where}: keep is 1 or 0, not {kept[:40]!r}")
        labels[i], usage[i], keep[i] = class_index[label], usage_of[part], part != "" and kept == "1"
    for part in ("train", "validation"):
        if not (keep & (usage == usage_of[part]) & (labels >= 0)).any():
            raise MienError(f"{path} keeps no labeled rows of the part {part}; give some rows that part and keep 1")
    changed = int((keep & (labels != dataset.labels)).sum())
    sentence = f"{Path(path).name} says the parts: {int((~keep).sum()):,} rows left out, {changed:,} labels changed"
    chosen = replace(dataset, labels=labels, usage=usage, decisions=(*dataset.decisions, sentence))
    rows = np.flatnonzero(keep)
    return chosen.subset(rows), rows


def length(path: str | Path) -> int:
    """How many rows a split file has. Raises MienError where it is none."""
    return len(_lines(Path(path)))


def _lines(path: Path) -> list[list[str]]:
    """The rows under the header. Raises MienError where there is no such file, or the header is another."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except OSError as error:
        raise MienError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MienError(f"{path} is no csv file: {error}") from error
    if not lines or lines[0] != COLUMNS:
        raise MienError(f"{path} is no split file; its first line should be {','.join(COLUMNS)}")
    return [line for line in lines[1:] if line]
