"""A run from start to end through the command line: folder, tracking, resuming, evaluation, submission, export."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image
from safetensors.numpy import load_file

from mien import data
from mien.cli.main import main
from mien.data import ferplus
from mien.errors import MienError, MienWarning
from mien.evaluation import history, submission
from mien.evaluation.classifier import open_classifier
from mien.evaluation.tta import predict_with_tta
from mien.inference.model import open_model
from mien.inference.normalization import normalize_input
from mien.training import predict
from mien.training.finish import logits_of
from mien.training.onnx_export import weights
from mien.training.pretrained import load_pretrained
from mien.training.recipes import recipe
from mien.training.run import load_run
from mien.training.tracking import Guarded, NoTracker, Outcome, RunInfo, tracker

N = 240


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Drawn faces in Kaggle's layouts, and a run on them tracked by wandb offline."""
    folder = tmp_path_factory.mktemp("run")
    data.draw_files(folder / "data", n=N, seed=0)
    before = os.environ.pop("WANDB_API_KEY", None)
    code = main(["train", "quickstart", "--data", str(folder / "data"), "--epochs", "2", "--runs", str(folder),
                 "--name", "first", "--seed", "3", "--threads", "1"])  # fmt: skip
    if before:
        os.environ["WANDB_API_KEY"] = before
    assert code == 0
    return folder


def record_of(place: Path) -> dict:
    return json.loads((place / "first" / "recipe.json").read_text())


def test_the_folder_explains_itself(place):
    run = place / "first"
    found = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file() and "wandb" not in p.parts}
    assert found >= {
        "recipe.json", "history.csv", "metrics.json", "weights.safetensors", "model.onnx", "checkpoint.pt",
        "figures/curves.png", "figures/confusion.png", "figures/reliability.png",
    }  # fmt: skip
    record = json.loads((run / "recipe.json").read_text())
    assert record["network"] == "hybrid"
    assert record["epochs"] == 2
    assert record["seed"] == 3
    assert record["data"]["drawn"] is True
    assert record["data"]["fingerprint"] == data.load(place / "data").fingerprint
    assert record["machine"]["torch"]
    rows = history.read(run / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2]
    summary = json.loads((run / "metrics.json").read_text())
    assert summary["parameters"] == 304_743
    assert summary["verdict"]["kind"]
    assert set(summary["evaluations"]) == {"validation", "test"}


def test_wandb_s_own_tools_read_all_of_it_back(place):
    log = next((place / "first").rglob("*.wandb"))
    wandb = Path(sys.executable).parent / "wandb"
    out = subprocess.run([wandb, "leet", "inspect", "--json", log], capture_output=True, text=True, check=True).stdout
    summary = json.loads(
        subprocess.run(
            [wandb, "leet", "inspect", "--summary", "--json", log], capture_output=True, text=True, check=True
        ).stdout
    )
    assert summary["project"] == "mien"
    assert summary["name"] == "first"
    assert "hybrid-cnn" in out
    assert summary["config"]["learning_rate"] == 0.002
    assert summary["config"]["data"]["drawn"] is True
    assert summary["config"]["mien"]
    kept = summary["summary"]
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy",
                 "generalization_gap", "learning_rate", "images_per_second"):  # fmt: skip
        assert isinstance(kept[name], float), name
    assert kept["curves"]["_type"] == "image-file"
    assert kept["confusion"]["_type"] == "image-file"
    assert "confusion_matrix" in out
    assert kept["test_accuracy"] == kept["val_accuracy"]
    assert isinstance(kept["holdout_accuracy"], float)
    assert record_of(place)["trackers"]["wandb"]
    assert '"mien-first"' in out.replace("\\", "")
    for name in ("model.onnx", "weights.safetensors", "recipe.json", "history.csv"):
        assert name in out


