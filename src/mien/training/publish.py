"""Export a run as a folder for a model hub: model card, config.json, model.onnx and model.safetensors. Uploads nothing.

Nothing here imports torch.
"""

import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien import __version__
from mien.errors import MienError
from mien.evaluation import results
from mien.evaluation.record import read_record, recipe_fields
from mien.inference.model_file import ModelInfo, read_info
from mien.training.recipes import FIELDS, RECIPES, options

FILES = {"model.onnx": "model.onnx", "weights.safetensors": "model.safetensors"}  # in the run -> in the new folder
PARTS = {"validation": "validation images", "test": "test images, not used for any choice"}

CARD = """---
license: {license}
library_name: mien
pipeline_tag: image-classification
tags:
- facial-expression-recognition
- emotion-recognition
- onnx
---

# {name}

{what} Trained and evaluated with mien {version}.

## Use

```python
import mien

for face in mien.read("photo.jpg", model="hf:OWNER/NAME@REVISION"):
    print(face.emotion, face.confidence)
```

`model.onnx` is plain ONNX: input `faces` uint8 (N, {size}, {size}) gray, output `logits` float32 (N, {n_classes});
probabilities are softmax(logits / {temperature:.4g}). Classes, in order: {classes}.

## Data

{data}

## Training

Recipe `{recipe}`, network `{network}`, {parameters} parameters, {epochs} epochs, seed {seed}.{pretrained}
The same again:

```sh
{command}
```

Every setting is in `config.json`. {machine}

## Accuracy

{accuracy}

Intervals are Wilson's, 95 %. {judged}

## What it is not for

Decisions about people: hiring, grading, policing, credit, health, border control, or anything of that kind. In the
European Union the AI Act forbids inferring emotions at work and at school, but for medical and safety reasons. An
expression is not a feeling. Accuracy for groups of people was not measured unless this card says so.
"""


