"""Parsed data sets, kept as files that are mapped into memory instead of parsed again.

A cache file is named by what it was made from: the SHA-256 of the source files' content, so that a copy or a
renamed file finds it and a changed one does not. Reading 270 MB to know that they have not changed would cost
more than all the rest, so the hash of a file is remembered with its size, times and inode, and is taken again
when any of these differs (as git does for its index).

Files are written under a temporary name and renamed, so any number of processes may share the folder. A check sum
covers all of a file; one that is damaged in any way counts as missing, and so does one that another user wrote or that
others may write. Nothing here ever raises: no cache, no harm.

The folder is $MIEN_CACHE, or $XDG_CACHE_HOME/mien, or ~/.cache/mien, for its owner alone (mode 0700). It holds decoded
faces of the data sets that were read: `mien data cache` shows how much, `mien data cache --clear` deletes it.
"""

import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mien.cores import cores
from mien.data.dataset import SIZE, USAGE_NAMES, Dataset
from mien.errors import MienError
from mien.files import atomic_write

VERSION = 5  # to be raised whenever the same source would be read to different arrays
_LIMIT = 2 << 30  # bytes kept; least recently used files go first
_PAGE = 4096  # the images begin on a page
_MAGIC = b"mien-faces-2 "
_PIECE = 16 << 20  # bytes hashed at once by one thread
_ABANDONED = 3600.0  # seconds after which nobody writes to a temporary file any more
_SETTLED = 2.0  # seconds after which a file's times tell a later change apart on every file system


def folder() -> Path | None:
    """Where cache files are kept; None where the user has no home and no variable names a place."""
    if own := os.environ.get("MIEN_CACHE"):
        return Path(own)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "mien"
    try:
        return Path.home() / ".cache" / "mien"
    except (RuntimeError, KeyError):
        return None


def private(path: Path) -> bool:
    """Whether a file or folder belongs to this user and nobody else may write it; links do not count as such."""
    try:
        state = path.lstat()
    except OSError:
        return False
    if stat.S_ISLNK(state.st_mode):
        return False
    if not hasattr(os, "getuid"):  # Windows: the user's profile is the user's
        return True
    return state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def own_folder(create: bool = False) -> Path | None:
    """The cache folder where it is safe to use; create: make it, for its owner alone. None where it is not."""
    path = folder()
    if path is None:
        return None
    try:
        if create and not path.exists():
            path.mkdir(parents=True, mode=0o700, exist_ok=True)
        elif "MIEN_CACHE" not in os.environ and path.is_dir() and not path.is_symlink() and path.stat().st_mode & 0o077:
            path.chmod(0o700)  # made by an older version; fails where another user owns it
    except OSError:
        return None
    return path if path.is_dir() and private(path) else None


def files() -> list[Path]:
    """The files in the cache folder, of all kinds."""
    place = own_folder()
    try:
        return (
            [Path(entry.path) for entry in os.scandir(place) if entry.is_file(follow_symlinks=False)] if place else []
        )
    except OSError:
        return []


def clear() -> tuple[int, int]:
    """Delete what the cache folder holds. Returns how many files and bytes went."""
    number = size = 0
    for file in files():
        with suppress(OSError):
            length = file.stat().st_size
            file.unlink()
            number, size = number + 1, size + length
    return number, size


def key(*parts: str) -> str:
    """The name under which something made from `parts` (kinds and content hashes) is kept."""
    return hashlib.sha256(os.fsencode("\n".join((str(VERSION), *parts)))).hexdigest()[:32]


