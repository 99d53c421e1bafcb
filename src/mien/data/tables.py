"""Faces in parquet and Arrow files (FER2013 as Hugging Face keeps it) and in numpy's npz archives."""

import itertools
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.arrow_files import names_pictures, open_table
from mien.data.class_legends import NO_LEGENDS, Legends
from mien.data.csv_columns import PIXELS, label_columns
from mien.data.dataset import SIZE, UNKNOWN, USAGES
from mien.data.image import open_picture, to_square_gray
from mien.data.label_columns import LabelColumn, NamedColumn, choose, column_of, label_text, name_column
from mien.data.npz_arrays import LABEL_NAMES, PIXEL_NAMES, Arrays, arrays
from mien.data.packed import map_images
from mien.data.part_columns import PartColumns, part_columns
from mien.data.parts import part_of
from mien.data.pixel_values import scale_of, to_faces
from mien.data.rows import Rows
from mien.data.table_parts import parts_of_rows, short_values
from mien.errors import MienError
from mien.labels import EMOTIONS, emotion_of

SUFFIXES = (".parquet", ".arrow", ".npz")
FER2013_ROWS = (28709, 3589, 3589)


@dataclass(frozen=True)
class TableColumns:
    """The columns of a parquet or Arrow file that are read. labels: those that may hold the labels, the likeliest
    first, each with the names of its numbers where the file tells them. usage: the columns that say the parts."""

    pixels: str
    labels: dict[str, tuple[str, ...]]
    usage: PartColumns | None

    @property
    def kind(self) -> str:
        """What the file can give: see `csv_columns.Columns`."""
        return "test" if not self.labels else "train" if self.usage is None else "full"


def parquet_columns(path: Path) -> TableColumns | None:
    """The columns of a parquet or Arrow file, None where it holds no pictures. Raises MienError without pyarrow, or
    if damaged.
    """
    file = open_table(path)
    schema = file.schema_arrow
    names = {name.lower(): name for name in reversed(schema.names)}
    called = (names[name] for name in PIXEL_NAMES if name in names)
    pixels = next((name for name in called if not names_pictures(file, name)), None)
    if pixels is None:
        return None
    usage = part_columns(short_values(file, pixels))
    free = [name for name in schema.names if name != pixels and (usage is None or name not in usage.names)]
    labels = label_columns(free) or [names[name] for name in LABEL_NAMES if names.get(name) in free][:1]
    votes = [name for name in schema.names if emotion_of(name)]
    if not labels and len(votes) > 1:
        raise MienError(
            f"{path} has a column for each of {', '.join(votes)} and none that names the emotion; add a column 'label' "
            "with the emotion of each row (pandas: df['label'] = df[columns].idxmax(axis=1))"
        )
    return TableColumns(pixels, {name: _class_names(schema.metadata or {}, name) for name in labels}, usage)


