"""Videos in requests: frames from a child process, face tracking, a timeline as the result."""

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mien.errors import MienError
from mien.inference.reader import Reader
from mien.inference.tracker import Tracker
from mien.server.decoder import killed_by_limit, read_exactly, start_child
from mien.server.settings import Settings
from mien.server.video_process import FRAME

MOST_FACES = 50_000  # most faces in one answer


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video. time, duration: seconds."""

    time: float
    duration: float
    image: Image.Image


def read_video(
    data: bytes,
    every: float,
    reader: Reader,
    settings: Settings,
    stopping: threading.Event,
    gone: threading.Event | None = None,
) -> dict[str, Any]:
    """The timeline of a video: its size and length, and the faces of the frames that were read.

    every: seconds between two frames that are read. Raises MienError if it is not a video. Whatever exceeds the limits
    on seconds, time and faces is left out, and `note` says so. stopping: set when the server shuts down. gone: set when
    the client has disconnected; then reading stops.
    """
    until = time.monotonic() + settings.video_timeout
    process = _VideoProcess(data, every, settings)
    tracker = Tracker()
    frames: list[dict[str, Any]] = []
    size, faces, note = (0, 0), 0, None
    try:
        for frame in process.frames():
            if frame.time > settings.max_video_seconds:
                note = f"only the first {settings.max_video_seconds:g} s were read"
            elif time.monotonic() > until:
                note = f"read for {settings.video_timeout:g} s, which is the limit; the rest is left out"
            elif stopping.is_set():
                note = "the server is stopping; the rest is left out"
            elif gone is not None and gone.is_set():
                note = "the client has left; the rest is left out"
            elif faces > MOST_FACES:
                note = f"more than {MOST_FACES:,} faces; the rest is left out"
            if note:
                break
            size = frame.image.size
            tracked = tracker.update(reader.read(frame.image), frame.time, max(frame.duration, every))
            faces += len(tracked)
            frames.append({"time": round(frame.time, 4), "faces": [face.to_dict() for face in tracked]})
    except _Cut as cut:
        if not frames:
            raise MienError(str(cut)) from None
        note = f"{cut}; the rest is left out"
    finally:
        process.kill()
    return {
        "width": size[0], "height": size[1], "length": process.length, "every": every,
        "note": note or process.warning, "frames": frames,
    }  # fmt: skip


class _Cut(Exception):
    """Why no more frames are read."""


class _VideoProcess:
    """The decoding child process. length, warning: known after the last frame."""

    def __init__(self, data: bytes, every: float, settings: Settings) -> None:
        self.length: float | None = None
        self.warning: str | None = None
        self._settings = settings
        arguments = [str(settings.max_pixels), str(every), str(settings.video_timeout)]
        # If a film cannot be kept in memory, this process owns its file, which outlives a killed child.
        self._folder = None if hasattr(os, "memfd_create") else tempfile.TemporaryDirectory(prefix="mien-")
        if self._folder:
            path = Path(self._folder.name) / "video"
            path.write_bytes(data)
            arguments.append(str(path))
        self._process, jobs, self._answers = start_child("mien.server.video_process", arguments)
        self._clock = threading.Timer(settings.video_timeout + settings.decode_timeout, self._process.kill)
        self._clock.daemon = True
        self._clock.start()
        with suppress(OSError), jobs:  # the child has ended: its error comes with its frames
            if not self._folder:
                jobs.write(data)

    def frames(self) -> Iterator[VideoFrame]:
        """The frames in order. Raises MienError if it is not a video, _Cut if a limit ended the child."""
        try:
            while True:
                at, duration, width, height, length = FRAME.unpack(read_exactly(self._answers, FRAME.size))
                if length:
                    end = json.loads(read_exactly(self._answers, length))
                    break
                pixels = read_exactly(self._answers, 3 * width * height)
                image = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)  # type: ignore[arg-type]
                yield VideoFrame(at, duration, image)
        except (OSError, EOFError):
            if killed_by_limit(self._process):
                seconds = self._settings.video_timeout
                raise _Cut(f"decoding takes more than {seconds:g} s, which is the limit") from None
            raise _Cut("this is damaged: its decoder failed") from None
        if "error" in end:
            raise MienError(end["error"])
        self.length, self.warning = end["length"], end["warning"]

    def kill(self) -> None:
        self._clock.cancel()
        self._process.kill()
        self._process.wait()
        self._answers.close()
        if self._folder:
            self._folder.cleanup()
