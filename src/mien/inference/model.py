"""The classifier: an ONNX file that says in its metadata what it is. Cropped gray faces in, probabilities out."""

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien.errors import MienError
from mien.inference.session import open_session

FOLDER = Path(__file__).parent / "weights"
DEFAULT = "champion-fast"  # of the shipped models, the one that reads when none is named
FORMAT = "1"
CHUNK = 256  # faces in one run: enough to be fast, and memory stays flat however many there are


@dataclass(frozen=True)
class Model:
    """A classifier ready to run. Safe to use from many threads.

    classes: names, in the order of the probabilities. input_size: side of the square faces it takes, in pixels.
    temperature: probabilities are softmax(logits / temperature). metadata: all that the file says, as strings.
    """

    path: Path
    name: str
    classes: tuple[str, ...]
    input_size: int
    temperature: float
    metadata: dict[str, str] = field(repr=False)
    session: Any = field(repr=False, compare=False)

    def logits(self, crops: np.ndarray) -> np.ndarray:
        """(N, H, W) or (H, W) uint8 gray faces, resized where they are not of input_size -> (N, C) float32."""
        faces = fit_crops(crops, self.input_size)
        if not len(faces):
            return np.empty((0, len(self.classes)), np.float32)
        chunks = [faces[start : start + CHUNK] for start in range(0, len(faces), CHUNK)]
        logits = np.concatenate([self.session.run(["logits"], {"faces": chunk})[0] for chunk in chunks])
        if not np.isfinite(logits).all():
            raise MienError(f"the model {self.path} gives numbers that are not finite: it is broken, export it again")
        return logits

    def classify(self, crops: np.ndarray, flip: bool = False) -> np.ndarray:
        """(N, H, W) or (H, W) uint8 gray faces -> (N, C) float64 probabilities; each row sums to 1.

        flip: the mean over each face and its mirror image; a little more accurate, twice the work.
        """
        faces = fit_crops(crops, self.input_size)
        probabilities = softmax(self.logits(faces), self.temperature)
        if flip:
            mirrored = np.ascontiguousarray(faces[:, :, ::-1])
            probabilities = (probabilities + softmax(self.logits(mirrored), self.temperature)) / 2
        return probabilities


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """(N, C) logits -> (N, C) float64 probabilities."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def shipped() -> tuple[str, ...]:
    """Names of the classifiers that come with mien, the default first."""
    names = sorted(path.stem for path in FOLDER.glob("*.onnx") if path.stem != "yunet")
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def find_model(name: str | Path = "default") -> Path:
    """The file of a shipped model ("default", "hybrid", ...) or the given path of an ONNX file.

    Raises MienError where there is neither.
    """
    known = shipped()
    if str(name) == "default":
        name = DEFAULT if DEFAULT in known or not known else known[0]
    if str(name) in known:
        return FOLDER / f"{name}.onnx"
    path = Path(name)
    if os.path.isfile(path / "model.onnx"):
        return path / "model.onnx"  # a run's folder
    if os.path.isfile(path):
        return path
    choices = ", ".join(known) or "none in this copy of mien"
    raise MienError(f"no model {str(name)!r}: it is neither a file nor one that mien ships ({choices})")


def open_model(name: str | Path = "default", threads: int = 1) -> Model:
    """Open a classifier by name or path.

    Raises MienError where it is missing, no ONNX file, or not made by `mien export`: metadata `mien_format`,
    `classes`, `input_size` and `temperature`; input `faces` (N, S, S) uint8; output `logits` (N, C) float32.
    """
    if not isinstance(name, (str, Path)):
        raise MienError(f"a model is a name or a path, not {name!r}")
    path = find_model(name)
    session = open_session(path, threads)
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    if metadata.get("mien_format") != FORMAT:
        other = metadata.get("mien_format")
        what = f"of mien format {other}, newer than this mien" if other else "an ONNX file, but not a mien model"
        raise MienError(f"{path} is {what}; make one with: mien export RUN -o model.onnx")
    try:
        classes = tuple(json.loads(metadata["classes"]))
        input_size = int(metadata["input_size"])
        temperature = float(metadata.get("temperature", "1"))
    except (KeyError, ValueError, TypeError) as error:
        raise MienError(f"{path} is not a sound mien model: its metadata lack or garble {error}") from error
    title = metadata.get("name", path.stem)
    model = Model(path, title, classes, input_size, temperature, metadata, session)
    fault = _fault(model)
    if fault:
        raise MienError(f"{path} is not a sound mien model: {fault}")
    return model


def _fault(model: Model) -> str:
    """What breaks the model file contract; empty where nothing does."""
    classes = model.classes
    if not all(isinstance(c, str) and c for c in classes) or len(classes) < 2 or len(set(classes)) < len(classes):
        return f"its classes are {list(classes)}"
    if not (math.isfinite(model.temperature) and model.temperature > 0):
        return f"its temperature is {model.temperature}"
    if not 8 <= model.input_size <= 1024:
        return f"its input size is {model.input_size}"
    inputs = {item.name: (item.type, item.shape) for item in model.session.get_inputs()}
    outputs = {item.name: (item.type, item.shape) for item in model.session.get_outputs()}
    kind, shape = inputs.get("faces", ("", []))
    sides = [side for side in shape[1:] if isinstance(side, int)]
    if list(inputs) != ["faces"] or kind != "tensor(uint8)" or len(shape) != 3:
        return f"it takes {inputs}, not 'faces' (N, S, S) uint8"
    if any(side != model.input_size for side in sides):
        return f"it takes faces of {sides}, its metadata say {model.input_size}"
    kind, shape = outputs.get("logits", ("", []))
    if kind != "tensor(float)" or len(shape) != 2:
        return f"it gives {outputs}, not 'logits' (N, C) float32"
    if isinstance(shape[1], int) and shape[1] != len(classes):
        return f"it gives {shape[1]} numbers a face for {len(classes)} classes"
    return ""


def fit_crops(crops: np.ndarray, size: int) -> np.ndarray:
    """Check gray faces and bring them to (N, size, size) uint8, C-contiguous.

    Raises MienError for anything but uint8 (N, H, W) or (H, W).
    """
    try:
        faces = np.asarray(crops)
    except ValueError as error:
        raise MienError("the crops differ in size; give one array (N, H, W) of uint8") from error
    shape = faces.shape
    if faces.ndim == 1 and len(faces) == 0:
        return np.empty((0, size, size), np.uint8)
    if faces.dtype != np.uint8:
        raise MienError(f"crops must be uint8 (0..255), not {faces.dtype} {shape}")
    if faces.ndim == 4 and shape[3] == 1:
        faces = faces[..., 0]
    if faces.ndim == 2:
        faces = faces[None]
    if faces.ndim != 3 or 0 in faces.shape[1:] or (faces.shape[2] in (3, 4) and faces.shape[1] > 4):
        raise MienError(f"crops of shape {shape} are not gray faces (N, H, W); for colour pictures use mien.read")
    if faces.shape[1:] != (size, size):
        faces = np.array([_resized(face, size) for face in faces], np.uint8).reshape(-1, size, size)
    return np.ascontiguousarray(faces)


def _resized(face: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR))