def read_parquet(path: Path, classes: str | dict[int, str] | None = None, legends: Legends = NO_LEGENDS) -> Rows:
    """Read a parquet or Arrow file of faces. legends: what files beside it say of numbered classes.

    Raises MienError, with file and row, for what is no picture or no label.
    """
    columns = parquet_columns(path)
    if columns is None:
        raise MienError(
            f"{path} has no column of pictures ({', '.join(PIXEL_NAMES[:3])}); rename the column that holds them"
        )
    wanted = [columns.pixels, *columns.labels, *_names(columns.usage)]
    file = open_table(path)
    images = np.empty((file.metadata.num_rows, SIZE, SIZE), np.uint8)
    labels: dict[str, list[Any]] = {name: [] for name in columns.labels}
    usages: list[list[str]] = []
    decisions: list[str] = []
    scale, row = 0.0, 0
    for batch in file.iter_batches(batch_size=256, columns=wanted):
        cells = [
            _cell(value, f"{path} row {n}") for n, value in enumerate(batch.column(columns.pixels).to_pylist(), row + 1)
        ]
        numbers = [cell for cell in cells if cell.dtype != np.uint8]
        if numbers and not scale:  # one scale for the whole file, by its first rows
            scale = scale_of(np.concatenate([cell.reshape(1, -1) for cell in _alike(numbers)]), str(path), decisions)
        for cell in cells:
            row += 1
            by = 1.0 if cell.dtype == np.uint8 else scale
            images[row - 1] = to_faces(cell[None], f"{path} row {row}", by, decisions)[0]
        for name, values in labels.items():
            values += batch.column(name).to_pylist()
        cells_of_parts = [map(label_text, batch.column(name).to_pylist()) for name in _names(columns.usage)]
        usages += map(list, zip(*cells_of_parts, strict=True))
    if row == 0:
        raise MienError(f"{path} has no rows; fetch it again")
    usage = parts_of_rows(columns.usage, usages, str(path)) if columns.usage else None
    decisions += [columns.usage.told()] if columns.usage and columns.usage.told() else []
    if not labels:
        return Rows(images, None, usage, decisions=tuple(decisions))
    # The names in the file give way to those that the user gives.
    options = [
        column_of(name, values, () if classes else columns.labels[name], decisions) for name, values in labels.items()
    ]
    own = columns.pixels.lower() == "pixels"
    named = _named(options, classes, str(path), decisions, legends, own)
    return Rows(images, named.labels, usage, named.classes, tuple(decisions), named.by_order)


def npz_kind(path: Path) -> str | None:
    """What an npz archive can give ("full", "train" or "test"); None where it holds no pictures. Raises MienError."""
    with _archive(path) as archive:
        if {"usage", "about"} <= set(archive.files):  # see mien.data.packed
            return "full"
        roles = arrays(archive.files)
        if not roles.pictures:
            return None
        if set(roles.pictures) != {""} or _npz_usage(archive, roles)[0]:
            return "full"
        return "train" if roles.labels[""] else "test"


def read_npz(path: Path, classes: str | dict[int, str] | None = None, legends: Legends = NO_LEGENDS) -> Rows:
    """Read an npz archive of arrays: images or pixels (N, 48, 48) with labels or emotion (N,), or x_train, y_train, ...

    An array split (N,) gives the parts, and class_names (K,) names the numbers. Labels of 255 or -1 are unknown.
    FER2013's own number of rows is taken for its own order of parts. Raises MienError for arrays that do not fit.
    """
    decisions: list[str] = []
    with _archive(path) as archive:
        roles = arrays(archive.files)
        if not roles.pictures:
            raise MienError(f"{path} holds no pictures; name its arrays images (N, {SIZE}, {SIZE}) and labels (N,)")
        pixels = {part: _mapped_or_read(path, archive, name) for part, name in roles.pictures.items()}
        labels = {
            part: {name: _one_each(archive[name], name, decisions) for name in names}
            for part, names in roles.labels.items()
        }
        usage = _npz_usage(archive, roles)
        words = {name: array for name in roles.class_names if (array := _plain(archive, name)) is not None}
        unread = set(archive.files) - set(roles.pictures.values())
    faces = {}
    for part, array in pixels.items():
        what = f"{path}: {part or 'images'}"
        faces[part] = to_faces(array, what, scale_of(array, what, decisions), decisions)
    sizes = {part: len(each) for part, each in faces.items()}
    options, used = _npz_labels(path, sizes, labels)
    words |= {name: array for each in labels.values() for name, array in each.items() if name not in used}
    named = next((name for name, array in words.items() if array.ndim == 1 and array.dtype.kind in "SUO"), "")
    class_names = [label_text(name) for name in words[named].tolist()] if named and not classes else []
    columns = [column_of(name, values, class_names, decisions) for name, values in options.items()]
    codes = _npz_codes(path, sizes, usage, decisions)
    nothing = NamedColumn(np.full(sum(sizes.values()), UNKNOWN, np.int64), EMOTIONS)
    index, names, by_order = _named(columns, classes, str(path), decisions, legends) if columns else nothing
    unread -= {named, *_names(usage[0]), *used}
    if unread:
        decisions.append(f"left out: the array{'s' * (len(unread) > 1)} {', '.join(sorted(unread)[:8])}")
    unlabeled = bool((index < 0).all())
    images = next(iter(faces.values())) if len(faces) == 1 else np.concatenate(list(faces.values()))
    labeled = None if unlabeled and codes is None else index
    return Rows(images, labeled, codes, names, tuple(dict.fromkeys(decisions)), by_order)


