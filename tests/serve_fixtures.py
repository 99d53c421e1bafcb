"""Shared by the server tests: an app with a small real model, a server on a real socket, run folders."""

import csv
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi.testclient import TestClient

from mien.evaluation.history import COLUMNS
from mien.labels import EMOTIONS
from mien.server.app import create_app
from mien.server.run import protocol
from mien.server.settings import Settings
from read_fixtures import PORTRAIT, make_model

PHOTO = PORTRAIT.read_bytes()
JPEG = {"Content-Type": "image/jpeg"}


@contextmanager
def client_of(tmp_path: Path, **settings: Any) -> Iterator[TestClient]:
    """A client of an app in this process."""
    settings.setdefault("runs", str(tmp_path / "runs"))
    model = make_model(tmp_path / "tiny.onnx", parameters="10000", training=json.dumps({"validation_accuracy": 0.5}))
    with TestClient(create_app(Settings(model=str(model), **settings)), base_url="http://localhost") as client:
        yield client


@contextmanager
def serving(tmp_path: Path, **settings: Any) -> Iterator[str]:
    """The address of a server on a free port, in a thread of this process."""
    settings.setdefault("runs", str(tmp_path / "runs"))
    model = make_model(tmp_path / "tiny.onnx")
    checked = Settings(model=str(model), **settings)
    config = uvicorn.Config(create_app(checked), port=0, log_level="error", ws="none", http=protocol(checked))  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def write_run(
    folder: Path,
    epochs: int = 6,
    planned: int = 6,
    done: bool = True,
    top: float = 0.6,
    overfits: bool = False,
    **recipe: Any,
) -> Path:
    """A run folder with the files a training writes, and plausible curves in them."""
    folder.mkdir(parents=True)
    value = {
        "name": "hybrid", "network": "hybrid", "group": "hybrid-cnn", "epochs": planned, "seed": 1,
        "learning_rate": 0.002,
        "classes": list(EMOTIONS), "machine": {"cores": 2}, "mien": {"version": "0"},
        "data": {"fingerprint": "00ff", "source": "data", "drawn": False, "n_train": 700, "n_validation": 140},
        **recipe,
    }  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(value))
    rows = [_row(epoch, top, overfits) for epoch in range(1, epochs + 1)]
    with open(folder / "history.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows([row[name] for name in COLUMNS] for row in rows)
    if done:
        (folder / "metrics.json").write_text(json.dumps(_metrics(folder.name, value, rows, top)))
    return folder


def _row(epoch: int, top: float, overfits: bool) -> dict[str, float]:
    val = top - 0.4 * 0.6**epoch
    train = min(0.99, top + 0.06 * epoch) if overfits else val + 0.02
    val_loss = 1.3 + 0.15 * max(0, epoch - 3) if overfits else 2 * (1 - val)
    return {
        "epoch": epoch, "train_loss": 2 * (1 - train), "train_accuracy": train, "val_loss": val_loss,
        "val_accuracy": val,
        "test_loss": val_loss, "test_accuracy": val, "generalization_gap": train - val, "learning_rate": 0.002 / epoch,
        "images_per_second": 900.0, "seconds": 10.5,
    }  # fmt: skip


def _metrics(name: str, recipe: dict[str, Any], rows: list[dict[str, float]], top: float) -> dict[str, Any]:
    hits = round(20 * top)
    confusion = [[hits if i == j else (20 - hits if j == (i + 1) % 7 else 0) for j in range(7)] for i in range(7)]
    evaluation = {
        "n": 140, "accuracy": hits / 20, "accuracy_interval": [hits / 20 - 0.08, hits / 20 + 0.08],
        "macro_f1": hits / 20,
        "nll": 1.1, "ece": 0.03, "confusion": confusion,
        "per_class": [{"name": c, "precision": hits / 20, "recall": hits / 20, "f1": hits / 20,
        "support": 20} for c in EMOTIONS],
    }  # fmt: skip
    return {
        "run": name, "recipe": recipe["name"], "group": recipe["group"], "parameters": 304743, "epochs": len(rows),
        "drawn": False, "verdict": {"kind": "good fit", "epoch": None, "evidence": "the gap is small",
        "advice": "longer"},
        "best_epoch": len(rows), "kept_epoch": len(rows), "temperature": 1.1,
        "evaluations": {"validation": {"single": evaluation, "flip": evaluation}},
    }  # fmt: skip


def chromium() -> str | None:
    """The browser to test with, if there is one."""
    return os.environ.get("MIEN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
