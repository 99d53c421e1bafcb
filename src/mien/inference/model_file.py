"""Model files: find them, read their metadata, and load the weights inside.

A model file is ONNX: input `faces` uint8 (N, S, S) gray, output `logits` float32 (N, C), with pixel scaling in the
graph and metadata (`ModelInfo`). This version writes format 2; format 1 is that of version 0.1, without
`input_normalization`.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.inference.normalization import KINDS
from mien.inference.session import open_session

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT = "champion-fast"  # the shipped model that is used when none is named
FORMAT = "2"
READABLE = ("1", "2")
PREFIX = "network."  # of initializers with the network's weights
TEMPERATURES = (1e-3, 1e3)
SIZES = (8, 1024)


@dataclass(frozen=True)
class ModelInfo:
    """The metadata of a model file.

    classes: names, in the order of the logits. input_size: side of the square faces, in pixels. temperature:
    probabilities are softmax(logits / temperature). input_normalization: preprocessing of each face before the network
    (mien.inference.normalization). mean, std: of pixels in 0..1, as the graph applies them; None if unknown.
    parameters: their number, None if unknown. training: recipe, network, seed, split, data, validation_accuracy and
    more, as written by training. quantization: "", "int8 weights" (computed in float32) or "int8". cascade: first,
    second and below, for two networks in one file. conformal: coverage and threshold of its prediction sets
    (mien.inference.prediction_sets), {} if it has none. metadata: the file's raw strings.
    """

    path: Path
    format: str
    name: str
    classes: tuple[str, ...]
    input_size: int
    temperature: float
    input_normalization: str = "none"
    mean: float | None = None
    std: float | None = None
    parameters: int | None = None
    license: str = ""
    training: Mapping[str, Any] = field(default_factory=dict, repr=False)
    quantization: str = ""
    cascade: Mapping[str, Any] = field(default_factory=dict)
    conformal: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def validation_accuracy(self) -> float | None:
        """Accuracy on the validation faces, 0..1; None if the file does not say."""
        value = self.training.get("validation_accuracy")
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the training data set; "" if the file does not say."""
        data = self.training.get("data")
        return str(data.get("fingerprint", "")) if isinstance(data, Mapping) else ""


def shipped() -> tuple[str, ...]:
    """Names of the classifiers that ship with mien, the default first."""
    names = sorted(path.stem for path in WEIGHTS.glob("*.onnx") if path.stem != "yunet")
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def resolve(source: str | Path = "default", parameter: str | None = "model") -> Path:
    """The file of a trained model: a shipped model's name ("default", "hybrid", ...), a run folder, an .onnx file, or
    hf:OWNER/NAME@REVISION, which is downloaded from a hub (mien.inference.hub).

    Shipped names take precedence over files and folders; write ./hybrid for those. Raises MienError, about `parameter`,
    if there is no such model.
    """
    if not isinstance(source, (str, Path)):
        raise MienError(f"a model is a name or a path, not {source!r}", parameter=parameter)
    names = shipped()
    name = str(source)
    choices = ", ".join(names) or "none in this installation"
    if not name:
        raise MienError(f"the model name is empty; give a shipped model ({choices}) or a path", parameter=parameter)
    if name == "default":
        name = DEFAULT if DEFAULT in names or not names else names[0]
    if name in names:
        return WEIGHTS / f"{name}.onnx"
    if name.startswith("hf:"):
        from mien.inference.hub import fetch_model

        return fetch_model(name)
    path = Path(source)
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        if os.path.isfile(path / "model.onnx"):
            return path / "model.onnx"
        message = f"no model in {path}: the folder contains no model.onnx; give the folder of a finished run"
        raise MienError(message, parameter=parameter)
    message = f"no model '{source}': it is neither a shipped model ({choices}) nor a run folder nor a model file"
    raise MienError(message, parameter=parameter)


def read_info(source: str | Path = "default", threads: int = 1) -> ModelInfo:
    """Read the metadata of a model file; source as in `resolve`.

    Raises MienError if there is no such file, it is not ONNX or not a mien model, or its metadata are invalid.
    """
    path = resolve(source)
    session = open_session(path, threads)
    try:
        metadata = dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise MienError(f"{path} is not a valid mien model: its metadata are not UTF-8") from error
    return parse_info(path, metadata)


