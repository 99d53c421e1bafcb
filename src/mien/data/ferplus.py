"""FER+: ten people's votes on every face of FER2013 (Barsoum et al. 2016), in its file fer2013new.csv.

The k-th row of a usage in the votes is the k-th row of that usage in FER2013's own order.
"""

import csv
from pathlib import Path

import numpy as np

from mien.data.dataset import Dataset
from mien.errors import MienError

NAME = "fer2013new.csv"
# Its columns, and the seven emotions' names in it, in the order of mien.labels. Contempt is one of its own.
TAGS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
SEVEN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_ADVICE = f"give FER+'s {NAME}"


def find(dataset: Dataset) -> Path:
    """The votes beside the data set. Raises MienError where there are none."""
    source = Path(dataset.source)
    for folder in (source, source.parent):
        if (folder / NAME).is_file():
            return folder / NAME
    raise MienError(f"{source} has no {NAME} beside it; put FER+'s there (github.com/microsoft/FERPlus)")


def align(dataset: Dataset, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the data set that FER+ has votes on, (K,) int64 ascending, and the votes, (K, 10) int64, columns as TAGS.

    A usage that either side does not have is left out. Raises MienError where a usage has another number of rows, or
    the file is not FER+'s.
    """
    usage, counts = _read(Path(path))
    rows, votes = [np.zeros(0, np.int64)], [np.zeros((0, len(TAGS)), np.int64)]
    for name in sorted(set(usage)):
        here, there = np.flatnonzero(dataset.usage == name), np.flatnonzero(usage == name)
        if len(here) == 0:
            continue
        if len(here) != len(there):
            raise MienError(
                f"{path} has {len(there):,} {name} rows, {dataset.source or 'the data'} has {len(here):,}; "
                "FER+ votes only fit FER2013 in its own order"
            )
        rows.append(here)
        votes.append(counts[there])
    order = np.argsort(np.concatenate(rows), kind="stable")
    return np.concatenate(rows)[order], np.concatenate(votes)[order]


def shares(votes: np.ndarray) -> np.ndarray:
    """Votes (K, 10) -> the share of each of the seven emotions among the votes for them, (K, 7) float64 in the order of
    mien.labels; a row without any is all zero."""
    seven = votes[:, [TAGS.index(name) for name in SEVEN]].astype(np.float64)
    result: np.ndarray = seven / np.maximum(seven.sum(axis=1, keepdims=True), 1)
    return result


def majority(votes: np.ndarray) -> np.ndarray:
    """Votes (K, 10) -> the label that more than half of them name, (K,) int64: 0..6 in the order of mien.labels, 7 for
    contempt, -1 for none, unknown and not-a-face. Tags with a single vote do not count, as in the paper's own code."""
    counted = np.where(votes > 1, votes, 0)
    best = counted.argmax(axis=1)
    clear = 2 * counted.max(axis=1) > np.maximum(counted.sum(axis=1), 1)
    number = np.array([*(SEVEN.index(tag) if tag in SEVEN else 7 for tag in TAGS[:8]), -1, -1])
    return np.where(clear, number[best], -1)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Usage of each row (str) and its votes (int64), columns as TAGS."""
    try:
        with open(path, newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MienError(f"cannot read the votes {path}: {error}; {_ADVICE}") from error
    missing = [name for name in ("Usage", *TAGS) if name not in header]
    if missing:
        raise MienError(f"{path}: no column {missing[0]}; {_ADVICE}")
    columns = [header.index(tag) for tag in TAGS]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header) or not all(row[c].isdecimal() for c in columns):
            raise MienError(f"{path}, row {number}: not {len(TAGS)} counts of votes; {_ADVICE}")
    counts = np.array([[row[c] for c in columns] for row in rows], dtype=np.int64).reshape(len(rows), len(TAGS))
    return np.array([row[header.index("Usage")] for row in rows], dtype=str), counts
