"""Faces in parquet files (FER2013 as Hugging Face keeps it) and in numpy's npz archives."""

import json
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.class_names import name_classes
from mien.data.csv_columns import EMOTION_NAMES, PIXELS, USAGE_NAMES
from mien.data.dataset import SIZE, UNKNOWN, USAGES
from mien.data.fer2013_csv import Rows
from mien.data.image import open_picture, to_square_gray
from mien.data.packed import map_images
from mien.data.parts import part_of
from mien.errors import MienError
from mien.labels import emotion_of

SUFFIXES = (".parquet", ".npz")
_PIXEL_NAMES = (
    "pixels",
    "image",
    "images",
    "img",
    "x",
    "data",
    "faces",
    "picture",
    "pixel_values",
    "img_bytes",
    "bytes",
)
_LABEL_NAMES = (*EMOTION_NAMES, "emotions", "targets", "labels", "fer_code")
_PARTS = ("train", "val", "valid", "validation", "test")
FER2013_ROWS = (28709, 3589, 3589)


@dataclass(frozen=True)
class TableColumns:
    """The columns of a parquet file that are read. names: the classes by number, where the file tells them."""

    pixels: str
    label: str | None
    usage: str | None
    names: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What the file can give: see `csv_columns.Columns`."""
        return "test" if self.label is None else "train" if self.usage is None else "full"


def parquet_columns(path: Path) -> TableColumns | None:
    """The columns of a parquet file, None where it holds no pictures. Raises MienError without pyarrow, or if
    damaged.
    """
    schema = _parquet(path).schema_arrow
    names = {name.lower(): name for name in reversed(schema.names)}
    pixels = next((names[name] for name in _PIXEL_NAMES if name in names), None)
    if pixels is None:
        return None
    label = next((names[name] for name in _LABEL_NAMES if name in names), None)
    votes = [name for name in schema.names if emotion_of(name)]
    if label is None and len(votes) > 1:
        raise MienError(
            f"{path} has a column for each of {', '.join(votes)} and none that names the emotion; add a column 'label' "
            "with the emotion of each row (pandas: df['label'] = df[columns].idxmax(axis=1))"
        )
    usage = next((names[name] for name in USAGE_NAMES[:8] if name in names), None)
    return TableColumns(pixels, label, usage, _class_names(schema.metadata or {}, label))


def read_parquet(path: Path, classes: str | dict[int, str] | None = None) -> Rows:
    """Read a parquet file of faces. Raises MienError, with file and row, for what is no picture or no label."""
    columns = parquet_columns(path)
    if columns is None:
        raise MienError(
            f"{path} has no column of pictures ({', '.join(_PIXEL_NAMES[:3])}); rename the column that holds them"
        )
    wanted = [name for name in (columns.pixels, columns.label, columns.usage) if name]
    file = _parquet(path)
    images = np.empty((file.metadata.num_rows, SIZE, SIZE), np.uint8)
    labels: list[Any] = []
    usages: list[Any] = []
    row = 0
    for batch in file.iter_batches(batch_size=256, columns=wanted):
        for value in batch.column(columns.pixels).to_pylist():
            images[row] = _face(value, f"{path} row {row + 1}")
            row += 1
        labels += batch.column(columns.label).to_pylist() if columns.label else []
        usages += batch.column(columns.usage).to_pylist() if columns.usage else []
    if row == 0:
        raise MienError(f"{path} has no rows; fetch it again")
    decisions: list[str] = []
    usage = _parts(usages, str(path)) if columns.usage else None
    if not columns.label:
        return Rows(images, None, usage)
    index, names = _named(labels, columns.names, classes, str(path), decisions)
    return Rows(images, index, usage, names, tuple(decisions))


def npz_kind(path: Path) -> str | None:
    """What an npz archive can give ("full", "train" or "test"); None where it holds no pictures. Raises MienError."""
    arrays = _npz_names(path)
    if {"usage", "about"} <= set(arrays):  # see mien.data.packed
        return "full"
    pairs = _npz_pairs(arrays)
    if not pairs:
        return None
    if "" not in pairs:
        return "full"
    return "test" if pairs[""][1] is None else "train"


def read_npz(path: Path, classes: str | dict[int, str] | None = None) -> Rows:
    """Read an npz archive of arrays: images or pixels (N, 48, 48) with labels or emotion (N,), or x_train, y_train, ...

    Labels of 255 or -1 are unknown. FER2013's own number of rows is taken for its own order of parts. Raises MienError
    for arrays that do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            pairs = _npz_pairs({name.lower(): name for name in archive.files})
            loaded = {
                part: (_mapped_or_read(path, archive, pixels), _one_each(archive[label]) if label else None)
                for part, (pixels, label) in pairs.items()
            }
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise MienError(
            f"{path} is damaged or holds Python objects ({_line(error)}); save plain arrays with numpy.savez"
        ) from error
    if not loaded:
        raise MienError(f"{path} holds no pictures; name its arrays images (N, {SIZE}, {SIZE}) and labels (N,)")
    decisions: list[str] = []
    images, labels, usage = [], [], []
    for part, (pixels, label) in loaded.items():
        faces = _faces(pixels, f"{path}: {part or 'images'}")
        if label is not None and len(label) != len(faces):
            raise MienError(
                f"{path} has {len(faces):,} pictures and {len(label):,} labels {part}; they must be as many"
            )
        images.append(faces)
        labels.append(np.full(len(faces), UNKNOWN) if label is None else label)
        usage += [USAGES.index(part_of(part) or USAGES[0])] * len(faces)
    all_labels = np.concatenate(labels)
    codes = np.array(usage, np.uint8) if "" not in loaded else None
    if codes is None and len(all_labels) == sum(FER2013_ROWS):
        codes = np.repeat(np.arange(3, dtype=np.uint8), FER2013_ROWS)
        decisions.append(
            f"{len(all_labels):,} rows are taken for FER2013 in its own order: Training, PublicTest, PrivateTest"
        )
    if codes is not None and "" not in loaded:
        shown = ", ".join(f"{part} {len(faces):,}" for part, (faces, _) in loaded.items())
        decisions.append(f"parts by the names of the arrays: {shown}")
    index, names = _named(all_labels.tolist(), (), classes, str(path), decisions)
    unlabelled = bool((index < 0).all())
    faces = images[0] if len(images) == 1 else np.concatenate(images)
    return Rows(faces, None if unlabelled and codes is None else index, codes, names, tuple(decisions))


