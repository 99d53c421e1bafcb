"""`mien data audit`: its files, its page, the split file, and invalid input."""

import csv
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mien.cli.main import main
from mien.data import Dataset, draw_files, load
from mien.data.split_file import apply_split, write_split
from mien.errors import MienError
from mien.evaluation.audit_report import COLUMNS, FILES, page
from mien.evaluation.audit_rows import REASONS, audit_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 drawn faces; row 95 of train.csv is an exact copy of row 3."""
    path = tmp_path_factory.mktemp("data")
    draw_files(path, 120, seed=2)
    for name in ("train.csv", "icml_face_data.csv"):
        lines = (path / name).read_text().splitlines()
        pixels = lines[4].rpartition(",")[2]
        lines[96] = lines[96].rpartition(",")[0] + "," + pixels
        (path / name).write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def probabilities(folder: Path) -> np.ndarray:
    dataset = load(folder, cache=False)
    chances = np.full((120, 7), 0.02)
    chances[np.arange(120), dataset.labels] = 0.88
    chances[10] = 0.02
    chances[10, (dataset.labels[10] + 1) % 7] = 0.88
    return chances


@pytest.fixture(scope="module")
def output(folder: Path, probabilities: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("audit")
    np.savez(place / "folds.npz", probabilities=probabilities.astype(np.float16))
    argv = ["data", "audit", str(folder), "-o", str(place / "out"), "--no-cache", "--threads", "1"]
    assert main([*argv, "--probabilities", str(place / "folds.npz")]) == 0
    return place / "out"


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_folder_holds_exactly_the_files_of_an_audit(output: Path) -> None:
    assert sorted(path.name for path in output.iterdir()) == sorted(FILES)


def test_the_json_counts_what_the_csv_lists(output: Path) -> None:
    record = json.loads((output / "audit.json").read_text())
    header, *rows = rows_of(output / "audit.csv")
    assert tuple(header) == COLUMNS
    assert record["flagged"] == len(rows)
    for reason in REASONS:
        assert record["reasons"][reason]["all"] == sum(reason in row[3].split("; ") for row in rows)
    assert record["reasons"]["exact duplicate"]["all"] == 2
    assert record["label_errors"]["n"] == record["reasons"]["label error"]["all"] >= 1
    assert record["data"]["n"] == record["statistics"]["all"]["n"] == 120
    assert record["data"]["drawn"] is True
    wrong = next(row for row in rows if row[0] == "10")
    assert "label error" in wrong[3]
    assert wrong[4] == "0"
    assert (float(wrong[7]), float(wrong[8])) == (pytest.approx(0.02, abs=2e-3), pytest.approx(0.88, abs=2e-3))


def test_the_split_file_reads_back_as_what_the_audit_keeps(output: Path, folder: Path) -> None:
    dataset = load(folder, cache=False)
    record = json.loads((output / "audit.json").read_text())
    kept = apply_split(dataset, output / "split.csv")
    assert (kept.usage == "Training").sum() == 96 - record["left_out_of_train"]
    assert (kept.usage == "PublicTest").sum() == (kept.usage == "PrivateTest").sum() == 12
    assert "0 labels changed" in kept.decisions[-1]
    for row, most in ((10, 0), (3, 1)):  # a label error, and an exact duplicate
        assert (kept.images == dataset.images[row]).all(axis=(1, 2)).sum() <= most


def test_the_page_is_one_file_that_asks_for_nothing_and_holds_the_images(output: Path) -> None:
    text = (output / "audit.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:|//)|@import|fetch\(|XMLHttpRequest""", text)
    assert "data:image/jpeg;base64," in text
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])
    assert [each["name"] for each in data["reasons"]] == list(REASONS)
    assert sum(run[1] for run in data["runs"]) == 120
    assert len(data["items"]) == len(rows_of(output / "audit.csv")) - 1


