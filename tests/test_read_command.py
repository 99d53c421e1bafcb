"""`mien read` on pictures and folders: outputs, exit codes, and behavior on failures."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.cli.main import main
from read_fixtures import PORTRAIT, crowd, make_model, portrait, reader, tiny_model

MODEL = ("--model", str(tiny_model()))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run `mien read` in this process; returns exit code, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["read", *map(str, arguments), *(() if "--model" in arguments else MODEL)])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder as people have them: pictures, a folder in it, notes, hidden files, and things that are broken."""
    folder = tmp_path / "album"
    (folder / "b day").mkdir(parents=True)
    portrait().resize((200, 200)).save(folder / "a.jpg")
    crowd(2, 1, 90).save(folder / "b day" / "two.PNG")
    Image.new("RGB", (60, 60), (9, 90, 9)).save(folder / "c.webp")
    (folder / "half.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    (folder / "notes.txt").write_text("no picture")
    (folder / "._a.jpg").write_bytes(b"resource fork")
    (folder / "z broken.jpg").symlink_to("nowhere.jpg")
    (folder / "b day" / "back").symlink_to("..")
    (folder / "circle.png").symlink_to("circle.png")
    return folder


NAMES = ["a.jpg", "b day/two.PNG", "c.webp", "circle.png", "half.jpg", "z broken.jpg"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def mien(*arguments: str | Path, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """`mien read` in a process of its own; `before` is Python code that runs first in it."""
    code = f"import sys\n{before}\nfrom mien.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "read", *map(str, arguments), *MODEL]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_one_photo_gives_a_table_for_people(run: Run) -> None:
    code, out, err = run(PORTRAIT)
    (face,) = reader().read(PORTRAIT)
    assert code == 0
    assert err == ""
    assert "512x512, 1 face" in out
    assert face.emotion in out
    assert f"{face.confidence:.0%}".replace("%", " %") in out
    code, out, _ = run("--cropped", PORTRAIT)
    assert (code, "512x512 at 0,0" in out) == (0, True)


def test_the_old_name_of_cropped_works_and_says_the_new_one(run: Run) -> None:
    code, out, err = run("--whole", "--jsonl", PORTRAIT)
    assert code == 0
    assert json.loads(out)["faces"][0]["box"] == [0, 0, 512, 512]
    assert "--cropped" in err


def test_names_cannot_command_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b[31m\x9b2J\u202e.jpg"
    evil.write_bytes(PORTRAIT.read_bytes())
    broken = tmp_path / "b\x1b]0;title\x07.jpg"
    broken.write_bytes(b"no picture")
    code, out, err = run(tmp_path)
    assert code == 1
    assert "\\x1b[31m" in out
    assert "\\x1b]0" in err
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*out, *err}
    assert "\x1b" not in run(tmp_path / "missing\x1b[2J.mp4")[2]


def test_json_jsonl_and_csv_say_the_same(run: Run) -> None:
    expected = [face.to_dict() for face in reader().read(PORTRAIT)]
    _, out, _ = run(PORTRAIT, "--json")
    (record,) = json.loads(out)
    assert record == {
        "source": str(PORTRAIT), "model": "tiny", "width": 512, "height": 512, "faces": expected
    }  # fmt: skip
    _, out, _ = run(PORTRAIT, "--jsonl")
    assert json.loads(out) == record
    _, out, _ = run(PORTRAIT, "--csv")
    (row,) = csv.DictReader(out.splitlines())
    assert row["emotion"] == expected[0]["emotion"]
    assert [int(row[side]) for side in "xywh"] == expected[0]["box"]
    for name, share in expected[0]["probabilities"].items():
        assert float(row[f"p_{name}"]) == share


def test_a_folder_is_read_in_order_and_bad_files_are_reported_and_counted(
    run: Run, album: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    code, out, err = run(album, "-o", output)
    assert code == 1
    assert out == ""
    records = lines(output)
    assert [record["source"] for record in records] == [str(album / name) for name in NAMES]
    assert [len(record.get("faces", ())) for record in records] == [1, 2, 0, 0, 0, 0]
    for record in records[3:]:
        assert record["error"] in err
        assert Path(record["source"]).name in record["error"]
    assert "3 images read, 3 faces, 3 not read" in err
    assert "Traceback" not in err
    code, _, _ = run(album / "a.jpg", album / "c.webp")
    assert code == 0


def test_every_output_of_a_folder_agrees(run: Run, album: Path, tmp_path: Path) -> None:
    _, out, _ = run(album, "--json")
    from_json = json.loads(out)
    run(album, "-o", tmp_path / "faces.json")
    assert json.loads((tmp_path / "faces.json").read_text()) == from_json
    run(album, "-o", tmp_path / "faces.jsonl", "--threads", "3", "--batch", "2")
    threaded = lines(tmp_path / "faces.jsonl")
    for one, other in zip(threaded, from_json, strict=True):
        assert one["source"] == other["source"]
        assert [face["box"] for face in one.get("faces", ())] == [face["box"] for face in other.get("faces", ())]
    run(album, "-o", tmp_path / "faces.csv")
    rows = list(csv.DictReader((tmp_path / "faces.csv").read_text().splitlines()))
    assert [row["source"] for row in rows] == [str(album / name) for name in [NAMES[0], NAMES[1], *NAMES[1:]]]
    assert [row["faces"] for row in rows] == ["1", "2", "2", "0", "0", "0", "0"]
    assert all(row["error"] for row in rows[4:])


def test_the_model_can_be_chosen_and_brings_its_classes(run: Run, tmp_path: Path) -> None:
    own = make_model(tmp_path / "own.onnx", ("cat", "dog"), name="pets")
    _, out, _ = run(PORTRAIT, "--jsonl", "--model", str(own))
    record = json.loads(out)
    assert record["model"] == "pets"
    assert set(record["faces"][0]["probabilities"]) == {"cat", "dog"}


def test_a_picture_from_standard_input() -> None:
    with open(PORTRAIT, "rb") as file:
        done = mien("-", "--jsonl", stdin=file)
    record = json.loads(done.stdout)
    assert (done.returncode, record["source"], len(record["faces"])) == (0, "stdin", 1)
    done = mien("-", stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "0 bytes" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [PORTRAIT, "--explain"],
        [PORTRAIT, "--resume"],
        [PORTRAIT, "--every", "1s"],
        [PORTRAIT, "--ray-address", "x"],
        [PORTRAIT, "--no-view"],
        [PORTRAIT, "--overwrite"],
        [PORTRAIT, "--timeline", "x"],
        [PORTRAIT, "--max-pixels", "many"],
        [PORTRAIT, "--max-pixels", "0"],
        [PORTRAIT, "--min-score", "7"],
        [PORTRAIT, "--threads", "0"],
        [PORTRAIT, "--batch", "0"],
        [PORTRAIT, "--model", "nobody"],
        [PORTRAIT, "--model", PORTRAIT],
        [PORTRAIT, "-o", "out.xlsx"],
        [PORTRAIT, "-o", PORTRAIT / "out.csv"],
        [PORTRAIT, "--annotate", "out.mp4"],
        [PORTRAIT, "camera:0"],
        ["http://example.org//film.mp4"],
        ["film.mp4", "--cropped"],
        [""],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, arguments: list[str | Path], tmp_path: Path) -> None:
    os.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("mien: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    code, out, err = run(tmp_path / "missing.jpg", "--json")
    assert code == 1
    assert "missing.jpg" in err
    assert "missing.jpg" in json.loads(out)[0]["error"]
    code, out, err = run(PORTRAIT, "--max-pixels", "0.1M")
    assert code == 1
    assert "--max-pixels" in err
    assert run(PORTRAIT, "--max-pixels", "1M")[0] == 0
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", "--json")[:2] == (0, "[\n]\n")


def test_annotated_copies_of_a_photo_and_of_a_folder(run: Run, album: Path, tmp_path: Path) -> None:
    code, _, _ = run(PORTRAIT, "--annotate", tmp_path / "one.png", "--explain")
    assert code == 0
    assert Image.open(tmp_path / "one.png").format == "PNG"
    crowd(1, 1, 90).save(album / "still.gif")
    out = album / "marked"
    run(album, "--annotate", out, "-o", tmp_path / "out.jsonl")
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert made == ["a.jpg", "b day/two.PNG", "c.webp", "still.gif.png"]
    # A second run does not read the first one's copies.
    run(album, "--annotate", out, "-o", tmp_path / "again.jsonl", "--overwrite")
    assert [r["source"] for r in lines(tmp_path / "again.jsonl")] == [
        r["source"] for r in lines(tmp_path / "out.jsonl")
    ]
    twins = tmp_path / "twins"
    run(PORTRAIT, album / "a.jpg", PORTRAIT, "--annotate", twins)
    assert sorted(path.name for path in twins.iterdir()) == ["a.jpg", "astronaut-2.jpg", "astronaut.jpg"]


def test_annotating_never_writes_over_the_pictures_themselves(run: Run, album: Path, tmp_path: Path) -> None:
    before = (album / "a.jpg").read_bytes()
    assert run(album / "a.jpg", "--annotate", album / "a.jpg")[0] == 2
    assert run(album, "--annotate", album)[0] == 2
    assert run(album / "a.jpg", "--annotate", album)[0] == 2
    assert (album / "a.jpg").read_bytes() == before


def test_other_annotated_pictures_are_replaced_only_when_asked(run: Run, album: Path, tmp_path: Path) -> None:
    precious, out = tmp_path / "precious.jpg", tmp_path / "out"
    precious.write_bytes(b"mine")
    code, _, err = run(album / "a.jpg", "--annotate", precious)
    assert (code, precious.read_bytes()) == (2, b"mine")
    assert "--overwrite" in err
    run(album, "--annotate", out)
    assert run(album, "--annotate", out)[0] == 2
    assert run(album / "a.jpg", "--annotate", precious, "--overwrite")[0] == 0
    # Resumed: copies that were made before their record was written are made again.
    assert run(album, "--annotate", out, "-o", tmp_path / "out.csv", "--resume")[0] == 1
    code, _, err = run(PORTRAIT, album / "a.jpg", "--annotate", tmp_path / "two.jpg")
    assert code == 2
    assert "give a folder" in err


def test_names_that_the_system_refuses_are_one_line_each(run: Run, tmp_path: Path) -> None:
    long = "a" * 300 + ".jpg"
    code, out, err = run(long, PORTRAIT)
    assert code == 1
    assert "File name too long" in err
    assert "512x512, 1 face" in out
    (tmp_path / "folder.jsonl").mkdir()
    for wrong in (
        ("-o", long + ".csv"), ("--annotate", long), ("--model", long), ("-o", tmp_path / "folder.jsonl",
        "--overwrite"),
        ("-o", "/dev/null", "--jsonl", "--overwrite"), ("--resume", "--overwrite", "-o", tmp_path / "x.csv"),
    ):  # fmt: skip
        code, _, err = run(PORTRAIT, *wrong)
        assert (code, len(err.splitlines())) == (2, 1), wrong


def test_no_output_is_written_over_what_is_read(run: Run, album: Path, tmp_path: Path) -> None:
    photo = album / "a.jpg"
    before = photo.read_bytes()
    (tmp_path / "link.csv").symlink_to(photo)
    for output in (photo, tmp_path / "link.csv"):
        for source in (photo, album):
            code, out, err = run(source, "--csv", "-o", output, "--overwrite")
            assert (code, out, err.count("\n"), "would overwrite" in err) == (2, "", 1, True)
    assert photo.read_bytes() == before
    with photo.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "mien", "read", "-", "--csv", "-o", str(photo), "--overwrite", *MODEL],
            stdin=file, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, "would overwrite" in done.stderr, photo.read_bytes()) == (2, True, before)


def test_an_animation_is_one_picture_and_says_so(run: Run, tmp_path: Path) -> None:
    frames = [portrait().resize((200, 200)), portrait().resize((200, 200)).rotate(3)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    code, _, err = run(tmp_path / "two.gif")
    assert (code, err.count("\n")) == (0, 1)
    assert "has 2 frames, and the first is read; all of them as a film: ffmpeg -i" in err
    assert run(PORTRAIT, "--batch", "0")[0] == 2


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or sys.platform == "win32", reason="no such signal here")
def test_a_process_that_is_told_to_end_leaves_nothing_half_written(tmp_path: Path) -> None:
    for i in range(400):
        (tmp_path / f"{i:03}.jpg").symlink_to(PORTRAIT)
    command = [sys.executable, "-m", "mien", "read", str(tmp_path), "-o", str(tmp_path / "out.json"), "--quiet", *MODEL]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".out*")) and process.poll() is None:
        time.sleep(0.02)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "mien: stopped\n")
    assert not list(tmp_path.glob("*out*"))


