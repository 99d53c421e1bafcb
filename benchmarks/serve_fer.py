"""What one would write around the `fer` package in a few minutes; benchmarks/serve.py runs it beside mien.

uvicorn serve_fer:app --port 8001
"""

from threading import Lock
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, UploadFile
from fer.fer import FER

app = FastAPI()
detector = FER()
one_at_a_time = Lock()  # OpenCV's cascades must not be run from several threads at once


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/read")
def read(picture: UploadFile) -> list[dict[str, Any]]:
    """The faces in one picture: box, and emotions with their probabilities."""
    image = cv2.imdecode(np.frombuffer(picture.file.read(), np.uint8), cv2.IMREAD_COLOR)
    with one_at_a_time:
        found = detector.detect_emotions(image)
    return [
        {"box": [int(v) for v in face["box"]], "emotions": {k: float(v) for k, v in face["emotions"].items()}}
        for face in found
    ]
