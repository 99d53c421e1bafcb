"""What the tests of reading share: a small real ONNX classifier with fixed random weights, and pictures."""

import io
import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mien import Reader
from mien.labels import EMOTIONS

PORTRAIT = Path(__file__).parents[1] / "src/mien/inference/sample/astronaut.jpg"
FACE = (165, 45, 285, 195)  # left, top, right, bottom of the face in it, loosely


def make_model(path: Path, classes: tuple[str, ...] = EMOTIONS, size: int = 48, seed: int = 0, **metadata: str) -> Path:
    """Write a classifier by the model file contract: one convolution, pooling, one linear layer."""
    rng = np.random.default_rng(seed)
    weights = {
        "scale": np.float32(255),
        "filters": rng.normal(0, 0.4, (8, 1, 5, 5)).astype(np.float32),
        "matrix": rng.normal(0, 1.5, (8 * 16, len(classes))).astype(np.float32),
        "bias": np.zeros(len(classes), np.float32),
        "axes": np.array([1], np.int64),
    }
    pool = size // 4 // 4
    nodes = [
        helper.make_node("Cast", ["faces"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "scale"], ["unit"]),
        helper.make_node("Unsqueeze", ["unit", "axes"], ["planes"]),
        helper.make_node("Conv", ["planes", "filters"], ["edges"], strides=[4, 4], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["edges"], ["active"]),
        helper.make_node("AveragePool", ["active"], ["pooled"], kernel_shape=[pool, pool], strides=[pool, pool]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(classes)])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    says = {
        "mien_format": "1",
        "name": "tiny",
        "classes": json.dumps(classes),
        "input_size": str(size),
        "temperature": "1.5",
        **metadata,
    }
    helper.set_model_props(model, {key: value for key, value in says.items() if value})
    onnx.save(model, path)
    return path


def portrait() -> Image.Image:
    """The portrait, 512x512 RGB, with one face."""
    with Image.open(PORTRAIT) as image:
        return image.convert("RGB")


def crowd(columns: int, rows: int, side: int) -> Image.Image:
    """A wall of the same face, one in each square of `side` pixels, each second one mirrored."""
    face = portrait().crop(FACE).resize((round(side * 0.8), side), Image.Resampling.BICUBIC)
    wall = Image.new("RGB", (columns * side, rows * side), (90, 110, 120))
    for i in range(columns * rows):
        turned = face.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if i % 2 else face
        wall.paste(turned, (i % columns * side + side // 10, i // columns * side))
    return wall


def make_film(path: Path, seconds: float = 4, fps: float = 10, size: tuple[int, int] = (480, 270)) -> Path:
    """A film of two faces: one drifts to the right all the time, one is there in the middle half only."""
    import cv2

    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
    face = portrait().crop(FACE)
    small = face.resize((96, 120), Image.Resampling.BICUBIC)
    count = round(seconds * fps)
    for i in range(count):
        frame = Image.new("RGB", size, (96, 120, 140))
        frame.paste(small, (20 + round(100 * i / count), 70))
        if count // 4 <= i < 3 * count // 4:
            frame.paste(small.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (330, 60))
        writer.write(np.ascontiguousarray(np.asarray(frame)[:, :, ::-1]))
    writer.release()
    return path


_FOLDER = tempfile.TemporaryDirectory(prefix="mien-read-")


@lru_cache(maxsize=1)
def tiny_model() -> Path:
    """A classifier of the seven emotions, written once for all tests."""
    return make_model(Path(_FOLDER.name) / "tiny.onnx")


@lru_cache(maxsize=1)
def reader() -> Reader:
    """A reader with it."""
    return Reader(tiny_model())


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