def content(path: Path) -> str:
    """A hash of a file's content: 64 hexadecimal digits. Raises OSError where it cannot be read."""
    state = path.stat()
    now = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev]
    place = own_folder()
    name = f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]}.json"
    note = place / name if place else None
    try:
        if note and private(note):
            known = json.loads(note.read_text())
            if known["state"] == now and _check(str(known["content"]), now) == known["check"]:
                return str(known["content"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = _hash(path, state.st_size)
    if time.time() - max(state.st_mtime, state.st_ctime) > _SETTLED:
        about = {"path": str(path), "state": now, "content": digest, "check": _check(digest, now)}
        if place := own_folder(create=True):
            _write(place / name, [json.dumps(about).encode()])
    return digest


def _check(digest: str, state: list[int]) -> str:
    return hashlib.sha256(f"{digest} {state}".encode()).hexdigest()[:16]


def load(name: str) -> Dataset | None:
    """The data set kept under `name`, its images mapped (changes to them stay in memory); None if there is none."""
    place = own_folder()
    if place is None or not private(path := place / f"{name}.faces"):
        return None
    try:
        data = np.memmap(path, np.uint8, mode="c")
        start = data[:_PAGE].tobytes()
        digits = start[len(_MAGIC) : len(_MAGIC) + 8]
        if not start.startswith(_MAGIC) or zlib.crc32(data.data[len(_MAGIC) + 8 :]) != int(digits, 16):
            return None
        pages = int(start[len(_MAGIC) + 9 : len(_MAGIC) + 17], 16)
        header = data[len(_MAGIC) + 18 : pages * _PAGE].tobytes()
        about = json.loads(header.rstrip(b"\0"))
        n, pixels = int(about["n"]), int(about["n"]) * SIZE * SIZE
        if about["name"] != name or len(data) != pages * _PAGE + pixels + 9 * n:
            return None
        os.utime(path)  # used just now: the last to be removed
    except (OSError, ValueError, KeyError, TypeError):
        return None
    images, rest = np.split(data[pages * _PAGE :], [pixels])
    labels, usage = np.split(rest, [8 * n])
    return Dataset(
        images.reshape(n, SIZE, SIZE),
        np.array(labels).view("<i8").astype(np.int64),
        np.array(USAGE_NAMES)[usage],
        tuple(about["classes"]),
        decisions=tuple(about["decisions"]),
        left_out=dict(about["left_out"]),
    )


def store(name: str, dataset: Dataset) -> None:
    """Keep a data set under `name`, where the folder can be written and is this user's alone, and it is not too
    large."""
    place = own_folder(create=True) if dataset.images.nbytes < _LIMIT else None
    if place is None:
        return
    about = {
        "name": name, "n": len(dataset), "classes": dataset.classes, "decisions": dataset.decisions,
        "left_out": dict(dataset.left_out),
    }  # fmt: skip
    text = json.dumps(about).encode()
    pages = -(-(len(_MAGIC) + 18 + len(text)) // _PAGE)
    # Magic, check sum of all that follows, pages of the header: then the header itself.
    header = f" {pages:08x} ".encode() + text.ljust(pages * _PAGE - len(_MAGIC) - 18, b"\0")
    pieces: list[Any] = [
        header,
        np.ascontiguousarray(dataset.images).data,
        dataset.labels.astype("<i8").data,
        dataset.usage_codes().data,
    ]
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    _write(place / f"{name}.faces", [_MAGIC + f"{crc:08x}".encode(), *pieces])
    _tidy(place)


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with suppress(OSError, MienError), atomic_write(path) as temporary, temporary.open("wb") as file:
        temporary.chmod(0o600)
        for piece in pieces:
            file.write(piece)


def _hash(path: Path, size: int) -> str:
    """SHA-256 over the SHA-256 of pieces, which threads take side by side."""

    def piece(start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(_PIECE)).digest()

    with ThreadPoolExecutor(min(4, cores())) as pool:
        return hashlib.sha256(b"".join(pool.map(piece, range(0, size, _PIECE)))).hexdigest()


def _tidy(place: Path) -> None:
    """Remove the least recently used files beyond the limit, and what a killed process left half written."""
    entries = []
    with suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.endswith((".faces", ".json")):
                entries.append((entry.stat().st_mtime, entry.stat().st_size, Path(entry.path)))
    kept = 0
    for used, size, path in sorted(entries, reverse=True):
        kept += size
        left_behind = path.name.startswith(".") and time.time() - used > _ABANDONED
        if kept > _LIMIT or left_behind:
            with suppress(OSError):
                path.unlink()