@pytest.mark.timeout(120)
def test_wandb_keeps_the_id_of_a_run_that_goes_on_and_takes_another_project(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "faces")
    config = {"learning_rate": 0.1}
    ids = []
    for session in range(2):
        watch = tracker("wandb")
        ids.append(watch.start(RunInfo("going-on", "hybrid-cnn", config, tmp_path, ids[0] if ids else "")))
        watch.log({"epoch": session + 1, "train_loss": 1.0})
        watch.finish(Outcome({"epochs": session + 1}))
    assert ids[0]
    assert ids[0] == ids[1]
    folders = list((tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) >= 1
    assert all(ids[0] in folder.name for folder in folders)  # wandb adds -1 to a second one of the same second
    wandb = Path(sys.executable).parent / "wandb"
    log = next(folders[0].glob("*.wandb"))
    done = subprocess.run([wandb, "leet", "inspect", "--summary", "--json", log], capture_output=True, check=True)
    assert json.loads(done.stdout)["project"] == "faces"


def test_trackio_keeps_it_too(place, monkeypatch, tmp_path):
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    code = (
        "from mien.cli.main import main; import sys; sys.exit(main(['train','quickstart','--data',"
        f"{str(place / 'data')!r},'--epochs','1','--runs',{str(tmp_path)!r},'--tracker','trackio','--threads','1']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.db")), done.stderr
    assert (tmp_path / "quickstart-1" / "metrics.json").exists()


def test_a_tracker_that_fails_does_not_stop_a_training():
    class Broken(NoTracker):
        def log(self, row):
            raise RuntimeError("no network\nand a long story")

    watch = Guarded(Broken())
    with pytest.warns(MienWarning, match=r"broken failed \(no network\)"):
        watch.log({"epoch": 1})
    watch.log({"epoch": 2})


def test_an_unknown_tracker_is_refused():
    with pytest.raises(ValueError, match="no tracker"):
        tracker("sacred")


def test_the_exported_model_answers_as_the_run(place):
    run = load_run(place / "first")
    faces = data.load(place / "data").images[:50]
    ours = logits_of(run, run.model(), faces)
    model = open_model(place / "first" / "model.onnx")
    assert np.abs(model.logits(faces) - ours).max() < 1e-4
    assert model.classes == run.classes
    assert model.temperature == pytest.approx(run.metrics()["temperature"])


def test_records_count_the_images_that_train_and_keep_the_tracker(place, tmp_path, capsys):
    words = ["--epochs", "1", "--runs", str(tmp_path), "--threads", "1"]
    command = ["train", "quickstart", "--data", str(place / "data"), *words, "--train-fraction", "0.1"]
    assert main([*command, "--tracker", "none", "--name", "tenth"]) == 0
    record = json.loads((tmp_path / "tenth" / "recipe.json").read_text())
    assert 0.05 * N < record["data"]["n_train"] < 0.15 * N
    (tmp_path / "tenth" / "metrics.json").unlink()
    assert main(["train", "--resume", str(tmp_path / "tenth"), "--data", str(place / "data"), "--threads", "1"]) == 0
    assert json.loads((tmp_path / "tenth" / "recipe.json").read_text())["tracker"] == "none"
    assert not list(tmp_path.rglob("wandb"))


@pytest.mark.parametrize(("argv", "words"), [
    (["train", "quickstart", "--data", "{data}", "--nodes", "2"], "--nodes needs torchrun"),
    (["train", "quickstart", "--data", "{data}", "--name", ""], "--name is empty"),
    (["train", "quickstart", "--data", "{data}", "--network", "vgg"], "--progressive-resizing-from"),
    (["submit", "nano", "nano", "--data", "{data}"], "nano is given twice"),
    (["evaluate", "nano", "nano", "--data", "{data}"], "nano is given twice"),
    (["report", "{run}", "{run}", "-o", "{data}/r.html"], "is given twice"),
    (["submit", "nano", "--data", "{data}", "-o", "{data}/answers.json"], "name it .csv"),
    (["submit", "nano", "--data", "{data}", "-o", "{data}/test.csv", "--overwrite"], "one of the input files"),
    (["evaluate", "nano", "--data", "{data}", "-o", "{data}/train.csv", "--overwrite"], "one of the input files"),
    (["evaluate", "nano", "--data", "{data}", "-o", "{data}"], "is a folder"),
    (["export", "{run}", "-o", "{run}/weights.safetensors", "--overwrite"], "does not end in .onnx"),
    (["export", "nano", "-o", "{data}/nano.onnx"], "nano is a shipped model and already a model file"),
    (["data", "draw", ""], "the name of the folder is empty"),
])  # fmt: skip
def test_what_would_mislead_or_destroy_is_refused(place, argv, words, capsys):
    before = {path: path.read_bytes() for path in (place / "data").iterdir() if path.is_file()}
    assert main([word.format(data=place / "data", run=place / "first") for word in argv]) == 2
    assert words in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (place / "data").iterdir() if path.is_file()} == before


