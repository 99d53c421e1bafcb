"""All kinds of video files: times, rotation, codecs, sound, damage; lists and folders of them."""

import csv
import io
import json
import random
import shutil
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import mien.inference as inference
from mien.errors import MienError, MienWarning
from mien.files import refuse_address
from mien.inference.tracker import Tracker
from mien.inference.video import open_video, read_frames
from mien.inference.video_clock import Clock
from mien.inference.video_source import is_video
from mien.inference.video_writer import open_video_writer
from read_fixtures import (
    PORTRAIT,
    Run,
    held_face,
    make_film,
    portrait,
    reader,
    reading,
    tiny_model,
    write_film,
)

HELD = [0.0, *(3 + i / 25 for i in range(25))]  # one picture for 3 s, then 25 frames per second
VARIABLE = [*(i / 5 for i in range(15)), *(3 + i / 25 for i in range(25))]  # 5 frames per second, then 25
STEADY = [i / 25 for i in range(100)]
SLOW = [i / 10 for i in range(40)]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return reading(capfd, "--quiet")


def times(path: Path) -> list[float]:
    with open_video(path) as video:
        return [frame.time for frame, _ in read_frames(video)]


@pytest.mark.parametrize("stamps", [HELD, VARIABLE, STEADY], ids=["held", "variable", "steady"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".flv"])
def test_times_are_those_of_the_film(stamps: list[float], suffix: str, tmp_path: Path) -> None:
    path = held_face(tmp_path / f"film{suffix}", stamps)
    with open_video(path) as video:
        frames = [frame for frame, _ in read_frames(video)]
        assert video.missing() is None
    assert [frame.time for frame in frames] == pytest.approx(stamps, abs=0.002)
    assert [frame.duration for frame in frames[:-1]] == pytest.approx(np.diff(stamps).tolist(), abs=0.003)
    assert frames[-1].duration == pytest.approx(0.04, abs=0.01)


@pytest.mark.parametrize("stamps", [HELD, VARIABLE, STEADY], ids=["held", "variable", "steady"])
def test_a_face_shown_for_three_seconds_was_seen_for_three_seconds(
    run: Run, stamps: list[float], tmp_path: Path
) -> None:
    code, out, err = run(held_face(tmp_path / "film.mp4", stamps), "--timeline", tmp_path / "course")
    assert (code, err) == (0, "")
    assert "seen 3 s" in out
    rows = list(csv.DictReader((tmp_path / "course.csv").read_text().splitlines()))
    assert max(float(row["time"]) for row in rows if row["id"]) < 3 <= max(float(row["time"]) for row in rows)
    plot = np.asarray(Image.open(tmp_path / "course.png").convert("RGB"))
    lane = plot[118 + 60, 132:1460].astype(int)  # its middle: colored while the face was seen, pale after
    colored = (np.ptp(lane, axis=1) > 12).mean()
    assert colored == pytest.approx(3 / 4, abs=0.02)


def test_a_held_face_keeps_its_id() -> None:
    tracker = Tracker()
    (face,) = reader().read(PORTRAIT)
    first, later = tracker.update([face], 0.0, duration=10.0), tracker.update([face], 10.0, duration=0.04)
    assert (first[0].id, later[0].id) == (1, 1)
    assert tracker.update([face], 20.0)[0].id == 2  # gone for 10 s


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
def test_sound_longer_than_the_picture_is_no_fault(run: Run, suffix: str, tmp_path: Path) -> None:
    path = held_face(tmp_path / f"film{suffix}", SLOW[:30], sound=8)
    code, out, err = run(path, "--annotate", tmp_path / "marked.mp4")
    assert (code, err) == (0, "")
    assert "seen 3 s" in out
    with av.open(str(tmp_path / "marked.mp4")) as marked, av.open(str(path)) as film:
        assert float(marked.duration or 0) / 1e6 == pytest.approx(8, abs=0.1)
        if suffix != ".ts":  # there each packet has a head of its own
            assert [bytes(p) for p in marked.demux(audio=0)] == [bytes(p) for p in film.demux(audio=0)]


