"""`mien read` on videos and cameras: streaming frames, stable face ids, a timeline."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien import Face, read_video
from mien.cli.inputs import parse_seconds
from mien.cli.progress import Progress
from mien.cli.read_video import Outputs, VideoOptions, read_one
from mien.cli.records import csv_columns, open_writer
from mien.cli.timeline import plot_timeline
from mien.errors import MienError, MienWarning
from mien.inference.tracker import Tracker
from mien.inference.video import Video, open_video, read_frames
from mien.inference.video_writer import open_video_writer
from mien.labels import EMOTIONS
from read_fixtures import Run, make_film, portrait, reader, reading, tiny_model, write_film

COLUMNS = csv_columns(EMOTIONS, images=False, videos=True)
QUIET = Progress(None, "s", quiet=True)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return reading(capfd)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, ten frames a second, two faces."""
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4")


def face(x: float, y: float = 0, size: float = 100, happy: float = 0.5) -> Face:
    chances = {"happy": happy, "sad": 1 - happy}
    best = max(chances, key=lambda name: chances[name])
    box = (round(x), round(y), round(size), round(size))
    return Face(best, chances[best], chances, box, 0.9, {}, np.zeros((48, 48), np.uint8), "")


def numbers(tracker: Tracker, faces: list[Face], time: float) -> list[int]:
    """The number of each face, in the order of `faces`."""
    ids = {one.box: one.id for one in tracker.update(faces, time)}
    return [ids[each.box] for each in faces]


def test_faces_keep_their_numbers_while_they_move_cross_over_or_blink_away() -> None:
    tracker = Tracker()
    for step in range(20):
        left, right = face(10 * step), face(600 - 10 * step, 300)
        order = [left, right] if step % 2 else [right, left]
        assert numbers(tracker, order, step * 0.2) == ([1, 2] if step % 2 else [2, 1]) or step == 0
        if step == 0:
            tracker = Tracker()
            assert numbers(tracker, [left, right], 0.0) == [1, 2]
    assert numbers(tracker, [], 4.0) == []
    assert numbers(tracker, [face(200)], 4.4) == [1]  # gone for a moment
    assert numbers(tracker, [face(200)], 9.0) == [3]  # gone for long: somebody new


def test_a_fast_face_is_followed_but_another_far_away_is_new() -> None:
    tracker = Tracker()
    assert numbers(tracker, [face(0)], 0) == [1]
    assert numbers(tracker, [face(65)], 0.2) == [1]
    assert numbers(tracker, [face(400)], 0.4) == [2]
    assert numbers(tracker, [face(400, size=300)], 0.6) == [3]


def test_probabilities_are_smoothed_by_time_and_not_by_frames() -> None:
    after = {}
    for step in (0.05, 0.1, 0.25):
        tracker = Tracker()
        tracker.update([face(0, happy=1.0)], 0)
        for i in range(1, round(1 / step) + 1):
            (one,) = tracker.update([face(0, happy=0.0)], i * step)
        after[step] = one.probabilities["happy"]
        assert sum(one.probabilities.values()) == pytest.approx(1)
    assert all(value == pytest.approx(np.exp(-1 / 0.5), abs=1e-6) for value in after.values())
    tracker = Tracker()
    tracker.update([face(0, happy=0.9)], 0)
    (one,) = tracker.update([face(0, happy=0.2)], 0.1)
    assert one.emotion == "happy"  # one odd frame does not turn the answer
    assert one.confidence == one.probabilities["happy"]


