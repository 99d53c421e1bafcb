"""Copy the sound of a film to another one: unchanged if the container supports its codec, otherwise re-encoded."""

import io
import warnings
from collections.abc import Generator
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import MienWarning
from mien.inference.video import Video, track
from mien.inference.video_clock import MAX_JUMP
from mien.inference.video_packets import Splices
from mien.inference.video_source import open_container

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, Packet
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

AVI_CODECS = ("mp3", "mp2", "ac3", "pcm_s16le", "pcm_u8")  # what players expect in AVI
ENCODERS = {"mp3": "libmp3lame"}  # encoders whose name differs from the codec
LAYOUTS = (
    "mono",
    "stereo",
    "2.1",
    "4.0",
    "5.0",
    "5.1",
    "6.1",
    "7.1",
)  # by number of channels, if the file does not name a layout
HOLE = 0.05  # seconds; smaller gaps are rounding errors of decoders and containers


class Sound:
    """The best audio track of a film, packet by packet, on the clock of its video.

    It is copied if the container supports it, otherwise encoded as AAC with the same channels and the nearest sample
    rate. AVI stores no timestamps, only samples per second: there the sound is always encoded, in its own codec if
    players expect that in AVI, otherwise as MP3 (AC-3 for more than two channels), with silence in gaps, and without
    what precedes the video. The encoder's own padding replaces as many samples. Warns (MienWarning) about additional
    tracks, which are not kept.
    """

    def __init__(self, output: "OutputContainer", video: Video) -> None:
        self._output, self._video = output, video
        self._avi = output.format.name == "avi"
        self._input = open_container(video.name)
        self._source: AudioStream = self._input.streams.best("audio")  # type: ignore[assignment]
        self._packets = self._read()
        self._waiting: tuple[float, Packet[Any]] | None = None
        self._target: Any = None
        self._encodes = False
        self._resampler: AudioResampler | None = None
        self._setup: tuple[str, int, str] | None = None  # input format of the resampler
        self._samples: int | None = None  # sample position, on the film's clock, of what is encoded next
        self._padding = 0  # samples that the encoder inserts before the first one

    def start(self) -> None:
        """Add the stream to the output, before its first packet of any kind."""
        source: Any = self._source
        if source is None or source.codec_context is None:
            return
        others = [each for each in self._input.streams.audio if each.index != source.index]
        if others:
            left = ", ".join(track(each) for each in others)
            text = f"{self._video.name} has several audio tracks: {track(source)} is kept, and not {left}"
            warnings.warn(text, MienWarning, stacklevel=2)
        self._encodes = self._avi or not _holds(self._output.format.name, source)
        if not self._encodes:
            self._target = self._output.add_stream_from_template(source)
            return
        codec = _avi_codec(source) if self._avi else "aac"
        self._target = self._output.add_stream(codec, rate=_rate(codec, source.rate or 48_000))
        context = self._target.codec_context
        context.layout = _layout(codec, self._target.rate, source)
        self._padding = _padding(codec, context.sample_rate, context.layout.name) if self._avi else 0

    def copy_until(self, time: float) -> None:
        """Write the sound up to `time`, in seconds."""
        while self._target is not None:
            self._waiting = self._waiting or next(self._packets, None)
            if self._waiting is None or self._waiting[0] >= time:
                return
            self._put(self._waiting[1])
            self._waiting = None

    def finish(self) -> None:
        """Flush the encoder."""
        if self._target is not None and self._encodes:
            self._resample(None)
            self._mux(self._target.encode(None))

    def close(self) -> None:
        """Close the file that the sound comes from."""
        self._packets.close()  # otherwise a suspended generator keeps the file's packets
        self._waiting = None
        self._input.close()

    def _put(self, packet: "Packet[Any]") -> None:
        import av

        with suppress(av.InvalidDataError):  # damaged sound: a moment of silence
            if self._encodes:
                for frame in self._source.decode(packet):
                    self._resample(frame)
            else:
                packet.stream = self._target
                self._output.mux(packet)

    def _resample(self, frame: "AudioFrame | None") -> None:
        """Encode a decoded frame in the target's layout, rate and format; None: flush the resampler."""
        import av

        setup = (frame.layout.name, frame.sample_rate, frame.format.name) if frame else None
        if self._resampler and setup != self._setup:  # the channels change, as in recorded television
            for rest in self._resampler.resample(None):
                self._encode(rest)
            self._resampler = None
        self._setup = setup
        if frame is None:
            return
        context = self._target.codec_context
        if self._avi:
            now = frame.time or 0.0
            if self._samples is None:
                self._samples = min(0, round(now * context.sample_rate))
            if frame.time is not None:
                self._fill(now - self._samples / context.sample_rate)
        self._resampler = self._resampler or av.AudioResampler(context.format, context.layout, context.sample_rate)
        for each in self._resampler.resample(frame):
            self._encode(each)

    def _fill(self, seconds: float) -> None:
        """Write silence, if the sound starts late or has a gap."""
        import av

        context = self._target.codec_context
        left = round(seconds * context.sample_rate) if seconds > HOLE else 0
        while left > 0:
            frame = av.AudioFrame(context.format.name, context.layout.name, min(left, context.sample_rate))
            frame.sample_rate = context.sample_rate
            for plane in frame.planes:
                plane.update(bytes([128 if context.format.name.startswith("u8") else 0]) * plane.buffer_size)
            left -= frame.samples
            self._encode(frame)

    def _encode(self, frame: "AudioFrame") -> None:
        import av

        if self._avi:
            rate, begin = self._target.codec_context.sample_rate, self._samples or 0
            self._samples = begin + frame.samples
            early = max(0, self._padding - begin)
            if early >= frame.samples:
                return
            if early:
                count = 1 if frame.format.is_planar else len(frame.layout.channels)
                samples: Any = frame.to_ndarray()[:, early * count :]
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples), format=frame.format.name, layout=frame.layout.name
                )
                frame.sample_rate = rate
            frame.pts, frame.time_base = begin + early - self._padding, Fraction(1, rate)
        self._mux(self._target.encode(frame))

    def _mux(self, packets: "list[Packet[Any]]") -> None:
        for packet in packets:
            if self._padding and packet.pts is not None:  # otherwise the muxer shifts the video
                packet.pts += round(Fraction(self._padding, self._target.codec_context.sample_rate) / packet.time_base)
                packet.dts = packet.pts
            self._output.mux(packet)

    def _read(self) -> "Generator[tuple[float, Packet[Any]]]":
        """Yield each packet with its time in seconds, with increasing timestamps counted from the film's start."""
        import av

        tick: Any = self._source.time_base
        shift = -round(Fraction(self._video.start) / tick)
        longest = round(MAX_JUMP / tick)
        # Short packets of some codecs get equal timestamps in Matroska, which counts milliseconds.
        step = 0 if self._encodes or self._output.format.name == "matroska" else 1
        picture = self._input.streams.best("video")
        splices = Splices(self._input, picture)
        wanted = [picture, self._source] if splices.needed and picture is not None else [self._source]
        last: int | None = None
        try:
            for packet in self._input.demux(*wanted):
                splices.join(packet)
                if packet.stream.index != self._source.index:
                    continue
                stamp = packet.dts if packet.dts is not None else packet.pts
                if stamp is None or not packet.size:
                    continue
                if last is not None and not last - 1 / tick < stamp + shift < last + longest:
                    shift = last + (packet.duration or 1) - stamp
                last = stamp + shift if last is None else max(stamp + shift, last + step)
                packet.pts = packet.dts = last
                yield float(last * tick), packet
        except (av.FFmpegError, OSError):  # damaged from here on
            return