def _npz_labels(
    path: Path, sizes: dict[str, int], labels: dict[str, dict[str, NDArray[Any]]]
) -> tuple[dict[str, list[Any]], set[str]]:
    """The arrays that may be the labels of all rows, by name, and the names that were read; those of the parts are
    joined into one.

    sizes: pictures of each part. Raises MienError where there are not as many labels as pictures.
    """
    fitting: dict[str, dict[str, NDArray[Any]]] = {}
    for part, n in sizes.items():
        fitting[part] = {name: array for name, array in labels[part].items() if len(array) == n}
        if labels[part] and not fitting[part]:
            name, array = next(iter(labels[part].items()))
            raise MienError(f"{path} has {n:,} pictures and {len(array):,} labels {part or name}; they must be as many")
    if set(sizes) == {""}:
        return {name: array.tolist() for name, array in fitting[""].items()}, set(fitting[""])
    names = {part: next(iter(found), "") for part, found in fitting.items()}
    pieces = [fitting[part][name].tolist() if name else [UNKNOWN] * sizes[part] for part, name in names.items()]
    used = set(names.values()) - {""}
    return {"labels": [label for piece in pieces for label in piece]} if used else {}, used


def _npz_usage(archive: Any, roles: Arrays) -> tuple[PartColumns | None, list[list[str]]]:
    """The arrays that say the part of each picture, and their values, a row a picture; None where there are none."""
    if set(roles.pictures) != {""}:
        return None, []
    taken = {*roles.pictures.values(), *roles.class_names, *itertools.chain(*roles.labels.values())}
    values: dict[str, list[str]] = {}
    for name in [*roles.usages, *(name for name in archive.files if name not in roles.usages)]:
        array = _plain(archive, name) if name not in taken else None
        if array is not None and array.dtype.kind in "USObiuf" and array.ndim and array.size == len(array):
            values[name] = [label_text(value) for value in array.reshape(-1).tolist()]
    # Parts of another number than the pictures are told where they are read; of several arrays only those count.
    parts = part_columns({name: set(held) for name, held in values.items()})
    if parts is None or len({len(values[name]) for name in parts.names}) > 1:
        return None, []
    return parts, [list(row) for row in zip(*(values[name] for name in parts.names), strict=True)]


def _plain(archive: Any, name: str) -> NDArray[Any] | None:
    """An array that may do without; None where it holds Python objects, which are never opened."""
    try:
        array: NDArray[Any] = archive[name]
        return array
    except ValueError:
        return None


def _npz_codes(
    path: Path, sizes: dict[str, int], usage: tuple[PartColumns | None, list[list[str]]], decisions: list[str]
) -> NDArray[np.uint8] | None:
    """Index into USAGES of each row: by the names of the arrays, by an array of parts, or in FER2013's own order."""
    if set(sizes) != {""}:
        shown = ", ".join(f"{part or 'the others, train,'} {n:,}" for part, n in sizes.items())
        decisions.append(f"parts by the names of the arrays: {shown}")
        codes = [USAGES.index(part_of(part) or USAGES[0]) for part in sizes]
        return np.repeat(np.array(codes, np.uint8), list(sizes.values()))
    n = sizes[""]
    columns, rows = usage
    if columns:
        if len(rows) != n:
            names = ", ".join(columns.names)
            raise MienError(f"{path} has {n:,} pictures and {len(rows):,} parts {names}; they must be as many")
        decisions.append(
            columns.told().replace("column", "array", 1) or f"the array {columns.names[0]!r} holds the parts"
        )
        return parts_of_rows(columns, rows, str(path))
    if n == sum(FER2013_ROWS):
        decisions.append(f"{n:,} rows are taken for FER2013 in its own order: Training, PublicTest, PrivateTest")
        return np.repeat(np.arange(3, dtype=np.uint8), FER2013_ROWS)
    return None


