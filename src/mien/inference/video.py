"""Video decoding by PyAV (ffmpeg): a film or a camera as a stream of frames with their real timestamps.

Memory does not grow with the length of a film: two decoded frames are held at a time.
"""

import math
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

from mien.data.image import MAX_PIXELS, check_size, describe
from mien.errors import MienError, MienWarning, require
from mien.files import refuse_address
from mien.inference.video_clock import Clock, max_jump
from mien.inference.video_frame import Frame
from mien.inference.video_source import CAMERA, codec_in, open_camera, open_container, source_command

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MISSING_SECONDS = 1.0  # a film that lacks less than this at its end is not called cut short
MAX_LATE_START = 0.5  # seconds that the picture may begin after the sound and still begin at 0
MAX_CAMERA_DELAY = 0.2  # seconds: older frames of a camera are skipped
# Containers whose header says how long the film is. ffmpeg computes the length of others from what is in the file.
EXACT_LENGTH = ("mov", "matroska", "avi")
ROUGH_LENGTH = ("flv", "asf", "mxf")
HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273


@dataclass
class Tally:
    """What was met while a film was decoded. picture_end, end: timestamps in seconds, of the picture and of all
    streams.

    shown_until: seconds from the start at which the frame given last leaves the screen.
    """

    packets: int = 0
    frames: int = 0
    undecodable: int = 0
    picture_end: float = 0.0
    end: float = 0.0
    shown_until: float = 0.0


@dataclass(frozen=True)
class Video:
    """An open film or camera.

    fps: frames per second on average. length: seconds of picture, 0 where unknown (a camera, some recordings).
    start: the timestamp, in seconds, that is called 0: that of the first frame, or where sound begins more than
    MAX_LATE_START before it, that of the sound, so that times are those on a player's clock.
    claimed_end: the timestamp at which the picture ends by the file's header, 0 where it does not say.
    """

    name: str
    fps: float
    length: float
    live: bool
    container: "InputContainer" = field(repr=False)
    stream: "VideoStream" = field(repr=False)
    start: float = 0.0
    claimed_end: float = 0.0
    decoded: "Iterator[VideoFrame]" = field(default_factory=lambda: iter(()), repr=False)
    tally: Tally = field(default_factory=Tally, repr=False)

    @property
    def base_rate(self) -> float:
        """Frames per second where they follow each other fastest, on films whose rate varies."""
        rate = float(self.stream.guessed_rate or 0)
        return rate if 1 <= rate <= 1000 else self.fps

    def missing(self) -> str | None:
        """After the last frame: what the film lacks, in a sentence, or None where it is whole."""
        tally, rate = self.tally, max(self.fps, 1.0)
        if tally.undecodable / rate > MISSING_SECONDS:
            return f"{self.name}: {tally.undecodable:,} frames are damaged and cannot be decoded"
        kind = self.container.format.name.split(",")[0]
        if self.live or not self.claimed_end or (kind not in EXACT_LENGTH and kind not in ROUGH_LENGTH):
            return None
        if 0 < self.stream.frames <= tally.packets:
            return None
        own_length = bool(self.stream.duration) or "DURATION" in self.stream.metadata
        end = (tally.picture_end if own_length else tally.end) - self.start
        claimed = self.claimed_end - self.start
        longest = max(MISSING_SECONDS, 1.5 / self.fps)  # `end` is where the last frame begins
        if end + longest >= claimed * (0.9 if kind in ROUGH_LENGTH else 1):
            return None
        return f"{self.name} ends after {end:.1f} of {claimed:.1f} s: the rest cannot be decoded"


