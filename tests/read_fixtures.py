"""Shared by the reading tests: a small real ONNX classifier with fixed random weights, and pictures."""

import io
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mien import Reader
from mien.cli.main import main
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
    count = round(seconds * fps)
    small = portrait().crop(FACE).resize((96, 120), Image.Resampling.BICUBIC)

    def frame(i: int) -> Image.Image:
        image = Image.new("RGB", size, (96, 120, 140))
        image.paste(small, (20 + round(100 * i / count), 70))
        if count // 4 <= i < 3 * count // 4:
            image.paste(small.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (330, 60))
        return image

    codec = "mjpeg" if path.suffix == ".avi" else "mpeg4"
    return write_film(path, [(i / fps, lambda i=i: frame(i)) for i in range(count)], codec, fps=fps)  # type: ignore[misc]


def held_face(path: Path, times: Sequence[float], until: float = 3.0, **options: Any) -> Path:
    """A film whose frames begin at `times`: a face before `until`, gray from then on."""
    face, gray = portrait().resize((256, 256)), Image.new("RGB", (256, 256), (128, 128, 128))
    return write_film(path, [(time, face if time < until else gray) for time in times], **options)


def write_film(
    path: Path,
    frames: Iterable[tuple[float, Image.Image | Callable[[], Image.Image]]],
    codec: str = "libx264",
    fps: float = 25,
    sound: float = 0,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """A film of pictures with their times in seconds, made by PyAV, and `sound` seconds of a tone."""
    with av.open(str(path), "w", options=options or {}) as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream: Any = container.add_stream(codec, rate=rate)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        constant = path.suffix in (".avi", ".vob", ".mpg", ".mxf")  # frames per second, in these
        stream.codec_context.time_base = 1 / rate if constant else Fraction(1, 10_000)
        tone: Any = container.add_stream("mp2" if constant else "aac", rate=44_100) if sound else None
        if rotation:
            stream.set_display_rotation(rotation)
        for time, image in frames:
            image = image() if callable(image) else image
            if not stream.width or stream.width != image.width:
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_image(image)
            tick = stream.codec_context.time_base
            frame.pts, frame.time_base = round(time / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            for start in range(0, int(sound * 44_100), 1024):
                wave = np.sin(np.arange(start, start + 1024) * 0.06) * 0.3
                block = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
                block.sample_rate, block.pts = 44_100, start
                container.mux(tone.encode(block))
            container.mux(tone.encode(None))
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


Run = Callable[..., tuple[int, str, str]]


def reading(capfd: pytest.CaptureFixture[str], *options: str) -> Run:
    """Runs `mien read` in this process with the tiny model; gives exit code, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        return main(["read", *map(str, arguments), "--model", str(tiny_model()), *options]), *capfd.readouterr()

    return run
