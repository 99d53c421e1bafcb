"""What stands on the command line, turned into a stream of pictures to read: files, folders, standard input."""

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mien.data.image import SUFFIXES
from mien.errors import MienError

FILMS = frozenset((
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp", ".mts", ".m2ts",
    ".ts",
))  # fmt: skip


@dataclass(frozen=True)
class Input:
    """One picture to read. name: as in the output. source: path, or what came from standard input; None if `error`.

    place: where its annotated copy goes, relative to the folder of annotated pictures.
    """

    name: str
    source: Path | BinaryIO | None
    place: Path
    error: MienError | None = None


def is_film(argument: str) -> bool:
    """Whether an argument names a film or a camera, and not pictures."""
    return argument.startswith("camera:") or Path(argument).suffix.lower() in FILMS


def find_inputs(arguments: Sequence[str], leave_out: Path | None = None) -> Iterator[Input]:
    """Stream the pictures that the arguments name, in order: folders by name, with the folders in them.

    Hidden files, files that are no pictures by their suffix, and the folder `leave_out` are passed over. A folder
    that links back to itself is entered once. What cannot be listed comes as an Input with its error.
    """
    bases: set[Path] = set()
    for argument in arguments:
        if argument == "-":
            yield Input("stdin", _standard_input(), Path("stdin.png"))
            continue
        path = Path(argument)
        if not _is_folder(path):
            yield Input(argument, path, _unused(Path(path.name), bases))
            continue
        # The pictures of one folder keep their places in it; of several, each folder keeps its own name.
        base = Path() if len(arguments) == 1 else _unused(Path(path.resolve().name), bases)
        for found, error in _walk(argument, leave_out.resolve() if leave_out else None, set()):
            place = base / os.path.relpath(found, argument)
            yield Input(found, None if error else Path(found), place, error)


def count_inputs(arguments: Sequence[str], leave_out: Path | None = None) -> int:
    """How many inputs `find_inputs` will give; reads nothing but folders."""
    total = sum(not _is_folder(Path(argument)) for argument in arguments)
    hidden = leave_out.resolve() if leave_out else None
    folders = (argument for argument in arguments if _is_folder(Path(argument)))
    return total + sum(1 for folder in folders for _ in _walk(folder, hidden, set()))


def films_in(arguments: Iterable[str]) -> int:
    """How many films lie in the given folders themselves, where `find_inputs` passes over them."""
    count = 0
    for argument in arguments:
        try:
            count += sum(Path(name).suffix.lower() in FILMS for name in os.listdir(argument))
        except OSError:
            continue  # not a folder, or one that find_inputs will report
    return count


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)


def _walk(folder: str, leave_out: Path | None, entered: set[tuple[int, int]]) -> Iterator[tuple[str, MienError | None]]:
    try:
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in entered or (leave_out and Path(folder).resolve() == leave_out):
            return
        entered.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as listing:
            names = sorted(entry.name for entry in listing if not entry.name.startswith("."))
    except OSError as error:
        yield folder, MienError(f"cannot list the folder {folder}: {error.strerror}")
        return
    for name in names:
        path = os.path.join(folder, name)
        try:
            below = stat.S_ISDIR(os.stat(path).st_mode)
        except OSError:  # a broken or circular link: reading it will say so
            below = False
        if below:
            yield from _walk(path, leave_out, entered)
        elif os.path.splitext(name)[1].lower() in SUFFIXES:
            yield path, None


def _unused(place: Path, taken: set[Path]) -> Path:
    """`place`, or with a number where it is taken already."""
    candidate, number = place, 2
    while candidate in taken:
        candidate, number = place.with_name(f"{place.stem}-{number}{place.suffix}"), number + 1
    taken.add(candidate)
    return candidate


class _Named(io.BytesIO):
    """Bytes that messages call by a name."""

    name = "stdin"


def _standard_input() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise MienError(
            "'-' reads a picture from standard input, but nothing is piped in; try: mien read - < photo.jpg"
        )
    return _Named(sys.stdin.buffer.read())
