"""Any known layout of faces in, one Dataset out: `load`, and `load_test` for the rows of test.csv."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data import cache as kept
from mien.data import image_folders
from mien.data.dataset import UNKNOWN, USAGES, Dataset
from mien.data.fer2013 import warn_if_altered
from mien.data.fer2013_csv import Rows, read_rows
from mien.data.sources import Layout, find, open_csv
from mien.errors import MienError, MienWarning

_TEST = USAGES[1:]


def load(path: str | Path, cache: bool = True) -> Dataset:
    """Read faces from any known layout, told by content: one of FER2013's csv files (plain, .gz, .tar.gz), a folder
    holding some of them, or a folder of pictures in class folders (see `mien.data.image_folders`).

    A file without Usage is Training if it has labels; without labels, it is test.csv: PublicTest in its first half,
    PrivateTest in its second, as Kaggle's. From a folder with several csv files come the labelled rows of
    icml_face_data.csv or fer2013.csv (else of train.csv), and after them the rows of test.csv that are not among the
    labelled ones, matched by pixels and counting copies, with label -1. So all of FER2013 is always 35,887 rows in
    the order of fer2013.csv, with the labels that are there.

    What was read is kept in a cache (`mien.data.cache`) and mapped into memory the next time; `cache=False` neither
    uses nor writes it. Warns (MienWarning) where the data looks like FER2013 and its class counts differ.
    Raises MienError, with file and row, for everything that cannot be read as it stands.
    """
    path = Path(path)
    with _readable(path):
        dataset = _load(find(path), cache)
    warn_if_altered(dataset)
    return dataset


def load_test(path: str | Path, cache: bool = True) -> Dataset:
    """The rows of test.csv in its order, PublicTest then PrivateTest: what a submission answers.

    From test.csv itself (labels -1) or the folder it is in, else from a file with Usage that has both (with labels).
    Raises MienError where neither is there.
    """
    path = Path(path)
    with _readable(path):
        layout = find(path)
        if layout.test:
            return _load(replace(layout, full=None, train=None), cache)
        if not layout.full:
            raise MienError(f"{path} holds no test.csv, whose order a submission needs; give its folder, or the file")
        dataset = _load(layout, cache)
    rows = [np.flatnonzero(dataset.usage == usage) for usage in _TEST]
    for usage, found in zip(_TEST, rows, strict=True):
        if not len(found):
            raise MienError(f"{layout.full} has no {usage} rows (their labels may be withheld); give test.csv")
    return dataset.subset(np.concatenate(rows))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise MienError(f"{where} cannot be read ({error.strerror or error}); check that you may read it") from error


def _load(layout: Layout, cache: bool) -> Dataset:
    name = _key(layout) if cache else ""
    dataset = kept.load(name) if cache else None
    if dataset is None:
        dataset = image_folders.read(layout.tree) if layout.tree else _read(layout)
        if cache:
            kept.store(name, dataset)
    return replace(dataset, source=str(layout.path), drawn=layout.drawn)


def _key(layout: Layout) -> str:
    """The name of the cache file: by content for csv files; by names, sizes and times for folders of pictures."""
    if not layout.tree:
        return kept.key(*(f"{kind} {kept.content(path)}" for kind, path in layout.sources().items()))
    digest = hashlib.sha256()
    for file, label, usage in layout.tree.files:
        state = os.stat(file)
        digest.update(f"{file}\0{label}\0{usage}\0{state.st_size}\0{state.st_mtime_ns}\0{state.st_ctime_ns}\n".encode())
    return kept.key("pictures", *layout.tree.classes, digest.hexdigest())


def _read(layout: Layout) -> Dataset:
    parts = [_dataset(_rows(path)) for path in layout.sources().values()]
    if len(parts) == 1:
        return parts[0]
    labelled, test = parts
    if (labelled.usage != "Training").any():
        test = _unseen(test, labelled, layout)
    return Dataset(
        np.concatenate([labelled.images, test.images]),
        np.concatenate([labelled.labels, test.labels]),
        np.concatenate([labelled.usage, test.usage]),
    )


def _rows(path: Path) -> Rows:
    with open_csv(path) as stream:
        return read_rows(stream, str(path))


def _dataset(rows: Rows) -> Dataset:
    n = len(rows.images)
    if rows.usage is not None:
        usage = np.array(USAGES)[rows.usage]
    elif rows.labels is not None:
        usage = np.full(n, USAGES[0], dtype=np.array(USAGES).dtype)
    else:
        usage = np.repeat(np.array(_TEST), [n // 2, n - n // 2])
    labels = rows.labels if rows.labels is not None else np.full(n, UNKNOWN, np.int64)
    return Dataset(rows.images, labels, usage)


def _unseen(test: Dataset, labelled: Dataset, layout: Layout) -> Dataset:
    """The rows of test.csv that are not among the labelled PublicTest and PrivateTest rows, counting copies."""
    held_out = labelled.usage != "Training"
    known = Counter(image.tobytes() for image in labelled.images[held_out])
    new = []
    for row, image in enumerate(test.images):
        pixels = image.tobytes()
        if known[pixels]:
            known[pixels] -= 1
        else:
            new.append(row)
    if missing := known.total():
        warnings.warn(
            f"{layout.test} lacks {missing:,} of the {held_out.sum():,} test images of {layout.full}; "
            "the two files do not belong together, keep one of them",
            MienWarning,
            stacklevel=5,
        )
    rest = test.subset(np.array(new, np.int64))
    if (labelled.usage == _TEST[0]).any():  # all of PublicTest is known, so what is left is PrivateTest
        rest = replace(rest, usage=np.full(len(rest), _TEST[1], dtype=rest.usage.dtype))
    return rest
