"""Atomic file writes: a reader never sees half of a file, and a crash leaves the old one."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.errors import MienError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to the disk and takes `path`'s name, on failure it is removed.

    Raises MienError where the folder cannot be made or written, the disk is full, or a folder has that name.
    """
    path = Path(path)
    if not path.name:
        raise MienError(f"cannot write {path}: it is a folder; give the name of a file in it")
    temporary = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Opened with 0o666, the file gets what the process's umask leaves, as any new file does.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise MienError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
    try:
        try:
            yield temporary
            _flush(temporary)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            full = isinstance(error, OSError) and not isinstance(error, BrokenPipeError)
            if full or (isinstance(error, RuntimeError) and "write" in str(error)):
                reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
                raise MienError(f"cannot write {path}: {reason}; make room or choose another folder") from error
            raise
        try:
            temporary.replace(path)
        except OSError as error:
            raise MienError(f"cannot write {path}: {error.strerror}; choose another name") from error
        _flush(path.parent)  # the new name itself
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Let the system write a file, or the names in a folder, to the disk now."""
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:  # Windows does not open folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if path.is_file():
            raise error
    finally:
        os.close(handle)


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, atomically. Raises MienError where the folder cannot be made or written."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")