def test_a_fragmented_film_is_whole(run: Run, tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    assert run(held_face(tmp_path / "film.mp4", STEADY[:75], sound=6, options=options))[::2] == (0, "")


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_films_that_begin_later_begin_at_0(run: Run, suffix: str, tmp_path: Path) -> None:
    path = held_face(tmp_path / f"film{suffix}", [10 + t for t in STEADY], until=13)
    assert times(path) == pytest.approx(STEADY, abs=0.002)
    code, out, err = run(path)
    assert (code, err) == (0, "")
    assert "0:00.0 to 0:02.8, seen 3 s" in out


def test_a_picture_that_comes_long_after_the_sound_keeps_its_time(run: Run, tmp_path: Path) -> None:
    path = held_face(tmp_path / "film.mkv", [5 + t for t in SLOW], until=8, sound=9)
    assert times(path)[0] == pytest.approx(5, abs=0.05)
    assert run(path, "--annotate", tmp_path / "marked.mkv")[0] == 0
    assert times(tmp_path / "marked.mkv") == pytest.approx(times(path), abs=0.05)


@pytest.mark.parametrize("name", ["marked.mp4", "marked.mkv", "marked.mov"])
def test_an_annotated_film_keeps_the_clock(run: Run, name: str, tmp_path: Path) -> None:
    path = held_face(tmp_path / "film.mp4", VARIABLE)
    assert run(path, "--annotate", tmp_path / name)[0] == 0
    assert times(tmp_path / name) == pytest.approx(VARIABLE, abs=0.002)
    _, out, _ = run(tmp_path / name)
    assert "0:00.0 to 0:02.8, seen 3 s" in out


def test_an_annotated_avi_has_one_rate_and_the_same_length(run: Run, tmp_path: Path) -> None:
    path = held_face(tmp_path / "film.mp4", VARIABLE, sound=4)
    assert run(path, "--annotate", tmp_path / "marked.avi")[0] == 0
    assert times(tmp_path / "marked.avi")[-1] == pytest.approx(VARIABLE[-1], abs=0.05)
    with av.open(str(tmp_path / "marked.avi")) as marked:
        assert marked.streams.audio[0].codec_context.codec.canonical_name == "mp3"


def with_sound(
    path: Path, codec: str, rate: int, layout: str, format: str, begins: tuple[float, ...] = (0.0,), **options: Any
) -> Path:
    """Two seconds of a gray film, with half a second of a tone from each of `begins`."""
    with av.open(str(path), "w", options=options) as container:
        picture: Any = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        sound: Any = container.add_stream(codec, rate=rate, options={"strict": "-2"})
        sound.codec_context.layout = layout
        for _ in range(20):
            container.mux(picture.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64), (128, 128, 128)))))
        container.mux(picture.encode(None))
        for begin in begins:
            size = rate // 100
            for i in range(50):
                wave = (np.sin(np.arange(size) * 0.1) * 8000).astype(np.int16)[None]
                count = len(av.AudioLayout(layout).channels)
                frame = av.AudioFrame.from_ndarray(np.repeat(wave, count, 0), format="s16p", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, round(begin * rate) + i * size, Fraction(1, rate)
                for each in av.AudioResampler(format, layout, rate).resample(frame):
                    container.mux(sound.encode(each))
        container.mux(sound.encode(None))
    return path


def heard(path: Path) -> tuple[str, int, str, list[float]]:
    """Codec, rate and layout of a film's sound, and where in it, in seconds, a tone begins."""
    with av.open(str(path)) as film:
        stream = film.streams.audio[0]
        begins: list[float] = []
        last = -1.0
        for frame in film.decode(stream):
            samples = np.abs(frame.to_ndarray().astype(float))
            if samples.mean() > (0.01 if samples.max() <= 1 else 300):
                begins += [frame.time] if frame.time - last > 0.2 else []
                last = frame.time
        return stream.codec.canonical_name, stream.rate, stream.layout.name, begins


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [(("film.mkv", "libopus", 48_000, "mono", "s16"), "out.mov", ("aac", 48_000, "mono")),
     (("film.mkv", "flac", 48_000, "stereo", "s16"), "out.mov", ("aac", 48_000, "stereo")),
     (("film.mkv", "pcm_s16le", 37_800, "mono", "s16"), "out.mp4", ("aac", 32_000, "mono")),
     (("film.mov", "pcm_s16le", 6000, "mono", "s16"), "out.mp4", ("aac", 7350, "mono")),
     (("film.mkv", "pcm_s16le", 48_000, "5.1", "s16"), "out.mp4", ("aac", 48_000, "5.1")),
     (("film.mkv", "flac", 48_000, "5.1", "s16"), "out.avi", ("ac3", 48_000, "5.1(side)")),
     (("film.mkv", "flac", 48_000, "mono", "s16"), "out.mkv", ("flac", 48_000, "mono"))],
)  # fmt: skip
def test_sound_that_the_container_cannot_hold_is_encoded(
    source: Any, target: str, expected: tuple[str, int, str], run: Run, tmp_path: Path
) -> None:
    if source[1] not in av.codecs_available:
        pytest.skip(f"no encoder {source[1]} in this PyAV")
    film = with_sound(tmp_path / source[0], *source[1:])
    code, _, err = run(film, "--annotate", tmp_path / target)
    assert (code, err) == (0, "")
    assert heard(tmp_path / target)[:3] == expected