def _mapped_or_read(path: Path, archive: Any, name: str) -> NDArray[Any]:
    mapped = map_images(path, name)
    result: NDArray[Any] = archive[name] if mapped is None else mapped
    return result


def _one_each(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels (N,), of (N,), (N, 1) or one-hot (N, C)."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "buif" and (np.abs(labels).sum(1) == 1).all():
        hot: NDArray[np.int64] = labels.argmax(axis=1)
        return hot
    return labels.reshape(-1)


def _parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MienError(
            f"{path} is a parquet file, which pyarrow reads and is not installed; run: pip install pyarrow"
        ) from error
    import pyarrow

    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise MienError(f"{path} is a damaged parquet file ({_line(error)}); fetch it again") from error


def _class_names(metadata: dict[bytes, bytes], label: str | None) -> tuple[str, ...]:
    """The names in Hugging Face's description of a ClassLabel column."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features[label]["names"])
    except (KeyError, ValueError, TypeError):
        return ()


def _face(value: Any, name: str) -> NDArray[np.uint8]:
    """One cell of a table as a face, (48, 48) uint8: a picture file's bytes, 2,304 numbers, or their text."""
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
        result: NDArray[np.uint8] = _faces(np.asarray(value, np.float64)[None], name)[0]
        return result
    except (TypeError, ValueError) as error:
        raise MienError(f"{name} holds no picture (bytes or {PIXELS:,} numbers); correct or delete it") from error


def _faces(pixels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """(N, 48, 48), (N, 48, 48, 1), (N, 1, 48, 48), (N, 2304) or pictures of another size -> (N, 48, 48) uint8."""
    if pixels.dtype.kind not in "buif" or pixels.size == 0 or pixels.ndim < 2:
        raise MienError(
            f"{name} of shape {pixels.shape} and type {pixels.dtype} are no pictures; give (N, {SIZE}, {SIZE}) uint8"
        )
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 255):
            raise MienError(f"{name} has values from {low:g} to {high:g}; give uint8, 0 to 255")
        scale = 255.0 if pixels.dtype.kind == "f" and high <= 1 and high > 0 else 1.0
        pixels = np.rint(pixels * scale).astype(np.uint8)
    if pixels.ndim == 2 and pixels.shape[1] == PIXELS:
        pixels = pixels.reshape(-1, SIZE, SIZE)
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 4 and pixels.shape[1] == 1:
        pixels = pixels[:, 0]
    if pixels.ndim == 3 and pixels.shape[1:] == (SIZE, SIZE):
        return np.ascontiguousarray(pixels)
    if pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] in (3, 4)):
        return np.stack([to_square_gray(Image.fromarray(np.ascontiguousarray(picture)), SIZE) for picture in pixels])
    raise MienError(f"{name} of shape {pixels.shape} are no pictures; give (N, {SIZE}, {SIZE}) uint8")


