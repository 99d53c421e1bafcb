"""The classifier: a model file in onnxruntime, from cropped gray faces to probabilities; ensembles and softmax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from mien.data.image import to_square_gray
from mien.errors import MienError
from mien.inference.model_file import ModelInfo, read_info, resolve
from mien.inference.normalization import normalize_input
from mien.inference.session import open_session

CHUNK = 256  # faces per run: large enough to be fast, and memory is bounded


@dataclass(frozen=True)
class Model:
    """A classifier ready to run, created by `open_model`. Thread-safe.

    info: metadata of its file. session: onnxruntime's; `faces` (N, S, S) uint8 -> `logits` (N, C) float32.
    """

    info: ModelInfo
    session: Any = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        """The model file."""
        return self.info.path

    @property
    def name(self) -> str:
        """The model's name, as shown in records and results."""
        return self.info.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the logits' columns."""
        return self.info.classes

    @property
    def input_size(self) -> int:
        """Side of the network's input, in pixels."""
        return self.info.input_size

    @property
    def temperature(self) -> float:
        """Calibration temperature: divides the logits (Guo et al. 2017)."""
        return self.info.temperature

    @property
    def metadata(self) -> Mapping[str, str]:
        """The file's metadata, as text."""
        return self.info.metadata

    def logits(self, faces: ArrayLike) -> NDArray[np.float32]:
        """(N, H, W) or (H, W) uint8 gray faces, resized if they are not of input_size -> (N, C) float32 logits.

        Applies the input normalization of the model file. Raises MienError for other arrays, and if logits are not
        finite.
        """
        checked = check_faces(faces, self.input_size)
        if len(checked) <= CHUNK:
            logits = self._run(checked)
        else:
            logits = np.concatenate(
                [self._run(checked[start : start + CHUNK]) for start in range(0, len(checked), CHUNK)]
            )
        if not np.isfinite(logits).all():
            raise MienError(
                f"the model {self.path} returns numbers that are not finite; it is damaged, export it again"
            )
        return logits

    def classify(self, faces: ArrayLike, flip: bool = False, temperature: float | None = None) -> NDArray[np.float64]:
        """(N, H, W) or (H, W) uint8 gray faces -> (N, C) float64 probabilities; each row sums to 1.

        flip: average over each face and its mirror image; slightly more accurate, twice the work. temperature: None:
        the file's calibrated one; 1: plain softmax. Raises MienError as `logits`.
        """
        temperature = self.temperature if temperature is None else temperature
        if not flip:
            return softmax(self.logits(faces), temperature)
        checked = check_faces(faces, self.input_size)
        mirrored = np.ascontiguousarray(checked[:, :, ::-1])
        return (softmax(self.logits(checked), temperature) + softmax(self.logits(mirrored), temperature)) / 2

    def _run(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not len(faces):
            return np.empty((0, len(self.classes)), np.float32)
        normalized = normalize_input(faces, self.info.input_normalization)
        logits: NDArray[np.float32] = self.session.run(["logits"], {"faces": normalized})[0]
        return logits


@dataclass(frozen=True)
class Ensemble:
    """Several models with the same classes, whose probabilities are averaged. Raises MienError if classes differ."""

    members: tuple[Model, ...]

    def __init__(self, members: Sequence[Model]) -> None:
        if not members:
            raise MienError("an ensemble needs at least one model", parameter="members")
        first = members[0]
        for other in members[1:]:
            if other.classes != first.classes:
                raise MienError(
                    f"{other.name} knows {', '.join(other.classes)}; {first.name} knows {', '.join(first.classes)}: "
                    "only models with the same classes can be averaged"
                )
        object.__setattr__(self, "members", tuple(members))

    @property
    def name(self) -> str:
        """The names of its members, joined by " + "."""
        return " + ".join(model.name for model in self.members)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, shared by all members."""
        return self.members[0].classes

    @property
    def input_size(self) -> int:
        """Largest input size among the members, in pixels; each member resizes faces for itself."""
        return max(model.input_size for model in self.members)

    def classify(self, faces: ArrayLike, flip: bool = False, temperature: float | None = None) -> NDArray[np.float64]:
        """Like Model.classify, averaged over the members; temperature None: each member's own."""
        mean: NDArray[np.float64] = np.mean(
            [model.classify(faces, flip, temperature) for model in self.members], axis=0
        )
        return mean


def open_model(source: str | Path = "default", threads: int = 1) -> Model:
    """Open a classifier: the name of a shipped model, a run folder, or a model file.

    threads: of onnxruntime per call. Runs the model on a few faces, so that an invalid file is refused here. Raises
    MienError if there is no such model, or it is invalid.
    """
    path = resolve(source)
    session = open_session(path, threads)
    model = Model(read_info(path, threads), session)
    _check_contract(session, model.info.path, model.classes, model.input_size)
    return model


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """(..., C) logits -> (..., C) float64 probabilities, softmax(logits / temperature); temperatures above 1 soften,
    below 1 sharpen.

    Raises MienError unless temperature > 0.
    """
    if not temperature > 0:
        raise MienError(f"temperature {temperature} is invalid; it must be above 0")
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= np.maximum.reduce(scaled, axis=-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= np.add.reduce(scaled, axis=-1, keepdims=True)
    return scaled


def check_faces(faces: ArrayLike, size: int) -> NDArray[np.uint8]:
    """Validate gray faces and convert them to (N, size, size) uint8, C-contiguous.

    Accepts uint8 (N, H, W), (N, H, W, 1) or (H, W); crops faces that are not square to their central square. Raises
    MienError for anything else.
    """
    try:
        array = np.asarray(faces)
    except ValueError as error:
        raise MienError("the {parameter} differ in size; give one uint8 array (N, H, W)", parameter="crops") from error
    shape = array.shape
    if array.ndim == 1 and len(array) == 0:
        return np.empty((0, size, size), np.uint8)
    if array.dtype != np.uint8:
        raise MienError(f"{{parameter}} must be uint8 (0..255), not {array.dtype} {shape}", parameter="crops")
    if array.ndim == 4 and shape[3] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape[1:] or (array.shape[2] in (3, 4) and array.shape[1] > 4):
        message = f"{{parameter}} of shape {shape} are not gray faces (N, H, W); use mien.read for color images"
        raise MienError(message, parameter="crops")
    if array.shape[1:] != (size, size):
        squares = [to_square_gray(Image.fromarray(face), size) for face in array]
        array = np.array(squares, np.uint8).reshape(-1, size, size)
    return np.ascontiguousarray(array)


@lru_cache(maxsize=8)
def _check_contract(session: Any, path: Path, classes: tuple[str, ...], size: int) -> None:
    """Raise MienError unless a session's inputs and outputs are those of a model file, by their shapes and a trial
    run."""
    inputs = {item.name: (item.type, item.shape) for item in session.get_inputs()}
    outputs = {item.name: (item.type, item.shape) for item in session.get_outputs()}
    kind, shape = inputs.get("faces", ("", []))
    sides = [side for side in shape[1:] if isinstance(side, int)]
    fault = ""
    if list(inputs) != ["faces"] or kind != "tensor(uint8)" or len(shape) != 3:
        fault = f"it takes {inputs}, not 'faces' (N, S, S) uint8"
    elif any(side != size for side in sides):
        fault = f"it takes faces of {sides}, its metadata say {size}"
    else:
        kind, shape = outputs.get("logits", ("", []))
        if kind != "tensor(float)" or len(shape) != 2:
            fault = f"it gives {outputs}, not 'logits' (N, C) float32"
        elif isinstance(shape[1], int) and shape[1] != len(classes):
            fault = f"it gives {shape[1]} numbers per face for {len(classes)} classes"
    if not fault:
        fault = _trial(session, len(classes), size)
    if fault:
        raise MienError(f"{path} is not a valid mien model: {fault}")


def _trial(session: Any, classes: int, size: int) -> str:
    """Run a session on one face and on three; returns the error message, "" if there is none."""
    ramp = np.linspace(0, 255, size * size).reshape(size, size).astype(np.uint8)
    faces = np.stack([ramp, ramp.T, 255 - ramp])
    for count in (1, 3):
        try:
            logits = session.run(["logits"], {"faces": np.ascontiguousarray(faces[:count])})[0]
        except Exception as error:  # onnxruntime raises a dozen exception classes
            return f"it fails on {count} faces: {' '.join(str(error).split())[-160:]}"
        if logits.shape != (count, classes):
            return f"it gives logits {logits.shape} for {count} faces and {classes} classes"
        if not np.isfinite(logits).all():
            return "it returns numbers that are not finite"
    return ""
