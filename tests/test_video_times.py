"""Frame times by file type: held frames, spliced recordings, AVI, placeholders, fast films."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from mien.errors import MienWarning
from mien.inference.video import open_video, read_frames
from read_fixtures import Run, portrait, reading

Shots = list[tuple[Image.Image, float, float]]

FACE, GRAY = portrait().resize((256, 256)), Image.new("RGB", (256, 256), (128, 128, 128))
# One second of gray, then a single frame of a face for three seconds.
HELD: Shots = [*((GRAY, i / 10, 0.1) for i in range(10)), (FACE, 1.0, 3.0)]
# A face for 12 s, then gray.
FIRST: Shots = [(FACE, 0.0, 12.0), *((GRAY, 12 + i / 10, 0.1) for i in range(20))]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return reading(capfd, "--quiet")


def make(
    path: Path,
    shots: Shots,
    codec: str = "libx264",
    rate: int = 10,
    sound: float = 0,
    tone: tuple[str, float, float] = ("mp2", 12, 0),
    **options: str,
) -> Path:
    """A film of pictures with their times and durations, each packet with its own, and `sound` seconds of sound.

    tone: the sound's codec; where in the film, in seconds, a tone begins; how long before the picture the sound does.
    """
    sound_codec, tone_at, lead = tone
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = shots[0][0].size
        stream.pix_fmt = pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        tick = stream.codec_context.time_base = Fraction(1, rate if path.suffix == ".avi" else 10_000)
        track: Any = container.add_stream(sound_codec, rate=44_100) if sound else None
        durations = {round((lead + time) / tick): round(duration / tick) for _, time, duration in shots}

        def mux(packets: list[Any]) -> None:
            for packet in packets:
                packet.duration = durations.get(packet.pts, packet.duration)
                container.mux(packet)

        for picture, time, _ in shots:
            frame = av.VideoFrame.from_image(picture).reformat(format=pixels)
            frame.pts, frame.time_base = round((lead + time) / tick), tick
            mux(stream.encode(frame))
        mux(stream.encode(None))
        for start in range(0, int(sound * 44_100), 1152):
            at = np.arange(start, start + 1152)
            wave = (np.sin(at * 0.1) * 20_000 * (at >= (tone_at + lead) * 44_100)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            block.sample_rate, block.pts = 44_100, start
            container.mux(track.encode(block))
        if track:
            container.mux(track.encode(None))
    return path


def shown(path: Path) -> tuple[list[float], list[float], str | None]:
    """Times and durations of a film's frames, and what it lacks."""
    with open_video(path) as video:
        frames = [frame for frame, _ in read_frames(video)]
        return [frame.time for frame in frames], [frame.duration for frame in frames], video.missing()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("film.mp4", "libx264"), ("film.mkv", "libx264"), ("film.webm", "libvpx"), ("film.avi", "mpeg4"),
     ("film.flv", "libx264"), ("film.asf", "mpeg4")],
)  # fmt: skip
def test_a_last_picture_that_is_held_keeps_its_time(name: str, codec: str, run: Run, tmp_path: Path) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"no encoder {codec} in this PyAV")
    path = make(tmp_path / name, HELD, codec)
    times, durations, missing = shown(path)
    assert (len(times), missing) == (11, None)
    assert times[-1] == pytest.approx(1, abs=0.01)
    assert durations[-1] == pytest.approx(3, abs=0.01)
    code, out, err = run(path)
    assert (code, err, "seen 3 s" in out) == (0, "", True)


