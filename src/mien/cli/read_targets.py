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
        raise MienError(f"cannot write an image as {out}; name it .jpg, .png or .webp, or give a folder")
    if not there and (out.suffix.lower() in WRITABLE or is_video(str(out))):
        raise MienError(f"--annotate {out} names one file, but there may be several inputs; give a folder")
    if any(os.path.isdir(name) and out.resolve() == Path(name).resolve() for name in inputs):
        raise MienError(f"--annotate {out} would overwrite the input images; choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"cannot make the folder {out}: {error.strerror}") from error
    return out, False


def annotated_film(out: Path | None, name: str) -> Path | None:
    """Where the annotated copy of a single film or camera goes: `out`, or a file in it where that is a folder."""
    from mien.inference.video_writer import WRITABLE

    if out is None:
        return None
    if out.suffix and not os.path.isdir(out):
        if out.suffix.lower() not in WRITABLE:
            raise MienError(f"cannot write a video as {out}; name it .mp4, .mov, .mkv or .avi")
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
                raise MienError(f"{option} would overwrite the input {path}; choose another name")


def check_outputs(targets: Iterable[tuple[str, Path]], replace: bool) -> None:
    """Raise MienError where one of the files could not be written, or two of them are the same.

    Called before the first of them is written: a second try then finds nothing in its way. targets: options and the
    files that they write. replace: files may be there already; that of -o may in any case, which is looked at when it
    is opened.
    """
    taken: dict[str, str] = {}
    for option, path in targets:
        own = os.path.realpath(path)
        if own in taken:
            raise MienError(f"{taken[own]} and {option} would both write {path}; choose another name for one of them")
        taken[own] = option
        if option == "-o":
            continue
        if os.path.isdir(path):
            raise MienError(f"cannot write {path}: it is a folder; give the name of a file in it")
        if os.path.lexists(path) and not replace:
            raise MienError(f"{path} exists; replace it with --overwrite")
        folder = next(each for each in (path.absolute().parent, *path.absolute().parent.parents) if each.exists())
        if not folder.is_dir():
            raise MienError(f"cannot write {path}: {folder} is a file; choose another folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise MienError(f"cannot write {path}: Permission denied; choose a folder you may write to")


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
def stopped_by_signals() -> Iterator[None]:
    """Let the signals by which schedulers, `kill` and a terminal that is closed end a process do what Ctrl-C does:
    half-written files go. One that is ignored (by nohup) stays so."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    try:
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