def _holds(container: str, source: "AudioStream") -> bool:
    """Whether a container's muxer accepts this stream unchanged. Few players support PCM in .mp4."""
    import av

    if container == "mp4" and source.codec.canonical_name.startswith("pcm"):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(source)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _avi_codec(source: "AudioStream") -> str:
    """The encoder for the sound of an AVI."""
    import av

    own = source.codec.canonical_name
    if own in AVI_CODECS and (source.channels <= 2 or own in ("ac3", "pcm_s16le")):
        encoder = ENCODERS.get(own, own)
    else:
        encoder = "libmp3lame" if source.channels <= 2 else "ac3"
    return encoder if encoder in av.codecs_available else "ac3"


def _rate(codec: str, wanted: int) -> int:
    """The nearest sample rate that an encoder supports."""
    import av

    supported_rates = av.Codec(codec, "w").audio_rates
    return min(supported_rates, key=lambda rate: abs(rate - wanted)) if supported_rates else wanted


def _layout(codec: str, rate: int, source: "AudioStream") -> str:
    """The source's channel layout, or the nearest one that the encoder accepts."""
    import av

    by_count = LAYOUTS[min(source.channels, len(LAYOUTS)) - 1]
    layout_name, formats = source.layout.name, av.Codec(codec, "w").audio_formats
    for layout in (by_count if layout_name.endswith("channels") else layout_name, by_count, "5.1"):
        trial: Any = av.CodecContext.create(codec, "w")
        trial.sample_rate, trial.layout, trial.format = rate, layout, formats[0].name if formats else "s16"
        with suppress(av.FFmpegError, ValueError):
            trial.open()
            return layout
    return "stereo"


def _padding(codec: str, rate: int, layout: str) -> int:
    """Number of samples that an encoder inserts before the first one, from the time of its first packet."""
    import av

    formats = av.Codec(codec, "w").audio_formats
    trial: Any = av.CodecContext.create(codec, "w")
    trial.sample_rate, trial.layout, trial.format = rate, layout, formats[0].name if formats else "s16"
    trial.open()
    frame = av.AudioFrame(trial.format.name, layout, trial.frame_size or 1024)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    packets = [*trial.encode(frame), *trial.encode(None)]
    first = packets[0].pts if packets else None
    return max(0, -round(first * packets[0].time_base * rate)) if first is not None else 0
