"""Safe reading of run folders: regular files only, of limited size, inside the folder.

A run folder may contain anything: pipes, devices, links leading outside, huge files, unreadable folders. Each such
problem becomes the error of that run, shown in its row; the other runs are shown as usual.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.evaluation import history

FILES = ("recipe.json", "history.csv", "metrics.json")
DEEP = 3  # how many folder levels are searched for runs
MAX_RUNS = 2000  # most runs that are listed
MOST_ENTRIES = 20_000  # most entries of one folder that are examined
MAX_FILE_BYTES = 4_000_000  # largest file that is read, in bytes
NESTED = 32  # deepest nesting of lists and objects in a JSON file


@dataclass(frozen=True)
class Run:
    """A run's folder. name: its path below the run folder, with slashes and only printable characters. error: why it
    cannot be read."""

    name: str
    path: Path
    root: Path
    error: str | None = None

    def stamps(self) -> tuple[tuple[int, int], ...]:
        """Modification time and size of each of FILES; (0, -1) for a missing one."""
        return tuple(_stamp(self.path / file) for file in FILES)


def find_runs(folder: Path) -> dict[str, Run]:
    """Every run under a folder, sorted by name. Empty if the folder does not exist."""
    runs: dict[str, Run] = {}
    for path, error in _run_folders(folder, DEEP):
        name = shown = _printable(path.relative_to(folder).as_posix())
        number = 2
        while name in runs:  # different names can look equal once unprintable characters are escaped
            name, number = f"{shown} ({number})", number + 1
        runs[name] = Run(name, path, folder, error)
        if len(runs) == MAX_RUNS:
            break
    return dict(sorted(runs.items()))


def read_json(run: Run, name: str) -> tuple[dict[str, Any], str | None]:
    """The object in a run's JSON file, empty if there is none, and the error, if any."""
    try:
        text = _read_text(run, name)
        value = json.loads(text) if text is not None else {}
        if not isinstance(value, dict):
            raise ValueError("it holds no object")
        if _too_deep(value, NESTED):
            raise ValueError(f"it is nested more than {NESTED} levels deep")
        return value, None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return {}, _printable(f"{name} cannot be read: {reason}")[:160]


def read_history(run: Run) -> tuple[list[dict[str, float]], str | None]:
    """The rows of a run's history.csv, empty if there is none, and the error, if any."""
    path = run.path / "history.csv"
    try:
        if _read_text(run, "history.csv") is None:
            return [], None
        return [dict(row) for row in history.read(path)], None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return [], _printable(str(reason).replace(str(path), path.name))[:160]


def check_file(run: Run, name: str) -> bool:
    """Whether a run has a file of that name. Raises MienError if it must not be read."""
    return _read_bytes(run, name) is not None


def _run_folders(folder: Path, deep: int) -> Iterator[tuple[Path, str | None]]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False)
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except OSError as error:
        if deep < DEEP:  # the folder of runs itself may be missing
            yield folder, f"the folder cannot be opened: {error.strerror}"
        return
    for name in names:
        path = folder / name
        if any(_stamp(path / file)[1] >= 0 for file in FILES):
            yield path, None
        elif deep > 1:
            yield from _run_folders(path, deep - 1)


def _read_text(run: Run, name: str) -> str | None:
    data = _read_bytes(run, name)
    return None if data is None else data.decode("utf-8")


def _read_bytes(run: Run, name: str) -> bytes | None:
    """Contents of a regular file of limited size that is not a link leading outside. None if it does not exist."""
    path = run.path / name
    try:
        resolved = path.resolve(strict=True)
    except FileNotFoundError:
        if path.is_symlink():
            raise MienError(f"{name} is a link to nothing") from None
        return None
    except RuntimeError:  # circular links, up to Python 3.12
        raise MienError(f"{name} is a link in a circle") from None
    if not resolved.is_relative_to(run.root.resolve()):
        raise MienError(f"{name} is a link out of the run folder")
    # Without O_NONBLOCK opening a pipe would block; the file may also have been replaced.
    handle = os.open(resolved, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise MienError(f"{name} is not a regular file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise MienError(f"{name} is larger than {MAX_FILE_BYTES:,} bytes")
    return data


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.lstat()
        with contextlib.suppress(OSError):  # a dangling link counts as existing
            status = path.stat()
    except OSError:
        return 0, -1
    return status.st_mtime_ns, status.st_size


def _too_deep(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_too_deep(item, levels - 1) for item in inner)


def _printable(text: str) -> str:
    """The text with escapes for line breaks, control characters and bytes that are not UTF-8."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
