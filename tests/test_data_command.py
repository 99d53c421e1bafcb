"""`mien data` from the command line: output, files and errors."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from data_layouts import tree
from mien.cli.main import main
from mien.data import draw_files


def mien(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """As from a shell without anybody at the keyboard."""
    return subprocess.run(
        [sys.executable, "-m", "mien", *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=os.environ | environment,
    )  # fmt: skip


def test_info_tells_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = draw_files(tmp_path, n=100, seed=0)
    assert main(["data", "info", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "icml_face_data.csv (emotion, pixels and Usage) + test.csv (pixels, no labels)" in out
    assert dataset.fingerprint in out
    assert "for demonstrations only" in out
    table = [line.split() for line in out.splitlines()]
    assert ["Training", *map(str, dataset.counts("Training").values()), "0", "80"] in table
    assert ["all", *map(str, dataset.counts().values()), "0", "100"] in table
    assert "groups of exact copies" in out
    assert "contradicting labels" in out


def test_info_of_own_pictures_with_a_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a/1", "a/2", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (60, 50), "gray").save(tmp_path / f"{name}.jpg")
    sheet = tmp_path / "out" / "sheet.png"
    assert main(["data", "info", str(tmp_path), "--sheet", str(sheet)]) == 0
    out = capsys.readouterr().out
    assert "pictures in 2 class folders" in out
    assert "1 groups of exact copies (3 of 3 images)" in out
    with Image.open(sheet) as picture:
        assert min(picture.size) > 100


def test_draw_then_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "draw", str(tmp_path / "faces"), "--n", "50", "--seed", "3"]) == 0
    assert "50 faces drawn by mien (seed 3)" in capsys.readouterr().out
    assert {file.name for file in (tmp_path / "faces").iterdir()} >= {"train.csv", "test.csv", "icml_face_data.csv"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "absent"], "there is nothing at absent"),
        (["info", ".", "--sheet", "x.jpg"], "x.png"),
        (["draw", "x", "--n", "0"], "0 faces"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_fetch_without_a_token_tells_how_and_does_not_ask(tmp_path: Path) -> None:
    pytest.importorskip("kagglehub")
    home = {"HOME": str(tmp_path), "KAGGLE_CONFIG_DIR": str(tmp_path), "KAGGLEHUB_CACHE": str(tmp_path / "hub")}
    nobody = dict.fromkeys(("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_KERNEL_RUN_TYPE"), "")
    done = mien("data", "fetch", tmp_path / "data", **home, **nobody)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("mien: Kaggle wants a token")
    assert "https://www.kaggle.com/settings/api" in done.stderr
    assert "/rules" in done.stderr
    assert "mien data draw" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_fetch_without_kagglehub(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert main(["data", "fetch"]) == 2
    assert 'pip install ".[data]"' in capsys.readouterr().err


def test_fetch_puts_what_kaggle_sends_into_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.data import fetch, load

    hub = tmp_path / "hub" / "files"
    draw_files(hub, n=30, seed=0)
    (hub / "DRAWN_BY_MIEN.txt").unlink()
    kaggle = type(sys)("kagglehub")
    kaggle.competition_download = lambda handle: str(tmp_path / "hub")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle)
    files = fetch.fetch(tmp_path / "data")
    assert sorted(file.name for file in files) == ["icml_face_data.csv", "test.csv", "train.csv"]
    assert len(load(tmp_path / "data")) == 30
    (tmp_path / "data" / "train.csv").write_text("mine")
    assert fetch.fetch(tmp_path / "data") == files
    assert (tmp_path / "data" / "train.csv").read_text() == "mine"
    shutil.rmtree(hub)
    with pytest.raises(fetch.MienError, match="holds none of"):
        fetch.fetch(tmp_path / "data")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "KaggleApiHTTPError", "wants a token"),
        (403, "KaggleApiHTTPError", "accept the competition's rules"),
        (500, "KaggleApiHTTPError", "failed"),
        (None, "ConnectionError", "cannot be reached"),
    ],
)
def test_what_kaggle_refuses_is_told(
    status: int | None, kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.data import fetch

    error = type(kind, (Exception,), {})("many\nlines")
    if status:
        error.response = type("Response", (), {"status_code": status})()

    def download(handle: str) -> str:
        raise error

    kaggle = type(sys)("kagglehub")
    kaggle.competition_download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle)
    with pytest.raises(fetch.MienError, match=words) as caught:
        fetch.fetch("data")
    assert "\n" not in str(caught.value)


def test_nothing_heavy_is_imported_to_load(tmp_path: Path) -> None:
    draw_files(tmp_path, n=10, seed=0)
    code = (
        "import sys; from mien.data import load, split; d = load(sys.argv[1]); split(d, 'kfold', folds=2);"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'matplotlib', 'cv2', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_control_characters_in_class_names_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree(tmp_path, ["a\x1b[31mb", "sad"], 10)
    assert main(["data", "info", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "a\\x1b[31mb" in shown
