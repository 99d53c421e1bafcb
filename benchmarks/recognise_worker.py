"""A Python tool's process for recognise.py: python recognise_worker.py mien MODEL.onnx PHOTO | fer - PHOTO

It runs in the tool's own environment. The name of a task comes in as a line, its figures go out as a line of JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

INPUTS = Path(os.environ["INPUTS"])
Classify = Callable[[np.ndarray], np.ndarray]


def mien_tool(model: str) -> tuple[Classify, Callable[[str], Any]]:
    """How mien classifies cropped faces, and how it reads a photo."""
    from mien import Reader

    reader = Reader(model)
    return reader.classify, reader.read


def fer_tool(_: str) -> tuple[Classify, Callable[[str], Any]]:
    """The same for fer; faces already cropped go to its network as `detect_emotions` sends them: 64x64, -1..1."""
    import cv2
    from fer.fer import FER  # `from fer import FER`, as documented, fails

    cv2.setNumThreads(1)
    detector = FER()

    def classify(faces: np.ndarray) -> np.ndarray:
        scaled = np.array([cv2.resize(face, (64, 64)) for face in faces], dtype="float32")
        return np.asarray(detector._classify_emotions((scaled / 255.0 - 0.5) * 2.0))

    return classify, lambda photo: detector.detect_emotions(cv2.imread(photo))


def timed(work: Callable[..., Any], *parts: Any, least: float = 0) -> list[float]:
    """Seconds of a call for each part in turn, and over again until `least` seconds and ten calls are full."""
    times: list[float] = []
    while not times or (least and (sum(times) < least or len(times) < 10)):
        for part in parts:
            started = time.perf_counter()
            work(part)
            times.append(time.perf_counter() - started)
    return times


def main() -> None:
    tool, model, photo = sys.argv[1:]
    classify, read = {"mien": mien_tool, "fer": fer_tool}[tool](model)
    faces = np.load(INPUTS / "faces.npy")
    work = {
        "face": lambda: timed(classify, *np.split(faces, len(faces))),
        "batch": lambda: timed(classify, *np.split(faces, len(faces) // 64), least=1),
        "photo": lambda: timed(read, photo, least=1),
    }
    for line in sys.stdin:
        task = line.strip()
        result: dict[str, Any] = {"task": task}
        if task in work:
            result["seconds"] = work[task]()
        else:
            result["probabilities"] = classify(np.load(INPUTS / f"{task}.npy")).tolist()
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
