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
from numpy.typing import NDArray

from mien.data import cache as kept
from mien.data import pictures
from mien.data.archives import open_csv
from mien.data.arrow_files import HEADS
from mien.data.class_legends import NO_LEGENDS, Legends
from mien.data.class_names import ordered, parse_classes
from mien.data.dataset import SIZE, UNKNOWN, USAGES, Dataset
from mien.data.fer2013 import warn_if_altered
from mien.data.fer2013_csv import read_rows
from mien.data.packed import is_stored, unpack
from mien.data.rows import Rows
from mien.data.sources import File, Layout, find
from mien.data.tables import read_npz, read_parquet
from mien.errors import MienError, MienWarning

_TEST = USAGES[1:]


def load(
    path: str | Path,
    cache: bool = True,
    *,
    classes: str | dict[int, str] | None = None,
    skip_broken: bool = False,
) -> Dataset:
    """Read faces from any known layout, told by content: a csv file of FER2013's kind (plain, .gz, .bz2, .xz, .tar.gz),
    a parquet, Arrow or npz file (an uncompressed npz is mapped into memory: see `mien.data.pack`), a folder holding
    some of them, or a folder of pictures: in class folders, or in the layout of CK+, KDEF, JAFFE, RAF-DB, AffectNet,
    ExpW, FER+, YOLO, COCO or Pascal VOC, or as an annotation tool exports them (see `mien.data.annotation_tools`).

    classes: how the labels are named: a preset for numbers ("fer2013", "rafdb", "affectnet", ...), "1=surprise,2=fear",
    a dict {1: "surprise"}, or "as-is" for the names as they stand. By default synonyms of the seven emotions are read
    as those (anger as angry), numbers 0 to 6 in FER2013's order; every such decision stands in `Dataset.decisions`.
    skip_broken: leave out, and count in `Dataset.left_out`, pictures that cannot be read.

    A file without parts is Training if it has labels; without labels, it is test.csv: PublicTest in its first half,
    PrivateTest in its second, as Kaggle's. From a folder with several csv files come the labeled rows of
    icml_face_data.csv or fer2013.csv (else of train.csv, val.csv, test.csv), and after them the rows of test.csv that
    are not among the labeled ones, matched by pixels and counting copies, with label -1. So all of FER2013 is always
    35,887 rows in the order of fer2013.csv, with the labels that are there.

    What was read is kept in a cache (`mien.data.cache`) and mapped into memory the next time; `cache=False` neither
    uses nor writes it. Warns (MienWarning) where the data looks like FER2013 and its class counts differ.
    Raises MienError, with file and row, for everything that cannot be read as it stands.
    """
    path = _path(path)
    parse_classes(classes)  # before anything is read
    with _readable(path):
        dataset = _load(find(path, classes), cache, classes, skip_broken)
    warn_if_altered(dataset)
    return dataset


def load_test(path: str | Path, cache: bool = True) -> Dataset:
    """The rows of test.csv in its order, PublicTest then PrivateTest: what a submission answers.

    From test.csv itself (labels -1) or the folder it is in, else from a file with Usage that has both (with labels).
    Raises MienError where neither is there.
    """
    path = _path(path)
    with _readable(path):
        layout = find(path)
        if layout.test:
            return _load(replace(layout, files=(layout.test,), decisions=()), cache)
        if not layout.full:
            raise MienError(f"{path} holds no test.csv, whose order a submission needs; give its folder, or the file")
        dataset = _load(layout, cache)
    rows = [np.flatnonzero(dataset.usage == usage) for usage in _TEST]
    for usage, of_usage in zip(_TEST, rows, strict=True):
        if not len(of_usage):
            raise MienError(f"{layout.full.path} has no {usage} rows (their labels may be withheld); give test.csv")
    return dataset.subset(np.concatenate(rows))


def _path(path: str | Path) -> Path:
    """The path of a data set. Raises MienError for a value that is none."""
    given = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        shown = " ".join(repr(path).split())[:60]
        raise MienError(
            f"{{parameter}} = {shown} is no path; give that of one csv, parquet or npz file, or of one folder",
            parameter="path",
        )
    return Path(given)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise MienError(f"{where} cannot be read ({error.strerror or error}); check that you may read it") from error


def _load(
    layout: Layout, cache: bool, classes: str | dict[int, str] | None = None, skip_broken: bool = False
) -> Dataset:
    cache = cache and not (len(layout.files) == 1 and _is_npz(layout.files[0].path) and is_stored(layout.files[0].path))
    name = _key(layout, classes, skip_broken) if cache else ""
    dataset = kept.load(name) if cache else None
    if dataset is None:
        dataset = pictures.read(layout.pictures, skip_broken) if layout.pictures else _read(layout, classes)
        if cache:
            kept.store(name, dataset)
    decisions = (*layout.decisions, *dataset.decisions)
    return replace(dataset, source=str(layout.path), drawn=layout.drawn or dataset.drawn, decisions=decisions)


