"""The face detector: YuNet, run by onnxruntime, at the sizes and ways up at which it sees best.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023.
The weights are OpenCV Zoo's face_detection_yunet_2023mar with free height and width (weights/yunet-LICENSE.txt).
onnxruntime takes less than half of the time of OpenCV's FaceDetectorYN for them, and may be called from many threads.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.errors import MienError
from mien.inference.detections import LANDMARKS, Detections
from mien.inference.session import open_session

__all__ = [
    "LANDMARKS",
    "MIN_SCORE",
    "YUNET",
    "Detector",
    "checked_detector",
    "detect",
    "open_detector",
]

YUNET = Path(__file__).parent / "weights" / "yunet.onnx"

MIN_SCORE = 0.65  # of 48x48 faces of FER2013 98.5 % score above it; crowds of machine parts stay below
HINT_SCORE = 0.3  # something that may be a small face: worth a closer look
SMALL = 32  # pixels, shorter side: below this a closer look finds more faces

# Of upright 48x48 faces of FER2013 85 % score 0.9 or more. Where a picture has a large face below that, or none, it is
# looked at turned, too: that mends nine of ten upside-down faces, and turns 1 in 100 upright ones wrongly, of which
# nearly all are not found upright (measured on every ninth face of PublicTest).
SURE_SCORE = 0.9
TURN_MARGIN = 0.02  # by which a face must score higher when turned
TURNED_SCORE = 0.8  # least score of a face that is seen only when turned

# Longer side of the picture at each look. YuNet sees faces of about 12 to 400 pixels.
FIRST, CLOSE_UP, DETAIL = 640, 256, 1920
ENOUGH = 480  # from here to FIRST a picture is looked at as it is
OVERLAP = 192  # of neighboring tiles: wider than any face that only the tiles can show
STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Detector:
    """YuNet with its options. Called with an RGB Pillow image, it gives its Detections, largest face first.

    min_score: least score, 0..1. find_turned: where it is unsure, look at the picture turned by 90, 180 and 270
    degrees too.
    """

    session: Any
    min_score: float = MIN_SCORE
    find_turned: bool = True

    def __call__(self, image: Image.Image) -> Detections:
        detections = detect(self.session, image, self.min_score)
        if self.find_turned and _is_unsure(detections):
            detections = _with_turned(self.session, image, detections, self.min_score)
        return detections


def open_detector(
    path: str | Path = YUNET,
    threads: int = 1,
    min_score: float = MIN_SCORE,
    find_turned: bool = True,
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
    return Detector(session, min_score, find_turned)


def checked_detector(
    detector: Callable[[NDArray[np.uint8]], Any], min_score: float | None = None
) -> Callable[[Image.Image], Detections]:
    """A caller's own detector, what it gives checked: rows x, y, width, height, then none, a score, or landmarks and
    score. min_score: leave out what scores less; what has no score stays."""

    def detect_with_it(image: Image.Image) -> Detections:
        answer = detector(np.asarray(image))
        try:
            rows = np.asarray([] if answer is None else answer, np.float64)
        except (TypeError, ValueError) as error:
            raise MienError("the detector gave no array of numbers: rows x, y, width, height[, score]") from error
        if rows.size == 0:
            return Detections.empty()
        if rows.ndim != 2 or rows.shape[1] not in (4, 5, 15) or not np.isfinite(rows).all():
            raise MienError(f"the detector gave an array {rows.shape}, not rows x, y, width, height[, score]")
        if not (rows[:, 2:4] > 0).all():
            raise MienError("the detector gave a face without width or height")
        x, y, w, h = rows[:, :4].T
        rows = rows[(x < image.width) & (y < image.height) & (x + w > 0) & (y + h > 0)]
        if min_score is not None and rows.shape[1] > 4:
            rows = rows[rows[:, -1] >= min_score]
        landmarks = rows[:, 4:14].reshape(-1, 5, 2) if rows.shape[1] == 15 else None
        return Detections.of(rows[:, :4], landmarks, rows[:, -1] if rows.shape[1] > 4 else None).largest_first()

    return detect_with_it


def detect(session: Any, image: Image.Image, min_score: float = MIN_SCORE) -> Detections:
    """Find the faces in an RGB image that stand more or less upright; largest first, in pixels of `image`.

    A first look at 640 pixels is enough for most pictures. Where it shows nothing, one face may fill the picture, and
    it is looked at from further away. Where it shows nothing or very small faces, it is looked at closer up: at 1920
    pixels, then in full, in overlapping tiles.
    """
    longest = max(image.size)
    size = _first_size(longest)
    faces = closer_faces = _detect_at(session, image, size)
    if size > CLOSE_UP and not len(faces.above(min_score)):
        faces = _detect_at(session, image, CLOSE_UP)
    for closer in (min(DETAIL, longest), longest):
        any_small = (closer_faces.short_sides * (size / longest) < SMALL).any()
        if closer < 1.25 * size or (len(closer_faces) and not any_small):
            continue
        if not len(closer_faces) and size > FIRST:
            break  # not even a hint of a face in a detailed look: there is none
        size = closer
        closer_faces = _detect_at(session, image, size)
        # Faces that are large here were seen better from further away; large patches up close are often no face.
        closer_faces = closer_faces[closer_faces.short_sides * size / longest <= OVERLAP]
        faces = non_max_suppression(Detections.concatenate([faces, closer_faces]))
    return faces.above(min_score).largest_first()


def _is_unsure(detections: Detections) -> bool:
    """Whether the picture may show faces that do not stand upright."""
    return not len(detections) or bool(((detections.scores < SURE_SCORE) & (detections.short_sides >= SMALL)).any())


def _with_turned(session: Any, image: Image.Image, upright: Detections, min_score: float) -> Detections:
    """The faces found, each the way up in which it scores best, and those that are seen only when turned."""
    size = _first_size(max(image.size))
    parts, ranks = [upright], [np.where(upright.scores >= SURE_SCORE, 2.0, upright.scores + TURN_MARGIN)]
    for turn, how in (
        (90, Image.Transpose.ROTATE_90),
        (180, Image.Transpose.ROTATE_180),
        (270, Image.Transpose.ROTATE_270),
    ):
        turned = image.transpose(how)
        faces = _detect_at(session, turned, size)
        if size > CLOSE_UP and not len(faces.above(min_score)):
            faces = _detect_at(session, turned, CLOSE_UP)
        faces = faces.above(max(min_score, TURNED_SCORE)).turned_back(turn, *image.size)
        parts.append(faces)
        ranks.append(faces.scores)
    if not any(map(len, parts[1:])):
        return upright
    return non_max_suppression(Detections.concatenate(parts), np.concatenate(ranks)).largest_first()


def _first_size(longest: int) -> int:
    # Small pictures are enlarged: YuNet misses a quarter of 48x48 faces as they are, and 1 in 60 at 256 pixels.
    return longest if ENOUGH <= longest <= FIRST else min(FIRST, max(CLOSE_UP, 2 * longest))


def _detect_at(session: Any, image: Image.Image, size: int) -> Detections:
    """All that may be a face with the longer side scaled to `size`; in pixels of `image`."""
    longest = max(image.size)
    scale = size / longest
    width, height = (max(1, round(side * scale)) for side in image.size)
    if size > longest:
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    elif size < longest:
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    parts = []
    for left in _starts(width):
        for top in _starts(height):
            tile = image.crop((left, top, min(left + DETAIL, width), min(top + DETAIL, height)))
            parts.append(_infer(session, tile).shifted(left, top))
    return non_max_suppression(Detections.concatenate(parts)).scaled(longest, size)


def _starts(length: int) -> Iterator[int]:
    """Where tiles begin along a side: one tile where it fits, else evenly spread with at least OVERLAP."""
    count = 1 if length <= DETAIL else -(-(length - OVERLAP) // (DETAIL - OVERLAP))
    for i in range(count):
        yield round(i * (length - DETAIL) / max(1, count - 1)) if count > 1 else 0


def _infer(session: Any, image: Image.Image) -> Detections:
    """One run of YuNet on an RGB image as it is; all above HINT_SCORE, overlaps included."""
    width, height = image.size
    coarsest = STRIDES[-1]
    padded = np.zeros((1, 3, -(-height // coarsest) * coarsest, -(-width // coarsest) * coarsest), np.float32)
    for plane, channel in enumerate(reversed(image.split())):  # YuNet was trained on BGR
        padded[0, plane, :height, :width] = np.asarray(channel)
    names = [f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps")]
    outputs = session.run(names, {session.get_inputs()[0].name: padded})
    boxes, landmarks, scores = [], [], []
    for stride, level in zip(STRIDES, zip(*[iter(outputs)] * 4, strict=True), strict=True):
        face, there, box, marks = (array[0] for array in level)  # (A, 1), (A, 1), (A, 4), (A, 10)
        score = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        keep = np.flatnonzero(score > HINT_SCORE)
        rows, columns = np.divmod(keep, padded.shape[3] // stride)
        cell = np.stack([columns, rows], axis=1)
        size = np.exp(box[keep, 2:]) * stride
        corner = (cell + box[keep, :2]) * stride - size / 2
        boxes.append(np.concatenate([corner, size], axis=1).astype(np.float64))
        landmarks.append(((marks[keep].reshape(-1, 5, 2) + cell[:, None]) * stride).astype(np.float64))
        scores.append(score[keep].astype(np.float64))
    return Detections.of(np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(scores))


def non_max_suppression(detections: Detections, ranks: NDArray[np.float64] | None = None) -> Detections:
    """Greedy non-maximum suppression, best score first; a box mostly inside a better one goes too.

    ranks: (N,) to go by instead of the scores.
    """
    left = np.argsort(-(detections.scores if ranks is None else ranks), kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        corner, size = detections.boxes[best, :2], detections.boxes[best, 2:]
        corners, sizes = detections.boxes[left, :2], detections.boxes[left, 2:]
        low = np.maximum(corners, corner)
        high = np.minimum(corners + sizes, corner + size)
        shared = np.clip(high - low, 0, None).prod(axis=1)
        area, of_best = sizes.prod(axis=1), size.prod()
        overlap = shared / (area + of_best - shared)
        inside = shared / np.minimum(area, of_best)
        left = left[(overlap <= 0.3) & (inside <= 0.6)]
    return detections[np.array(kept, np.int64)]
