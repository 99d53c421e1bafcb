"""Child process that decodes one untrusted video within limits on CPU time and memory.

The film is a file that the parent creates and deletes, or on Linux comes on standard input and stays in memory. Frames
to be read are written to standard output, each once the previous one was taken:

    frame    time and duration in seconds, width, height, 0; then width * height * 3 bytes RGB
    end      0, 0, 0, 0, length; then `length` bytes of JSON: {"error"} or {"length", "warning"}
"""

import json
import os
import shutil
import signal
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import BinaryIO

from mien.errors import MienError
from mien.server.decode_process import BYTES_PER_PIXEL, SLACK, limit_memory, notes, start_clock

FRAME = struct.Struct("<ddIII")


def main() -> None:
    """Arguments: largest number of pixels per frame, seconds of video between two frames, seconds of CPU time; a
    path."""
    max_pixels, every, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    with nullcontext(sys.argv[4]) if sys.argv[4:] else stored_input() as path:
        start_clock(seconds)
        try:
            end: dict[str, object] = send_frames(answers, path, max_pixels, every)
        except MienError as error:
            end = {"error": str(error).replace(path, "this")}
        except MemoryError:
            end = {"error": "decoding it takes more memory than a video of its size should"}
        text = json.dumps(end).encode()
        answers.write(FRAME.pack(0, 0, 0, 0, len(text)) + text)
        answers.flush()
        os._exit(0)  # ffmpeg's threads may hang in a damaged file


def send_frames(answers: BinaryIO, path: str, max_pixels: int, every: float) -> dict[str, object]:
    """Write every frame that is due. Returns the video's length in seconds and what is missing at its end."""
    import av

    from mien.inference.video import open_video, read_frames

    av.logging.set_level(av.logging.PANIC)
    limit_memory(SLACK + BYTES_PER_PIXEL * max_pixels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_video(path, max_pixels) as video:
            for frame, due in read_frames(video, every):
                if due:
                    image = frame.image
                    answers.write(FRAME.pack(frame.time, frame.duration, *image.size, 0))
                    answers.write(image.tobytes())
                    answers.flush()
            length = video.length
    return {"length": round(length, 6) or None, "warning": notes(caught).replace(path, "this") or None}


@contextmanager
def stored_input() -> Iterator[str]:
    """A file name with which ffmpeg reads standard input from memory; Linux only."""
    handle = os.memfd_create("video")
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield f"/proc/self/fd/{handle}"


if __name__ == "__main__":
    main()
