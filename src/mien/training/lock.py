"""A lock on a run folder, so that only one training at a time uses it."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.errors import MienError, require
from mien.evaluation.record import read_record, recipe_fields
from mien.training.recipes import from_record

NAME = ".lock"
_TEMPORARY = re.compile(r"\..+-[0-9a-f]{8}(\.\w+)?")  # see files.atomic_write


@contextmanager
def lock_folder(folder: Path | None) -> Iterator[None]:
    """Lock the folder, creating it if needed, and delete temporary files that a killed training left. None: no lock.
    Raises MienError if another training holds the lock.

    The lock is the system's own on an open file, so it ends with the process.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / NAME, "a")  # noqa: SIM115
    except OSError as error:
        raise MienError(
            f"cannot write into {folder}: {error.strerror}; choose another folder as {{parameter}}", parameter="runs"
        ) from error
    with file:
        if not _lock(file.fileno()):
            raise MienError(
                f"another training is running in {folder}; wait for it, or choose another {{parameter}}",
                parameter="name",
            )
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()
        yield


def is_held(folder: Path) -> bool:
    """Whether a training is running in the folder."""
    try:
        file = open(folder / NAME, "a")  # noqa: SIM115
    except OSError:
        return False
    with file:
        return not _lock(file.fileno())


def _lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Train without a lock on file systems that do not support one.
        return error.errno not in (errno.EAGAIN, errno.EACCES) and not isinstance(error, BlockingIOError)
    return True


def run_folder(runs: Path, name: str | None, otherwise: str, seed: int) -> Path:
    """runs/NAME, or `free_folder` if there is no name. Raises MienError if the name is not a single folder name, such
    as ../a."""
    if not name:
        return free_folder(runs, otherwise, seed)
    # Windows' separators too: runs are copied from machine to machine.
    alone = isinstance(name, str) and not set(name) & set("/\\") and name not in (".", "..") and ":" not in name
    require(alone, "name", name, "the name of one folder, without / and ..")
    return runs / name


def free_folder(runs: Path, recipe: str, seed: int) -> Path:
    """runs/RECIPE-SEED, with a number appended if that folder holds a finished run (sweeps train one name often) or a
    broken one, which cannot be resumed."""
    folder = free = runs / f"{recipe.replace('/', '-')}-{seed}"
    number = 1
    while (free / "metrics.json").is_file() or _is_broken(free):
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _is_broken(folder: Path) -> bool:
    """Whether the folder has a run's record that cannot be read."""
    if not (folder / "recipe.json").is_file():
        return False
    try:
        from_record(recipe_fields(read_record(folder)))
    except (ValueError, TypeError, KeyError, AttributeError):  # the errors that load_run catches
        return True
    return False
