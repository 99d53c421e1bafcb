"""The face detector: YuNet in onnxruntime, applied at several scales and orientations.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. The
weights are OpenCV Zoo's face_detection_yunet_2023mar with free height and width (weights/yunet-LICENSE.txt).
onnxruntime takes less than half the time of OpenCV's FaceDetectorYN and is thread-safe.
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

MIN_SCORE = 0.65  # 98.5 % of FER2013's 48x48 faces score above it; crowds of machine parts stay below
HINT_SCORE = 0.3  # a possible small face: run at a larger scale
SMALL = 32  # pixels, shorter side: for faces below this a larger scale finds more

# Of FER2013's upright 48x48 faces, 85 % score 0.9 or more. If a picture has a large face below that, or none, it is
# also searched rotated: that corrects nine of ten upside-down faces and rotates 1 in 100 upright ones wrongly, nearly
# all of which are not found upright (measured on every ninth face of PublicTest).
SURE_SCORE = 0.9
TURN_MARGIN = 0.02  # how much higher a face must score when rotated
TURNED_SCORE = 0.8  # lowest score of a face that is found only when rotated

# Longer side of the picture at each scale. YuNet detects faces of about 12 to 400 pixels.
FIRST, CLOSE_UP, DETAIL = 640, 256, 1920
ENOUGH = 480  # pictures from this size to FIRST are not resized
OVERLAP = 192  # overlap of tiles in pixels: wider than any face that only tiles can show
STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Detector:
    """YuNet with its options. Call it with an RGB Pillow image to get Detections, largest face first.

    min_score: lowest score, 0..1. find_turned: if the detector is unsure, also search the picture rotated by 90, 180
    and 270 degrees.
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
    """Open YuNet, or another file with the same inputs and outputs and free height and width.

    Raises MienError if the file is missing or is not such a detector.
    """
    session = open_session(Path(path), threads)
    names = {output.name for output in session.get_outputs()}
    wanted = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES}
    shape = session.get_inputs()[0].shape
    if not wanted <= names or len(shape) != 4 or any(isinstance(side, int) for side in shape[2:]):
        raise MienError(f"{path} is not a YuNet face detector with variable height and width")
    return Detector(session, min_score, find_turned)


def checked_detector(
    detector: Callable[[NDArray[np.uint8]], Any], min_score: float | None = None
) -> Callable[[Image.Image], Detections]:
    """Wrap a caller's own detector and check its output: rows x, y, width, height, then nothing, a score, or landmarks
    and score. min_score: drop detections below it; those without a score are kept. The wrapper raises MienError for
    invalid output."""

    def detect_with_it(image: Image.Image) -> Detections:
        output = detector(np.asarray(image))
        try:
            rows = np.asarray([] if output is None else output, np.float64)
        except (TypeError, ValueError) as error:
            raise MienError(
                "the detector must return an array of numbers with rows x, y, width, height[, score]"
            ) from error
        if rows.size == 0:
            return Detections.empty()
        if rows.ndim != 2 or rows.shape[1] not in (4, 5, 15) or not np.isfinite(rows).all():
            raise MienError(f"the detector returned an array {rows.shape}, not rows x, y, width, height[, score]")
        if not (rows[:, 2:4] > 0).all():
            raise MienError("the detector returned a face without width or height")
        x, y, w, h = rows[:, :4].T
        rows = rows[(x < image.width) & (y < image.height) & (x + w > 0) & (y + h > 0)]
        if min_score is not None and rows.shape[1] > 4:
            rows = rows[rows[:, -1] >= min_score]
        landmarks = rows[:, 4:14].reshape(-1, 5, 2) if rows.shape[1] == 15 else None
        return Detections.of(rows[:, :4], landmarks, rows[:, -1] if rows.shape[1] > 4 else None).largest_first()

    return detect_with_it