def test_class_names_cannot_break_out_of_the_page(folder: Path) -> None:
    dataset = load(folder, cache=False)
    dataset = replace(dataset, classes=("</script><script>alert(1)</script>", *dataset.classes[1:]))
    text = page(audit_rows(dataset))
    assert "alert(1)</script>" not in text
    assert text.count("<script") == 2


@pytest.fixture
def address(output: Path) -> Iterator[str]:
    """The audit's folder as a web server on this machine shows it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(output)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_page_decides_by_keys_and_saves_a_split(output: Path, folder: Path, tmp_path: Path, address: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = os.environ.get("MIEN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, scheme in ((1280, "dark"), (390, "light")):
            tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            tab.set_default_timeout(20_000)
            faults: list[str] = []
            tab.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
            tab.goto(f"{address}/audit.html")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator(".card").count() == 2  # the two exact duplicates
            for key in ("ArrowRight", "d", "ArrowRight", "2"):
                tab.keyboard.press(key)
            states = [card.get_attribute("data-decision") for card in tab.locator(".card").all()]
            assert states == ["drop", "relabel"]
            tab.reload()
            tab.locator(".card").nth(1).wait_for()
            assert [card.get_attribute("data-decision") for card in tab.locator(".card").all()] == states
            with tab.expect_download() as download:
                tab.click("#save-split")
            download.value.save_as(tmp_path / f"{width}.csv")
            tab.locator(".card").nth(1).focus()
            tab.keyboard.press("u")
            assert tab.locator('.card[data-decision="none"]').count() == 1
            assert not faults
        browser.close()
    dataset = load(folder, cache=False)
    lines = rows_of(tmp_path / "1280.csv")
    assert lines[4] == ["3", "train", dataset.classes[dataset.labels[3]], "0"]
    assert lines[96] == ["95", "train", "disgust", "1"]
    unchanged = [line[2] for i, line in enumerate(lines[1:]) if i != 95]
    assert unchanged == [dataset.classes[label] for i, label in enumerate(dataset.labels) if i != 95]
    assert len(apply_split(dataset, tmp_path / "1280.csv")) > 100


def test_without_probabilities_no_label_errors_are_claimed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "audit", str(folder), "-o", str(tmp_path), "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert "No search for label errors" in out
    assert json.loads((tmp_path / "audit.json").read_text())["label_errors"] is None


def test_a_model_that_saw_the_labels_is_named_as_such(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "audit", str(folder), "-o", str(tmp_path), "--no-cache", "--model", "nano"]) == 0
    assert "finds fewer errors" in capsys.readouterr().out


def test_an_earlier_audit_is_replaced_only_when_told_to(
    output: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["data", "audit", str(folder), "-o", str(output), "--no-cache"]
    before = (output / "audit.json").read_bytes()
    assert main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (output / "audit.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        (b"nothing", "npz"),
        ({"a": np.ones(3), "b": np.ones(3)}, "no array named probabilities"),
        ({"probabilities": np.ones((120, 7), np.int64)}, "floating-point"),
        ({"probabilities": np.full((119, 7), 1 / 7)}, "a row for each image"),
    ],
)
def test_probabilities_that_are_none_are_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, words: str
) -> None:
    path = tmp_path / "folds.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    argv = ["data", "audit", str(folder), "-o", str(tmp_path / "out"), "--no-cache", "--probabilities", str(path)]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small(folder: Path) -> Dataset:
    return load(folder, cache=False).subset(np.arange(80, 120))


def test_a_split_file_takes_other_labels_and_drops_rows(small: Dataset, tmp_path: Path) -> None:
    part = np.array(["train"] * 20 + ["validation"] * 10 + ["test"] * 9 + [""])
    keep = np.arange(40) != 5
    relabeled = replace(small, labels=np.where(np.arange(40) == 2, 6, small.labels))
    write_split(tmp_path / "split.csv", relabeled, part, keep)
    kept = apply_split(small, tmp_path / "split.csv")
    rows = [i for i in range(39) if i != 5]
    np.testing.assert_array_equal(kept.images, small.images[rows])
    np.testing.assert_array_equal(kept.labels, relabeled.labels[rows])
    assert kept.usage.tolist() == ["Training"] * 19 + ["PublicTest"] * 10 + ["PrivateTest"] * 9
    changed = int(small.labels[2] != 6)
    assert kept.decisions[-1] == f"split.csv says the parts: 2 rows left out, {changed} labels changed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("row,part", "index,part", "first line"),
        ("0,train", "1,train", "line 2: expected row,part,label,keep of row 0"),
        ("0,train", "0,learn", "no part 'learn'"),
        ("0,train,", "0,train,bored", "no class"),
        ("\n39,", "\n", "line 41"),
        ("validation", "test", "no labeled rows of the part validation"),
    ],
)
def test_a_split_file_that_is_wrong_says_where(small: Dataset, tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "split.csv"
    part = np.array(["train"] * 20 + ["validation"] * 10 + ["test"] * 10)
    write_split(path, small, part, np.ones(40, bool))
    text = path.read_text()
    path.write_text(text.replace(old, new) if old == "validation" else text.replace(old, new, 1))
    with pytest.raises(MienError, match=words) as caught:
        apply_split(small, path)
    assert "\n" not in str(caught.value)


def test_a_split_file_of_other_data_is_refused(small: Dataset, tmp_path: Path) -> None:
    write_split(tmp_path / "split.csv", small, np.full(40, "train"), np.ones(40, bool))
    with pytest.raises(MienError, match=r"40 rows, .* has 39"):
        apply_split(small.subset(np.arange(39)), tmp_path / "split.csv")
    with pytest.raises(MienError, match="cannot read"):
        apply_split(small, tmp_path / "none.csv")


def test_an_audit_imports_no_torch(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from mien.cli.main import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'cv2', 'matplotlib', 'scipy', 'cleanlab') if name in sys.modules])"
    )
    argv = ["data", "audit", str(folder), "-o", str(tmp_path), "--no-cache"]
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_training_takes_a_split_file_and_keeps_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    dataset = load(folder, cache=False)
    part = np.array(["train"] * 60 + ["validation"] * 30 + ["test"] * 30)
    write_split(tmp_path / "mine.csv", dataset, part, np.arange(120) >= 20)
    argv = ["train", "study/normal", "--data", str(folder), "--runs", str(tmp_path / "runs"), "--name", "cut",
            "--tracker", "none", "--threads", "1", "--epochs", "1"]  # fmt: skip
    assert main([*argv, "--split", str(tmp_path / "mine.csv")]) == 0
    run = tmp_path / "runs" / "cut"
    record = json.loads((run / "recipe.json").read_text())
    assert [record["data"][f"n_{name}"] for name in ("train", "validation", "test")] == [40, 30, 30]
    assert record["split"] == "official"
    assert (run / "split.csv").read_bytes() == (tmp_path / "mine.csv").read_bytes()
    trained = json.loads((run / "metrics.json").read_text())["evaluations"]
    predictions = (run / "predictions-validation.csv").read_text()
    # What is measured later goes by the run's own split file, and has the numbers of the training.
    for source, part in ((run, "validation"), (run / "model.onnx", "test")):
        capsys.readouterr()
        assert main(["evaluate", str(source), "--data", str(folder), "--part", part, "--json"]) == 0
        shown = capsys.readouterr()
        assert json.loads(shown.out)["evaluations"][part] == trained[part]
        assert "warning" not in shown.err
    assert (run / "predictions-validation.csv").read_text() == predictions
    assert {int(line.split(",")[0]) for line in predictions.splitlines()[1:]} == set(range(60, 90))
    capsys.readouterr()
    assert main(["export", str(run), "-o", str(tmp_path / "again.onnx"), "--data", str(folder)]) == 0
    assert "30 validation images" in capsys.readouterr().out
    assert main([*argv, "--split", "nonsense"]) == 2
    assert "nonsense is neither a split nor a file" in capsys.readouterr().err
