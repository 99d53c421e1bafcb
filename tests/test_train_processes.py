"""Training with several processes: identical to one process, and stopping together."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mien import data  # noqa: E402
from mien.cli.main import main  # noqa: E402
from mien.errors import MienError  # noqa: E402
from mien.evaluation import history  # noqa: E402
from mien.training import checkpoint  # noqa: E402
from mien.training.runtime import Runtime, check_runtime, is_first_process, launched  # noqa: E402

RECIPE = ["nano", "--epochs", "1", "--conv-drop", "0", "--fc-drop", "0", "--batch-size", "32", "--accelerator", "cpu",
          "--threads", "1", "--tracker", "none", "--precision", "32-true", "--teacher", ""]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    data.draw_files(folder / "data", n=260, seed=0)
    return folder


def start(place: Path, runs: Path, name: str, *words: str, torchrun: bool = False) -> "subprocess.Popen[str]":
    mien = ["-m", "mien", "train"]
    command = [sys.executable, *mien]
    if torchrun:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", *mien]
        command[3:3] = ["--standalone"]
    arguments = [*RECIPE, "--data", str(place / "data"), "--runs", str(runs), "--name", name, *words]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process: "subprocess.Popen[str]", seconds: float = 280) -> tuple[int, str, str]:
    """Exit code and outputs; all of its processes are ended after that time."""
    try:
        out, err = process.communicate(timeout=seconds)
        return process.returncode, out, err
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


WORK = f"""
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
import torch
from lightning_fabric import Fabric
from mien.training.recipes import recipe
from mien.training.state import FaceSet
from mien.training.trainer import Trainer
from test_trainer import stripes
torch.set_num_threads(1)
devices, path = int(sys.argv[1]), sys.argv[2]
chosen = recipe("nano", epochs=1, batch_size=32, conv_drop=0.0, fc_drop=0.0, teacher="", optimizer="sgd",
                learning_rate=0.01, mixup=0.2, flip=True, ema_decay=0.0)
exact = recipe("nano", epochs=2, batch_size=32, conv_drop=0.0, fc_drop=0.0, teacher="", optimizer="adamw", mixup=0.0,
               label_smoothing=0.1, rotate=10.0, brightness_contrast=0.25, random_erasing=0.25, ema_decay=0.0)
fabric = Fabric(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto")
fabric.launch()
states = []
for chosen, kind, n in ((chosen, torch.float32, 96), (exact, torch.float64, 99)):
    torch.set_default_dtype(kind)
    fitted = Trainer(chosen, fabric, 1).fit(FaceSet(*stripes(n)), FaceSet(*stripes(21, 1)), 3)
    states.append(fitted.model.state_dict())
if fabric.is_global_zero:
    torch.save(states, path)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="gloo as on Unix")
def test_two_processes_give_the_weights_of_one(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    states = {}
    # In float32 a few steps of SGD: what rounds differently in two sums is magnified with every one, most of all by
    # AdamW, which divides tiny gradients by their own size. In float64 two epochs of AdamW, with a
    # last batch of three images, show that this is all.
    for name, devices in (("one", "1"), ("two", "2")):
        command = [sys.executable, str(script), devices, str(tmp_path / f"{name}.pt")]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        code, _, err = finish(process)
        assert code == 0, err
        states[name] = torch.load(tmp_path / f"{name}.pt")

    for one, two, limit in zip(states["one"], states["two"], (1e-4, 1e-10), strict=True):
        assert max(float((one[key].double() - two[key].double()).abs().max()) for key in one) < limit


def test_batch_norm_can_be_left_to_each_process() -> None:
    from torch import nn

    from mien.training.batch_norm import SyncBatchNorm2d, synchronize_batch_norm

    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    names, x = list(network.state_dict()), torch.rand(4, 1, 9, 9)
    plain = network(x)
    synchronize_batch_norm(network)
    assert isinstance(network[1], SyncBatchNorm2d)
    assert list(network.state_dict()) == names
    assert torch.equal(network(x), plain)  # in one process it is the layer that it was


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun as on Unix")
def test_torchrun_starts_a_run_of_two(place: Path, tmp_path: Path) -> None:
    code, out, err = finish(start(place, tmp_path, "two", torchrun=True))
    assert code == 0, err
    assert out.count("run folder:") == 1
    record = json.loads((tmp_path / "two" / "recipe.json").read_text())
    assert (record["runtime"]["devices"], record["runtime"]["sync_batch_norm"]) == (2, True)
    assert len(history.read(tmp_path / "two" / "history.csv")) == 1
    metrics = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert metrics["evaluations"]["validation"]["single"]["n"] == 26


@pytest.mark.skipif(sys.platform != "linux", reason="it looks for the other process as Linux tells it")
def test_one_process_killed_ends_all_with_a_line_and_one_process_goes_on(place: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    run = tmp_path / "killed"
    process = start(place, tmp_path, "killed", "--devices", "2", "--epochs", "60")
    try:
        deadline = time.monotonic() + 120
        while not (run / "checkpoint.pt").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        for child in psutil.Process(process.pid).children():
            child.kill()
        code, _, err = finish(process, 200)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert code == 2
    assert "Traceback" not in err
    assert "lost another process" in err
    assert f"resume the run {run}" in err
    done = checkpoint.load(run)["state"]["epoch"]
    arguments = ["--data", str(place / "data"), "--tracker", "none", "--accelerator", "cpu", "--threads", "1"]
    assert main(["train", "--resume", str(run), "--max-minutes", "0.001", *arguments]) == 0  # in one process, one epoch
    assert len(history.read(run / "history.csv")) == done + 1
    assert (run / "metrics.json").is_file()


def test_what_torchrun_started_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched(Runtime(devices=3)) == Runtime(devices=3)
    assert is_first_process()
    told: dict[str, Any] = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "5"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert launched(Runtime()) == Runtime(devices=4, nodes=2)
    assert not is_first_process()
    with pytest.raises(MienError, match="over all nodes"):
        check_runtime(Runtime(devices=4, nodes=2), 6, 1)
