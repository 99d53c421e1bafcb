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


def mien_tool(model: str, photo: str) -> tuple[Classify, Callable[[], Any]]:
    """How mien classifies cropped faces, and how it reads the photo."""
    from mien import Reader

    reader = Reader(model)
    return reader.classify, lambda: reader.read(photo)


def fer_tool(_: str, photo: str) -> tuple[Classify, Callable[[], Any]]:
    """The same for fer; faces already cropped go to its network as `detect_emotions` sends them: 64x64, -1..1."""
    import cv2
    from fer.fer import FER  # `from fer import FER`, as documented, fails

    cv2.setNumThreads(1)
    detector = FER()

    def classify(faces: np.ndarray) -> np.ndarray:
        scaled = np.array([cv2.resize(face, (64, 64)) for face in faces], dtype="float32")
        return np.asarray(detector._classify_emotions((scaled / 255.0 - 0.5) * 2.0))

    return classify, lambda: detector.detect_emotions(cv2.imread(photo))


def timed(work: Callable[[], Any], seconds: float = 1.0) -> list[float]:
    """Seconds of each call, called for about a second and at least ten times."""
    times: list[float] = []
    while sum(times) < seconds or len(times) < 10:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def main() -> None:
    tool, model, photo = sys.argv[1:]
    classify, read = {"mien": mien_tool, "fer": fer_tool}[tool](model, photo)
    faces = np.load(INPUTS / "faces.npy")
    work = {"face": lambda: classify(faces[:1]), "batch": lambda: classify(faces), "photo": read}
    for line in sys.stdin:
        task = line.strip()
        result: dict[str, Any] = {"task": task}
        if task in work:
            result["seconds"] = timed(work[task])
        else:
            result["probabilities"] = classify(np.load(INPUTS / f"{task}.npy")).tolist()
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
