"""Convert a run to a model file (`mien export`): float32 or smaller, checked against torch."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from mien.data import Dataset, draw_face
from mien.errors import MienError, require
from mien.files import atomic_write
from mien.inference.model import open_model
from mien.inference.model_file import resolve
from mien.inference.normalization import normalize_input
from mien.training import cascade
from mien.training.finish import export_run, logits_of
from mien.training.onnx_export import describe, description, save
from mien.training.quantize import quantize_static, quantize_weights, to_float16
from mien.training.run import Run, load_run

LOGIT_TOLERANCE = 1e-4  # largest difference of float32 logits from torch's
DRAWN = 32  # synthetic faces to compare on when no data are given
CALIBRATION = 512  # training images for the ranges of int8 activations

Kind = Literal["float32", "float16 weights", "int8 weights", "int8"]


def convert(
    folder: Path,
    output: Path,
    dataset: Dataset | None = None,
    kind: Kind = "float32",
    fast_model: str | Path | None = None,
    escalation_rate: float = 0.2,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> list[str]:
    """Write a run's model file and return lines that compare it with torch, on validation images or drawn faces.

    dataset: the run's data, with the same classes; required for int8 calibration and for `fast_model`. kind: how
    weights are stored, and for int8 also how the network computes. fast_model: a smaller model that predicts first, so
    that this one runs only on the share `escalation_rate` of the validation images with the smallest top-2 margins
    (`cascade.join`). on_phase: called with the name of each phase. Raises MienError if float32 logits differ from
    torch's by more than 1e-4 or a prediction changes, and for missing or unsuitable data.
    """
    run = load_run(folder)
    if kind == "int8" and dataset is None:
        raise MienError("int8 needs training images for calibration; give them with {parameter}", parameter="dataset")
    if fast_model is not None and dataset is None:
        raise MienError(
            "a fast model needs validation images for its evaluation; give them with {parameter}", parameter="dataset"
        )
    require(0 < escalation_rate < 1, "escalation_rate", escalation_rate, "a share of the faces, between 0 and 1")
    if dataset is not None and tuple(dataset.classes) != run.classes:
        raise MienError(
            f"{dataset.source} has classes {', '.join(dataset.classes)}; {run.name} was trained on "
            f"{', '.join(run.classes)}",
            parameter="dataset",
        )
    dataset = None if dataset is None else run.as_trained(dataset)
    parts = run.split(dataset) if dataset is not None else None
    with tempfile.TemporaryDirectory() as scratch:
        plain, small = Path(scratch) / "model.onnx", Path(scratch) / "small.onnx"
        metrics = run.metrics()
        on_phase("exporting")
        export_run(
            run, run.model(), plain, epochs=metrics["epochs"], temperature=metrics["temperature"],
            accuracy=metrics["evaluations"]["validation"]["single"]["accuracy"],
        )  # fmt: skip
        on_phase("comparing it with torch")
        if dataset is None or parts is None:
            report = _compare(run, plain, np.array([draw_face("happy", seed) for seed in range(DRAWN)]), "drawn faces")
        else:
            faces, labels = dataset.images[parts.validation], dataset.labels[parts.validation]
            report = _compare(run, plain, faces, "validation images")
        on_phase(f"storing it as {kind}")
        if kind == "int8" and dataset is not None and parts is not None:
            pick = np.random.default_rng(0).permutation(parts.train)[:CALIBRATION]
            quantize_static(plain, small, normalize_input(dataset.images[pick], run.recipe.input_normalization))
        elif kind == "float16 weights":
            to_float16(plain, small)
        elif kind == "int8 weights":
            quantize_weights(plain, small)
        else:
            small = plain
        on_phase("measuring it")
        if dataset is not None:
            if small != plain:
                report += _change(kind, plain, small, faces, labels)
            if fast_model is not None:
                alone, small = small, Path(scratch) / "cascade.onnx"
                report += _put_before(resolve(fast_model, "fast_model"), alone, small, faces, labels, escalation_rate)
            if small != plain:
                _note_accuracy(small, faces, labels)
        with atomic_write(output) as temporary:
            temporary.write_bytes(small.read_bytes())
    return report


def _compare(run: Run, path: Path, faces: np.ndarray, what: str) -> list[str]:
    ours = open_model(path).logits(faces)
    theirs = logits_of(run, run.model(), faces)
    apart = float(np.abs(ours - theirs).max())
    changed = int((ours.argmax(1) != theirs.argmax(1)).sum())
    if apart > LOGIT_TOLERANCE or changed:
        raise MienError(
            f"{path.name} differs from torch: logits by {apart:.1e}, {changed} of {len(faces)} predictions; not written"
        )
    return [f"same as torch on {len(faces):,} {what}: logits within {apart:.1e}, every prediction equal"]


def _accuracy(path: Path, faces: np.ndarray, labels: np.ndarray) -> float:
    return float((open_model(path).logits(faces).argmax(1) == labels).mean())


def _note_accuracy(path: Path, faces: np.ndarray, labels: np.ndarray) -> None:
    """Store a converted file's own validation accuracy in its metadata."""
    import onnx

    model = onnx.load(str(path))
    about = description(model)
    training = {**json.loads(about["training"]), "validation_accuracy": _accuracy(path, faces, labels)}
    describe(model, {**about, "training": json.dumps(training)})
    save(model, path)


def _change(kind: str, plain: Path, small: Path, faces: np.ndarray, labels: np.ndarray) -> list[str]:
    before, after = (open_model(p).logits(faces).argmax(1) for p in (plain, small))
    a, b = float((before == labels).mean()), float((after == labels).mean())
    return [f"{kind} on {len(faces):,} validation images: accuracy {b:.2%} against {a:.2%} in float32 "
            f"({100 * (b - a):+.2f} points, {int((before != after).sum()):,} predictions changed)"]  # fmt: skip


def _put_before(
    fast: Path, alone: Path, output: Path, faces: np.ndarray, labels: np.ndarray, escalation_rate: float
) -> list[str]:
    small = open_model(fast)
    sure = cascade.top2_margin(small, faces)
    below = float(np.quantile(sure, escalation_rate))
    cascade.join(fast, alone, output, below)
    right = [f"{_accuracy(path, faces, labels):.2%}" for path in (output, fast, alone)]
    return [f"with {small.name} in front, this model classifies {(sure < below).mean():.1%} of {len(faces):,} "
            f"validation images, those where the two best classes are within {below:.3f}: accuracy {right[0]}, against "
            f"{right[1]} of {small.name} alone and {right[2]} of this model alone"]  # fmt: skip