@pytest.mark.parametrize(("text", "seconds"), [("0.2s", 0.2), ("200ms", 0.2), (".5", 0.5), ("3", 3), ("1m", 60)])
def test_times_are_understood(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "fast", "-1s", "1h30", "nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(MienError):
        parse_seconds(text)


@pytest.mark.parametrize(("every", "count"), [(0, 40), (0.1, 40), (0.2, 20), (0.25, 16), (1, 4), (60, 1)])
def test_frames_are_read_as_often_as_asked(film: Path, every: float, count: int) -> None:
    with open_video(str(film)) as opened:
        assert opened.fps == pytest.approx(10)
        assert opened.length == pytest.approx(4)
        found = list(read_frames(opened, every))
    assert len(found) == 40
    due = [frame for frame, is_due in found if is_due]
    assert len(due) == count
    assert all(frame.image is not None and frame.image.size == (480, 270) for frame in due)
    assert [frame.time for frame, _ in found] == pytest.approx([i / 10 for i in range(40)], abs=0.02)
    assert all(abs(frame.time - i * max(every, 0.1)) <= 0.051 for i, frame in enumerate(due))


def test_ids_stay_however_seldom_a_film_is_read(film: Path) -> None:
    for every in (0.5, 1.9):
        frames = [frame for frame in read_video(film, every=every) if frame.faces]
        assert len(frames) >= 2, every
        assert {frame.faces[0].id for frame in frames} == {1}, every


def test_a_film_becomes_records_with_stable_ids(run: Run, film: Path) -> None:
    code, out, err = run(film, "--jsonl")
    assert (code, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["time"] for record in records] == pytest.approx([i / 5 for i in range(20)], abs=0.02)
    ids = [[one["id"] for one in record["faces"]] for record in records]
    assert ids == [[1]] * 5 + [[1, 2]] * 10 + [[1]] * 5
    first = [record["faces"][0]["box"][0] for record in records]
    assert first == sorted(first)
    assert first[-1] > first[0] + 60
    _, out, _ = run(film, "--csv", "--every", "1s")
    rows = list(csv.DictReader(out.splitlines()))
    assert [(row["time"], row["id"]) for row in rows] == [
        ("0.0", "1"), ("1.0", "1"), ("1.0", "2"), ("2.0", "1"), ("2.0", "2"), ("3.0", "1")
    ]  # fmt: skip
    _, out, _ = run(film)
    assert "2 faces" in out
    assert "#1" in out
    assert "0:01.0 to 0:02.8" in out


def test_the_timeline_is_a_csv_and_a_plot(run: Run, film: Path, tmp_path: Path) -> None:
    assert run(film, "--timeline", tmp_path / "sub" / "course.png")[0] == 0
    rows = list(csv.DictReader((tmp_path / "sub" / "course.csv").read_text().splitlines()))
    assert len(rows) == 30
    for row in rows:
        assert sum(float(share) for name, share in row.items() if name.startswith("p_")) == pytest.approx(1, abs=1e-5)
    plot = Image.open(tmp_path / "sub" / "course.png")
    assert plot.width == 1500
    assert plot.height > 300
    assert len(plot.convert("RGB").getcolors(1 << 24)) > 10


def test_timelines_of_nobody_of_one_moment_and_of_many(tmp_path: Path) -> None:
    head = "source,time,frame,faces,face,id,emotion,confidence,p_a,p_b,x,y,w,h,score\n"
    cases = {
        "nobody": "".join(f"f,{i},{i},0,,,,,,,,,,,\n" for i in range(5)),
        "moment": "f,0.0,0,1,1,1,a,0.7,0.7,0.3,1,1,9,9,0.9\n",
        "nothing": "",
        "many": "".join(
            f"f,{t},{t},9,{n},{n},a,0.7,0.7,0.3,1,1,9,9,0.9\n" for t in range(30) for n in range(1, 10) if t % n == 0
        ),
    }
    for name, text in cases.items():
        (tmp_path / f"{name}.csv").write_text(head + text)
        plot_timeline(tmp_path / f"{name}.csv", tmp_path / f"{name}.png", name)
        assert Image.open(tmp_path / f"{name}.png").width == 1500
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MienError, match="not the timeline"):
        plot_timeline(tmp_path / "other.csv", tmp_path / "other.png", "")


@pytest.mark.parametrize("name", ["out.mp4", "out.avi", "out.mkv"])
def test_an_annotated_film_has_every_frame(run: Run, film: Path, name: str, tmp_path: Path) -> None:
    assert run(film, "--annotate", tmp_path / name, "--every", "1s")[0] == 0
    with open_video(str(tmp_path / name)) as made:
        shown = [frame.image for frame, _ in read_frames(made)]
    assert len(shown) == 40
    assert shown[0] is not None
    assert shown[0].size == (640, 360)  # small films are enlarged, for the labels