@contextmanager
def open_video(name: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Iterator[Video]:
    """Open a film's file, or a camera: "camera:0".

    max_pixels: width times height of a frame above which the film is refused before it is decoded.
    Raises MienError where there is no such file or camera, where it is no film, where its codec has no decoder (the
    message names the codec and the ffmpeg command that converts it), and where not one frame can be decoded. Warns
    (MienWarning) of HDR, whose brightness is not mapped, and of a film without any times whose rate is assumed.
    """
    if not isinstance(name, (str, os.PathLike)) or not isinstance(os.fspath(name), str):
        hint = "; write bytes to a file first" if isinstance(name, bytes) or hasattr(name, "read") else ""
        raise MienError(f'a film is read by its path, or a camera as "camera:0", not from {describe(name)}{hint}')
    name = os.fspath(name)
    refuse_address(name)
    live = name.startswith(CAMERA)
    container = open_camera(name) if live else open_container(name)
    try:
        stream = _picture_stream(container, name, max_pixels)
        tally = Tally()
        decoded = _decode(container, stream, tally, live)
        first = next(decoded, None)
        if first is None:
            raise MienError(
                f"{name}: not one frame can be decoded; it is empty or damaged, or its codec "
                f"({stream.codec_context.name}) is protected or not known here: try {source_command(name)}"
            )
        yield _described(name, live, container, stream, first, _chain(first, decoded), tally)
    finally:
        container.close()


def read_frames(video: Video, every: float = 0) -> Iterator[tuple[Frame, bool]]:
    """The frames in order, each with whether it is due to be read. To be called once for an open film.

    every: seconds; a frame is due that is on the screen at a multiple of it. 0: each frame is due.
    Warns (MienWarning) where the film lacks frames: its file was cut short or is damaged.
    """
    due_at = 0.0
    for frame in _live_frames(video) if video.live else _film_frames(video):
        end = frame.time + (frame.duration or 1 / video.fps)
        video.tally.shown_until = frame.time + frame.duration
        due = not every or end > due_at + 1e-6 * max(1.0, due_at)
        if due and every:
            due_at = every * (math.floor(end / every - 1e-6) + 1)
        yield frame, due
    if (missing := video.missing()) is not None:
        warnings.warn(missing, MienWarning, stacklevel=2)


def require_seconds(parameter: str, seconds: float) -> None:
    """Raise MienError unless `seconds` is a finite number of 0 or more."""
    ok = isinstance(seconds, Real) and math.isfinite(seconds) and seconds >= 0
    require(ok, parameter, seconds, "a number of seconds, 0 or more")


def _picture_stream(container: "InputContainer", name: str, max_pixels: int) -> "VideoStream":
    from av.stream import Disposition

    stream: Any = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise MienError(f"{name} has no moving picture{', only sound' if container.streams.audio else ''}")
    if stream.codec_context is None:
        raise MienError(f"{name}: its codec {codec_in(name)} has no decoder here; convert it: {source_command(name)}")
    check_size(stream.width, stream.height, name, max_pixels)
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    stream.thread_type = "AUTO"
    return stream  # type: ignore[no-any-return]


def _described(
    name: str,
    live: bool,
    container: "InputContainer",
    stream: "VideoStream",
    first: "VideoFrame",
    decoded: "Iterator[VideoFrame]",
    tally: Tally,
) -> Video:
    fps = _frame_rate(name, container, stream)
    if (curve := HDR.get(int(stream.codec_context.color_trc or 0))) is not None:
        text = f"{name} is HDR ({curve}) and read without mapping its brightness; an SDR copy may be read better"
        warnings.warn(text, MienWarning, stacklevel=2)
    start = first.time if first.time is not None else 0.0
    begin = (container.start_time or 0) / 1e6
    if not live and container.start_time is not None and begin < start - MAX_LATE_START:
        start = begin
    end = 0.0 if live else _claimed_end(container, stream)
    return Video(name, fps, max(0.0, end - start), live, container, stream, start, end, decoded, tally)


def _frame_rate(name: str, container: "InputContainer", stream: "VideoStream") -> float:
    """Frames per second on average."""
    from av.format import Flags

    without_times = bool(Flags(container.format.flags) & Flags.no_timestamps)
    # ffmpeg's own figures are 25 there, for want of any.
    told = stream.codec_context.framerate if without_times else stream.average_rate or stream.guessed_rate
    rate = float(told or 0)
    if 1 / 86_400 < rate <= 1000:
        return rate
    if without_times:
        text = f"{name} says neither times nor a rate: read as 25 frames per second"
        warnings.warn(text, MienWarning, stacklevel=2)
    return 25.0


def _claimed_end(container: "InputContainer", stream: "VideoStream") -> float:
    """The timestamp at which the picture ends, in seconds, by the file's header; 0 where that does not say."""
    kind = container.format.name.split(",")[0]
    if kind == "avi" and stream.frames and stream.average_rate:  # its duration is no more than the file can hold
        return float(stream.frames / stream.average_rate)
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if match := re.match(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", "")):
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if container.duration is None:
        return 0.0
    known = sum(getattr(each, "bit_rate", None) or 0 for each in container.streams)
    if known and known == container.bit_rate:  # no header says so: ffmpeg divided the file's size by the bit rate
        return 0.0
    # The headers of these count from 0, wherever the film begins.
    begin = 0 if kind in ("matroska", *ROUGH_LENGTH) else container.start_time or 0
    return (begin + container.duration) / 1e6


def _decode(container: "InputContainer", stream: "VideoStream", tally: Tally, live: bool) -> "Iterator[VideoFrame]":
    """The frames that can be decoded. Packets of the other streams are looked at for their time alone."""
    import av

    while True:
        try:
            for packet in container.demux() if not live else container.demux(stream):
                if packet.pts is not None and packet.time_base:
                    end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    tally.end = max(tally.end, end)
                if packet.stream.index != stream.index:
                    continue
                if not packet.size and packet.dts is not None:  # "the same picture still"; to a decoder, the end
                    continue
                tally.packets += bool(packet.size)
                try:
                    frames = stream.decode(packet)
                except av.FFmpegError:
                    tally.undecodable += bool(tally.frames)  # recordings may begin in the middle of a group of pictures
                    continue
                for frame in frames:
                    tally.frames += 1
                    if frame.time is not None:
                        tally.picture_end = max(tally.picture_end, frame.time)
                    yield frame
            return
        except av.BlockingIOError:  # a camera without a new frame yet
            if not live:
                return
            time.sleep(0.005)
        except (av.FFmpegError, OSError):
            with suppress(av.FFmpegError, ValueError):  # damaged here: what the decoder holds is good still
                yield from stream.decode(None)
            return


def _film_frames(video: Video) -> Iterator[Frame]:
    """A frame is given when the next one is known, and with it how long this one stays on the screen."""
    from av.video.reformatter import VideoReformatter

    clock = Clock(video.start, 1 / video.fps, max_jump(video.container))
    aspect, reformatter = _aspect(video), VideoReformatter()  # one for all frames: each keeps tables
    pending: Frame | None = None
    for index, decoded in enumerate(video.decoded):
        now = clock.seconds(decoded.time)
        if pending:
            yield Frame(pending.index, pending.time, now - pending.time, pending.decoded, aspect, reformatter)
        pending = Frame(index, now, 0.0, decoded, aspect, reformatter)
    if pending is None:
        return
    duration = 1 / video.base_rate
    if 0 < video.stream.frames <= video.tally.packets:  # nothing is missing: the last frame stays until the end
        duration = max(duration, min(video.length - pending.time, 86_400.0))
    yield Frame(pending.index, pending.time, duration, pending.decoded, aspect, reformatter)


def _live_frames(video: Video) -> Iterator[Frame]:
    """A camera's frames by this machine's clock; those that waited too long in the driver are skipped."""
    from av.video.reformatter import VideoReformatter

    started, aspect, reformatter = time.monotonic(), _aspect(video), VideoReformatter()
    skipped, index = 0, -1
    for decoded in video.decoded:
        now = time.monotonic() - started
        delay = now - (decoded.time - video.start) if decoded.time is not None else 0.0
        if delay > MAX_CAMERA_DELAY and skipped < 30:
            skipped += 1
            continue
        skipped = 0
        index += 1
        yield Frame(index, now, 0.0, decoded, aspect, reformatter)


def _chain(first: "VideoFrame", rest: "Iterator[VideoFrame]") -> "Iterator[VideoFrame]":
    yield first
    yield from rest


def _aspect(video: Video) -> float:
    """Width of a pixel over its height, as the file says: 1.07 for a DVD in PAL."""
    ratio = float(video.stream.sample_aspect_ratio or 1)
    return ratio if 0.2 < ratio < 5 else 1.0
