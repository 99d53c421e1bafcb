"""The two jobs made of many: the quickstart, from nothing to submission.csv, and the study of the whole family."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from mien import data
from mien.cli.main import main
from mien.evaluation import submission
from mien.training import quickstart
from mien.training.study import VARIATIONS, plan

QUICK = ["--epochs", "1", "--tracker", "none", "--threads", "1"]


def test_quickstart_without_any_data_draws_its_own_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quickstart, "DRAWN", 300)
    assert main(["quickstart", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "demo, not a result" in out
    assert "drawn faces (demo)" in out
    run = tmp_path / "runs" / "quickstart"
    assert len(submission.read(run / "submission.csv")) == 60
    assert (run / "figures" / "curves.png").is_file()
    assert json.loads((run / "metrics.json").read_text())["drawn"] is True

    weights = (run / "weights.safetensors").stat().st_mtime_ns
    assert main(["quickstart", *QUICK]) == 0
    assert "nothing to do again" in capsys.readouterr().out
    assert (run / "weights.safetensors").stat().st_mtime_ns == weights

    assert main(["quickstart", "--epochs", "2", *QUICK[2:]]) == 0
    assert "epoch   2/2" in capsys.readouterr().err


def test_quickstart_takes_the_files_that_are_in_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data.draw_files("data", n=200, seed=1)
    assert main(["quickstart", *QUICK]) == 0
    assert not (tmp_path / "runs" / "quickstart" / "drawn-faces").exists()
    assert len(submission.read("runs/quickstart/submission.csv")) == 40


def test_quickstart_refuses_a_place_without_data(tmp_path, capsys):
    assert main(["quickstart", "--data", str(tmp_path / "nothing"), "--run", str(tmp_path / "run"), *QUICK]) == 2
    assert "nothing" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_study_trains_reports_and_does_nothing_twice(tmp_path, capsys):
    data.draw_files(tmp_path / "data", n=800, seed=1)
    argv = ["study", "--data", str(tmp_path / "data"), "--networks", "normal", "hybrid", "--runs", str(tmp_path / "runs"),
            "--output", str(tmp_path / "results"), *QUICK]  # fmt: skip
    assert main(argv) == 0
    table = (tmp_path / "results" / "study.md").read_text()
    assert table.count("| normal |") == 2
    assert table.count("| hybrid |") == 2
    assert (tmp_path / "results" / "study.png").is_file()
    names = {p.name for p in (tmp_path / "results" / "runs").iterdir()}
    assert names == {"study-normal-1", "study-hybrid-1", "normal-1", "hybrid-1"}
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("weights.safetensors")}
    assert len(kept) == 4
    assert main([*argv, "--report-only"]) == 0
    assert main(argv) == 0
    assert kept == {p: p.stat().st_mtime_ns for p in kept}
    data.draw_files(tmp_path / "other", n=200, seed=2)
    argv[2] = str(tmp_path / "other")
    assert main(argv) == 2
    assert "was trained on other data" in capsys.readouterr().err


def test_every_variation_changes_its_recipe_and_has_a_folder_of_its_own():
    planned = plan(Path("runs"), ["dropout", "hybrid"], ["study", "variations"], seed=1)
    assert len({p.folder for p in planned}) == len(planned) == 2 + len(VARIATIONS)
    plain = {p.recipe.name: p.recipe for p in planned if p.training == "study"}
    for p in planned:
        if p.training != "study":
            assert p.recipe != plain[p.recipe.name]