def test_what_a_film_makes_is_replaced_only_when_asked(run: Run, film: Path, tmp_path: Path) -> None:
    for name, option in (("notes.csv", "notes"), ("notes.png", "notes")):
        (tmp_path / name).write_text("mine")
        assert run(film, "--timeline", tmp_path / option)[0] == 2
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    (tmp_path / "old.mp4").write_text("mine")
    assert run(film, "--annotate", tmp_path / "old.mp4")[0] == 2
    assert (tmp_path / "old.mp4").read_text() == "mine"
    assert run(film, "--annotate", tmp_path / "old.mp4", "--timeline", tmp_path / "notes", "--overwrite")[0] == 0


def test_annotating_does_not_write_over_the_film(run: Run, film: Path) -> None:
    before = film.read_bytes()
    assert run(film, "--annotate", film)[0] == 2
    assert film.read_bytes() == before
    assert run(film, "--annotate", film.with_suffix(".gif"))[0] == 2


def test_an_annotated_film_may_be_given_a_folder_and_never_replaces_its_source(
    run: Run, film: Path, tmp_path: Path
) -> None:
    (tmp_path / "marked").mkdir()
    assert run(film, "--annotate", tmp_path / "marked", "--every", "1s")[0] == 0
    assert (tmp_path / "marked" / "film.mp4").exists()
    before = film.read_bytes()
    for source in (film, film.parent):
        code, _, err = run(source, "--csv", "-o", film, "--overwrite")
        assert (code, err.count("\n"), film.read_bytes() == before) == (2, 1, True)