def _mapped_or_read(path: Path, archive: Any, name: str) -> NDArray[Any]:
    mapped = map_images(path, name)
    result: NDArray[Any] = archive[name] if mapped is None else mapped
    return result


def _one_each(labels: NDArray[Any], name: str, decisions: list[str]) -> NDArray[Any]:
    """Labels (N,), of (N,), (N, 1), one-hot (N, C), or shares of each class (N, C) of which the largest counts."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "buif":
        shares = labels.astype(np.float64)
        if (shares >= 0).all() and np.allclose(shares.sum(axis=1), 1, atol=1e-3):
            hot: NDArray[np.int64] = shares.argmax(axis=1)
            what = (
                "one-hot" if (shares.max(axis=1) == 1).all() else "shares of the classes, of which the largest counts"
            )
            decisions.append(f"the labels in {name!r} are {what}")
            return hot
    return labels.reshape(-1)


@contextmanager
def _archive(path: Path) -> Iterator[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            yield archive
    except MienError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise MienError(
            f"{path} is a damaged npz archive or holds Python objects ({_line(error)}); save plain arrays with "
            "numpy.savez"
        ) from error


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """The names in Hugging Face's description of a ClassLabel column."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features[label]["names"])
    except (KeyError, ValueError, TypeError):
        return ()


def _cell(value: Any, name: str) -> NDArray[Any]:
    """One cell of a table: a picture file's bytes as (48, 48) uint8; 2,304 numbers, or their text, as they are."""
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, (bytes, bytearray)):
        try:
            return to_square_gray(open_picture(bytes(value)), SIZE)
        except MienError as error:
            raise MienError(f"{name} cannot be read ({_line(error)}); correct or delete it") from error
    if isinstance(value, str):
        value = value.strip(" []").replace(",", " ").split()
    try:
        cell: NDArray[Any] = np.asarray(value, np.float64)
        whole = cell.astype(np.int64) if np.isfinite(cell).all() else cell
    except (TypeError, ValueError) as error:
        raise MienError(f"{name} holds no picture (bytes or {PIXELS:,} numbers); correct or delete it") from error
    if not cell.size or not cell.ndim:
        raise MienError(f"{name} holds no picture (bytes or {PIXELS:,} numbers); correct or delete it")
    return whole if bool((whole == cell).all()) else cell


def _alike(cells: list[NDArray[Any]]) -> list[NDArray[Any]]:
    return [cell for cell in cells if cell.size == cells[0].size]


def _named(
    columns: list[LabelColumn],
    classes: str | dict[int, str] | None,
    name: str,
    decisions: list[str],
    legends: Legends,
    own: bool = False,
) -> NamedColumn:
    """The classes, and the class of each row. own: the pixels are called as FER2013's, see `name_column`."""
    column = choose(columns, classes, decisions)
    if not column.present():
        decisions.append(f"faces without a label: all {len(column.rows):,}")
        return NamedColumn(np.full(len(column.rows), UNKNOWN, np.int64), EMOTIONS)
    own = own and column.name.lower() == "emotion"
    return name_column(column, classes, name, decisions, own, legends=legends)


def _names(columns: PartColumns | None) -> tuple[str, ...]:
    return columns.names if columns else ()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
