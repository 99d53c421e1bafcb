"""Packed faces: one uncompressed npz file that is mapped into memory instead of read, so that data may be larger than
memory.

What `mien data pack` writes, and any program that has numpy can (numpy.savez, without compression):

    images  (N, 48, 48) uint8, gray, 0 black
    labels  (N,) int64, index into the classes, -1 where unknown
    usage   (N,) uint8: 0 Training, 1 PublicTest, 2 PrivateTest, 3 no part
    about   JSON text: format 1; classes, the names in order; decisions, left_out and drawn as in `Dataset`

An npz file is a zip archive, whose check sums tell damage. Pixels that are stored as they are lie in one piece of the
file; `map_images` finds it. Faces are then read where they are needed, and the system keeps of them what memory allows.
"""

import json
import mmap
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import SIZE, USAGE_NAMES, Dataset
from mien.errors import MienError
from mien.files import atomic_write

Faces = NDArray[np.uint8]

FORMAT = 1
IN_MEMORY = 1 << 30  # bytes of mapped images up to which a training takes a copy of its own, which is faster
_PIECE = 16 << 20  # bytes looked at together
_FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)


class MappedFaces:
    """Faces at some rows of images that lie in a mapped file, read when they are asked for: (N, 48, 48) uint8.

    images: (M, 48, 48) uint8. rows: (N,) of them.
    """

    def __init__(self, images: Faces, rows: NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> Faces:
        return self.images[self.rows[index]]


def faces_at(images: Faces, rows: NDArray[np.int64]) -> Faces | MappedFaces:
    """The faces at `rows`: in memory, or, of a mapped file of more than IN_MEMORY, read when they are asked for."""
    if images.nbytes > IN_MEMORY and is_mapped(images):
        return MappedFaces(images, rows)
    return images[rows]


def is_mapped(array: Any) -> bool:
    """Whether an array lies in a mapped file."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array is not None


def check_output(path: str | Path, overwrite: bool = False) -> None:
    """Raises MienError where a file of packed faces has a name that does not end in .npz, or exists and is to stay."""
    if Path(path).suffix.lower() != ".npz":
        raise MienError(f"packed faces are an npz file; name it {Path(path).with_suffix('.npz')}")
    if Path(path).exists() and not overwrite:
        raise MienError(f"{path} exists; replace it with {{parameter}}", parameter="overwrite")


def pack(dataset: Dataset, path: str | Path, overwrite: bool = False) -> None:
    """Write a data set as packed faces. Its images may be mapped from a file themselves, and are copied piece by piece.

    overwrite: replace the file if it exists. Raises MienError where it exists otherwise, its name does not end in .npz,
    or it cannot be written.
    """
    check_output(path, overwrite)
    about = {
        "format": FORMAT, "classes": dataset.classes, "decisions": dataset.decisions,
        "left_out": dict(dataset.left_out), "drawn": dataset.drawn,
    }  # fmt: skip
    with atomic_write(path) as temporary:
        np.savez(
            temporary, images=dataset.images, labels=dataset.labels.astype("<i8"), usage=dataset.usage_codes(),
            about=np.array(json.dumps(about)),
        )  # fmt: skip


def unpack(path: Path) -> Dataset | None:
    """The data set in a file of packed faces, its images mapped; None where an npz file is another one.

    Raises MienError where the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not {"images", "labels", "usage", "about"} <= set(archive.files):
                return None
            about, labels, usage = json.loads(str(archive["about"])), archive["labels"], archive["usage"]
        images = map_images(path, "images")
        if about["format"] != FORMAT:
            raise MienError(f"{path} is of a newer format of packed faces; update mien")
        n, classes = len(labels), tuple(map(str, about["classes"]))
        if images is None or images.shape != (n, SIZE, SIZE) or usage.shape != labels.shape or not n:
            raise ValueError("its arrays do not fit each other")
        if labels.min() < -1 or labels.max() >= len(classes) or usage.max() >= len(USAGE_NAMES):
            raise ValueError("a label or part has no name")
        return Dataset(
            images, labels.astype(np.int64), np.array(USAGE_NAMES)[usage], classes, str(path), bool(about["drawn"]),
            tuple(map(str, about["decisions"])), {str(name): int(k) for name, k in about["left_out"].items()},
        )  # fmt: skip
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise MienError(f"{path} is damaged ({reason}); pack it again with mien data pack") from error


def map_images(path: Path, name: str) -> NDArray[np.uint8] | None:
    """The uint8 array of that name in an npz file, mapped into memory (changes to it stay there); None where it is
    compressed or of another type.

    Raises ValueError where the check sum is wrong, or the file is no archive that numpy writes.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            return None
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
            if read_header is None:
                return None
            shape, fortran, dtype = read_header(stream)
            header = stream.tell()
    if dtype != np.uint8 or fortran or not shape or 0 in shape:
        return None
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(30)  # its names may be longer here than in the directory
        if len(local) < 30 or local[:4] != b"PK\x03\x04":
            raise ValueError("the archive is damaged")
        start = member.header_offset + 30 + sum(struct.unpack("<HH", local[26:30]))
    content = np.memmap(path, np.uint8, "c", start, (member.file_size,))
    pixels = content[header:]
    if len(pixels) != np.prod(shape, dtype=np.int64):
        raise ValueError("the archive is damaged")
    checksum = 0
    for piece in range(0, len(content), _PIECE):
        checksum = zlib.crc32(content.data[piece : piece + _PIECE], checksum)
    if checksum != member.CRC:
        raise ValueError("its check sum is wrong")
    result: NDArray[np.uint8] = np.asarray(pixels).reshape(shape)
    return result


def is_stored(path: Path) -> bool:
    """Whether all arrays of an npz file lie in it as they are, so that they can be mapped."""
    try:
        with zipfile.ZipFile(path) as archive:
            return all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return False