def _key(layout: Layout, classes: str | dict[int, str] | None, skip_broken: bool) -> str:
    """The name of the cache file: by content for files of faces; by names, sizes and times for folders of pictures."""
    if not layout.pictures:
        parts = (f"{file.kind} {file.part or USAGES[0]} {kept.content(file.path)}" for file in layout.files)
        named = [f"classes {classes}"] if classes else [f"{layout.legends}"] if layout.legends != NO_LEGENDS else []
        return kept.key(*parts, *named)
    naming = layout.pictures.naming
    assert naming is not None
    digest = hashlib.sha256()
    for sample in layout.pictures.samples:
        state = os.stat(sample.file)
        what = (
            sample.file,
            naming.index[sample.label],
            sample.usage,
            sample.box,
            state.st_size,
            state.st_mtime_ns,
            state.st_ctime_ns,
        )
        digest.update("\0".join(map(str, what)).encode("utf-8", "surrogateescape") + b"\n")
    described = "\n".join((*layout.pictures.decisions, str(sorted(layout.pictures.left_out.items()))))
    return kept.key("pictures", *naming.classes, str(skip_broken), described, digest.hexdigest())


def _read(layout: Layout, classes: str | dict[int, str] | None) -> Dataset:
    by_order: dict[str, bool] = {}  # of the files with labels: numbers that nothing names, or names
    parts = []
    for file in layout.files:
        part = _packed(file.path, classes)
        if part is None:
            rows = _rows(file.path, classes, layout.legends)
            part = _dataset(rows, file)
            by_order |= {file.shown: rows.by_order} if rows.labels is not None else {}
        parts.append(part)
    if len(set(by_order.values())) > 1:
        words, numbers = (
            next(name for name, numbered in by_order.items() if numbered is each) for each in (False, True)
        )
        raise MienError(
            f"the labels in {words} have names and those in {numbers} are numbers that nothing names; name them with "
            "{parameter} 0=angry,1=disgust,... (or {parameter} fer2013, if they are FER2013's)",
            parameter="classes",
        )
    if len(parts) == 1:
        return parts[0]
    if layout.test:
        *labeled, test = parts
        if len(labeled) == 1 and (labeled[0].usage != "Training").any():
            parts = [labeled[0], _unseen(test, labeled[0], layout)]
    names = ordered([name for part in parts for name in part.classes])
    decisions = [line for part in parts for line in part.decisions]
    labels = np.concatenate([_renumbered(part, names) for part in parts])
    usage = np.concatenate([part.usage for part in parts])
    return Dataset(_joined(parts), labels, usage, names, decisions=tuple(dict.fromkeys(decisions)))


def _joined(parts: list[Dataset]) -> NDArray[np.uint8]:
    """The images of all parts, (N, 48, 48); the parts are used up, so that no more than one of them is held twice."""
    images = np.empty((sum(map(len, parts)), SIZE, SIZE), np.uint8)
    end = len(images)
    while parts:
        part = parts.pop()
        images[end - len(part) : end] = part.images
        end -= len(part)
    return images


def _renumbered(dataset: Dataset, names: tuple[str, ...]) -> NDArray[np.int64]:
    """The labels of a data set as indices into other class names, which hold its own."""
    at = {name.casefold(): i for i, name in enumerate(names)}
    index = np.array([*(at[name.casefold()] for name in dataset.classes), UNKNOWN], np.int64)
    return index[dataset.labels]


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _packed(path: Path, classes: str | dict[int, str] | None) -> Dataset | None:
    """The data set in a file of packed faces; None where it is another file."""
    dataset = unpack(path) if _is_npz(path) else None
    if dataset is not None and classes:
        raise MienError(f"{path} names its classes itself; leave {{parameter}} out", parameter="classes")
    return dataset


def _rows(path: Path, classes: str | dict[int, str] | None, legends: Legends) -> Rows:
    with path.open("rb") as file:
        head = file.read(4)
    if head in HEADS:
        return read_parquet(path, classes, legends)
    if head == b"PK\x03\x04" and _is_npz(path):
        return read_npz(path, classes, legends)
    with open_csv(path) as stream:
        return read_rows(stream, str(path), classes=classes, legends=legends)


def _dataset(rows: Rows, file: File) -> Dataset:
    n = len(rows.images)
    if rows.usage is not None:
        usage = np.array(USAGES)[rows.usage]
    elif rows.labels is not None:
        usage = np.full(n, file.part or USAGES[0], dtype=np.array(USAGES).dtype)
    else:
        usage = np.repeat(np.array(_TEST), [n // 2, n - n // 2])
    labels = rows.labels if rows.labels is not None else np.full(n, UNKNOWN, np.int64)
    return Dataset(rows.images, labels, usage, rows.classes, decisions=rows.decisions)


def _unseen(test: Dataset, labeled: Dataset, layout: Layout) -> Dataset:
    """The rows of test.csv that are not among the labeled PublicTest and PrivateTest rows, counting copies."""
    held_out = labeled.usage != "Training"
    known = Counter(image.tobytes() for image in labeled.images[held_out])
    new = []
    for row, image in enumerate(test.images):
        pixels = image.tobytes()
        if known[pixels]:
            known[pixels] -= 1
        else:
            new.append(row)
    if missing := known.total():
        first, last = layout.files[0].path, layout.files[-1].path
        warnings.warn(
            f"{last} lacks {missing:,} of the {held_out.sum():,} test images of {first}; "
            "the two files do not belong together, keep one of them",
            MienWarning,
            stacklevel=5,
        )
    rest = test.subset(np.array(new, np.int64))
    if (labeled.usage == _TEST[0]).any():  # all of PublicTest is known, so what is left is PrivateTest
        rest = replace(rest, usage=np.full(len(rest), _TEST[1], dtype=rest.usage.dtype))
    return rest
