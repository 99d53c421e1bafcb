"""Video encoding by PyAV (ffmpeg): images with timestamps to a video file, with the sound of another one."""

import errno
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from mien.errors import MienError, MienWarning
from mien.files import atomic_write
from mien.inference.film_sound import Sound
from mien.inference.video import Video, track

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer

WRITABLE = (".mp4", ".m4v", ".mov", ".mkv", ".avi")
# Ticks per second of a written film: a multiple of 24, 25, 30, 50 and 60 frames per second.
TICK = Fraction(1, 60_000)
QUALITY = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"q:v": "3"}, "mjpeg": {"q:v": "3"}}
BT709 = 1  # ITU-T H.273 code of its matrix, primaries and transfer


@contextmanager
def open_video_writer(path: Path, fps: float = 25.0, sound_of: Video | None = None) -> "Iterator[VideoWriter]":
    """A writer for a video at `path`; the file appears when it is complete.

    .mp4, .m4v, .mov and .mkv use H.264 with a timestamp for each frame (MPEG-4 if this PyAV has no H.264 encoder); .avi
    uses Motion JPEG at `fps` frames per second, because it stores no timestamps. sound_of: an open film whose sound is
    kept, see mien.inference.film_sound. Raises MienError if it cannot be written, including a full disk. Warns
    (MienWarning) about subtitles, which are not kept.
    """
    import av

    if path.suffix.lower() not in WRITABLE:
        raise MienError(f"cannot write a video as {path}; name it .mp4, .mov, .mkv or .avi")
    if sound_of and (subtitles := sound_of.container.streams.subtitles):
        text = f"{sound_of.name} has subtitles, which are left out: {', '.join(map(track, subtitles))}"
        warnings.warn(text, MienWarning, stacklevel=2)
    with atomic_write(path) as temporary, _Disk(str(temporary), "w") as disk:
        try:
            options = {"movflags": "faststart"} if path.suffix.lower() in (".mp4", ".m4v", ".mov") else {}
            kind = {".mkv": "matroska", ".avi": "avi", ".mov": "mov"}.get(path.suffix.lower(), "mp4")
            with av.open(disk, "w", format=kind, options=options) as container:
                writer = VideoWriter(container, fps, sound_of, disk.check)
                try:
                    yield writer
                    writer.finish()
                finally:
                    writer.close()
            disk.check()
        except av.FFmpegError as error:
            disk.check()
            advice = "make room" if error.errno == errno.ENOSPC else f"choose {_other(path)}"
            raise MienError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


class _Disk(io.FileIO):
    """A file that remembers write errors such as a full disk until `check` raises them.

    Raised while ffmpeg writes, they would become an error of PyAV's, or a traceback on standard error.
    """

    fault: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all data, or nothing after a write has failed."""
        left = memoryview(data)
        try:
            while left and not self.fault:
                left = left[super().write(left) :]
        except OSError as error:
            self.fault = error
        return len(data)

    def check(self) -> None:
        """Raise the OSError of the first failed write."""
        if self.fault:
            raise self.fault


class VideoWriter:
    """Encodes images in order of their times; created by `open_video_writer`."""

    def __init__(
        self, container: "OutputContainer", fps: float, sound_of: Video | None, check: Callable[[], None]
    ) -> None:
        self._container = container
        self._check = check  # raises OSError if something could not be written
        self._fps = fps
        self._avi = container.format.name == "avi"
        self._stream: Any = None
        self._sound = Sound(container, sound_of) if sound_of and sound_of.container.streams.audio else None
        self._durations: dict[int, int] = {}  # of frames in the encoder, by timestamp
        self._last = -1
        self._end = 0.0
        self._whole_sound = False

    def write(self, image: Image.Image, time: float, duration: float = 0.0) -> None:
        """Add an RGB image shown from `time` for `duration` seconds. The first image's size is the video's."""
        import av

        if self._stream is None:
            self._start(image)
        stream, tick = self._stream, self._stream.codec_context.time_base
        stamp = round(time / tick)
        if stamp <= self._last:  # in AVI, a frame before the next frame slot
            return
        pixels = np.asarray(_fitted(image, (stream.width, stream.height)))
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        if not self._avi:
            frame = frame.reformat(format=stream.pix_fmt, dst_colorspace="ITU709")
        frame.pts, frame.time_base = stamp, tick
        self._last, self._end = stamp, time + duration
        self._durations[stamp] = max(1, round(duration / tick))
        if self._sound:
            self._sound.copy_until(time)
        self._mux(stream.encode(frame))
        self._check()

    def keep_whole_sound(self) -> None:
        """Declare that the film was read to its end: keep its sound to the end, not only to that of the video."""
        self._whole_sound = True

    def finish(self) -> None:
        """Flush the encoder and write the rest of the sound."""
        if self._stream is not None:
            self._mux(self._stream.encode(None))
        if self._sound:
            self._sound.copy_until(float("inf") if self._whole_sound else self._end)
            self._sound.finish()

    def close(self) -> None:
        """Close the film whose sound is copied."""
        if self._sound:
            self._sound.close()

    def _start(self, image: Image.Image) -> None:
        codec, pixels = ("mjpeg", "yuvj420p") if self._avi else (_available("libx264", "mpeg4"), "yuv420p")
        rate = Fraction(self._fps).limit_denominator(1001)
        stream: Any = self._container.add_stream(codec, rate=rate, options=QUALITY[codec])
        stream.width, stream.height = (max(2, side - side % 2) for side in image.size)
        stream.pix_fmt = pixels
        if not self._avi:  # state the matrix, or players guess it from the size
            stream.codec_context.colorspace = stream.codec_context.color_primaries = BT709
            stream.codec_context.color_trc = BT709
        stream.codec_context.time_base = 1 / rate if self._avi else TICK
        self._stream = stream
        if self._sound:
            self._sound.start()

    def _mux(self, packets: "list[Packet[Any]]") -> None:
        for packet in packets:
            if packet.pts in self._durations:
                packet.duration = self._durations.pop(packet.pts)
            self._container.mux(packet)


def _other(path: Path) -> str:
    return "an .mp4 file" if path.suffix.lower() == ".mkv" else "an .mkv file, which supports nearly all codecs"


def _available(encoder: str, other: str) -> str:
    import av

    return encoder if encoder in av.codecs_available else other


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An RGB image of exactly this size: a missing or odd last row or column is cut off, other sizes are
    letterboxed."""
    if image.size == size:
        return image
    if image.width - size[0] in (0, 1) and image.height - size[1] in (0, 1):
        return image.crop((0, 0, *size))
    return ImageOps.pad(image, size)
