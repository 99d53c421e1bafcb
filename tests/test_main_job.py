"""The two multi-step jobs: the quickstart, from nothing to submission.csv, and the study of all networks."""

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from PIL import Image

from mien import data
from mien.cli.main import main
from mien.evaluation import submission
from mien.training import quickstart
from mien.training.study import LINES, plan

QUICK = ["--epochs", "1", "--tracker", "none", "--threads", "1"]


def test_quickstart_without_any_data_draws_its_own_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quickstart, "DRAWN", 300)
    assert main(["quickstart", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "demo, not a result" in out
    assert "synthetic faces (demo)" in out
    run = tmp_path / "runs" / "quickstart"
    assert len(submission.read(run / "submission.csv")) == 60
    assert (run / "figures" / "curves.png").is_file()
    assert json.loads((run / "metrics.json").read_text())["data"]["drawn"] is True

    weights = (run / "weights.safetensors").stat().st_mtime_ns
    assert main(["quickstart", *QUICK]) == 0
    assert "already trained on these data; nothing to do" in capsys.readouterr().out
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


def test_quickstart_does_not_delete_a_run_of_another_recipe(tmp_path, capsys):
    data.draw_files(tmp_path / "data", n=200, seed=1)
    shape = ["--data", str(tmp_path / "data"), "--epochs", "1", "--batch-size", "64", "--tracker", "none"]
    assert main(["train", "baseline", *shape, "--runs", str(tmp_path), "--name", "mine"]) == 0
    before = (tmp_path / "mine" / "metrics.json").read_bytes()
    assert main(["quickstart", "--data", str(tmp_path / "data"), "--run", str(tmp_path / "mine"), *QUICK]) == 2
    assert "contains a run of baseline" in capsys.readouterr().err
    assert (tmp_path / "mine" / "metrics.json").read_bytes() == before


def test_the_study_trains_reports_and_does_nothing_twice(tmp_path, capsys):
    data.draw_files(tmp_path / "data", n=500, seed=1)
    argv = ["study", "--data", str(tmp_path / "data"), "--networks", "normal", "--runs", str(tmp_path / "runs"),
            "--lines", "a", "--seeds", "1", "--jobs", "2", "--output", str(tmp_path / "results"), *QUICK]  # fmt: skip
    assert main(argv) == 0
    table = (tmp_path / "results" / "study.md").read_text()
    assert table.count("| normal |") == 2
    assert (tmp_path / "results" / "study.png").is_file()
    names = {p.name for p in (tmp_path / "results" / "runs").iterdir()}
    assert names == {"study-normal-1", "normal-1"}
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("weights.safetensors")}
    assert len(kept) == 2
    assert main([*argv, "--report-only"]) == 0
    assert main(argv) == 0
    assert kept == {p: p.stat().st_mtime_ns for p in kept}
    data.draw_files(tmp_path / "other", n=200, seed=2)
    argv[2] = str(tmp_path / "other")
    assert main(argv) == 2
    assert "was trained on other data" in capsys.readouterr().err


def test_line_a_has_each_network_in_both_protocols_and_the_hybrid_with_single_elements_too():
    assert {run.folder.name for run in plan(Path("runs"), ["a"], [1]) if run.folder.name.endswith("hybrid-1")} == {
        "study-hybrid-1", "hybrid-1"
    }  # fmt: skip
    assert {run.folder.name for run in plan(Path("runs"), ["a"], [1])} >= {"study-hybrid-element-1", "deep-1"}
    assert len(plan(Path("runs"), ["a"], [1])) == 15


def test_every_training_of_the_plan_has_a_folder_of_its_own_and_no_two_are_the_same():
    planned = plan(Path("runs"))
    assert len({run.folder for run in planned}) == len(planned)
    recipes = [(run.recipe, run.seed, run.split_file) for run in planned]
    assert len(set(recipes)) == len(recipes)
    assert [run.line for run in planned] == sorted((run.line for run in planned), key=LINES.index)


def test_line_b_adds_each_regularizer_alone_and_removes_each_alone():
    recipes = {run.training: run.recipe for run in plan(Path("runs"), ["b"], [1])}
    bare, full = recipes["bare"], recipes["full"]
    for training, recipe in recipes.items():
        base = bare if training.startswith("bare") else full
        changed = {f.name for f in dataclasses.fields(recipe) if getattr(recipe, f.name) != getattr(base, f.name)}
        assert (
            changed <= {"conv_drop", "fc_drop", "drop_kind"} or changed <= {"translate", "scale"} or len(changed) <= 1
        )
    assert (bare.batch_norm, bare.head, bare.conv_drop, bare.augmentation.moves) == (False, "dense", 0.0, False)
    assert (full.batch_norm, full.head, full.drop_kind, full.label_smoothing) == (True, "global_avg", "channel", 0.05)


def test_classes_reach_every_training_of_the_study(tmp_path, capsys):
    argv = ["study", "--plan-only", "--networks", "hybrid", "--lines", "a", "--seeds", "1", "--runs", str(tmp_path)]
    assert main([*argv, "--classes", "rafdb", "--skip-broken"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.endswith("--classes rafdb --skip-broken") for line in lines)


def test_a_submission_has_no_use_for_classes_and_says_why(tmp_path, capsys):
    assert main(["submit", "nano", "--data", str(tmp_path), "--classes", "rafdb"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--classes has no effect here: test.csv has no labels" in err


def test_quickstart_refuses_data_without_a_test_set_before_it_trains(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for seed in range(12):
            face = Image.fromarray(data.draw_face("happy", seed))
            face.save(tmp_path / "faces" / name / f"{seed}.png")
    run = tmp_path / "run"
    assert main(["quickstart", "--data", str(tmp_path / "faces"), "--classes", "as-is", "--run", str(run), *QUICK]) == 2
    assert "holds no test.csv" in capsys.readouterr().err
    assert not run.exists()