def detect(session: Any, image: Image.Image, min_score: float = MIN_SCORE) -> Detections:
    """Detect the more or less upright faces in an RGB image; largest first, in pixels of `image`.

    Most pictures need one pass at 640 pixels. If it finds nothing, a face may fill the picture, so it is searched at a
    smaller scale. If it finds nothing or very small faces, it is searched at 1920 pixels, then at full size, in
    overlapping tiles.
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
            break  # not even a weak detection at a large scale: there is no face
        size = closer
        closer_faces = _detect_at(session, image, size)
        # Large faces are detected better at smaller scales; large detections here are often false.
        closer_faces = closer_faces[closer_faces.short_sides * size / longest <= OVERLAP]
        faces = non_max_suppression(Detections.concatenate([faces, closer_faces]))
    return faces.above(min_score).largest_first()


def _is_unsure(detections: Detections) -> bool:
    """Whether the picture may contain faces that are not upright."""
    return not len(detections) or bool(((detections.scores < SURE_SCORE) & (detections.short_sides >= SMALL)).any())


def _with_turned(session: Any, image: Image.Image, upright: Detections, min_score: float) -> Detections:
    """Detections in the orientation with the best score, including faces found only when rotated."""
    size = _first_size(max(image.size))
    parts, ranks = [upright], [np.where(upright.scores >= SURE_SCORE, 2.0, upright.scores + TURN_MARGIN)]
    for turn, transpose in (
        (90, Image.Transpose.ROTATE_90),
        (180, Image.Transpose.ROTATE_180),
        (270, Image.Transpose.ROTATE_270),
    ):
        rotated = image.transpose(transpose)
        faces = _detect_at(session, rotated, size)
        if size > CLOSE_UP and not len(faces.above(min_score)):
            faces = _detect_at(session, rotated, CLOSE_UP)
        faces = faces.above(max(min_score, TURNED_SCORE)).turned_back(turn, *image.size)
        parts.append(faces)
        ranks.append(faces.scores)
    if not any(map(len, parts[1:])):
        return upright
    return non_max_suppression(Detections.concatenate(parts), np.concatenate(ranks)).largest_first()


def _first_size(longest: int) -> int:
    # Small pictures are enlarged: YuNet misses a quarter of 48x48 faces unscaled, and 1 in 60 at 256 pixels.
    return longest if ENOUGH <= longest <= FIRST else min(FIRST, max(CLOSE_UP, 2 * longest))


def _detect_at(session: Any, image: Image.Image, size: int) -> Detections:
    """All candidates with the picture's longer side scaled to `size`, in pixels of `image`."""
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
    """Where tiles start along a side: one tile if it fits, else evenly spaced with at least OVERLAP."""
    count = 1 if length <= DETAIL else -(-(length - OVERLAP) // (DETAIL - OVERLAP))
    for i in range(count):
        yield round(i * (length - DETAIL) / max(1, count - 1)) if count > 1 else 0


def _infer(session: Any, image: Image.Image) -> Detections:
    """One run of YuNet on an RGB image without resizing; all candidates above HINT_SCORE, overlapping ones included."""
    width, height = image.size
    coarsest = STRIDES[-1]
    padded = np.zeros((1, 3, -(-height // coarsest) * coarsest, -(-width // coarsest) * coarsest), np.float32)
    for plane, channel in enumerate(reversed(image.split())):  # YuNet was trained on BGR
        padded[0, plane, :height, :width] = np.asarray(channel)
    names = [f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps")]
    outputs = session.run(names, {session.get_inputs()[0].name: padded})
    boxes, landmarks, scores = [], [], []
    for stride, level in zip(STRIDES, zip(*[iter(outputs)] * 4, strict=True), strict=True):
        face, objectness, box, marks = (array[0] for array in level)  # (A, 1), (A, 1), (A, 4), (A, 10)
        score = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(objectness[:, 0], 0, 1))
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
    """Greedy non-maximum suppression, best score first; also drops boxes mostly inside a better one.

    ranks: (N,) used instead of the scores.
    """
    remaining = np.argsort(-(detections.scores if ranks is None else ranks), kind="stable")
    kept = []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(best)
        corner, size = detections.boxes[best, :2], detections.boxes[best, 2:]
        corners, sizes = detections.boxes[remaining, :2], detections.boxes[remaining, 2:]
        low = np.maximum(corners, corner)
        high = np.minimum(corners + sizes, corner + size)
        shared = np.clip(high - low, 0, None).prod(axis=1)
        area, of_best = sizes.prod(axis=1), size.prod()
        overlap = shared / (area + of_best - shared)
        inside = shared / np.minimum(area, of_best)
        remaining = remaining[(overlap <= 0.3) & (inside <= 0.6)]
    return detections[np.array(kept, np.int64)]
