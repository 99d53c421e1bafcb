"""Pictures in, faces with emotions out: one at a time, or many in order with all their faces classified together."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from PIL import Image

from mien.data.image import MAX_PIXELS, Source, open_picture, to_square_gray
from mien.errors import MienError
from mien.inference.crop import ALIGN, MARGIN, crop_face
from mien.inference.detector import LANDMARKS, MIN_SCORE, YUNET, open_detector
from mien.inference.model import Model, open_model
from mien.inference.occlusion import Explanation, explain_crop
from mien.inference.session import CORES

S = TypeVar("S", bound=Source)
KEPT_PIXELS = 32_000_000  # of pictures that wait for their batch, where the caller wants the pictures too


@dataclass(frozen=True)
class Face:
    """One face and what it shows.

    emotion: the likeliest class. confidence: its probability, 0..1, calibrated by the model's temperature.
    probabilities: every class, in the model's order. box: x, y, width, height in pixels of the upright picture.
    score: the detector's, 0..1; None where the whole picture was taken as the face. landmarks: (x, y) of both eyes,
    the nose and both corners of the mouth, where known. crop: (S, S) uint8, the gray face as the model saw it.
    model: the model's file.
    """

    emotion: str
    confidence: float
    probabilities: dict[str, float]
    box: tuple[int, int, int, int]
    score: float | None
    landmarks: dict[str, tuple[float, float]]
    crop: np.ndarray = field(repr=False, compare=False)
    model: str = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but crop and model, as plain numbers, lists and strings that json can write."""
        return {
            "emotion": self.emotion,
            "confidence": _digits(self.confidence),
            "probabilities": {name: _digits(p) for name, p in self.probabilities.items()},
            "box": list(self.box),
            "score": None if self.score is None else _digits(self.score),
            "landmarks": {name: [round(x, 1), round(y, 1)] for name, (x, y) in self.landmarks.items()},
        }


@dataclass(frozen=True)
class Reading(Generic[S]):
    """What became of one source: its faces, or the error that kept it from being read.

    width, height: of the upright picture; 0 where it could not be read. picture: kept only when asked for.
    """

    source: S
    faces: tuple[Face, ...] = ()
    width: int = 0
    height: int = 0
    error: MienError | None = None
    picture: Image.Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Seen(Generic[S]):
    """A picture whose faces are found and cut out, but not yet classified. rows: (F, 15). crops: (F, S, S) uint8."""

    reading: Reading[S]
    rows: np.ndarray
    crops: list[np.ndarray]


