"""Film and cameras as a stream of frames: one frame in memory at a time, however long the film."""

import math
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien.errors import MienError, MienWarning
from mien.files import atomic_write


@dataclass(frozen=True)
class Film:
    """An open film or camera. fps: frames a second. length: seconds, 0 where unknown (a camera, a damaged file)."""

    name: str
    capture: Any
    fps: float
    length: float
    live: bool

    def cut_short(self, last: float) -> bool:
        """Whether a film that ended at `last` seconds did so long before its length says."""
        return last < 0.9 * self.length - 1


@dataclass(frozen=True)
class Frame:
    """index: counted from 0. time: seconds from the start. picture: RGB; None for a frame that nobody looks at."""

    index: int
    time: float
    picture: Image.Image | None


@contextmanager
def open_film(name: str) -> Iterator[Film]:
    """Open a film's file, or a camera: "camera:0".

    Raises MienError where there is no such file or camera, or where not one frame of it can be decoded.
    """
    cv2 = _quiet_cv2()
    live = name.startswith("camera:")
    if live:
        number = name.removeprefix("camera:")
        if not re.fullmatch("[0-9]{1,4}", number):
            raise MienError(f"no camera {number!r}; give its number: camera:0")
        capture = cv2.VideoCapture(int(number))
        if not capture.isOpened():
            raise MienError(f"no camera {number}: none is connected, or another program or no permission keeps it")
    else:
        if not os.path.isfile(name):
            raise MienError(f"cannot open {name}: no such file")
        capture = cv2.VideoCapture(str(Path(name).absolute()), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise MienError(f"{name} is not a film that OpenCV can decode, or it is damaged")
    if not capture.grab():
        capture.release()
        raise MienError(f"{name}: not one frame can be decoded; it is empty or damaged")
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        fps = rate if math.isfinite(rate) and 0 < rate <= 1000 else 25.0
        count = 0.0 if live else capture.get(cv2.CAP_PROP_FRAME_COUNT)
        yield Film(name, capture, fps, count / fps if 0 < count < 1e9 else 0.0, live)
    finally:
        capture.release()


def frames(film: Film, every: float = 0, all_pictures: bool = False) -> Iterator[tuple[Frame, bool]]:
    """The frames in order, each with whether it is to be read.

    every: seconds between two frames that are read; 0 reads all. all_pictures: decode the others too.
    Warns where a film ends long before its length says. To be called once for an open film.
    """
    started = time.monotonic()
    due_at, last, index = 0.0, -1.0, -1
    grabbed = True  # open_film has
    while grabbed or film.capture.grab():
        grabbed = False
        index += 1
        now = time.monotonic() - started if film.live else _position(film, index, last)
        last = now
        # Half a frame early is nearer than half a frame late.
        due = now + 0.5 / film.fps >= due_at
        if due:
            due_at = max(due_at + every, now) if every else now
        picture = None
        if due or all_pictures:
            good, pixels = film.capture.retrieve()
            if not good:
                continue
            picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
        yield Frame(index, now, picture), due
    if film.cut_short(last):
        warnings.warn(
            f"{film.name} ends after {last:.1f} of {film.length:.1f} s: the rest cannot be decoded",
            MienWarning,
            stacklevel=2,
        )


def parse_seconds(text: str) -> float:
    """Turn "0.2s", "200ms", "0.2" or "1m" into seconds. Raises MienError for anything else."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|min)?\s*", text)
    if not match:
        raise MienError(f"not a time: {text!r}; write it as 0.2s, 200ms or 1m")
    return float(match[1]) * {"ms": 0.001, "s": 1, None: 1, "m": 60, "min": 60}[match[2]]


@contextmanager
def open_film_writer(path: Path, fps: float) -> Iterator[Any]:
    """Yields a function that takes RGB pictures, all of one size, and adds them to a film at `path`.

    The film takes its name when it is complete. .mp4, .m4v, .mov and .mkv hold MPEG-4, .avi holds Motion JPEG.
    Raises MienError where it cannot be written, a full disk included.
    """
    cv2 = _quiet_cv2()
    codec = {".avi": "MJPG"}.get(path.suffix.lower(), "mp4v")
    if path.suffix.lower() not in (".mp4", ".m4v", ".mov", ".mkv", ".avi"):
        raise MienError(f"cannot write a film as {path}; name it .mp4, .mov, .mkv or .avi")
    with atomic_write(path) as temporary:
        writer: Any = None
        count = 0

        def add(picture: Image.Image) -> None:
            nonlocal writer, count
            if writer is None:
                writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*codec), fps, picture.size)
                if not writer.isOpened():
                    raise MienError(f"cannot write a film to {path}")
            writer.write(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
            count += 1

        try:
            yield add
        finally:
            if writer is not None:
                writer.release()
        # OpenCV says nothing when the disk is full: count what can be read back.
        written = cv2.VideoCapture(str(temporary), cv2.CAP_FFMPEG)
        there = written.get(cv2.CAP_PROP_FRAME_COUNT) if written.isOpened() else 0
        written.release()
        if count and there < count * 0.98 - 1:
            raise MienError(f"cannot write {path}: {there:.0f} of {count} frames arrived; is the disk full?")


def _position(film: Film, index: int, last: float) -> float:
    """Seconds at the frame just grabbed: the film's own clock where it runs, else counted frames."""
    import cv2

    own = film.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    return own if math.isfinite(own) and own > last else max(index / film.fps, last + 0.5 / film.fps if index else 0.0)


def _quiet_cv2() -> Any:
    # Read when cv2 is imported: what it has to say about a damaged film is said by mien, once.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    import cv2

    return cv2