@pytest.mark.parametrize("target", ["out.avi", "out.mp4", "out.mkv"])
def test_sound_keeps_its_clock(target: str, run: Run, tmp_path: Path) -> None:
    film = with_sound(tmp_path / "film.mkv", "pcm_s16le", 48_000, "mono", "s16", begins=(0.5, 1.4))
    assert run(film, "--annotate", tmp_path / target)[::2] == (0, "")
    assert heard(tmp_path / target)[3] == pytest.approx([0.5, 1.4], abs=0.06)


def test_sound_may_change_its_channels_and_further_tracks_are_named(run: Run, tmp_path: Path) -> None:
    parts = [
        with_sound(tmp_path / "mono.ts", "aac", 48_000, "mono", "fltp", begins=(0.0, 1.5)),
        with_sound(tmp_path / "stereo.ts", "aac", 44_100, "stereo", "fltp", begins=(0.0, 1.5)),
    ]
    (tmp_path / "film.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert run(tmp_path / "film.ts", "--annotate", tmp_path / "out.avi")[::2] == (0, "")
    assert heard(tmp_path / "out.avi")[3] == pytest.approx([0, 1.5, 3.5], abs=0.1)
    two = tmp_path / "two.mkv"
    with av.open(str(parts[0])) as one, av.open(str(two), "w") as both:
        picture = both.add_stream_from_template(one.streams.video[0])
        tracks = [both.add_stream_from_template(one.streams.audio[0]) for _ in range(2)]
        for packet in one.demux():
            if packet.size:
                targets, data = [picture] if packet.stream.type == "video" else tracks, bytes(packet)
                for target in targets:
                    copy = av.Packet(data)
                    copy.pts, copy.dts, copy.time_base, copy.stream = packet.pts, packet.dts, packet.time_base, target
                    both.mux(copy)
    code, _, err = run(two, "--annotate", tmp_path / "out.mp4")
    assert (code, err.count("\n"), "#1 aac is kept, and not #2 aac" in err) == (0, 1, True)


def test_streams_without_times_have_the_rate_of_their_codec(run: Run, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.h264"), "w", format="h264") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_image(portrait().resize((64, 64)))))
        container.mux(stream.encode(None))
    assert times(tmp_path / "film.h264") == pytest.approx(SLOW[:10], abs=0.01)
    (tmp_path / "film.mjpeg").write_bytes(PORTRAIT.read_bytes() * 3)
    code, _, err = run(tmp_path / "film.mjpeg")
    assert (code, err.count("\n"), "read as 25 frames per second" in err) == (0, 1, True)


def test_an_empty_display_matrix_turns_nothing(tmp_path: Path) -> None:
    pictures = [(t, portrait().resize((64, 64))) for t in STEADY[:3]]
    film = write_film(tmp_path / "film.mp4", pictures, rotation=90)
    data = bytearray(film.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version, times, id, duration, layer, volume
    assert data[at : at + 36].count(0) < 36
    data[at : at + 36] = bytes(36)
    film.write_bytes(data)
    with open_video(film) as video:
        image = next(iter(read_frames(video)))[0].image
    assert np.abs(np.asarray(image, int) - np.asarray(pictures[0][1], int)).mean() < 12  # turned: 60


def test_a_film_of_few_frames_is_whole(run: Run, tmp_path: Path) -> None:
    film = held_face(tmp_path / "film.avi", [0, 5, 10, 15], codec="mjpeg", fps=0.2)
    assert run(film)[::2] == (0, "")


def test_hdr_is_said(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    with av.open(str(film), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.codec_context.color_trc = 16
        container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64)))))
        container.mux(stream.encode(None))
    with pytest.warns(MienWarning, match=r"HDR \(PQ\)"), open_video(film):
        pass


