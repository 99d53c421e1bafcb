"""What `mien read` writes beside its records: where annotated copies go, and never over what is read."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import FrameType

from mien.errors import MienError


def annotated_target(out: Path | None, inputs: Sequence[str]) -> tuple[Path | None, bool]:
    """Where annotated pictures go, and whether that is the file of a single one. Makes the folder."""
    from mien.cli.read_images import WRITABLE
    from mien.inference.video_source import is_video

    if out is None:
        return None, False
    one = len(inputs) == 1 and not os.path.isdir(inputs[0])
    there = os.path.isdir(out)
    if one and out.suffix.lower() in WRITABLE and not there:
        return out, True
    if out.suffix and not there and one:
        raise MienError(f"cannot write a picture as {out}; name it .jpg, .png or .webp, or give a folder")
    if not there and (out.suffix.lower() in WRITABLE or is_video(str(out))):
        raise MienError(f"--annotate {out} names one file, and more than one may be read; give a folder")
    if any(os.path.isdir(name) and out.resolve() == Path(name).resolve() for name in inputs):
        raise MienError(f"--annotate {out} would write over the pictures that are read; choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"cannot make the folder {out}: {error.strerror}") from error
    return out, False


def annotated_film(out: Path | None, name: str) -> Path | None:
    """Where the annotated copy of a single film or camera goes: `out`, or a file in it where that is a folder."""
    from mien.inference.video_writer import WRITABLE

    if out is None or (out.suffix and not os.path.isdir(out)):
        return out
    own = Path(name).name.replace(":", "-")
    return out / (own if Path(own).suffix.lower() in WRITABLE else f"{own}.mp4")


def refuse_inputs(targets: Iterable[tuple[str, Path]], inputs: Sequence[str]) -> None:
    """Raise MienError where something would be written over a file that is read, in the folders among `inputs` too.

    targets: options and the files that they write.
    """
    there = [(option, path, os.stat(path)) for option, path in targets if os.path.isfile(path)]
    if not there:
        return
    for own in _read(inputs):
        for option, path, target in there:
            if os.path.samestat(own, target):
                raise MienError(f"{option} would write over {path}, which is read; choose another name")


def _read(inputs: Sequence[str]) -> Iterator[os.stat_result]:
    """What every input is, standard input and the files in folders too."""
    from mien.cli.inputs import find_images, find_videos

    if "-" in inputs:
        with suppress(OSError, ValueError, AttributeError):  # in tests and notebooks it is no file
            yield os.fstat(sys.stdin.fileno())
    names = [name for name in inputs if name != "-"]
    for item in chain(find_images(names), find_videos(names)):
        with suppress(OSError, ValueError):  # reading it will say so
            yield os.stat(item.name)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let the signal by which schedulers and `kill` end a process do what Ctrl-C does: half-written files go."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