def test_a_single_film_that_cannot_be_read_gets_a_record_with_its_error(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(b"no film")
    code, out, err = run(path, "--json")
    assert (code, err.count("\n")) == (1, 1)
    (record,) = json.loads(out)
    assert (record["source"], "not a video" in record["error"]) == (str(path), True)
    assert run(path, "-o", tmp_path / "out.csv")[0] == 1
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert (row["source"], row["faces"], row["error"]) == (str(path), "0", record["error"])


def test_a_film_asked_for_is_written_although_nobody_reads_the_records(film: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mien", "read", str(film), "--jsonl", "--every", "0", "--quiet"]
    command += ["--annotate", str(tmp_path / "out.mp4"), "--model", str(tiny_model())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0
    with open_video(str(tmp_path / "out.mp4")) as made:
        assert len(list(read_frames(made))) == 40


def alone(*arguments: str | Path) -> tuple[int, str, str]:
    """`mien read` in a process of its own: OpenCV is told to be quiet when it is imported."""
    command = [sys.executable, "-m", "mien", "read", *map(str, arguments), "--model", str(tiny_model())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_what_is_no_film(film: Path, tmp_path: Path) -> None:
    for name, data in (("empty.mp4", b""), ("text.avi", b"words" * 100), ("half.mp4", film.read_bytes()[:900])):
        path = tmp_path / name
        path.write_bytes(data)
        code, out, err = alone(path)
        assert (code, out) == (1, "")
        assert name in err
        assert err.count("\n") == 1
    code, _, err = alone(tmp_path / "missing.mp4")
    assert code == 1
    assert "missing.mp4" in err


def test_a_film_cut_short_is_read_as_far_as_it_goes_with_a_warning(tmp_path: Path) -> None:
    whole = make_film(tmp_path / "whole.avi", seconds=8)
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    with open_video(tmp_path / "cut.avi") as opened, pytest.warns(MienWarning, match="cannot be decoded"):
        found = list(read_frames(opened))
    assert 20 < len(found) < 60


def test_a_camera_that_is_not_there_is_one_line() -> None:
    code, out, err = alone("camera:97")
    assert (code, out) == (1, "")
    assert err.startswith("mien: no camera 97")
    assert err.count("\n") == 1
    assert alone("camera:front")[0] == 1


def live(video: Video) -> Video:
    return replace(video, live=True, length=0.0)


def test_a_camera_prints_a_line_when_something_changes(film: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_video(str(film)) as opened, open_writer(None, "table", COLUMNS) as writer:
        rows, end = read_one(reader(), live(opened), writer, QUIET, options=VideoOptions(every=0))
    out = capfd.readouterr().out
    assert end == "whole"
    assert [row["id"] for row in rows] == [1, 2]
    assert "#1" in out.splitlines()[0]
    assert 2 <= len(out.splitlines()) < 40


def test_control_c_ends_a_film_and_keeps_what_was_made(film: Path, tmp_path: Path) -> None:
    count = 0

    def show(picture: Image.Image) -> bool:
        nonlocal count
        count += 1
        if count == 12:
            raise KeyboardInterrupt
        return True

    with (
        open_video(str(film)) as opened,
        open_writer(tmp_path / "out.jsonl", "jsonl", COLUMNS) as writer,
    ):
        outputs = Outputs(tmp_path / "out.mp4", tmp_path / "course")
        _, end = read_one(reader(), opened, writer, QUIET, outputs, VideoOptions(every=0, show=show))
    assert end == "stopped"
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 12
    assert (tmp_path / "course.png").exists()
    with open_video(str(tmp_path / "out.mp4")) as made:
        assert len(list(read_frames(made))) == 12


def test_a_closed_window_ends_the_camera(film: Path) -> None:
    shown: list[tuple[int, int]] = []

    def show(picture: Image.Image) -> bool:
        shown.append(picture.size)
        return len(shown) < 5

    with open_video(str(film)) as opened, open_writer(None, "jsonl", COLUMNS) as writer:
        read_one(reader(), live(opened), writer, QUIET, options=VideoOptions(every=0, show=show))
    assert len(shown) == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_no_display_is_a_clear_line() -> None:
    code = "from mien.cli.window import Window\nWindow('x')"
    hidden = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=hidden, timeout=60)
    assert "there is no display" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(not os.environ.get("DISPLAY"), reason="needs a display (xvfb-run)")
def test_the_window_shows_pictures_until_it_is_closed() -> None:
    from mien.cli.window import Window

    window = Window("test")
    assert window.show(portrait())
    window.close()
    window.close()
    assert not window.show(portrait())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of file size are a Unix thing")
@pytest.mark.parametrize("name", ["out.avi", "out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("sound", [0, 2])
def test_a_full_disk_leaves_no_half_film(name: str, sound: float, tmp_path: Path) -> None:
    noise = [Image.effect_noise((128, 96), 80).convert("RGB") for _ in range(5)]
    film = write_film(tmp_path / "film.mp4", [(i / 10, noise[i % 5]) for i in range(20)], sound=sound)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))"
    code = f"import sys\n{limit}\nfrom mien.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    out = tmp_path / "made" / name
    command = [sys.executable, "-c", code, "read", str(film), "--annotate", str(out), "--timeline", str(out)]
    done = subprocess.run([*command, "--model", str(tiny_model())], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, f"mien: cannot write {out}: File too large; choose another folder\n")
    assert [path.name for path in out.parent.iterdir()] == [f"{name}.csv"]


def test_a_film_writer_refuses_names_it_has_no_format_for(tmp_path: Path) -> None:
    with pytest.raises(MienError, match=r"\.mp4"), open_video_writer(tmp_path / "out.xyz", 10):
        pass


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
def test_memory_stays_flat_on_a_long_film(tmp_path: Path) -> None:
    long = make_film(tmp_path / "long.avi", seconds=30, size=(160, 120))
    marks: dict[int, int] = {}

    def memory(picture: Image.Image) -> bool:
        marks[len(marks)] = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        return True

    with open_video(str(long)) as opened, open_writer(tmp_path / "out.csv", "csv", COLUMNS) as writer:
        read_one(reader(), opened, writer, QUIET, options=VideoOptions(every=2, show=memory))
    assert len(marks) == 300
    assert marks[299] - marks[100] < 8_000_000