def test_a_finished_run_resumes_to_the_same(place, capsys):
    run = place / "first"
    before = (run / "weights.safetensors").read_bytes()
    assert main(["train", "--resume", str(run), "--data", str(place / "data"), "--tracker", "none"]) == 0
    assert (run / "weights.safetensors").read_bytes() == before
    assert len(history.read(run / "history.csv")) == 2


def test_a_model_file_of_a_fold_is_measured_on_that_fold(place, tmp_path):
    argv = ["train", "quickstart", "--data", str(place / "data"), "--epochs", "1", "--split", "kfold", "--fold", "3",
            "--threads", "1", "--tracker", "none", "--runs", str(tmp_path), "--name", "fold"]  # fmt: skip
    assert main(argv) == 0
    dataset, run = data.load(place / "data"), tmp_path / "fold"
    parts = load_run(run).split(dataset)
    assert np.array_equal(open_classifier(run / "model.onnx").split(dataset).validation, parts.validation)
    assert not np.array_equal(data.split(dataset, "kfold").validation, parts.validation)


def test_a_new_last_layer_comes_from_the_seed():
    a, b, c = (load_pretrained("hybrid", recipe("hybrid"), ["x", "y"], seed).state_dict for seed in (1, 1, 2))
    last = [name for name in a if a[name].shape[:1] == (2,)]
    assert last
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not any(torch.equal(a[name], c[name]) for name in last)


def test_ctrl_c_saves_and_says_how_to_go_on(place, tmp_path):
    mien = Path(sys.executable).parent / "mien"
    argv = [mien, "train", "quickstart", "--data", place / "data", "--epochs", "2", "--runs", tmp_path, "--name", "run",
            "--threads", "1", "--tracker", "none"]  # fmt: skip
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "epoch   1/2" in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"mien train --resume {tmp_path / 'run'}" in err
    assert "Traceback" not in err
    assert main(["train", "--resume", str(tmp_path / "run"), "--data", str(place / "data"), "--tracker", "none"]) == 0
    assert len(history.read(tmp_path / "run" / "history.csv")) == 2


