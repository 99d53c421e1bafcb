"""Finding faces: YuNet, run by onnxruntime, at the sizes at which it sees best.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023.
The weights are OpenCV Zoo's face_detection_yunet_2023mar with free height and width (models/yunet-LICENSE.txt).
onnxruntime takes less than half of the time of OpenCV's FaceDetectorYN for them, and may be called from many threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien.errors import MienError
from mien.inference.session import open_session

YUNET = Path(__file__).parent / "weights" / "yunet.onnx"
LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")  # right and left of the person shown

MIN_SCORE = 0.65  # of 48x48 faces of FER2013 98.5 % score above it; crowds of machine parts stay below
HINT_SCORE = 0.3  # something that may be a small face: worth a closer look
SMALL = 32  # pixels, shorter side: below this a closer look finds more faces

# Longer side of the picture at each look. YuNet sees faces of about 12 to 400 pixels.
FIRST, CLOSE_UP, DETAIL = 640, 256, 1920
ENOUGH = 480  # from here to FIRST a picture is looked at as it is
OVERLAP = 192  # of neighbouring tiles: wider than any face that only the tiles can show
STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Detector:
    """YuNet with its threshold. Called with an RGB Pillow image, it gives rows as `detect` does.

    sharp: look at each face once more, close up, for its landmarks.
    """

    session: Any
    min_score: float = MIN_SCORE
    sharp: bool = False

    def __call__(self, image: Image.Image) -> np.ndarray:
        rows = detect(self.session, image, self.min_score)
        return sharpen(self.session, image, rows) if self.sharp else rows


def open_detector(
    path: str | Path = YUNET, threads: int = 1, min_score: float = MIN_SCORE, sharp: bool = False
) -> Detector:
    """Open YuNet, or another file with its inputs and outputs and free height and width.

    Raises MienError where the file is missing or is no such detector.
    """
    session = open_session(Path(path), threads)
    names = {output.name for output in session.get_outputs()}
    wanted = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES}
    shape = session.get_inputs()[0].shape
    if not wanted <= names or len(shape) != 4 or any(isinstance(side, int) for side in shape[2:]):
        raise MienError(f"{path} is not a YuNet face detector with free height and width")
    return Detector(session, min_score, sharp)


def detect(session: Any, image: Image.Image, min_score: float = MIN_SCORE) -> np.ndarray:
    """Find faces in an RGB image. Returns (N, 15) float64, largest face first, in pixels of `image`.

    Columns: x, y, width, height; x, y of the five LANDMARKS; score 0..1.
    A first look at 640 pixels is enough for most pictures. Where it shows nothing, one face may fill the picture, and
    it is looked at from further away. Where it shows nothing or very small faces, it is looked at closer up: at 1920
    pixels, then in full, in overlapping tiles.
    """
    longest = max(image.size)
    # Small pictures are enlarged: YuNet misses a quarter of 48x48 faces as they are, and 1 in 60 at 256 pixels.
    size = longest if ENOUGH <= longest <= FIRST else min(FIRST, max(CLOSE_UP, 2 * longest))
    found = seen = _look(session, image, size)
    if size > CLOSE_UP and not _sure(found, min_score).size:
        found = _look(session, image, CLOSE_UP)
    for closer in (min(DETAIL, longest), longest):
        if closer < 1.25 * size or (len(seen) and not _any_small(seen, size / longest)):
            continue
        if not len(seen) and size > FIRST:
            break  # not even a hint of a face in a detailed look: there is none
        size = closer
        seen = _look(session, image, size)
        # Faces that are large here were seen better from further away; large patches up close are often no face.
        seen = seen[seen[:, 2:4].min(axis=1) * size / longest <= OVERLAP]
        found = _without_doubles(np.concatenate([found, seen]))
    found = _sure(found, min_score)
    return found[np.argsort(-found[:, 2] * found[:, 3], kind="stable")]


def sharpen(session: Any, image: Image.Image, rows: np.ndarray) -> np.ndarray:
    """The same faces with landmarks seen close up: (N, 15) rows in, (N, 15) rows out.

    On faces under 150 pixels YuNet's landmarks hardly follow a tilt of the head; at 256 pixels they do.
    """
    sharp = rows.copy()
    for row in sharp:
        middle, reach = row[:2] + row[2:4] / 2, 0.65 * row[2:4].max()
        low = np.maximum(np.floor(middle - reach), 0)
        high = np.minimum(np.ceil(middle + reach), image.size)
        if (high - low < 2).any():
            continue
        seen = _sure(_look(session, image.crop((*low.astype(int), *high.astype(int))), CLOSE_UP), MIN_SCORE)
        if len(seen):
            row[4:14] = (seen[0, 4:14].reshape(5, 2) + low).ravel()
    return sharp


def _sure(found: np.ndarray, min_score: float) -> np.ndarray:
    return found[found[:, 14] >= min_score]


def _any_small(found: np.ndarray, scale: float) -> bool:
    return bool((found[:, 2:4].min(axis=1) * scale < SMALL).any())


def _look(session: Any, image: Image.Image, size: int) -> np.ndarray:
    """All that may be a face with the longer side scaled to `size`; rows in pixels of `image`."""
    longest = max(image.size)
    scale = size / longest
    width, height = (max(1, round(side * scale)) for side in image.size)
    if size > longest:
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    elif size < longest:
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    found = [np.empty((0, 15))]
    for left in _starts(width):
        for top in _starts(height):
            tile = image.crop((left, top, min(left + DETAIL, width), min(top + DETAIL, height)))
            rows = _run(session, tile)
            rows[:, [0, 4, 6, 8, 10, 12]] += left
            rows[:, [1, 5, 7, 9, 11, 13]] += top
            found.append(rows)
    rows = _without_doubles(np.concatenate(found))
    rows[:, :14] /= scale
    return rows


def _starts(length: int) -> Iterator[int]:
    """Where tiles begin along a side: one tile where it fits, else evenly spread with at least OVERLAP."""
    count = 1 if length <= DETAIL else -(-(length - OVERLAP) // (DETAIL - OVERLAP))
    for i in range(count):
        yield round(i * (length - DETAIL) / max(1, count - 1)) if count > 1 else 0


def _run(session: Any, image: Image.Image) -> np.ndarray:
    """One run of YuNet on an RGB image as it is; returns rows above HINT_SCORE, overlaps included."""
    width, height = image.size
    coarsest = STRIDES[-1]
    padded = np.zeros((1, 3, -(-height // coarsest) * coarsest, -(-width // coarsest) * coarsest), np.float32)
    for plane, channel in enumerate(reversed(image.split())):  # YuNet was trained on BGR
        padded[0, plane, :height, :width] = np.asarray(channel)
    names = [f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps")]
    outputs = session.run(names, {session.get_inputs()[0].name: padded})
    found = []
    for stride, level in zip(STRIDES, zip(*[iter(outputs)] * 4, strict=True), strict=True):
        face, there, box, marks = (array[0] for array in level)  # (A, 1), (A, 1), (A, 4), (A, 10)
        score = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        keep = np.flatnonzero(score > HINT_SCORE)
        rows, columns = np.divmod(keep, padded.shape[3] // stride)
        cell = np.stack([columns, rows], axis=1)
        size = np.exp(box[keep, 2:]) * stride
        corner = (cell + box[keep, :2]) * stride - size / 2
        points = (marks[keep].reshape(-1, 5, 2) + cell[:, None]) * stride
        found.append(np.concatenate([corner, size, points.reshape(-1, 10), score[keep, None]], axis=1))
    return np.concatenate(found).astype(np.float64)


def _without_doubles(rows: np.ndarray) -> np.ndarray:
    """Greedy non-maximum suppression, best score first; a box mostly inside a better one goes too."""
    rows = rows[np.argsort(-rows[:, 14], kind="stable")]
    kept = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        kept.append(best)
        low = np.maximum(rows[:, :2], best[:2])
        high = np.minimum(rows[:, :2] + rows[:, 2:4], best[:2] + best[2:4])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        area, of_best = rows[:, 2:4].prod(axis=1), best[2:4].prod()
        overlap = shared / (area + of_best - shared)
        inside = shared / np.minimum(area, of_best)
        rows = rows[(overlap <= 0.3) & (inside <= 0.6)]
    return np.array(kept).reshape(-1, 15)
