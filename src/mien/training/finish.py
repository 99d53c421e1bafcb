"""After the last epoch: export the model file, evaluate it, judge the fit, draw figures, close the tracker."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mien.data import Dataset
from mien.evaluation import calibration, diagnose
from mien.evaluation.diagnose import Verdict
from mien.evaluation.evaluate import evaluate
from mien.evaluation.results import EvaluationResult
from mien.files import write_json
from mien.inference.model import softmax
from mien.inference.normalization import normalize_input
from mien.training import networks, predict
from mien.training.onnx_export import export, set_metadata
from mien.training.state import FitResult, Row
from mien.training.tracking import Outcome, Tracker

if TYPE_CHECKING:
    from mien.training.run import Run

# In trackers, "test" names what is held out during training, so the third part is "holdout".
_NAMES = {"validation": "validation", "test": "holdout"}


def finish(
    run: "Run",
    dataset: Dataset,
    parts: Sequence[str],
    fitted: FitResult,
    watch: Tracker,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> None:
    """Export the trained network, evaluate the model file as `mien evaluate` does, and write metrics.json.

    A run counts as finished once metrics.json exists. dataset: as it was given to the training. parts: those with
    labels.
    """
    folder = run.folder
    on_phase("exporting the model")
    model = run.model()
    export_run(run, model, folder / "model.onnx", epochs=len(fitted.history))
    on_phase("evaluating it")
    result = evaluate(folder / "model.onnx", dataset, parts)
    result = result.read_at(result.temperature or 1.0)
    record = result.to_dict()
    accuracy = record["evaluations"]["validation"]["single"]["accuracy"]
    coverage = result.coverage()
    conformal = {"coverage": coverage.promised, "threshold": coverage.threshold} if coverage else None
    set_metadata(
        folder / "model.onnx", temperature=result.temperature or 1.0, validation_accuracy=accuracy, conformal=conformal
    )
    verdict = diagnose.diagnose_record(fitted.history, record)
    metrics = {
        "run": run.name, "recipe": run.recipe.name, "group": run.record["group"],
        "parameters": networks.parameters(model), "epochs": len(fitted.history), "kept_epoch": fitted.epoch,
        "best_epoch": 1 + int(np.argmax([row["val_accuracy"] for row in fitted.history])),
        "verdict": verdict.to_dict(), **record,
    }  # fmt: skip
    result.save(folder)
    figures = draw_figures(run, result, fitted.history, verdict, on_phase)
    write_json(folder / "metrics.json", metrics)
    on_phase("closing the tracker")
    note = watch.finish(_outcome(run, result, metrics, fitted.history[-1], figures))
    if note:
        on_phase(note)


def _outcome(
    run: "Run", result: EvaluationResult, metrics: dict[str, Any], last: Row, figures: dict[str, Path]
) -> Outcome:
    """What the tracker stores: the last epoch under the original study's names, and the evaluations of the kept
    weights."""
    summary: dict[str, Any] = {name: last[name] for name in last if name.startswith(("train_", "val_", "test_"))}
    for part, views in metrics["evaluations"].items():
        for key in ("accuracy", "nll", "macro_f1", "ece"):
            summary[f"{_NAMES[part]}_{key}"] = views["single"][key]
    for key in ("temperature", "epochs", "parameters"):
        summary[key] = metrics[key]
    summary |= {"verdict": metrics["verdict"]["kind"], "drawn": metrics["data"]["drawn"]}
    validation = result.parts["validation"]
    predicted = validation.probabilities["single"].argmax(axis=1)
    names = ("model.onnx", "weights.safetensors", "recipe.json", "history.csv")
    files = [run.folder / name for name in names]
    return Outcome(summary, result.classes, validation.labels, predicted, figures, files)


def logits_of(run: "Run", model: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, classes) float32, computed by torch, of faces (N, 48, 48) uint8; applies the run's input
    normalization."""
    faces = normalize_input(images, run.recipe.input_normalization)
    return predict.logits(model, faces, run.recipe.mean, run.recipe.std)


def export_run(
    run: "Run", model: nn.Module, path: Path, *, epochs: int, temperature: float = 1.0, accuracy: float | None = None
) -> None:
    """Write a run's network as a model file, with metadata on how it was trained. accuracy: on the validation part, if
    known."""
    recipe, record = run.recipe, run.record
    training = {
        "recipe": recipe.name, "network": recipe.network, "batch_norm": recipe.batch_norm, "head": recipe.head,
        "seed": record["seed"], "pretrained": record.get("pretrained", ""), "epochs": epochs, "split": recipe.split,
        "fold": recipe.fold, "duplicates": recipe.duplicates, "data": record["data"], "mien": record["mien"],
    }  # fmt: skip
    if accuracy is not None:
        training["validation_accuracy"] = accuracy
    export(
        model, path, name=run.name, classes=run.classes, mean=recipe.mean, std=recipe.std,
        input_normalization=recipe.input_normalization, temperature=temperature, training=training,
    )  # fmt: skip


def draw_figures(
    run: "Run",
    result: EvaluationResult,
    history: list[Row],
    verdict: Verdict,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> dict[str, Path]:
    """Draw learning curves, confusion matrix and reliability diagram as PNG into the run's figures folder.

    Returns their paths; empty if matplotlib is not installed (`mien report` does not need it).
    """
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    from mien.evaluation import plots

    on_phase("drawing figures")
    folder, drawn = run.folder / "figures", bool(result.data["drawn"])
    title = f"{run.folder.name} (recipe {run.recipe.name}, seed {run.record['seed']})"
    validation = result.parts["validation"]
    evaluation = validation.evaluation("single")
    paths = {name: folder / f"{name}.png" for name in ("curves", "confusion", "reliability")}
    plots.learning_curves(history, paths["curves"], title, verdict=verdict, drawn=drawn)
    plots.confusion(evaluation.confusion, result.classes, paths["confusion"], f"{title}: validation", drawn=drawn)
    log_probabilities = np.log(np.maximum(validation.probabilities["single"], 1e-12))
    curves = {
        f"temperature {t:.2f}": calibration.reliability(softmax(log_probabilities, t), validation.labels)
        for t in (1.0, result.temperature or 1.0)
    }
    plots.reliability(curves, paths["reliability"], f"{title}: validation", drawn=drawn)
    return paths