def _npz_names(path: Path) -> dict[str, str]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name.lower(): name for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise MienError(f"{path} is a damaged npz archive ({_line(error)}); save it again") from error


def _npz_pairs(names: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Part ("" for all) -> the names of its pictures and of its labels, in the order of parts."""
    pairs: dict[str, tuple[str, str | None]] = {}
    for part in ("", *_PARTS):

        def spelt(roots: tuple[str, ...], part: str = part) -> str | None:
            forms = [
                form
                for root in roots
                for form in ((f"{root}_{part}", f"{part}_{root}", f"{part}{root}") if part else (root,))
            ]
            return next((names[form] for form in forms if form in names), None)

        pixels = spelt(_PIXEL_NAMES)
        if pixels:
            pairs[part] = pixels, spelt(_LABEL_NAMES)
    return pairs


def _named(
    labels: list[Any], names: tuple[str, ...], classes: str | dict[int, str] | None, name: str, decisions: list[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Index into the classes of each label (-1 where unknown), and the classes. names: by number, from the file
    itself.
    """
    whole = [int(label) if isinstance(label, (bool, int, float)) and label == int(label) else label for label in labels]
    unknown = {None, UNKNOWN, 255, ""}
    if names and classes is None:
        texts = [names[label] if isinstance(label, int) and 0 <= label < len(names) else label for label in whole]
        decisions.append(f"numbers named by the file itself: {', '.join(f'{i} {n}' for i, n in enumerate(names))}")
    else:
        texts = whole
    present = Counter(str(text) for text in texts if text not in unknown)
    if not present:
        return np.full(len(texts), UNKNOWN, np.int64), tuple(name_classes(map(str, range(7))).classes)
    numeric = all(text.isdigit() for text in present)
    preset = (
        "fer2013"
        if numeric and set(map(int, present)) <= set(range(7))
        else "ckextended"
        if numeric and "0" in present
        else ""
    )
    naming = name_classes(present if not names or classes else {n: 1 for n in names if n in present}, classes, preset)
    if numeric and classes is None and not set(naming.classes) - set(present):
        raise MienError(
            f"{name} has the labels {', '.join(sorted(present))}, whose meaning nothing tells; name them with "
            "{parameter} 1=..,2=..",
            parameter="classes",
        )
    decisions += naming.decisions
    return np.array([naming.index.get(str(text), UNKNOWN) for text in texts], np.int64), naming.classes


def _parts(values: list[Any], name: str) -> NDArray[np.uint8]:
    parts = {value: part_of(str(value)) for value in {*values}}
    for value, part in parts.items():
        if part is None:
            raise MienError(f"{name} has the part {str(value)[:20]!r}; it must be train, validation or test")
    return np.array([USAGES.index(str(parts[value])) for value in values], np.uint8)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
