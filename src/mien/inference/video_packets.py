"""Decode a film's packets to frames: one clock across spliced recordings, frames in display order."""

import heapq
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.inference.video_length import kind_of
from mien.inference.video_source import open_container

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_HOLD = 10.0  # seconds without a timestamp in any stream after which a recorder's clock has restarted
MAX_DELAY = 60.0  # seconds from decoding to display of a frame: larger values are damaged
MAX_BACK = 1.0  # seconds that a timestamp may lie before its stream's last one
STEP = 0.04  # duration in seconds of a packet that states none
REORDERED = ("h264", "hevc", "vvc")  # for other codecs ffmpeg determines the frame times in AVI
LOOKAHEAD = 32  # packets that are buffered to sort decoding order into display order


@dataclass
class Tally:
    """Statistics of decoding a film. picture_end, end: timestamps in seconds, of the video and of all streams.

    broken: the file could not be demuxed to its end. shown_until: seconds from the start at which the last yielded
    frame leaves the screen.
    """

    packets: int = 0
    frames: int = 0
    undecodable: int = 0
    broken: bool = False
    picture_end: float = 0.0
    end: float = 0.0
    shown_until: float = 0.0


class Splices:
    """Continuous timestamps for video and audio across spliced recordings, in transport streams and DVDs.

    A frame held on screen looks like a new recording in the video's timestamps, but not in the audio's, which continue.
    At a real splice the timestamps of both restart together, and both are shifted by the same amount, so they stay in
    sync. Without audio, only MAX_HOLD decides.
    """

    def __init__(self, container: "InputContainer", picture: Any) -> None:
        from av.format import Flags

        sound = container.streams.best("audio")
        self._picture = picture.index if picture is not None else -1
        self._known = {self._picture} | ({sound.index} if sound else set())
        self.needed = bool(Flags(container.format.flags) & Flags.ts_discont)  # only these containers can be spliced
        if not self.needed:
            self._known = set()
        self._shift = 0.0  # seconds, of the newest recording
        self._shifts: dict[int, float] = {}  # per stream: its last packets may follow the first of the next recording
        self._last: dict[int, float] = {}
        self._begin = self._end = 0.0  # seconds, of the newest recording so far

    def join(self, packet: "Packet[Any]") -> None:
        """Shift the packet's timestamps. Call it for each packet, in the order of the file."""
        index, tick = packet.stream.index, packet.time_base
        decoded = packet.dts if packet.dts is not None else packet.pts
        if index not in self._known or decoded is None or not tick:
            return
        if packet.pts is not None and abs(float((packet.pts - decoded) * tick)) > MAX_DELAY:
            packet.pts = decoded
        # Decoding times always increase; display times tell where a recording starts.
        now, shown = float(decoded * tick), float((packet.pts if packet.pts is not None else decoded) * tick)
        shift = self._shifts.get(index, self._shift)
        if index in self._last:
            goes_on = self._last[index] - MAX_BACK < now + shift <= self._end + MAX_HOLD
        else:
            goes_on = not self._last or self._is_near(shown + shift)
        if not goes_on and shift != self._shift and self._is_near(shown + self._shift):
            shift = self._shift  # the other stream is already in the next recording
        elif not goes_on and index in self._last:
            shift = self._shift = self._end - shown
            self._begin = self._end
        elif not goes_on:  # audio and video are unrelated
            self._known = {self._picture}
            self._last.clear()
            if index != self._picture:
                return
        first = not self._last
        end = max(now, shown) + shift + (float(packet.duration * tick) if packet.duration else STEP)
        self._begin, self._end = (shown + shift, end) if first else (self._begin, max(self._end, end))
        self._shifts[index], self._last[index] = shift, now + shift
        ticks = round(shift / tick)
        packet.dts = packet.dts + ticks if packet.dts is not None else None
        packet.pts = packet.pts + ticks if packet.pts is not None else None

    def _is_near(self, time: float) -> bool:
        """Whether a time lies within the newest recording as far as it is known."""
        return self._begin - MAX_HOLD < time <= self._end + MAX_HOLD


