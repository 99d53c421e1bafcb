"""Decoding in child processes: a picture that takes too long, or too much memory, costs the server nothing."""

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

PIPE_BYTES = 1_048_576  # a pipe of this size passes a small photo in one go


class Decoder:
    """Decodes pictures in processes of their own, started as they are needed and used again.

    max_pixels: of one picture. seconds: of CPU time for one; three times as long by the clock ends it too.
    """

    def __init__(self, max_pixels: int, seconds: float) -> None:
        self.max_pixels, self.seconds = max_pixels, seconds
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all: set[_Process] = set()

    def decode(self, data: bytes, notes: list[str] | None = None) -> Image.Image:
        """The upright RGB picture in the bytes of a file. Raises MienError where it cannot be decoded.

        notes: gets what a careful reader should know, where there is something.
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
        """End all processes, those at work too."""
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
        except (OSError, EOFError, ValueError):  # ValueError: a pipe that was closed meanwhile
            raise MienError(self._last_words()) from None
        finally:
            clock.cancel()
        if width:
            return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1), text  # type: ignore[arg-type]
        if text == TOO_MUCH:
            self.end()  # the next picture gets a process with its memory in order
        raise MienError(text)

    def kill(self) -> None:
        """End the process, at work or not; from any thread."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End the process; from the thread that uses it."""
        self.kill()
        for pipe in (self._jobs, self._answers):
            with contextlib.suppress(OSError):  # bytes that it did not take any more
                pipe.close()

    def _last_words(self) -> str:
        """Why the process has ended."""
        limited = killed_by_limit(self._process)
        self.end()
        if limited:
            return f"this takes more than {self.seconds:g} s to decode; save it anew, as a plain JPEG or PNG"
        return "this is damaged: its decoder failed"


def start_child(module: str, arguments: Sequence[str]) -> tuple["subprocess.Popen[bytes]", IO[bytes], IO[bytes]]:
    """Run a module of mien in a child process. Returns it, its standard input and its standard output."""
    root = str(Path(mien.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libtiff and others write of strangers' pictures there
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C is for the server alone
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for pipe in (process.stdin, process.stdout):
        _widen(pipe)
    return process, process.stdin, process.stdout


def killed_by_limit(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a child that ended was killed: by its clock of CPU time, or from outside."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)
    return process.poll() in (-getattr(signal, "SIGPROF", 27), -getattr(signal, "SIGKILL", 9))


def read_exactly(file: IO[bytes], count: int) -> bytearray:
    """So many bytes. Raises EOFError where there are fewer."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = file.readinto(view)  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        view = view[got:]
    return data


def _widen(pipe: IO[bytes]) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError):  # smaller pipes only take a little longer
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