def test_an_existing_output_is_not_overwritten_unasked(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert run(PORTRAIT, "-o", output)[0] == 0
    first = output.read_bytes()
    code, _, err = run(PORTRAIT, PORTRAIT, "-o", output)
    assert (code, output.read_bytes()) == (2, first)
    assert "--resume" in err
    assert run(PORTRAIT, PORTRAIT, "-o", output, "--overwrite")[0] == 0
    assert len(output.read_text().splitlines()) == 3


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_job_killed_at_any_byte_is_resumed_to_the_same_output(
    run: Run, kind: str, album: Path, tmp_path: Path
) -> None:
    whole = tmp_path / f"whole.{kind}"
    run(album, "-o", whole)
    expected = whole.read_bytes()
    part = tmp_path / f"part.{kind}"
    rng = np.random.default_rng(0)
    for cut in [0, 1, len(expected) - 1, len(expected), *rng.integers(0, len(expected), 8)]:
        part.write_bytes(expected[:cut])
        code, _, _ = run(album, "-o", part, "--resume")
        assert code == 1
        assert part.read_bytes() == expected, cut


def test_resume_reads_only_what_is_missing(run: Run, album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    run(album, "-o", output)
    crowd(1, 1, 100).save(album / "new.jpg")
    code, _, err = run(album, "-o", output, "--resume")
    assert "1 image read, 1 face, 3 not read, 6 skipped (already done)" in err
    assert code == 1
    assert len(lines(output)) == 7


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_resume_refuses_a_file_that_is_not_its_own(run: Run, kind: str, album: Path, tmp_path: Path) -> None:
    output = tmp_path / f"out.{kind}"
    for text in ("hello\nworld\n", '{"a": 1}\n{"a": 2}\n', "name,age\nx,3\n"):
        output.write_text(text)
        assert run(album, "-o", output, "--resume")[0] == 2
        assert output.read_text() == text
    for text in ("my only notes\n", "my only notes", '{"my": "config"}\n', "name"):
        output.write_text(text)
        assert run(album, "-o", output, "--resume")[0] == 2
        assert output.read_text() == text
    twin = make_model(tmp_path / "twin.onnx", name="another of the same classes")
    other = make_model(tmp_path / "other.onnx", ("a", "b"), name="other")
    run(album, "-o", output, "--overwrite")
    assert run(album, "-o", output, "--resume", "--model", str(twin))[0] == 2
    run(album, "-o", output, "--overwrite")
    before = output.read_bytes()
    code, _, err = run(album, "-o", output, "--resume", "--model", str(other))
    assert (code, output.read_bytes()) == (2, before)
    assert "choose another -o" in err
    assert run(album, "-o", tmp_path / "out.json", "--resume")[0] == 2


def test_a_process_killed_half_way_is_resumed(tmp_path: Path) -> None:
    folder, output = tmp_path / "many", tmp_path / "out.jsonl"
    folder.mkdir()
    for i in range(60):
        (folder / f"{i:03}.jpg").symlink_to(PORTRAIT)
    command = [sys.executable, "-m", "mien", "read", str(folder), "-o", str(output), "--batch", "2", *MODEL]
    job = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (output.exists() and output.read_bytes().count(b"\n") >= 6):
        time.sleep(0.005)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    done = len([line for line in output.read_bytes().split(b"\n")[:-1] if json.loads(line)])
    assert done >= 6
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"{done} skipped (already done)" in again.stderr or done == 60
    assert [record["source"] for record in lines(output)] == [str(folder / f"{i:03}.jpg") for i in range(60)]


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of file size are a Unix thing")
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_full_disk_leaves_whole_records(kind: str, tmp_path: Path) -> None:
    folder, output = tmp_path / "many", tmp_path / f"out.{kind}"
    folder.mkdir()
    for i in range(30):
        (folder / f"{i:03}.jpg").symlink_to(PORTRAIT)
    done = mien(folder, "-o", output, before=LIMIT)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--resume" in done.stderr
    text = output.read_text()
    assert text.endswith("\n")
    assert 2000 < len(text) <= 3000
    if kind == "jsonl":
        assert all("source" in record for record in lines(output))
    again = mien(folder, "-o", output, "--resume")
    assert again.returncode == 0, again.stderr
    assert len(output.read_text().splitlines()) == 30 + (kind == "csv")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of file size are a Unix thing")
def test_a_full_disk_leaves_no_half_picture_and_no_half_json(tmp_path: Path) -> None:
    done = mien(PORTRAIT, "--annotate", tmp_path / "out.jpg", before=LIMIT)
    assert done.returncode == 2
    assert "out.jpg" in done.stderr
    done = mien(*[PORTRAIT] * 12, "-o", tmp_path / "out.json", before=LIMIT)
    assert done.returncode == 2
    assert "out.json" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_standard_output_that_takes_nothing_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mien", "read", str(PORTRAIT), "--json", *MODEL],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("mien: cannot write to standard output")
    assert done.stderr.count("\n") == 1


def test_a_reader_of_the_output_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m mien read {PORTRAIT} {PORTRAIT} {PORTRAIT} --jsonl {' '.join(MODEL)} | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == '{"source":'
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


# Root may read and write everything: give that up, as any other user.
AS_OTHERS = "import ctypes; [ctypes.CDLL(None).prctl(24, capability) for capability in (1, 2)]"


def as_others(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = f"{AS_OTHERS}\nimport os, sys\nos.execv(sys.executable, [sys.executable, '-m', 'mien', *sys.argv[1:]])"
    command = [sys.executable, "-c", code, "read", *map(str, arguments), *MODEL]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drops capabilities as on Linux")
def test_folders_and_files_that_may_not_be_read_or_written(album: Path, tmp_path: Path) -> None:
    closed, secret, shut = album / "b day", album / "c.webp", tmp_path / "shut"
    shut.mkdir()
    try:
        closed.chmod(0)
        secret.chmod(0)
        shut.chmod(0o555)
        done = as_others(album, "-o", tmp_path / "out.jsonl")
        assert done.returncode == 1, done.stderr
        assert f"cannot list the folder {closed}: Permission denied" in done.stderr
        assert f"cannot open {secret}: Permission denied" in done.stderr
        assert [record["source"] for record in lines(tmp_path / "out.jsonl")] == [
            str(album / name) for name in ["a.jpg", "b day", *NAMES[2:]]
        ]
        for option, name in (
            ("-o", "out.csv"),
            ("-o", "out.json"),
            ("--annotate", "deep/out"),
            ("--annotate", "x.jpg"),
        ):
            done = as_others(PORTRAIT, option, shut / name)
            assert done.returncode == 2, done.stderr
            assert "Permission denied" in done.stderr
            assert done.stderr.count("\n") == 1
    finally:
        closed.chmod(0o755)
        secret.chmod(0o644)
        shut.chmod(0o755)


def test_names_that_are_no_text_are_written_back_as_they_are(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    name = os.fsdecode(os.fsencode(folder) + b'/caf\xe9 "x",\n.jpg')
    try:
        Path(name).write_bytes(PORTRAIT.read_bytes())
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    assert run(folder)[0] == 0
    for kind in ("jsonl", "csv"):
        output = tmp_path / f"out.{kind}"
        assert run(folder, "-o", output)[0] == 0
        code, _, err = run(folder, "-o", output, "--resume")
        assert code == 0
        assert "1 skipped (already done)" in err
    assert lines(tmp_path / "out.jsonl")[0]["source"] == name


def test_progress_says_how_fast_and_how_long_still(capsys: pytest.CaptureFixture[str]) -> None:
    from mien.cli.progress import Progress, duration

    progress = Progress(1000, "pictures")
    progress.started -= 10
    progress.shown -= 60
    progress.step(100, ", 7 faces")
    assert "100/1,000 pictures, 10.0/s, 1 min 30 s left, 7 faces" in capsys.readouterr().err
    assert [duration(s) for s in (4.2, 75, 3661)] == ["4 s", "1 min 15 s", "1 h 01 min"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
def test_memory_stays_flat_however_many_pictures_there_are(tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.new("L", (64, 64), 90).save(small)
    reader().read(small)

    def grown(count: int) -> int:
        for _ in reader().read_many((small for _ in range(count)), batch=16):
            pass
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    first = grown(50)
    assert grown(600) - first < 8_000_000
