"""Outputs of `mien read` for videos: checked before writing, counted once, cleaned up on termination."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from read_fixtures import PORTRAIT, Run, make_film, reading, tiny_model, write_film


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return reading(capfd)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of film."""
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", seconds=1)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film in a folder of its own, whose second half is missing."""
    noise = [Image.effect_noise((128, 96), 80).convert("RGB") for _ in range(5)]
    path = write_film(tmp_path_factory.mktemp("cut") / "half.mkv", [(i / 10, noise[i % 5]) for i in range(60)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_folder_may_be_named_as_a_film_is(run: Run, film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "holiday.mp4"
    folder.mkdir()
    (folder / "one.mp4").write_bytes(film.read_bytes())
    (folder / "two.jpg").write_bytes(PORTRAIT.read_bytes())
    code, out, err = run(folder)
    assert (code, str(folder / "one.mp4") in out, str(folder / "two.jpg") in out) == (0, True, True)
    assert "is a folder" not in err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-o", "film.csv", "--timeline", "film"], "-o and --timeline would both write"),
        (["--csv", "-o", "t.png", "--timeline", "t", "--overwrite"], "-o and --timeline would both write"),
        (["--csv", "-o", "m.mp4", "--annotate", "m.mp4", "--overwrite"], "-o and --annotate would both write"),
        (["-o", "out.csv", "--annotate", "m.webm"], "name it .mp4, .mov, .mkv or .avi"),
        (["-o", "out.csv", "--annotate", "file/m.mp4"], "file is a file; choose another folder"),
        (["-o", "out.csv", "--timeline", "file/m"], "file is a file; choose another folder"),
        (["-o", "out.csv", "--annotate", "there.mp4"], "there.mp4 exists; replace it with --overwrite"),
        (["-o", "out.csv", "--timeline", "there"], "there.png exists; replace it with --overwrite"),
        (["-o", "out.csv", "--timeline", "folder"], "folder.csv: it is a folder"),
    ],
)
def test_nothing_is_written_where_one_of_the_outputs_cannot_be(
    options: list[str], reason: str, run: Run, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file", "there.mp4", "there.png"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    code, out, err = run(film, *options)
    assert (code, out, reason in err, err.count("\n")) == (2, "", True, 1), err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert (tmp_path / "there.mp4").read_text() == "mine"


def test_the_outputs_of_several_films_are_checked_before_the_first(run: Run, film: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "films" / name).write_bytes(film.read_bytes())
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "b.mp4").write_text("mine")
    code, _, err = run(tmp_path / "films", "-o", tmp_path / "out.csv", "--annotate", tmp_path / "made")
    assert (code, "b.mp4 exists" in err, (tmp_path / "out.csv").exists()) == (2, True, False)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["b.mp4"]
    one, other = tmp_path / "films" / "a.mp4", tmp_path / "films" / "b.mp4"
    code, _, err = run(one, other, "--annotate", tmp_path / "films", "--overwrite")
    assert (code, "would overwrite" in err, other.read_bytes() == film.read_bytes()) == (2, True, True)


def test_a_film_cut_short_in_a_folder_is_counted_once_and_has_its_error(run: Run, cut: Path, tmp_path: Path) -> None:
    code, _, err = run(cut.parent, "-o", tmp_path / "out.jsonl")
    assert (code, "mien: 1 video read, 0 faces in it, truncated\n" in err) == (1, True), err
    *frames, last = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert len(frames) > 5
    assert all("error" not in frame for frame in frames)
    assert (last["source"], "the rest cannot be decoded" in last["error"]) == (str(cut), True)
    assert run(cut.parent, "-o", tmp_path / "out.csv")[0] == 1
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [bool(row["error"]) for row in rows] == [False] * len(frames) + [True]
    before = (tmp_path / "out.csv").read_bytes()
    run(cut.parent, "-o", tmp_path / "out.csv", "--resume")
    assert (tmp_path / "out.csv").read_bytes() == before


def test_one_is_no_plural(run: Run, film: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PORTRAIT.read_bytes())
    assert "mien: 1 image read, 1 face" in run(tmp_path)[2]
    (tmp_path / "a.mp4").write_bytes(film.read_bytes())
    (tmp_path / "b.mp4").write_bytes(film.read_bytes())
    assert "mien: 1 image read, 1 face, 2 videos read, 4 faces in them" in run(tmp_path)[2]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
def test_a_closed_terminal_leaves_no_half_film(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.avi", seconds=200, size=(160, 120))
    out = tmp_path / "made" / "out.mp4"
    command = [sys.executable, "-m", "mien", "read", str(film), "--annotate", str(out), "--quiet"]
    process = subprocess.Popen([*command, "--model", str(tiny_model())], stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("made/.out*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "stopped" in err, "Traceback" in err) == (130, True, False)
    assert not list(tmp_path.glob("made/.*"))