def test_without_an_encoder_for_h264_films_are_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.inference.video_writer._available", lambda encoder, other: other)
    with open_video_writer(tmp_path / "film.mp4") as writer:
        for time in VARIABLE:
            writer.write(portrait(), time, 0.04)
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.streams.video[0].codec_context.name == "mpeg4"
    assert times(tmp_path / "film.mp4") == pytest.approx(VARIABLE, abs=0.002)


@pytest.mark.parametrize(("degrees", "turn"), [(90, "ROTATE_90"), (180, "ROTATE_180"), (-90, "ROTATE_270")])
def test_turned_films_are_upright(degrees: int, turn: str, run: Run, tmp_path: Path) -> None:
    lying = portrait().resize((256, 192))
    path = write_film(tmp_path / "film.mp4", [(t, lying) for t in STEADY[:5]], rotation=degrees)
    with open_video(path) as video:
        image = next(iter(read_frames(video)))[0].image
    upright = np.asarray(lying.transpose(Image.Transpose[turn])).astype(int)
    assert np.abs(np.asarray(image).astype(int) - upright).mean() < 6
    run(path, "--annotate", tmp_path / "marked.mp4")
    with open_video(tmp_path / "marked.mp4") as video:
        image = next(iter(read_frames(video)))[0].image
    assert image.width / image.height == pytest.approx(upright.shape[1] / upright.shape[0], abs=0.01)


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    squeezed = portrait().resize((256, 512))
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 512, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        container.mux(stream.encode(av.VideoFrame.from_image(squeezed)))
        container.mux(stream.encode(None))
    (frame,) = inference.read_video(path, reader=reader())
    assert frame.image.size == (512, 512)
    (face,), (expected,) = frame.faces, reader().read(PORTRAIT)
    assert face.box == pytest.approx(expected.box, abs=12)


@pytest.mark.parametrize(
    ("codec", "name"),
    [("libsvtav1", "film.mp4"), ("libvpx-vp9", "film.webm"), ("mpeg2video", "film.vob"), ("mpeg2video", "film.mxf"),
     ("wmv2", "film.wmv"), ("mjpeg", "film.avi"), ("mpeg4", "film.insv"), ("libx264", "film.m2ts")],
)  # fmt: skip
def test_codecs_and_containers(codec: str, name: str, run: Run, tmp_path: Path) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"no encoder {codec} in this PyAV")
    made = tmp_path / (name.replace(".insv", ".mp4"))
    held_face(made, STEADY[:50], codec=codec)
    made.rename(tmp_path / name)
    code, out, err = run(tmp_path / name)
    assert (code, err) == (0, "")
    assert "seen 2 s" in out


def test_a_codec_without_decoder_is_named_with_the_command_that_mends_it(run: Run, tmp_path: Path) -> None:
    path = held_face(tmp_path / "my film.mp4", STEADY[:5])
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    code, _, err = run(path)
    assert code == 1
    assert "codec zzz1" in err
    assert f"ffmpeg -i '{path}' -c:v libx264" in err
    assert err.count("\n") == 1