@pytest.mark.parametrize("name", ["film.mkv", "film.avi", "film.flv"])
def test_a_film_cut_before_its_held_picture_is_still_told(name: str, run: Run, tmp_path: Path) -> None:
    noise = [Image.effect_noise((256, 256), 80).convert("RGB") for _ in range(10)]
    path = make(tmp_path / name, [*((each, i / 10, 0.1) for i, each in enumerate(noise)), HELD[-1]],
                "mpeg4" if name == "film.avi" else "libx264")  # fmt: skip
    assert run(path)[::2] == (0, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code, _, err = run(path)
    assert (code, "of 4.0 s: the rest cannot be decoded" in err, err.count("\n")) == (1, True, 1)


def test_an_avi_damaged_in_its_middle_is_told_although_its_end_is_there(tmp_path: Path) -> None:
    path = make(tmp_path / "film.avi", [(FACE, i / 10, 0.1) for i in range(40)], "mjpeg")
    assert shown(path)[2] is None
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : -2000] = bytes(len(data) - len(data) // 2 - 2000)
    path.write_bytes(data)
    with pytest.warns(MienWarning):
        times, durations, missing = shown(path)
    assert missing is not None
    assert times[-1] + durations[-1] < 2.5


def test_slides_last_as_long_as_each_other(run: Run, tmp_path: Path) -> None:
    path = make(tmp_path / "film.mkv", [(FACE, 10 * i, 10) for i in range(4)], rate=1)
    assert shown(path)[1] == pytest.approx([10] * 4)
    assert "seen 40 s" in run(path)[1]


def test_the_annotated_copy_of_a_held_picture_is_read_again(run: Run, tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", HELD)
    for name in ("out.mkv", "out.mp4", "out.avi"):
        assert run(path, "--annotate", tmp_path / name)[::2] == (0, "")
        code, out, err = run(tmp_path / name)
        assert (name, code, err, "seen 3 s" in out) == (name, 0, "", True)


def test_the_last_frame_ends_where_the_header_says_and_not_by_the_average_rate(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mkv", FIRST)
    with av.open(str(path)) as source, av.open(str(tmp_path / "copy.mkv"), "w") as target:
        stream: Any = source.streams.video[0]
        copy: Any = target.add_stream("libx264", rate=Fraction(3, 2))  # each frame's duration in the copy's header
        copy.width, copy.height, copy.pix_fmt = stream.width, stream.height, "yuv420p"
        copy.codec_context.time_base = Fraction(1, 1000)
        for frame in source.decode(stream):
            frame.pict_type = 0
            target.mux([_lasting(packet, 100) for packet in copy.encode(frame)])
        target.mux([_lasting(packet, 100) for packet in copy.encode(None)])
    times, durations, missing = shown(tmp_path / "copy.mkv")
    assert (times[-1] + durations[-1], missing) == (pytest.approx(14, abs=0.01), None)


def _lasting(packet: Any, duration: int) -> Any:
    packet.duration = duration
    return packet


@pytest.mark.parametrize("name", ["film.ts", "film.m2ts", "film.mp4"])
def test_a_picture_held_for_12_seconds_while_the_sound_goes_on(name: str, run: Run, tmp_path: Path) -> None:
    path = make(tmp_path / name, FIRST, sound=14)
    times, durations, _ = shown(path)
    assert times == pytest.approx([time for _, time, _ in FIRST], abs=0.01)
    assert durations[-1] == pytest.approx(0.1, abs=0.01)
    code, out, err = run(path, "--annotate", tmp_path / "out.mkv")
    assert (code, err, "seen 12 s" in out) == (0, "", True)
    assert times == pytest.approx(shown(tmp_path / "out.mkv")[0], abs=0.01)
    assert tone_begins(tmp_path / "out.mkv") == [pytest.approx(12, abs=0.06)]


def test_recordings_put_together_go_on_in_picture_and_sound(run: Run, tmp_path: Path) -> None:
    first = make(tmp_path / "first.ts", FIRST, sound=14).read_bytes()
    path = tmp_path / "film.ts"
    path.write_bytes(first + first)
    expected = [time for _, time, _ in FIRST]
    times = shown(path)[0]
    assert times == pytest.approx([*expected, *(14 + time for time in expected)], abs=0.1)
    assert run(path, "--annotate", tmp_path / "out.mkv")[0] == 0
    assert tone_begins(tmp_path / "out.mkv") == pytest.approx([12, times[22]], abs=0.06)
    now, later = ([(GRAY, begin + i / 10, 0.1) for i in range(10)] for begin in (0, 500))
    parts = [make(tmp_path / "part.ts", each).read_bytes() for each in (now, later, now)]
    path.write_bytes(b"".join(parts))  # without sound
    assert shown(path)[0] == pytest.approx([i / 10 for i in range(30)], abs=0.15)


def tone_begins(path: Path) -> list[float]:
    """Where in a film's sound, in seconds, a tone begins."""
    with av.open(str(path)) as film:
        found: list[float] = []
        last = -1.0
        for frame in film.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float).reshape(-1, frame.samples, order="F")).max(0)
            loud = np.flatnonzero(samples > (0.3 if frame.format.name.startswith("flt") else 9000))
            if len(loud):
                begin = frame.time + loud[0] / frame.sample_rate
                found += [begin] if begin - last > 0.5 else []
                last = frame.time + loud[-1] / frame.sample_rate
        return found


@pytest.mark.parametrize(("codec", "frames"), [("libx264", "3"), ("libx264", "0"), ("mpeg4", "2")])
def test_frames_in_another_order_in_avi_have_a_steady_time(codec: str, frames: str, run: Run, tmp_path: Path) -> None:
    shots: Shots = [(FACE if i < 20 else GRAY, i / 10, 0.1) for i in range(30)]
    path = make(tmp_path / "film.avi", shots, codec, bf=frames, g="12")
    times, _, missing = shown(path)
    assert (times, missing) == (pytest.approx([i / 10 for i in range(30)], abs=0.001), None)
    assert run(path, "--annotate", tmp_path / "out.avi")[::2] == (0, "")
    assert shown(tmp_path / "out.avi")[0] == pytest.approx(times, abs=0.001)
    assert "seen 2 s" in run(tmp_path / "out.avi")[1]


def test_an_avi_written_to_a_pipe_is_whole(run: Run, tmp_path: Path) -> None:
    path = make(tmp_path / "film.avi", [(FACE, i / 10, 0.1) for i in range(20)], "mpeg4")
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff" * 4
    for name in (b"avih", b"strh"):  # where they say how many frames there are
        at = data.index(name) + 8 + {b"avih": 16, b"strh": 32}[name]
        data[at : at + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)
    code, out, err = run(path)
    assert (code, err, "seen 2 s" in out) == (0, "", True)


def test_two_thousand_frames_per_second_are_no_second(tmp_path: Path) -> None:
    for name, codec in (("film.mkv", "ffv1"), ("film.mp4", "libx264")):  # stamps in whole milliseconds, and finer
        path = make(tmp_path / name, [(FACE, i / 2000, 1 / 2000) for i in range(40)], codec, rate=2000)
        times, durations, _ = shown(path)
        assert (np.diff(times) > 0).all()
        assert times[-1] + durations[-1] == pytest.approx(0.02, abs=0.0015)


@pytest.mark.parametrize(("every", "due"), [(1e9, [0]), (3.5, [0]), (1, [0, 10]), (0.05, list(range(11)))])
def test_a_frame_is_due_as_often_as_asked(every: float, due: list[int], tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", [(GRAY, i / 10, 0.1) for i in range(11)])
    with open_video(path) as video:
        assert [frame.index for frame, is_due in read_frames(video, every) if is_due] == due


@pytest.mark.parametrize("rate", [1, 10])
@pytest.mark.parametrize("codec", ["flac", "mp2", "ac3", "pcm_s16le"])
def test_the_sound_of_an_annotated_avi_comes_with_its_picture(codec: str, rate: int, run: Run, tmp_path: Path) -> None:
    shots: Shots = [(GRAY if i < 2 * rate else FACE, i / rate, 1 / rate) for i in range(3 * rate)]
    for lead in (0, 0.4):  # the sound begins before the picture
        path = make(tmp_path / "film.mkv", shots, rate=rate, sound=3 + lead, tone=(codec, 2, lead))
        assert run(path, "--annotate", tmp_path / "out.avi", "--overwrite")[::2] == (0, "")
        assert shown(tmp_path / "out.avi")[0] == pytest.approx([time for _, time, _ in shots], abs=0.001)
        assert tone_begins(tmp_path / "out.avi") == [pytest.approx(2, abs=0.02)]
        with av.open(str(tmp_path / "out.avi")) as film:
            assert film.streams.video[0].start_time == 0


def test_an_annotated_avi_has_every_frame_of_a_film_whose_header_says_an_average(run: Run, tmp_path: Path) -> None:
    slow: Shots = [(GRAY, i * 4, 4) for i in range(3)]
    path = make(tmp_path / "film.mkv", [*slow, *((FACE, 12 + i / 10, 0.1) for i in range(20))], rate=1)
    with open_video(path) as video:
        assert video.base_rate < 2
    assert run(path, "--annotate", tmp_path / "out.avi")[::2] == (0, "")
    assert shown(tmp_path / "out.avi")[0] == pytest.approx(shown(path)[0], abs=0.01)
