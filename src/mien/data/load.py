"""Any known layout of faces in, one Dataset out."""

from pathlib import Path

import numpy as np

from mien.data.dataset import UNKNOWN, USAGES, Dataset
from mien.data.drawn import MARKER
from mien.data.kaggle_csv import Rows, columns, read_rows
from mien.errors import MienError


def load(path: str | Path, cache: bool = True) -> Dataset:
    """Read faces from any known layout."""
    path = Path(path)
    if not path.exists():
        raise MienError(f"there is nothing at {path}; give a csv file or a folder of faces")
    if path.is_dir():
        full, train, test = _survey(path)
        drawn = (path / MARKER).exists()
    else:
        full, train, test = _one(path)
        drawn = (path.parent / MARKER).exists()
    if full or train:
        labelled = _read(full or train)
        dataset = _dataset(labelled, str(path), drawn)
        if test:
            dataset = _join(dataset, _read(test), bool(full))
    else:
        dataset = _dataset(_read(test), str(path), drawn)
    return dataset


def load_test(path: str | Path) -> Dataset:
    """The rows of test.csv, in its order."""
    path = Path(path)
    if path.is_dir():
        full, _, test = _survey(path)
        path = test or full
    data = load(path)
    rows = np.concatenate([np.flatnonzero(data.usage == usage) for usage in USAGES[1:]])
    return data.subset(rows)


def _one(path):
    with path.open("rb") as f:
        layout = columns(f.readline(1 << 20))
    if layout is None:
        raise MienError(f"{path} is no csv file of faces")
    if layout.usage is not None and layout.emotion is not None:
        return path, None, None
    return (None, path, None) if layout.emotion is not None else (None, None, path)


def _survey(path):
    full = train = test = None
    for f in sorted(path.glob("*.csv")):
        with f.open("rb") as s:
            layout = columns(s.readline(1 << 20))
        if layout is None:
            continue
        if layout.emotion is None:
            test = f
        elif layout.usage is None:
            train = f
        elif full is None or f.stat().st_size > full.stat().st_size:
            full = f
    if not (full or train or test):
        raise MienError(f"{path} holds no csv file of faces")
    return full, train, test


def _read(path: Path) -> Rows:
    with path.open("rb", buffering=0) as stream:
        return read_rows(stream, str(path))


def _dataset(rows: Rows, source: str, drawn: bool) -> Dataset:
    n = len(rows.images)
    if rows.usage is not None:
        usage = np.array(USAGES)[rows.usage]
    elif rows.labels is not None:
        usage = np.full(n, "Training", dtype="<U11")
    else:
        usage = np.repeat(np.array(USAGES[1:]), [n // 2, n - n // 2])
    labels = rows.labels if rows.labels is not None else np.full(n, UNKNOWN, np.int64)
    return Dataset(rows.images, labels, usage, source=source, drawn=drawn)


def _join(labelled: Dataset, test: Rows, full: bool) -> Dataset:
    n = len(test.images)
    keep = np.ones(n, bool)
    usage = np.repeat(np.array(USAGES[1:]), [n // 2, n - n // 2])
    if full:
        known: dict[bytes, int] = {}
        for image in labelled.images[labelled.usage != "Training"]:
            known[image.tobytes()] = known.get(image.tobytes(), 0) + 1
        for i, image in enumerate(test.images):
            if known.get(image.tobytes(), 0):
                known[image.tobytes()] -= 1
                keep[i] = False
        usage[:] = "PrivateTest"
    return Dataset(
        np.concatenate([labelled.images, test.images[keep]]),
        np.concatenate([labelled.labels, np.full(int(keep.sum()), UNKNOWN, np.int64)]),
        np.concatenate([labelled.usage, usage[keep]]),
        source=labelled.source,
        drawn=labelled.drawn,
    )