class _DisplayOrder:
    """Timestamps for the frames of an AVI, which stores decoding times only, while its frames come in display order."""

    def __init__(self) -> None:
        self._stamps: list[int] = []  # of packets whose frames are not decoded yet
        self._keys: dict[int, int] = {}  # of keyframes: by the time that ffmpeg assigns to their frame

    def add(self, packet: "Packet[Any]") -> None:
        """Add the next packet to be decoded."""
        if packet.dts is not None:
            heapq.heappush(self._stamps, packet.dts)
            if packet.is_keyframe and packet.pts is not None:
                self._keys[packet.pts] = packet.dts

    def lost(self, packet: "Packet[Any]") -> None:
        """Forget a packet that could not be decoded."""
        if packet.dts in self._stamps:
            self._stamps.remove(packet.dts)
            heapq.heapify(self._stamps)

    def stamp(self, frame: "VideoFrame") -> None:
        """Assign a frame the earliest remaining timestamp."""
        if frame.key_frame and frame.pts is not None:
            own = self._keys.pop(frame.pts, 0)
            while self._stamps and self._stamps[0] < own:  # of lost frames
                heapq.heappop(self._stamps)
        frame.pts = heapq.heappop(self._stamps) if self._stamps else None


def decode(container: "InputContainer", stream: "VideoStream", tally: Tally, live: bool) -> "Iterator[VideoFrame]":
    """Yield the frames that can be decoded. Packets of other streams are used only for their times."""
    import av

    splices = Splices(container, stream)
    codec = stream.codec_context.codec.canonical_name
    order = _DisplayOrder() if kind_of(container) == "avi" and codec in REORDERED else None
    while True:
        try:
            for packet in container.demux() if not live else container.demux(stream):
                splices.join(packet)
                if packet.pts is not None and packet.time_base:
                    end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    tally.end = max(tally.end, end)
                if packet.stream.index != stream.index:
                    continue
                if not packet.size and packet.dts is not None:  # "same picture still"; a decoder takes it as the end
                    continue
                tally.packets += bool(packet.size)
                if order:
                    order.add(packet)
                try:
                    frames = stream.decode(packet)
                except av.FFmpegError:
                    tally.undecodable += bool(tally.frames)  # recordings may start within a group of pictures
                    if order:
                        order.lost(packet)
                    continue
                for frame in frames:
                    yield _counted(frame, tally, order)
            return
        except av.BlockingIOError:  # a camera without a new frame yet
            if not live:
                return
            time.sleep(0.005)
        except (av.FFmpegError, OSError):
            tally.broken = True
            with suppress(av.FFmpegError, ValueError):  # damaged here: the decoder's buffered frames are still good
                for frame in stream.decode(None):
                    yield _counted(frame, tally, order)
            return


def own_duration(frame: "VideoFrame") -> float:
    """Duration of a frame in seconds, from its packet or the film's rate; 0 if neither is known."""
    return max(0.0, float((frame.duration or 0) * frame.time_base)) if frame.time_base else 0.0


def fastest_rate(name: str, slowest: float) -> float:
    """Highest frame rate of a film, from all its timestamps: 1 to 1000 frames per second.

    slowest: lower bound, from the header. A few frames in a hundred may be closer together: their timestamps are
    inexact.
    """
    import av

    steps: Counter[float] = Counter()
    with open_container(name) as container, suppress(av.FFmpegError, OSError):
        stream: Any = container.streams.best("video")
        window: list[float] = []
        last: float | None = None
        for packet in container.demux(stream):
            if packet.pts is not None and packet.size:
                heapq.heappush(window, float(packet.pts * packet.time_base))
            while window and (len(window) > LOOKAHEAD or not packet.size):
                now = heapq.heappop(window)
                if last is not None and now > last:
                    steps[round(now - last, 4)] += 1
                last = now
    few = 0.05 * sum(steps.values())
    for step in sorted(steps):
        few -= steps[step]
        if few < 0 and step > 0:
            rate = 1 / step
            return slowest if rate < 1.05 * slowest else min(1000.0, rate)
    return slowest


def _counted(frame: "VideoFrame", tally: Tally, order: _DisplayOrder | None) -> "VideoFrame":
    if order:
        order.stamp(frame)
    tally.frames += 1
    if frame.time is not None:
        tally.picture_end = max(tally.picture_end, frame.time + own_duration(frame))
    return frame
