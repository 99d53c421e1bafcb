"""Parsed data sets, kept as files that are mapped into memory instead of parsed again.

A cache file is named by what it was made from: the SHA-256 of the source files' content, so that a copy or a
renamed file finds it and a changed one does not. Reading 270 MB to know that they have not changed would cost
more than all the rest, so the hash of a file is remembered with its size, times and inode, and is taken again
when any of these differs (as git does for its index).

Files are written under a temporary name and renamed, so any number of processes may share the folder. Each ends
in a check sum; one that is damaged in any way counts as missing. Nothing here ever raises: no cache, no harm.

The folder is $MIEN_CACHE, or $XDG_CACHE_HOME/mien, or ~/.cache/mien; it may be deleted at any time.
"""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from mien.data.dataset import SIZE, USAGES, Dataset
from mien.errors import MienError
from mien.files import atomic_write

VERSION = 1  # to be raised whenever the same source would be read to different arrays
_LIMIT = 2 << 30  # bytes kept; least recently used files go first
_HEADER = 4096  # bytes before the images, so that they begin on a page
_PIECE = 16 << 20  # bytes hashed at once by one thread
_ABANDONED = 3600.0  # seconds after which nobody writes to a temporary file any more
_SETTLED = 2.0  # seconds after which a file's times tell a later change apart on every file system
_USAGES = (*USAGES, "")


def folder() -> Path:
    """Where cache files are kept."""
    if own := os.environ.get("MIEN_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mien"


def key(*parts: str) -> str:
    """The name under which something made from `parts` (kinds and content hashes) is kept."""
    return hashlib.sha256("\n".join((str(VERSION), *parts)).encode()).hexdigest()[:32]


def content(path: Path) -> str:
    """A hash of a file's content: 64 hexadecimal digits. Raises OSError where it cannot be read."""
    state = path.stat()
    now = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev]
    note = folder() / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]}.json"
    try:
        known = json.loads(note.read_text())
        if known["state"] == now:
            return str(known["content"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = _hash(path, state.st_size)
    if time.time() - max(state.st_mtime, state.st_ctime) > _SETTLED:
        _write(note, [json.dumps({"path": str(path), "state": now, "content": digest}).encode()])
    return digest


def load(name: str) -> Dataset | None:
    """The data set kept under `name`, its images mapped (changes to them stay in memory); None if there is none."""
    path = folder() / f"{name}.faces"
    try:
        data = np.memmap(path, np.uint8, mode="c")
        about = json.loads(data[:_HEADER].tobytes().rstrip(b"\0"))
        n, pixels = int(about["n"]), int(about["n"]) * SIZE * SIZE
        if (
            about["name"] != name
            or len(data) != _HEADER + pixels + 9 * n
            or zlib.crc32(data.data[_HEADER:]) != about["crc"]
        ):
            return None
        os.utime(path)  # used just now: the last to be removed
    except (OSError, ValueError, KeyError, TypeError):
        return None
    images, rest = np.split(data[_HEADER:], [pixels])
    labels, usage = np.split(rest, [8 * n])
    return Dataset(
        images.reshape(n, SIZE, SIZE),
        np.array(labels).view("<i8").astype(np.int64),
        np.array(_USAGES)[usage],
        tuple(about["classes"]),
    )


def store(name: str, dataset: Dataset) -> None:
    """Keep a data set under `name`, where the folder can be written."""
    codes = np.full(len(dataset), len(USAGES), np.uint8)
    for code, usage in enumerate(USAGES):
        codes[dataset.usage == usage] = code
    pieces = [np.ascontiguousarray(dataset.images).data, dataset.labels.astype("<i8").data, codes.data]
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    about = {"name": name, "n": len(dataset), "classes": dataset.classes, "crc": crc}
    header = json.dumps(about).encode()
    if len(header) <= _HEADER:
        _write(folder() / f"{name}.faces", [header.ljust(_HEADER, b"\0"), *pieces])
        _tidy()


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with suppress(OSError, MienError), atomic_write(path) as temporary, temporary.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def _hash(path: Path, size: int) -> str:
    """SHA-256 over the SHA-256 of pieces, which threads take side by side."""

    def piece(start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(_PIECE)).digest()

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return hashlib.sha256(b"".join(pool.map(piece, range(0, size, _PIECE)))).hexdigest()


def _tidy() -> None:
    """Remove the least recently used files beyond the limit, and what a killed process left half written."""
    files = []
    with suppress(OSError):
        for entry in os.scandir(folder()):
            if entry.name.endswith((".faces", ".json")):
                files.append((entry.stat().st_mtime, entry.stat().st_size, Path(entry.path)))
    kept = 0
    for used, size, path in sorted(files, reverse=True):
        kept += size
        left_behind = path.name.startswith(".") and time.time() - used > _ABANDONED
        if kept > _LIMIT or left_behind:
            with suppress(OSError):
                path.unlink()
