"""Child process that decodes untrusted pictures within limits on CPU time and memory.

A decoder that hangs, crashes or requests gigabytes ends this process, not the server. It reads jobs from standard input
and answers on standard output, one after the other:

    job      8 bytes: length of the file; the file
    answer   12 bytes: width, height, length; then width * height * 3 bytes RGB, and `length` bytes of UTF-8: an error
             if width is 0, otherwise warnings
"""

import contextlib
import os
import signal
import struct
import sys
import warnings
from typing import BinaryIO

from PIL import Image

from mien.data.image import open_picture
from mien.errors import MienError, MienWarning

JOB = struct.Struct("<Q")
ANSWER = struct.Struct("<III")
SLACK = 128_000_000  # bytes of memory in addition to the pixels
BYTES_PER_PIXEL = 24  # peak memory for decoding, rotating and flattening a picture, all copies included
TOO_MUCH = "decoding it takes more memory than a picture of its size should"


def main() -> None:
    """Decode until standard input ends. Arguments: largest number of pixels per picture, seconds of CPU time per
    picture."""
    max_pixels, seconds = int(sys.argv[1]), float(sys.argv[2])
    for name in ("SIGINT", "SIGTERM"):  # the server ends this process by closing its input, after all answers
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    Image.init()
    limit_memory(SLACK + BYTES_PER_PIXEL * max_pixels)
    while head := jobs.read(JOB.size):
        data = jobs.read(JOB.unpack(head)[0])
        start_clock(seconds)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                picture = decode(data, max_pixels)
        except MienError as error:
            write_error(answers, str(error))
        except MemoryError:
            write_error(answers, TOO_MUCH)
        else:
            note = notes(caught).encode("utf-8", "replace")
            answers.write(ANSWER.pack(*picture.size, len(note)))
            answers.write(picture.tobytes())
            answers.write(note)
            del picture
        start_clock(0)
        del data
        answers.flush()


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """The picture, upright, RGB. Raises MienError if it cannot be decoded, MemoryError if memory is insufficient."""
    try:
        return open_picture(data, max_pixels, untrusted=True)
    except MienError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from error
        raise


def notes(caught: "list[warnings.WarningMessage]") -> str:
    """mien's warnings, each once, as one line; "" if there are none."""
    texts = [str(each.message) for each in caught if issubclass(each.category, MienWarning)]
    return "; ".join(dict.fromkeys(texts))


def write_error(answers: BinaryIO, text: str) -> None:
    """Answer with an error message."""
    message = text.encode("utf-8", "replace") or b"?"
    answers.write(ANSWER.pack(0, 0, len(message)) + message)


def start_clock(seconds: float) -> None:
    """End this process after so many further seconds of CPU time; 0: no limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def limit_memory(more: int) -> None:
    """Limit memory to what is in use now plus `more` bytes, if the system supports it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
