"""What stands on the command line, turned into streams of pictures and films to read: files, folders, standard
input."""

import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mien.data.image import is_picture
from mien.errors import MienError
from mien.inference.video_source import AMBIGUOUS, is_video, looks_like_video
from mien.inference.video_source import SUFFIXES as VIDEO_SUFFIXES


@dataclass(frozen=True)
class Input:
    """One picture or film to read. name: as in the output. source: path, or what came from standard input; None if
    `error`.

    place: where its annotated copy goes, relative to the folder of annotated pictures.
    """

    name: str
    source: Path | BinaryIO | None
    place: Path
    error: MienError | None = None


def find_images(arguments: Sequence[str], leave_out: Path | None = None) -> Iterator[Input]:
    """Stream the pictures that the arguments name, in order: folders by name, with the folders in them.

    Hidden files, files that are no pictures by their suffix, films, and the folder `leave_out` are passed over. A
    folder that links back to itself is entered once. What cannot be listed comes as an Input with its error.
    """
    return _find(arguments, leave_out, is_picture)


def find_videos(arguments: Sequence[str], leave_out: Path | None = None) -> Iterator[Input]:
    """Stream the films that the arguments name, as `find_images` does the pictures; it tells of the errors."""
    return (found for found in _find(arguments, leave_out, _is_video) if not found.error)


def count_images(arguments: Sequence[str], leave_out: Path | None = None) -> int:
    """How many inputs `find_images` will give; reads nothing but folders."""
    return _count(arguments, leave_out, is_picture)


def count_videos(arguments: Sequence[str], leave_out: Path | None = None) -> int:
    """How many inputs `find_videos` will give, cameras included."""
    return _count(arguments, leave_out, _is_video)


def parse_seconds(text: str) -> float:
    """Turn "0.2s", "200ms", "0.2" or "1m" into seconds. Raises MienError for anything else."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|min)?\s*", text)
    if not match:
        raise MienError(f"not a time: {text!r}; write it as 0.2s, 200ms or 1m")
    return float(match[1]) * {"ms": 0.001, "s": 1, None: 1, "m": 60, "min": 60}[match[2]]


def _find(arguments: Sequence[str], leave_out: Path | None, wanted: Callable[[str], bool]) -> Iterator[Input]:
    bases: set[Path] = set()
    for argument in arguments:
        path = Path(argument)
        if not _is_folder(path):
            if is_video(argument) != (wanted is _is_video):
                continue
            if argument == "-":
                yield Input("stdin", _standard_input(), Path("stdin.png"))
            else:
                yield Input(argument, path, _unused(Path(path.name), bases))
            continue
        # The files of one folder keep their places in it; of several, each folder keeps its own name.
        base = Path() if len(arguments) == 1 else _unused(Path(path.resolve().name), bases)
        for found, error in _walk(argument, leave_out.resolve() if leave_out else None, set(), wanted):
            place = base / os.path.relpath(found, argument)
            yield Input(found, None if error else Path(found), place, error)


def _count(arguments: Sequence[str], leave_out: Path | None, wanted: Callable[[str], bool]) -> int:
    folders = [argument for argument in arguments if _is_folder(Path(argument))]
    files = sum(is_video(name) == (wanted is _is_video) for name in arguments if name not in folders)
    hidden = leave_out.resolve() if leave_out else None
    return files + sum(1 for folder in folders for _ in _walk(folder, hidden, set(), wanted))


def _is_video(path: str) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    return suffix in VIDEO_SUFFIXES and (suffix not in AMBIGUOUS or looks_like_video(path))


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)


def _walk(
    folder: str, leave_out: Path | None, entered: set[tuple[int, int]], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, MienError | None]]:
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
            yield from _walk(path, leave_out, entered, wanted)
        elif wanted(path):
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
        raise MienError("'-' reads an image from standard input, but nothing is piped in; try: mien read - < photo.jpg")
    return _Named(sys.stdin.buffer.read())