def test_what_plays_no_film_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:3,\nfile:///etc/passwd\n")
    (tmp_path / "concat.mkv").write_text("ffconcat version 1.0\nfile 'film.mp4'\n")
    held_face(tmp_path / "film.mp4", STEADY[:5])
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        tone: Any = container.add_stream("aac", rate=44_100)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 44_100
        container.mux(tone.encode(block))
        container.mux(tone.encode(None))
    for name, reason in (("list.mp4", "not a video"), ("concat.mkv", "not a video"), ("sound.mp4", "only sound")):
        code, out, err = run(tmp_path / name)
        assert (code, out, reason in err, err.count("\n")) == (1, "", True, 1)
    with pytest.raises(MienError, match="the limit is"), open_video(tmp_path / "film.mp4", max_pixels=1000):
        pass


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.flv"])
def test_a_film_cut_short_is_said(run: Run, name: str, tmp_path: Path) -> None:
    options = {"movflags": "faststart"} if name == "film.mp4" else {}
    noise = [Image.effect_noise((128, 96), 80).convert("RGB") for _ in range(5)]
    path = write_film(tmp_path / name, [(i / 25, noise[i % 5]) for i in range(150)], sound=6, options=options)
    assert run(path)[::2] == (0, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, out, err = run(path)
    assert (code, "s: the rest cannot be decoded" in err, out != "") == (1, True, True)


def test_a_film_of_two_recordings_goes_on(tmp_path: Path) -> None:
    path = held_face(tmp_path / "film.ts", STEADY[:50], sound=2)
    (tmp_path / "twice.ts").write_bytes(path.read_bytes() * 2)
    found = times(tmp_path / "twice.ts")
    assert len(found) == 100
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(4, abs=0.2)


def test_the_clock_always_grows() -> None:
    clock = Clock(100.0, 0.04)
    stamps = [100.0, 100.04, 100.04, None, 100.2, 500_000.0, 500_000.04, 3.0, 3.04, None, None]
    found = [clock.seconds(stamp) for stamp in stamps]
    assert found[:2] == pytest.approx([0, 0.04])
    assert (np.diff(found) > 0).all()
    assert found[-1] < 1


def test_damaged_films_end_in_frames_or_one_line(tmp_path: Path) -> None:
    chance = random.Random(1)
    films = [
        held_face(tmp_path / f"film{suffix}", VARIABLE[:30], sound=1) for suffix in (".mp4", ".mkv", ".ts", ".flv")
    ]
    for number in range(80):
        film = films[number % len(films)]
        data = bytearray(film.read_bytes())
        for _ in range(chance.choice((1, 20, 300))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        broken = tmp_path / f"broken{film.suffix}"
        broken.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MienWarning)
            message = ""
            try:
                with open_video(broken) as video, open_video_writer(tmp_path / "out.mp4", 25, video) as writer:
                    for frame, _ in read_frames(video):
                        writer.write(frame.image.resize((64, 64)), frame.time, frame.duration)
            except MienError as error:
                message = str(error)
            assert "\n" not in message


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures and films, as a telephone has it."""
    folder = tmp_path_factory.mktemp("mixed") / "camera"
    (folder / "trip").mkdir(parents=True)
    portrait().save(folder / "a.jpg")
    make_film(folder / "b.mp4", seconds=1)
    make_film(folder / "trip" / "c.MKV", seconds=1)
    (folder / "trip" / "broken.mov").write_bytes(b"no film")
    (folder / "trip" / "code.ts").write_text("export const x = 1;\n" * 50)
    return folder


def test_folders_of_pictures_and_films_are_read(run: Run, mixed: Path, tmp_path: Path) -> None:
    code, _, err = run(mixed, "-o", tmp_path / "out.jsonl", "--every", "0.5s", "--annotate", tmp_path / "marked",
                       "--timeline", tmp_path / "lines", "--overwrite")  # fmt: skip
    assert (code, "broken.mov" in err, "code.ts" in err) == (1, True, False)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    names = [str(mixed / name) for name in ("a.jpg", "b.mp4", "b.mp4", "trip/broken.mov", "trip/c.MKV", "trip/c.MKV")]
    assert [record["source"] for record in records] == names
    assert [record.get("time") for record in records] == [None, 0.0, 0.5, None, 0.0, 0.5]
    assert "error" in records[3]
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert {"marked/a.jpg", "marked/b.mp4", "marked/trip/c.MKV", "lines/b.mp4.csv", "lines/trip/c.MKV.png"} <= made
    run(mixed, "-o", tmp_path / "out.csv", "--every", "0.5s")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert {"error", "width", "time", "frame", "id"} <= rows[0].keys()
    assert [row["source"] for row in rows if row["face"] in ("", "1")] == names


def test_a_list_of_films_is_read(run: Run, mixed: Path) -> None:
    code, out, _ = run(mixed / "b.mp4", mixed / "trip" / "c.MKV", PORTRAIT)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == [
        str(PORTRAIT), str(mixed / "b.mp4"), str(mixed / "trip" / "c.MKV"),
    ]  # fmt: skip
    assert run(mixed / "trip")[0] == 1


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_resume_reads_a_half_read_film_again(run: Run, kind: str, mixed: Path, tmp_path: Path) -> None:
    output = tmp_path / f"out.{kind}"
    run(mixed, "-o", output)
    whole = output.read_bytes()
    lines = whole.splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    assert run(mixed, "-o", output, "--resume")[0] == 1
    assert output.read_bytes() == whole


def test_subtitles_and_further_pictures_that_are_left_out_are_named(run: Run, mixed: Path, tmp_path: Path) -> None:
    text, both = tmp_path / "words.srt", tmp_path / "both.mkv"
    text.write_text("1\n00:00:00,000 --> 00:00:00,500\nhello\n")
    with av.open(str(mixed / "b.mp4")) as film, av.open(str(text)) as words, av.open(str(both), "w") as target:
        pictures = [target.add_stream_from_template(film.streams.video[0]) for _ in range(2)]
        subtitles = [target.add_stream_from_template(words.streams[0])]
        for source, streams in ((words, subtitles), (film, pictures)):
            for packet in source.demux():
                for stream in streams if packet.size else ():
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts, copy.time_base, copy.stream = packet.pts, packet.dts, packet.time_base, stream
                    target.mux(copy)
    code, _, err = run(both)
    assert (code, err.count("\n"), "#0 mpeg4 is read, and not #1 mpeg4" in err) == (0, 1, True), err
    code, _, err = run(both, "--annotate", tmp_path / "out.mp4")
    assert (code, err.count("\n"), "#2 subrip" in err) == (0, 2, True), err


def test_films_are_known_by_suffix_or_contents(run: Run, mixed: Path, tmp_path: Path) -> None:
    for name in ("a.VOB", "a.mxf", "a.insv", "a.m2ts", "a.3gp", "a.wmv", "camera:0"):
        assert is_video(name)
    for name in ("a.jpg", "a.txt", "-", "missing"):
        assert not is_video(name)
    shutil.copy(mixed / "b.mp4", tmp_path / "no suffix")
    shutil.copy(mixed / "trip" / "c.MKV", tmp_path / "film.dat")
    shutil.copy(mixed / "b.mp4", tmp_path / "film.jpg")
    assert run(tmp_path / "no suffix", tmp_path / "film.dat", tmp_path / "film.jpg")[0] == 0
    assert run(tmp_path / "film.jpg", "--every", "0.5s")[0] == 0
    portrait().save(tmp_path / "still.gif")
    still = bytearray((tmp_path / "still.gif").read_bytes())
    still[188] = 0x47  # as a transport stream would have it
    (tmp_path / "still.gif").write_bytes(still)
    assert not is_video(str(tmp_path / "still.gif"))


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("https://example.org//a/film.mp4?x=1&y=2", "curl -L -o film.mp4 'https://example.org//a/film.mp4?x=1&y=2'"),
        ("http://example.org/photo.jpg", "curl -L -o photo.jpg http://example.org/photo.jpg"),
        ("rtsp://10.0.0.1:554/live", "ffmpeg -i rtsp://10.0.0.1:554/live -t 60 -c copy film.mkv"),
        ("https://example.org/a.m3u8", "ffmpeg -i https://example.org/a.m3u8 -c copy film.mkv"),
        ("s3://bucket/a/b.mp4", "aws s3 cp s3://bucket/a/b.mp4 ."),
        ("gs://bucket/b.mp4", "gcloud storage cp gs://bucket/b.mp4 ."),
        ("file:///home/me/a b.mp4", "'/home/me/a b.mp4'"),
    ],
)
def test_addresses_are_refused_with_the_command_that_fetches_them(address: str, command: str, run: Run) -> None:
    code, out, err = run(address)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert address in err
    assert command in err
    with pytest.raises(MienError, match="address"):
        next(inference.read_video(address))
    with pytest.raises(MienError, match="address"):
        reader().read(address)


def test_names_that_are_no_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("C:\\films\\a.mp4", "a/b.mp4", "camera:0", "12:30.mp4", "concat:a.mp4"):
        refuse_address(name)
    monkeypatch.chdir(tmp_path)
    held_face(tmp_path / "film.mp4", STEADY[:5]).rename("concat:a.mp4")
    assert len(times(Path("concat:a.mp4"))) == 5


def test_a_film_in_python(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    frames = list(inference.read_video(film, every=0.5, reader=reader()))
    assert [frame.time for frame in frames] == pytest.approx([i / 2 for i in range(8)])
    assert [frame.index for frame in frames] == [5 * i for i in range(8)]
    assert [[face.id for face in frame.faces] for frame in frames] == [[1]] * 2 + [[1, 2]] * 4 + [[1]] * 2
    assert all(face.emotion in face.probabilities and face.to_dict()["id"] == face.id for face in frames[3].faces)
    assert frames[0].image.size == (480, 270)
    marked = inference.annotate(frames[3].image, frames[3].faces)
    assert isinstance(marked, Image.Image)
    assert marked.size[0] >= 480
    assert len(list(inference.read_video(film, every=0.5, every_frame=True, model=tiny_model()))) == 40
    with pytest.raises(MienError, match="model"):
        next(inference.read_video(film, reader=reader(), model="nano"))
    with pytest.raises(MienError, match="Reader"):
        next(inference.read_video(film, reader="nano"))  # type: ignore[arg-type]
    for source in (film.read_bytes(), io.BytesIO(b"film"), None, 0, ""):
        with pytest.raises(MienError):
            next(inference.read_video(source, reader=reader()))  # type: ignore[arg-type]
    for options in ({"every": -1}, {"baseline": float("nan")}, {"every": "fast"}):
        with pytest.raises(MienError):
            next(inference.read_video(film, reader=reader(), **options))  # type: ignore[arg-type]


def test_annotate_takes_arrays_and_leaves_them() -> None:
    pixels = np.asarray(portrait()).copy()
    before = pixels.copy()
    marked = inference.annotate(pixels, inference.read(pixels, model=tiny_model()))
    assert marked.mode == "RGB"
    assert (pixels == before).all()


def test_a_baseline_is_each_faces_own(run: Run, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    frames = list(inference.read_video(film, baseline=1.0, reader=reader()))
    for id, first in ((1, 0.0), (2, 1.0)):
        seen = [(frame.time, face) for frame in frames for face in frame.faces if face.id == id]
        early = [face.probabilities for time, face in seen if time < first + 0.99]
        mean = {name: np.mean([each[name] for each in early]) for name in early[0]}
        for time, face in seen:
            assert (face.change is None) == (time < first + 0.99)
            if face.change is not None:
                assert sum(face.change.values()) == pytest.approx(0, abs=1e-6)
                for name, change in face.change.items():
                    assert change == pytest.approx(face.probabilities[name] - mean[name], abs=1e-6)
    code, out, _ = run(film, "--baseline", "1s", "--timeline", tmp_path / "course")
    assert (code, "change from its first 1 s" in out) == (0, True)
    rows = list(csv.DictReader((tmp_path / "course.csv").read_text().splitlines()))
    assert rows[0]["change_happy"] == ""
    assert float(rows[-1]["change_happy"]) == pytest.approx(frames[-1].faces[0].change["happy"], abs=1e-5)  # type: ignore[index]
    plain = run(film, "--timeline", tmp_path / "plain")
    assert plain[0] == 0
    assert Image.open(tmp_path / "course.png").height > Image.open(tmp_path / "plain.png").height
    assert "change_happy" not in (tmp_path / "plain.csv").read_text()
    assert "visible for less than 9 s" in run(film, "--baseline", "9s")[1]
    assert run(film, "--baseline", "0s")[0] == 2
    assert run(PORTRAIT, "--baseline", "9s")[0] == 2