def test_evaluate_measures_each_part(place, capsys):
    assert main(["evaluate", str(place / "first"), "--data", str(place / "data"), "--part", "test", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["data"]["trained_on"]
    views = record["evaluations"]["test"]
    assert set(views) == {"single", "flip"}
    low, high = views["single"]["accuracy_interval"]
    assert low <= views["single"]["accuracy"] <= high
    assert sum(map(sum, views["single"]["confusion"])) == views["single"]["n"] == N // 10
    assert json.loads((place / "first" / "evaluation-test.json").read_text()) == record


@pytest.mark.parametrize("source", ["first", "first/model.onnx"])
def test_submit_writes_every_test_row_in_order(place, tmp_path, source):
    out = tmp_path / "submission.csv"
    assert main(["submit", str(place / source), "--data", str(place / "data"), "-o", str(out)]) == 0
    lines = out.read_text().splitlines()
    assert len(lines) == N // 5
    assert set(lines) <= set("0123456")
    made = json.loads(out.with_suffix(".json").read_text())
    assert made["rows"] == N // 5
    run = load_run(place / "first")
    test = data.load_test(place / "data")
    images = normalize_input(test.images, run.recipe.input_normalization)
    model = run.model()
    p = predict_with_tta(lambda faces: predict.logits(model, faces, run.recipe.mean, run.recipe.std), images, "flip")
    assert submission.read(out).tolist() == p.argmax(1).tolist()


@pytest.mark.parametrize(
    ("format", "header", "first"), [("id0", ["id", "emotion"], "0"), ("id1", ["id", "emotion"], "1")]
)
def test_submit_in_other_layouts(place, tmp_path, format, header, first):
    out = tmp_path / "s.csv"
    assert (
        main(["submit", str(place / "first"), "--data", str(place / "data"), "-o", str(out), "--format", format]) == 0
    )
    rows = list(csv.reader(out.open()))
    assert rows[0] == header
    assert rows[1][0] == first
    like = tmp_path / "like.csv"
    again = ["submit", str(place / "first"), "--data", str(place / "data"), "-o", str(like), "--format", f"like:{out}"]
    assert main(again) == 0
    assert like.read_text() == out.read_text()


def test_export_in_each_size(place, tmp_path, capsys):
    common = ["export", str(place / "first"), "--data", str(place / "data")]
    assert main([*common, "-o", str(tmp_path / "m.onnx")]) == 0
    assert "every prediction equal" in capsys.readouterr().out
    assert main([*common, "-o", str(tmp_path / "m8.onnx"), "--int8"]) == 0
    said = capsys.readouterr().out
    assert "int8 on" in said
    assert main([*common, "-o", str(tmp_path / "m16.onnx"), "--float16"]) == 0
    assert "float16 weights on" in capsys.readouterr().out
    assert main([*common, "-o", str(tmp_path / "mw.onnx"), "--int8-weights"]) == 0
    assert "int8 weights on" in capsys.readouterr().out
    big, half, small, rounded = (open_model(tmp_path / f"{name}.onnx") for name in ("m", "m16", "m8", "mw"))
    assert rounded.path.stat().st_size < 0.3 * big.path.stat().st_size
    for model in (rounded, small):
        with pytest.raises(MienError, match="cannot be trained"):
            weights(model.path)
    assert small.path.stat().st_size < 0.5 * big.path.stat().st_size
    assert half.path.stat().st_size < 0.55 * big.path.stat().st_size
    faces = data.load(place / "data").images[:200]
    told = [json.loads(model.metadata["training"])["validation_accuracy"] for model in (big, small)]
    assert f"accuracy {told[1]:.2%} against {told[0]:.2%}" in said
    assert (small.logits(faces).argmax(1) == big.logits(faces).argmax(1)).mean() > 0.9
    assert np.abs(half.logits(faces) - big.logits(faces)).max() < 0.02
    assert (rounded.logits(faces).argmax(1) == big.logits(faces).argmax(1)).mean() > 0.97
    assert weights(half.path).keys() == weights(big.path).keys()


def test_export_puts_a_smaller_model_before_a_run(place, tmp_path, capsys):
    out, small = tmp_path / "both.onnx", place / "first" / "model.onnx"
    argv = ["export", str(place / "first"), "-o", str(out), "--fast-model", str(small)]
    assert main([*argv, "--data", str(place / "data"), "--escalation-rate", "0.5"]) == 0
    assert "with first in front, this model classifies 50" in capsys.readouterr().out
    faces = data.load(place / "data").images[:50]
    one, both = open_model(small), open_model(out)
    assert both.classify(faces) == pytest.approx(one.classify(faces), abs=1e-5)  # of the same opinion twice
    out.unlink()
    for wrong, said in (
        ([], "give them with --data"),
        (["--data", str(place / "data"), "--escalation-rate", "1.5"], "between 0 and 1"),
        (["--data", str(place / "data"), "--fast-model", "nobody"], "no model 'nobody'"),
    ):
        assert main([*argv, *wrong]) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()


def test_export_compares_on_drawn_faces_and_refuses_other_classes_and_unfinished_runs(place, tmp_path, capsys):
    assert main(["export", str(place / "first"), "-o", str(tmp_path / "m.onnx")]) == 0
    assert "drawn faces" in capsys.readouterr().out
    two = tmp_path / "two"
    for name in ("a", "b"):
        (two / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(data.draw_face("happy", i)).save(two / name / f"{i}.png")
    argv = ["export", str(place / "first"), "-o", str(tmp_path / "n.onnx")]
    assert main([*argv, "--int8", "--data", str(two)]) == 2
    assert "was trained on" in capsys.readouterr().err
    shutil.copytree(place / "first", tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "n.onnx")]) == 2
    assert "is not finished" in capsys.readouterr().err
    assert not (tmp_path / "n.onnx").exists()


def test_several_networks_are_averaged(place, tmp_path):
    one, two = place / "first", place / "first" / "model.onnx"
    assert main(["submit", str(one), str(two), "--data", str(place / "data"), "-o", str(tmp_path / "s.csv")]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["model"] == "first + first"
    faces = data.load(place / "data").images[:20]
    both, single = open_classifier([one, two]), open_classifier(one)
    assert np.allclose(both.probabilities(faces), single.probabilities(faces), atol=1e-4)


def test_evaluates_models_and_under_corruptions(place, tmp_path, capsys):
    model = str(place / "first" / "model.onnx")
    assert main(["evaluate", model, "--data", str(place / "data"), "--json"]) == 0
    assert {"single", "flip"} == set(json.loads(capsys.readouterr().out)["evaluations"]["validation"])
    assert main(["evaluate", model, "--data", str(place / "data"), "--corruptions", "-o", str(tmp_path / "r.md")]) == 0
    assert (tmp_path / "r.md").read_text() == capsys.readouterr().out
    assert "first/model.onnx | blur |" in (tmp_path / "r.md").read_text()


def test_evaluates_on_the_votes_of_fer_plus(place, tmp_path, capsys):
    shutil.copytree(place / "data", tmp_path / "data")
    dataset = data.load(tmp_path / "data")
    known = dataset.labels >= 0
    column = [ferplus.TAGS.index(name) for name in ferplus.SEVEN]
    lines = [f"Usage,Image name,{','.join(ferplus.TAGS)}"]
    for usage, label in zip(dataset.usage[known], dataset.labels[known], strict=True):
        counts = [0] * len(ferplus.TAGS)
        counts[column[label]], counts[ferplus.TAGS.index("NF")] = 8, 2
        lines.append(f"{usage},a.png,{','.join(map(str, counts))}")
    (tmp_path / "data" / ferplus.NAME).write_text("\n".join(lines) + "\n")
    common = ["evaluate", str(place / "first"), "--data", str(tmp_path / "data"), "--tta", "single", "--json"]
    assert main(common) == 0
    own = json.loads(capsys.readouterr().out)["evaluations"]["validation"]["single"]
    assert main([*common, "--labels", "fer+"]) == 0
    voted = json.loads(capsys.readouterr().out)[str(place / "first")]["single"]
    assert voted["n"] == voted["n_soft"] == own["n"]
    assert voted["majority"] == voted["soft"] == pytest.approx(own["accuracy"])


def test_fine_tuning_begins_with_the_given_weights_on_classes_of_one_s_own(place, tmp_path, capsys):
    from PIL import Image

    faces = data.load(place / "data")
    for k, name in ((3, "yes"), (4, "no"), (5, "perhaps")):
        for i in np.flatnonzero(faces.labels == k)[:20]:
            path = tmp_path / "mine" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(faces.images[i]).save(path)
    for source in (place / "first", place / "first" / "model.onnx"):
        name = f"tuned-{source.name}"
        assert main(["train", "quickstart", "--data", str(tmp_path / "mine"), "--pretrained", str(source), "--epochs",
        "2",
                     "--teacher", str(source), "--tracker", "none", "--runs", str(tmp_path), "--name",
                     name]) == 0  # fmt: skip
        told = capsys.readouterr().err
        assert "splitting it 70/15/15" in told
        assert "training without it" in told
        model = open_model(tmp_path / name / "model.onnx")
        assert set(model.classes) == {"yes", "no", "perhaps"}


def test_a_tuning_killed_before_its_first_checkpoint_begins_again_with_the_given_weights(place, tmp_path):
    run = tmp_path / "tuned"
    assert main(["train", "quickstart", "--data", str(place / "data"), "--pretrained", str(place / "first"),
    "--epochs", "1",
                 "--tracker", "none", "--runs", str(tmp_path), "--name", "tuned", "--threads", "1"]) == 0  # fmt: skip
    assert json.loads((run / "recipe.json").read_text())["pretrained"] == str(place / "first")
    before = load_file(run / "weights.safetensors")
    for name in ("checkpoint.pt", "history.csv", "metrics.json", "weights.safetensors", "model.onnx"):
        (run / name).unlink()
    assert (
        main(["train", "--resume", str(run), "--data", str(place / "data"), "--tracker", "none", "--threads", "1"]) == 0
    )
    after = load_file(run / "weights.safetensors")
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("argv", "says"), [
    (["train"], "no recipe given"),
    (["train", "hybird"], "did you mean 'hybrid'"),
    (["train", "hybrid", "--learnig-rate", "1"], "did you mean --learning-rate"),
    (["train", "hybrid", "--epochs", "many"], "--epochs: 'many' is not a whole number; see"),
    (["train", "hybrid", "--epochs", "0", "--data", "{data}"], "epochs = 0"),
    (["train", "hybrid", "--data", "nowhere"], "nowhere"),
    (["train", "--resume", "nowhere"], "recipe.json does not exist"),
    (["train", "--resume", "{place}/first", "--pretrained", "hybrid"], "remove the recipe's name"),
    (["train", "--resume", "{place}/first", "--epochs", "50"], "remove the recipe's name, its fields"),
    (["train", "quickstart", "--data", "{data}", "--precision", "fp16"], "--precision = fp16"),
    (["train", "quickstart", "--data", "{data}", "--devices", "0"], "--devices = 0"),
    (["train", "quickstart", "--data", "{data}", "--threads", "-1"], "--threads = -1"),
    (["train", "quickstart", "--data", "{data}", "--seed", "-1"], "--seed = -1"),
    (["train", "quickstart", "--data", "{data}", "--accelerator", "mps"], "cannot train on 'mps'"),
    (["train", "quickstart", "--data", "{data}", "--labels", "fer+"], "--labels: "),
    (["train", "quickstart", "--data", "{data}", "--pretrained", "nano"], "nano cannot be trained: it is an 8-bit"),
    (["train", "quickstart", "--data", "{data}", "--name", "../evil"], "--name = ../evil"),
    (["train", "quickstart", "--data", "{data}", "--runs", "{place}", "--name", "first"], "already contains a run"),
    (["train", "quickstart", "--data", "{data}", "--pretrained", "nothing"], "no model 'nothing'"),
    (["train", "quickstart", "--data", "{data}", "--teacher", "nothing"], "no model 'nothing'"),
    (["train", "deep", "--data", "{data}", "--pretrained", "{place}/first"], "another network"),
    (["evaluate", "nowhere", "--data", "{data}"], "no model 'nowhere'"),
    (["submit", "nowhere", "--data", "{data}"], "nowhere"),
    (["submit", "{place}/first", "--data", "{data}", "--format", "xml"], "xml"),
    (["export", "{place}/first", "--int8"], "--data"),
    (["study", "--networks", "deeep", "--data", "{data}"], "--networks = deeep is not possible"),
    (["quickstrat"], "did you mean 'quickstart'"),
])  # fmt: skip
def test_wrong_input_gets_one_line_and_exit_code_2(place, tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    argv = [a.format(data=place / "data", place=place) for a in argv]
    try:
        code = main(argv)
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_help_and_version_need_none_of_the_heavy_packages():
    code = (
        "import sys; from mien.cli.main import main; main(['--help']); main(['--version']);"
        "bad = {'torch','numpy','cv2','onnxruntime','PIL','pandas','matplotlib'} & set(sys.modules); sys.exit(str(bad) "
        "if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_only_the_training_wing_imports_torch():
    code = (
        "import sys, mien.data, mien.evaluation.metrics, mien.evaluation.diagnose, mien.evaluation.submission, "
        "mien.evaluation.audit;"
        "import mien.inference.reader; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).returncode == 0