class Reader:
    """Finds and reads faces. Make one and reuse it, from as many threads as you like.

    model: the name of a shipped model, or the path of one made by `mien export`.
    detector: "yunet"; the path of another YuNet; or a function from an RGB array (H, W, 3) uint8 to rows
    x, y, width, height[, score], in pixels. threads: for one picture, the threads of onnxruntime; for `read_many` and
    `stream`, pictures worked on at a time; never more than the machine has cores. flip: average over the mirrored face
    too (slower, a little more accurate). max_pixels: refuse larger pictures. min_score: of the detector, 0..1. margin: see
    mien.inference.crop. align: turn tilted faces level, which takes a second look at every face.
    """

    def __init__(
        self,
        model: str | Path = "default",
        detector: str | Path | Callable[[np.ndarray], Any] = "yunet",
        threads: int = 1,
        *,
        flip: bool = False,
        max_pixels: int = MAX_PIXELS,
        min_score: float = MIN_SCORE,
        margin: float = MARGIN,
        align: bool = ALIGN,
        untrusted: bool = False,
    ) -> None:
        for option, ok, should in (
            ("max_pixels", isinstance(max_pixels, int) and max_pixels >= 1, "a whole number of 1 or more"),
            ("min_score", isinstance(min_score, (int, float)) and 0 <= min_score <= 1, "a number from 0 to 1"),
            ("margin", isinstance(margin, (int, float)) and 0 <= margin < 10, "a number from 0 to 10"),
            ("detector", callable(detector) or isinstance(detector, (str, Path)), '"yunet", a path or a function'),
        ):
            if not ok:
                raise MienError(f"{option} is {should}, not {locals()[option]!r}")
        self.model: Model = open_model(model, threads)
        self.threads = min(threads, CORES)
        self.flip = flip
        self.max_pixels = max_pixels
        self.margin = margin
        self.align = align
        if callable(detector):
            self._find: Callable[[Image.Image], np.ndarray] = _foreign(detector)
        else:
            path = YUNET if detector == "yunet" else Path(detector)
            self._find = open_detector(path, threads, min_score, sharp=align)
        self.untrusted = untrusted
        options: dict[str, Any] = {
            "flip": flip,
            "max_pixels": max_pixels,
            "min_score": min_score,
            "untrusted": untrusted,
        }
        # Many pictures at a time with one thread each do more than one picture with many threads.
        self._one = self if self.threads == 1 else Reader(model, detector, 1, margin=margin, align=align, **options)

    def read(self, source: Source, whole: bool = False) -> list[Face]:
        """The faces in one picture, largest first; an empty list where there are none.

        source: see mien.data.image.open_picture. whole: take the whole picture as one face.
        Raises MienError, naming the source, where it is not a picture that can be read.
        """
        seen = self.see(source, whole, keep=False)
        if seen.reading.error:
            raise seen.reading.error
        return list(self.tell([seen])[0].faces)

    def read_many(self, sources: Iterable[S], batch: int = 64, whole: bool = False) -> Iterator[list[Face]]:
        """The faces of each picture, in the order of `sources`, which is read as it is needed.

        batch: faces classified together. Memory does not grow with the number of pictures. The first source that
        cannot be read raises its MienError; `stream` goes on past it.
        """
        for reading in self.stream(sources, batch, whole):
            if reading.error:
                raise reading.error
            yield list(reading.faces)

    def stream(
        self, sources: Iterable[S], batch: int = 64, whole: bool = False, keep: bool = False
    ) -> Iterator[Reading[S]]:
        """As read_many, but gives a Reading for every source: with its error where it could not be read.

        keep: give the decoded pictures too (Reading.picture).
        """
        if isinstance(sources, (str, bytes)):
            raise MienError("give several sources, such as a list of paths; one picture is read with read()")
        if batch < 1:
            raise MienError(f"batch must be 1 or more, not {batch}")
        waiting: list[Seen[S]] = []
        for seen in _in_order(lambda source: self._one.see(source, whole, keep), sources, self.threads):
            waiting.append(seen)
            faces = sum(len(each.crops) for each in waiting)
            pixels = sum(each.reading.width * each.reading.height for each in waiting) if keep else 0
            if faces >= batch or len(waiting) >= batch or pixels >= KEPT_PIXELS:
                yield from self._one.tell(waiting)
                waiting = []
        yield from self._one.tell(waiting)

    def classify(self, crops: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 gray faces already cropped -> (N, C) float64 probabilities."""
        return self.model.classify(crops, self.flip)

    def explain(self, face: Face, emotion: str | None = None) -> Explanation:
        """Which pixels of a face spoke for its emotion, or for another one. See mien.inference.occlusion."""
        return explain_crop(self.model, face.crop, emotion or face.emotion)

    def see(self, source: S, whole: bool, keep: bool) -> Seen[S]:
        """First half of reading, a picture at a time: decode, find, cut. `tell` is the second, many at a time.

        keep: keep the decoded picture. A source that cannot be read gives a Seen with its error.
        """
        try:
            picture = open_picture(source, self.max_pixels, self.untrusted)
        except MienError as error:
            return Seen(Reading(source, error=error), np.empty((0, 15)), [])
        size = self.model.input_size
        if whole:
            rows = np.array([[0, 0, picture.width, picture.height]], np.float64)
            crops = [to_square_gray(picture, size)]
        else:
            rows = self._find(picture)
            crops = [crop_face(picture, row, size, self.margin, self.align) for row in rows]
        kept = picture if keep else None
        return Seen(Reading(source, (), picture.width, picture.height, None, kept), rows, crops)

    def tell(self, waiting: list[Seen[S]]) -> list[Reading[S]]:
        """Classify the faces of several pictures together and put them where they belong."""
        crops = [crop for seen in waiting for crop in seen.crops]
        probabilities = iter(self.classify(np.array(crops))) if crops else iter(())
        readings = []
        for seen in waiting:
            old = seen.reading
            faces = tuple(
                self._face(row, crop, next(probabilities), old.width, old.height)
                for row, crop in zip(seen.rows, seen.crops, strict=True)
            )
            readings.append(Reading(old.source, faces, old.width, old.height, old.error, old.picture))
        return readings

    def _face(self, row: np.ndarray, crop: np.ndarray, chances: np.ndarray, width: int, height: int) -> Face:
        classes = self.model.classes
        best = int(chances.argmax())
        left, top = max(0, round(row[0])), max(0, round(row[1]))
        right, bottom = min(width, round(row[0] + row[2])), min(height, round(row[1] + row[3]))
        marks = row[4:14].reshape(-1, 2).tolist() if len(row) == 15 else []
        return Face(
            emotion=classes[best],
            confidence=float(chances[best]),
            probabilities={name: float(p) for name, p in zip(classes, chances, strict=True)},
            box=(left, top, max(1, right - left), max(1, bottom - top)),
            score=float(row[-1]) if len(row) in (5, 15) else None,
            landmarks={name: (float(x), float(y)) for name, (x, y) in zip(LANDMARKS, marks, strict=False)},
            crop=crop,
            model=str(self.model.path),
        )


def read(source: Source, *, whole: bool = False, model: str | Path = "default", **options: Any) -> list[Face]:
    """The faces in one picture and their emotions, largest face first; an empty list where there are none.

    source: a path, the bytes of a picture file, an open file, a Pillow image, or an array (H, W), (H, W, 3) RGB or
    (H, W, 4) of uint8, uint16 or floats in 0..1 (OpenCV's arrays are BGR: give array[..., ::-1]).
    whole: take the picture as one face. options: those of Reader.
    Raises MienError for what is not a readable picture.
    """
    return Reader(model, **options).read(source, whole)


def classify(crops: np.ndarray, *, model: str | Path = "default", flip: bool = False) -> np.ndarray:
    """(N, 48, 48) uint8 gray faces already cropped -> (N, C) float64 probabilities, C = 7 for the shipped models."""
    return open_model(model).classify(crops, flip)


def explain(face: Face, emotion: str | None = None) -> Explanation:
    """Which pixels of a face spoke for its emotion, or for another one. See mien.inference.occlusion."""
    return explain_crop(open_model(face.model), face.crop, emotion or face.emotion)


T = TypeVar("T")
R = TypeVar("R")


def _in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """`map` over `threads` threads, in order, never more than two items a thread ahead of the consumer."""
    if threads == 1:
        yield from map(work, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    ahead: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="mien")
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) >= 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _foreign(detector: Callable[[np.ndarray], Any]) -> Callable[[Image.Image], np.ndarray]:
    """A caller's own detector, checked."""

    def find(image: Image.Image) -> np.ndarray:
        found = detector(np.asarray(image))
        try:
            rows = np.asarray([] if found is None else found, np.float64)
        except (TypeError, ValueError) as error:
            raise MienError("the detector gave no array of numbers: rows x, y, width, height[, score]") from error
        if rows.size == 0:
            return np.empty((0, 15))
        if rows.ndim != 2 or rows.shape[1] not in (4, 5, 15) or not np.isfinite(rows).all():
            raise MienError(f"the detector gave an array {rows.shape}, not rows x, y, width, height[, score]")
        if not (rows[:, 2:4] > 0).all():
            raise MienError("the detector gave a face without width or height")
        x, y, w, h = rows[:, :4].T
        rows = rows[(x < image.width) & (y < image.height) & (x + w > 0) & (y + h > 0)]
        return rows[np.argsort(-rows[:, 2] * rows[:, 3], kind="stable")]

    return find


def _digits(value: float) -> float:
    """Seven significant digits: short in a file, and never rounded to nothing."""
    return float(f"{value:.7g}")
