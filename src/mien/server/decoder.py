"""Decode pictures in child processes, so that a picture needing too much time or memory cannot harm the server."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from PIL import Image

import mien
from mien.errors import MienError
from mien.server.decode_process import ANSWER, JOB, TOO_MUCH

PIPE_BYTES = 1_048_576  # with a pipe of this size a small photo is passed in one go


class Decoder:
    """Decodes pictures in child processes, started on demand and reused.

    max_pixels: per picture. seconds: of CPU time per picture; three times as much wall-clock time also ends it.
    """

    def __init__(self, max_pixels: int, seconds: float) -> None:
        self.max_pixels, self.seconds = max_pixels, seconds
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all: set[_Process] = set()

    def decode(self, data: bytes, notes: list[str] | None = None) -> Image.Image:
        """The upright RGB picture in the bytes of a file. Raises MienError if it cannot be decoded.

        notes: a list to which the decoder's warnings are appended.
        """
        process = self._take()
        try:
            picture, note = process.decode(data)
            if note and notes is not None:
                notes.append(note)
            return picture
        finally:
            if process.alive:
                self._idle.put(process)
            else:
                self._all.discard(process)

    def close(self) -> None:
        """End all processes, including busy ones."""
        with contextlib.suppress(queue.Empty):
            while True:
                process = self._idle.get_nowait()
                process.end()
                self._all.discard(process)
        for process in tuple(self._all):
            process.kill()

    def _take(self) -> "_Process":
        with contextlib.suppress(queue.Empty):
            while True:
                process = self._idle.get_nowait()
                if process.alive:
                    return process
                process.end()
                self._all.discard(process)
        process = _Process(self.max_pixels, self.seconds)
        self._all.add(process)
        return process


class _Process:
    """One child process, used by one thread at a time."""

    def __init__(self, max_pixels: int, seconds: float) -> None:
        self.seconds = seconds
        arguments = [str(max_pixels), str(seconds)]
        self._process, self._jobs, self._answers = start_child("mien.server.decode_process", arguments)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(self, data: bytes) -> tuple[Image.Image, str]:
        clock = threading.Timer(3 * self.seconds + 1, self.kill)
        clock.daemon = True
        clock.start()
        try:
            for part in (JOB.pack(len(data)), data):
                self._jobs.write(part)
            self._jobs.flush()
            width, height, length = ANSWER.unpack(read_exactly(self._answers, ANSWER.size))
            pixels = read_exactly(self._answers, 3 * width * height)
            text = read_exactly(self._answers, length).decode("utf-8", "replace")
        except (OSError, EOFError, ValueError):  # ValueError: the pipe was closed meanwhile
            raise MienError(self._last_words()) from None
        finally:
            clock.cancel()
        if width:
            return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1), text  # type: ignore[arg-type]
        if text == TOO_MUCH:
            self.end()  # after running out of memory, use a fresh process for the next picture
        raise MienError(text)

    def kill(self) -> None:
        """End the process, busy or not; from any thread."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End the process; from the thread that uses it."""
        self.kill()
        for pipe in (self._jobs, self._answers):
            with contextlib.suppress(OSError):  # bytes that it has not read
                pipe.close()

    def _last_words(self) -> str:
        """The reason why the process ended."""
        limited = killed_by_limit(self._process)
        self.end()
        if limited:
            return f"this takes more than {self.seconds:g} s to decode; save it anew, as a plain JPEG or PNG"
        return "this is damaged: its decoder failed"


def start_child(module: str, arguments: Sequence[str]) -> tuple["subprocess.Popen[bytes]", IO[bytes], IO[bytes]]:
    """Run a module of mien in a child process. Returns the process, its standard input and its standard output."""
    root = str(Path(mien.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libtiff and others print messages about untrusted pictures
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C goes to the server only
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for pipe in (process.stdin, process.stdout):
        _widen(pipe)
    return process, process.stdin, process.stdout


def killed_by_limit(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a child process was killed by its CPU time limit or from outside."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)
    return process.poll() in (-getattr(signal, "SIGPROF", 27), -getattr(signal, "SIGKILL", 9))


def read_exactly(file: IO[bytes], count: int) -> bytearray:
    """Read `count` bytes. Raises EOFError if there are fewer."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = file.readinto(view)  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        view = view[got:]
    return data


def _widen(pipe: IO[bytes]) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError):  # smaller pipes are only slightly slower
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
