"""mien's process for recognise.py: python recognise_mien.py MODEL.onnx; task names come in as lines."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mien import Reader

INPUTS = Path(os.environ["INPUTS"])
PHOTO = Path(__file__).resolve().parents[1] / "src/mien/recognition/sample/astronaut.jpg"


def timed(work: Callable[[], object], seconds: float = 1.0) -> list[float]:
    """Seconds of each call, called for about a second and at least ten times."""
    times: list[float] = []
    while sum(times) < seconds or len(times) < 10:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def main() -> None:
    reader = Reader(sys.argv[1])
    faces = np.load(INPUTS / "faces.npy")
    for line in sys.stdin:
        task = line.strip()
        result: dict[str, object] = {"task": task}
        if task == "face":
            result["seconds"] = timed(lambda: reader.classify(faces[:1]))
        elif task == "batch":
            result["seconds"] = timed(lambda: reader.classify(faces))
        elif task == "photo":
            result["seconds"] = timed(lambda: reader.read(PHOTO))
        else:
            result["probabilities"] = reader.classify(np.load(INPUTS / f"{task}.npy")).tolist()
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