def publish(run: str | Path, folder: str | Path, license: str = "") -> Path:
    """Write a finished run as a folder for a model hub and return its path.

    folder: must not exist. license: of the weights, an SPDX name; default: the model file's, else "other". Raises
    MienError if the run is not finished or lacks a file, or the folder exists.
    """
    run, target = Path(run), Path(folder)
    if os.path.lexists(target):
        raise MienError(f"{target} exists; give a new folder", parameter="to")
    record = read_record(run)
    metrics = results.read_record(run / "metrics.json")
    missing = [name for name in FILES if not (run / name).is_file()]
    if missing:
        raise MienError(f"{run} lacks {' and '.join(missing)}; resume the run to finish it")
    info = read_info(run / "model.onnx")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written beside the target and renamed when complete.
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, copy in FILES.items():
            shutil.copyfile(run / name, temporary / copy)
        sums = {copy: hashlib.sha256((temporary / copy).read_bytes()).hexdigest() for copy in FILES.values()}
        license = license or info.license.lower() or "other"
        config = _config(info, record, metrics, license, sums)
        (temporary / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        card = model_card(info, record, metrics, run.resolve().name, license)
        (temporary / "README.md").write_text(card, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(target)
    except OSError as error:
        raise MienError(f"cannot write {target}: {error.strerror}", parameter="to") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _config(
    info: ModelInfo, record: Mapping[str, Any], metrics: Mapping[str, Any], license: str, sums: Mapping[str, str]
) -> dict[str, Any]:
    """Contents of config.json, for programs."""
    return {
        "library_name": "mien", "mien": __version__, "mien_format": info.format, "license": license,
        "classes": list(info.classes), "input_size": info.input_size, "temperature": info.temperature,
        "input_normalization": info.input_normalization, "mean": info.mean, "std": info.std,
        "parameters": metrics.get("parameters"), "recipe": recipe_fields(record), "seed": record.get("seed"),
        "data": record.get("data", {}), "evaluations": _short(metrics), "sha256": dict(sums),
    }  # fmt: skip


def _short(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """For each part and view: number of images, accuracy, its interval, macro F1, calibration error."""
    keys = ("n", "accuracy", "accuracy_interval", "macro_f1", "ece")
    return {
        part: {view: {key: figures[key] for key in keys if key in figures} for view, figures in views.items()}
        for part, views in metrics["evaluations"].items()
    }


def model_card(info: ModelInfo, record: Mapping[str, Any], metrics: Mapping[str, Any], name: str, license: str) -> str:
    """The model card of a run, as Markdown, with all numbers from the run's files."""
    data = record.get("data", {})
    counts = [(data.get(f"n_{part}"), word) for part, word in (("train", "to train on"), ("validation", "to validate"))]
    sentence = ", ".join(f"{n:,} images {word}" for n, word in counts if isinstance(n, int))
    origin = "Synthetic faces: this model is a demonstration." if data.get("drawn") else (
        "Say here where the images are from, who is in them, and under which terms they may be used."
    )  # fmt: skip
    fingerprint = data.get("fingerprint", "unknown")
    recipe = recipe_fields(record)
    pretrained = record.get("pretrained")
    machine = record.get("machine", {})
    where = machine.get("gpu") or machine.get("processor")
    return CARD.format(
        license=license, name=name, version=__version__, size=info.input_size, n_classes=len(info.classes),
        what=f"Classifies faces into {len(info.classes)} classes.", temperature=info.temperature,
        classes=", ".join(info.classes), recipe=recipe.get("name"), network=recipe.get("network"),
        data=f"{origin} {sentence}. Fingerprint of the data: `{fingerprint}`.",
        parameters=f"{metrics.get('parameters', 0):,}", epochs=metrics.get("epochs"), seed=record.get("seed"),
        pretrained=f" It started from the weights of {pretrained}." if pretrained else "",
        command=_command(record), machine=f"Trained on: {where}." if where else "",
        accuracy=_table(metrics), judged=_judged(metrics),
    )  # fmt: skip


def _command(record: Mapping[str, Any]) -> str:
    """The `mien train` command that repeats the training; every field that differs from the recipe's is an option."""
    fields = recipe_fields(record)
    name = str(fields.get("name"))
    own = vars(RECIPES[name]) if name in RECIPES else {}
    changes = {field: value for field, value in fields.items() if field != "name" and value != own.get(field)}
    known = {field: value for field, value in changes.items() if field in FIELDS and field not in ("network",)}
    words = ["mien", "train", name, "--data", "DATA", *options(known), "--seed", str(record.get("seed"))]
    if record.get("pretrained"):
        words += ["--pretrained", str(record["pretrained"])]
    return shlex.join(words)


def _table(metrics: Mapping[str, Any]) -> str:
    lines = ["| measured on | view | images | accuracy (95 %) | macro F1 |", "|---|---|--:|--:|--:|"]
    for part, views in metrics["evaluations"].items():
        for view, figures in views.items():
            low, high = figures["accuracy_interval"]
            lines.append(
                f"| {PARTS.get(part, part)} | {view} | {figures['n']:,} | {figures['accuracy']:.1%} "
                f"({low:.1%} to {high:.1%}) | {figures['macro_f1']:.3f} |"
            )
    first = next(iter(next(iter(metrics["evaluations"].values())).values()))
    rows = ["", "| class | recall | precision | images |", "|---|--:|--:|--:|"]
    for each in first.get("per_class", ()):
        precision, recall = (_percent(each.get(key)) for key in ("precision", "recall"))
        rows.append(f"| {each['name']} | {recall} | {precision} | {each['support']:,} |")
    return "\n".join(lines + (rows if len(rows) > 3 else []))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _judged(metrics: Mapping[str, Any]) -> str:
    if "test" in metrics["evaluations"]:
        return "The temperature was fitted on the validation images; the test images were not used for any choice."
    return (
        "The temperature was fitted on the validation images, and settings may have been chosen on them: expect "
        "slightly lower accuracy on others."
    )