def parse_info(path: Path, metadata: Mapping[str, str]) -> ModelInfo:
    """Parse and check metadata. Raises MienError, naming the path, if they are invalid."""
    version = metadata.get("mien_format")
    if version not in READABLE:
        what = (
            f"in mien format {version}, which needs a newer version of mien"
            if version
            else "an ONNX file, but not a mien model"
        )
        raise MienError(f"{path} is {what}; make one with: mien export RUN -o model.onnx")
    try:
        info = ModelInfo(
            path=path,
            format=version,
            name=metadata.get("name", path.stem),
            classes=tuple(_json(metadata["classes"], list)),
            input_size=int(metadata["input_size"]),
            temperature=float(metadata.get("temperature", "1")),
            input_normalization=metadata.get("input_normalization", "none"),
            mean=float(metadata["mean"]) if "mean" in metadata else None,
            std=float(metadata["std"]) if "std" in metadata else None,
            parameters=int(metadata["parameters"]) if "parameters" in metadata else None,
            license=metadata.get("license", ""),
            training=_json(metadata.get("training", "{}"), dict),
            quantization=_quantization(metadata),
            cascade=_json(metadata.get("cascade", "{}"), dict),
            conformal=_json(metadata.get("conformal", "{}"), dict),
            metadata=metadata,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MienError(f"{path} is not a valid mien model: missing or invalid metadata {error}") from error
    fault = _fault(info)
    if fault:
        raise MienError(f"{path} is not a valid mien model: {fault}")
    return info


def trainable(info: ModelInfo) -> bool:
    """Whether the weights can be loaded for training: float, a single network, known pixel scaling."""
    return not info.quantization and not info.cascade and info.mean is not None and info.std is not None


def state_dict(source: str | Path) -> dict[str, NDArray[np.float32]]:
    """The weights in a model file that training wrote, by parameter name; source as in `resolve`.

    Needs the package onnx, but not torch. Raises MienError if the file has no trainable weights (8 bits, cascades).
    """
    import onnx

    path = resolve(source)
    info = read_info(path)
    weights = {
        tensor.name.removeprefix(PREFIX): onnx.numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in onnx.load(str(path)).graph.initializer
        if tensor.name.startswith(PREFIX)
    }
    if not weights or not trainable(info):
        raise MienError(
            f"{path} contains no trainable weights: 8-bit models and cascades cannot be trained; give a run"
        )
    return weights


def _json(text: str, kind: type) -> Any:
    value = json.loads(text)
    if not isinstance(value, kind):
        raise TypeError(f"{text[:40]}, which is no {'list' if kind is list else 'object'}")
    return value


def _quantization(metadata: Mapping[str, str]) -> str:
    if "quantised" in metadata or "quantized" in metadata:  # the first is format 1's spelling
        return "int8"
    return "int8 weights" if metadata.get("weights") == "int8" else ""


def _fault(info: ModelInfo) -> str:
    """What is invalid in the metadata; "" if nothing is."""
    classes = info.classes
    if not all(isinstance(c, str) and c for c in classes) or len(classes) < 2 or len(set(classes)) < len(classes):
        return f"its classes are {list(classes)}"
    if not TEMPERATURES[0] <= info.temperature <= TEMPERATURES[1]:  # nan is in no range
        return f"its temperature is {info.temperature}"
    if not SIZES[0] <= info.input_size <= SIZES[1]:
        return f"its input size is {info.input_size}"
    if info.input_normalization not in KINDS:
        return f"its input normalization is {info.input_normalization!r}; this mien knows {', '.join(KINDS)}"
    if info.mean is not None and not math.isfinite(info.mean):
        return f"its mean is {info.mean}"
    if info.std is not None and not (math.isfinite(info.std) and info.std > 0):
        return f"its standard deviation is {info.std}"
    return _conformal_fault(info.conformal)


def _conformal_fault(conformal: Mapping[str, Any]) -> str:
    if not conformal:
        return ""
    values = [conformal.get(name) for name in ("coverage", "threshold")]
    valid = all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in values)
    return "" if valid else f"its conformal sets have {dict(conformal)}"
