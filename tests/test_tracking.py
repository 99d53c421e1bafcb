"""Trackers without a training: where runs go, their ids when resumed, what is stored."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from PIL import Image

from mien.errors import MienError
from mien.training.tracking import MlflowTracker, Outcome, RunInfo, TensorBoardTracker, Tracker

ROW = {"train_loss": 1.5, "train_accuracy": 0.4, "test_loss": 1.6, "test_accuracy": 0.35}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "hybrid-1"
    path.mkdir(parents=True)
    for name in ("model.onnx", "weights.safetensors", "recipe.json", "history.csv"):
        (path / name).write_text(name)
    Image.new("RGB", (8, 8), "red").save(path / "curves.png")
    return path


def track(
    tracker: Tracker, folder: Path, epochs: tuple[int, ...], id: str = "", finish: bool = True
) -> tuple[str, str]:
    """A run of some epochs, as a training tells of it. Returns its id and the last line."""
    name = tracker.start(RunInfo(folder.name, "hybrid-cnn", {"learning_rate": 0.002, "seed": 1}, folder, id))
    for epoch in epochs:
        tracker.log({"epoch": epoch, **ROW})
    files = [folder / name for name in ("model.onnx", "weights.safetensors", "recipe.json", "history.csv")]
    labels = np.array([0, 1, 1])
    outcome = Outcome(
        {"holdout_accuracy": 0.3, "verdict": "good fit"}, ("happy", "sad"), labels, labels,
        {"curves": folder / "curves.png"}, files,
    )  # fmt: skip
    return name, tracker.finish(outcome)


def test_tensorboard_has_each_epoch_and_the_figures(folder):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, line = track(TensorBoardTracker(), folder, (1, 2))
    assert f"tensorboard --logdir {folder.parent}" in line
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("test_accuracy")] == [1, 2]
    assert events.Scalars("final/holdout_accuracy")[0].value == pytest.approx(0.3)
    assert "curves" in events.Tags()["images"]


def test_mlflow_keeps_a_run_in_files_and_goes_on_with_it(folder, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    name, line = track(MlflowTracker(), folder, (1,))
    again, _ = track(MlflowTracker(), folder, (2,), name)
    assert again == name
    place = (folder.parent / "mlruns").as_uri()
    assert place in line
    client = mlflow.MlflowClient(tracking_uri=place)
    run = client.get_run(name)
    assert run.info.run_name == "hybrid-1"
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.002"
    assert run.data.tags["group"] == "hybrid-cnn"
    assert run.data.tags["verdict"] == "good fit"
    for key in ROW:
        assert [metric.step for metric in client.get_metric_history(name, key)] == [1, 2]
    kept = {item.path for at in ("model", "figures") for item in client.list_artifacts(name, at)}
    assert kept == {"model/model.onnx", "model/weights.safetensors", "model/recipe.json", "model/history.csv",
                    "figures/curves.png"}  # fmt: skip


def test_a_broken_folder_does_not_block_a_name(tmp_path):
    from mien.training.lock import free_folder

    (tmp_path / "hybrid-1").mkdir()
    (tmp_path / "hybrid-1" / "recipe.json").write_text('{"format": 2, "epochs": 1.5}')
    assert free_folder(tmp_path, "hybrid", 1).name == "hybrid-1-2"


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ".", "/tmp/evil", "a\\b", 5])
def test_a_run_stays_in_its_folder(tmp_path, name):
    from mien.training.lock import run_folder

    with pytest.raises(MienError, match="the name of one folder") as error:
        run_folder(tmp_path, name, "hybrid", 1)
    assert error.value.parameter == "name"
    assert run_folder(tmp_path, "mine", "hybrid", 1) == tmp_path / "mine"


def test_a_sweep_may_train_one_recipe_and_seed_often(tmp_path):
    """A second run of a name that is finished gets a folder of its own; one that is not finished is found again."""
    from mien.training.lock import free_folder

    names = []
    for finished in (True, True, False, False):
        folder = free_folder(tmp_path, "study/hybrid", 3)
        folder.mkdir(exist_ok=True)
        names.append(folder.name)
        if finished:
            (folder / "metrics.json").write_text("{}")
    assert names == ["study-hybrid-3", "study-hybrid-3-2", "study-hybrid-3-3", "study-hybrid-3-3"]
