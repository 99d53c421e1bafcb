"""Video decoding by PyAV (ffmpeg): a video file or camera as a stream of frames with their real timestamps.

Memory does not grow with the length of the video: at most two decoded frames are held.
"""

import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

from mien.data.image import MAX_PIXELS, check_size, describe
from mien.errors import MienError, MienWarning, require
from mien.files import refuse_address
from mien.inference.video_clock import Clock
from mien.inference.video_frame import Frame
from mien.inference.video_length import EXACT_LENGTH, ROUGH_LENGTH, claimed_end, ends_whole, kind_of, stills
from mien.inference.video_packets import Tally, decode, own_duration
from mien.inference.video_source import CAMERA, codec_in, open_camera, open_container, source_command

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MISSING_SECONDS = 1.0  # a film missing less than this at its end is not reported as truncated
MAX_LATE_START = 0.5  # if video starts more than so many seconds after the sound, time 0 is the sound's start
MAX_CAMERA_DELAY = 0.2  # seconds: camera frames older than this are skipped
MAX_STILL = 86_400.0  # longest duration of the last frame, in seconds
HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273


@dataclass(frozen=True)
class Video:
    """An open film or camera.

    fps: mean frames per second. length: seconds of video, 0 if unknown (a camera, some recordings). start: the
    timestamp, in seconds, that counts as time 0: that of the first frame, or, if sound begins more than MAX_LATE_START
    earlier, that of the sound, so that times match a player's. claimed_end: the timestamp of the video's end in the
    file's header, 0 if it has none.
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
        """Highest frame rate, for films with a variable rate, in frames per second."""
        rate = float(self.stream.guessed_rate or 0)
        return rate if 1 <= rate <= 1000 else self.fps

    def missing(self) -> str | None:
        """After the last frame: a sentence on what is missing from the film, or None if it is complete."""
        tally, rate = self.tally, max(self.fps, 1.0)
        if tally.undecodable / rate > MISSING_SECONDS:
            return f"{self.name}: {tally.undecodable:,} frames are damaged and cannot be decoded"
        kind = kind_of(self.container)
        if self.live or not self.claimed_end or (kind not in EXACT_LENGTH and kind not in ROUGH_LENGTH):
            return None
        if self.has_all_packets():
            return None
        own_length = bool(self.stream.duration) or "DURATION" in self.stream.metadata
        end = (tally.picture_end if own_length else tally.end) - self.start
        claimed = self.claimed_end - self.start
        longest = max(MISSING_SECONDS, 1.5 / self.fps)  # the last frame's duration may be unknown
        if end + longest >= claimed * (0.9 if kind in ROUGH_LENGTH else 1):
            return None
        return f"{self.name} ends after {end:.1f} of {claimed:.1f} s: the rest cannot be decoded"

    def has_all_packets(self) -> bool:
        """After the last frame: whether the file is known to be complete."""
        kind, frames = kind_of(self.container), self.stream.frames
        if kind == "avi" and self.claimed_end and frames > self.tally.packets:
            frames -= stills(self.name, self.stream.index)
        return 0 < frames <= self.tally.packets or (not self.tally.broken and ends_whole(self.name, kind))


@contextmanager
def open_video(name: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Iterator[Video]:
    """Open a video file, or a camera: "camera:0".

    max_pixels: refuse films whose frames have more pixels (width times height), before decoding. Raises MienError if
    there is no such file or camera, it is not a film, its codec has no decoder (the message names the codec and the
    ffmpeg command that converts it), or no frame can be decoded. Warns (MienWarning) about HDR, whose brightness is not
    tone-mapped, about additional video streams, and about a film without timestamps whose rate is assumed.
    """
    if not isinstance(name, (str, os.PathLike)) or not isinstance(os.fspath(name), str):
        hint = "; write bytes to a file first" if isinstance(name, bytes) or hasattr(name, "read") else ""
        raise MienError(f'give the path of a video, or a camera as "camera:0", not from {describe(name)}{hint}')
    name = os.fspath(name)
    refuse_address(name)
    live = name.startswith(CAMERA)
    container = open_camera(name) if live else open_container(name)
    try:
        stream = _picture_stream(container, name, max_pixels)
        tally = Tally()
        decoded = decode(container, stream, tally, live)
        first = next(decoded, None)
        if first is None:
            raise MienError(
                f"{name}: no frame can be decoded; the file is empty or damaged, or its codec "
                f"({stream.codec_context.name}) is protected or unknown; try {source_command(name)}"
            )
        yield _described(name, live, container, stream, first, _chain(first, decoded), tally)
    finally:
        container.close()


def read_frames(video: Video, every: float = 0) -> Iterator[tuple[Frame, bool]]:
    """Yield the frames in order, each with whether it is due to be read. Call it once per open film.

    every: seconds; a frame is due if it is on screen at a multiple of it. 0: every frame is due. Warns (MienWarning) if
    frames are missing because the file is truncated or damaged.
    """
    due_at = 0.0
    for frame in _live_frames(video) if video.live else _film_frames(video):
        end = frame.time + (frame.duration or 1 / video.fps)
        video.tally.shown_until = frame.time + frame.duration
        due = not every or end > due_at + 1e-6 * max(1.0, due_at)
        if due and every:
            due_at = every * (math.floor(max(0.0, end - 1e-6 * max(1.0, end)) / every) + 1)
        yield frame, due
    if (missing := video.missing()) is not None:
        warnings.warn(missing, MienWarning, stacklevel=2)


def require_seconds(parameter: str, seconds: float) -> None:
    """Raise MienError unless `seconds` is a finite number >= 0."""
    ok = isinstance(seconds, Real) and math.isfinite(seconds) and seconds >= 0
    require(ok, parameter, seconds, "a number of seconds, 0 or more")


def _picture_stream(container: "InputContainer", name: str, max_pixels: int) -> "VideoStream":
    from av.stream import Disposition

    stream: Any = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise MienError(f"{name} has no video stream{', only sound' if container.streams.audio else ''}")
    if stream.codec_context is None:
        raise MienError(
            f"{name}: there is no decoder for its codec {codec_in(name)}; convert the video: {source_command(name)}"
        )
    hidden = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    others = [each for each in container.streams.video if each.index != stream.index and not each.disposition & hidden]
    if others:
        left = ", ".join(map(track, others))
        text = f"{name} has several video streams: {track(stream)} is read, and not {left}"
        warnings.warn(text, MienWarning, stacklevel=2)
    check_size(stream.width, stream.height, name, max_pixels)
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    stream.thread_type = "AUTO"
    return stream  # type: ignore[no-any-return]


def track(stream: Any) -> str:
    """Name of a stream in messages: its number, codec and language."""
    codec = stream.codec_context.codec.canonical_name if stream.codec_context else ""
    return " ".join(filter(None, (f"#{stream.index}", codec, stream.metadata.get("language", ""))))


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
        text = f"{name} is HDR ({curve}) and is read without tone mapping; an SDR copy may give better results"
        warnings.warn(text, MienWarning, stacklevel=2)
    start = first.time if first.time is not None else 0.0
    begin = (container.start_time or 0) / 1e6
    if not live and container.start_time is not None and begin < start - MAX_LATE_START:
        start = begin
    end = 0.0 if live else claimed_end(name, container, stream)
    return Video(name, fps, max(0.0, end - start), live, container, stream, start, end, decoded, tally)


def _frame_rate(name: str, container: "InputContainer", stream: "VideoStream") -> float:
    """Mean frames per second."""
    from av.format import Flags

    without_times = bool(Flags(container.format.flags) & Flags.no_timestamps)
    # ffmpeg reports 25 there as a default.
    reported_rate = stream.codec_context.framerate if without_times else stream.average_rate or stream.guessed_rate
    rate = float(reported_rate or 0)
    if 1 / 86_400 < rate <= (100_000 if reported_rate == stream.average_rate else 1000):  # a higher guess is wrong
        return rate
    if without_times:
        text = f"{name} has neither timestamps nor a frame rate; read as 25 frames per second"
        warnings.warn(text, MienWarning, stacklevel=2)
    return 25.0


def _film_frames(video: Video) -> Iterator[Frame]:
    """Yield each frame once the next one is known, because that determines its duration."""
    from av.video.reformatter import VideoReformatter

    clock = Clock(video.start, 1 / video.fps)
    aspect, reformatter = _aspect(video), VideoReformatter()  # shared by all frames: each keeps tables
    pending: Frame | None = None
    step = 0.0
    for index, decoded in enumerate(video.decoded):
        now = clock.seconds(decoded.time)
        if pending:
            step = now - pending.time
            yield Frame(pending.index, pending.time, step, pending.decoded, aspect, reformatter)
        pending = Frame(index, now, 0.0, decoded, aspect, reformatter)
    if pending is None:
        return
    duration = _last_duration(video, pending, step)
    yield Frame(pending.index, pending.time, duration, pending.decoded, aspect, reformatter)


def _last_duration(video: Video, last: Frame, step: float) -> float:
    """Duration of the last frame, in seconds. step: seconds between the two last frames, 0 if there is one."""
    remaining, own = video.claimed_end - video.start - last.time, own_duration(last.decoded)
    alone = len(video.container.streams) == 1 or kind_of(video.container) not in ROUGH_LENGTH
    if alone and remaining > 1e-4 and video.has_all_packets():  # until the end given in the header
        return min(remaining, MAX_STILL)
    if own:  # may be the mean rate's; if frames are faster at the end, the header is more accurate
        return min(own, remaining if remaining > 1e-4 else MAX_STILL)
    return step if 0 < step <= 1 else 1 / video.base_rate


def _live_frames(video: Video) -> Iterator[Frame]:
    """A camera's frames, timed by this machine's clock; frames that waited too long in the driver are skipped."""
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
    """Pixel aspect ratio, width over height, from the file: 1.07 for a PAL DVD."""
    ratio = float(video.stream.sample_aspect_ratio or 1)
    return ratio if 0.2 < ratio < 5 else 1.0
