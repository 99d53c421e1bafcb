"""Pictures in, faces with emotions out: one at a time, or many in order with all their faces classified together."""

import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from mien.data.image import MAX_PIXELS, Source, describe, open_picture, to_square_gray
from mien.errors import MienError, MienWarning, require
from mien.inference.crop import MARGIN, crop_face
from mien.inference.detections import LANDMARKS, Detections
from mien.inference.detector import MIN_SCORE, YUNET, checked_detector, open_detector
from mien.inference.face import Face, require_face
from mien.inference.model import Model, open_model
from mien.inference.occlusion import Explanation, explain_crop
from mien.inference.quality import measure_quality
from mien.inference.session import CORES

S = TypeVar("S", bound=Source)
KEPT_PIXELS = 32_000_000  # of pictures that wait for their batch, where the caller wants the pictures too


@dataclass(frozen=True)
class ReadResult(Generic[S]):
    """What became of one source: its faces, or the error that kept it from being read.

    width, height: of the upright picture; 0 where it could not be read. picture: kept only when asked for. note: what
    its decoder warned of, where that was another process.
    """

    source: S
    faces: tuple[Face, ...] = ()
    width: int = 0
    height: int = 0
    error: MienError | None = None
    picture: Image.Image | None = field(default=None, repr=False, compare=False)
    note: str | None = None


@dataclass(frozen=True)
class PreparedImage(Generic[S]):
    """A picture whose faces are found and cut out, but not yet classified. crops: F arrays (S, S) uint8."""

    result: ReadResult[S]
    detections: Detections
    crops: list[NDArray[np.uint8]]


class Reader:
    """Finds and reads faces. Make one and reuse it, from as many threads as you like.

    model: the name of a shipped model, or the path of one made by `mien export`. detector: "yunet"; the path of another
    YuNet; or a function from an RGB array (H, W, 3) uint8 to rows x, y, width, height[, score], in pixels. threads: for
    one picture, the threads of onnxruntime; for `read_many` and `stream`, pictures worked on at a time; never more than
    the machine has cores. flip: average over the mirrored face too (slower, a little more accurate). max_pixels: refuse
    larger pictures. min_score: least score of a face, 0..1; None: 0.65 of YuNet, any of a function. margin: see
    mien.inference.crop. untrusted: refuse formats that let a small file work for minutes. find_turned: where the
    detector is unsure, look for faces that lie or stand on their heads, too, and read them upright.
    """

    def __init__(
        self,
        model: str | Path = "default",
        detector: str | Path | Callable[[NDArray[np.uint8]], Any] = "yunet",
        threads: int = 1,
        *,
        flip: bool = False,
        max_pixels: int = MAX_PIXELS,
        min_score: float | None = None,
        margin: float = MARGIN,
        untrusted: bool = False,
        find_turned: bool = True,
    ) -> None:
        for option, ok, should in (
            ("max_pixels", isinstance(max_pixels, Integral) and max_pixels >= 1, "a whole number of 1 or more"),
            ("min_score", min_score is None or _within(min_score, 0, 1), "a number from 0 to 1"),
            ("margin", _within(margin, 0, 10) and margin != 10, "a number of 0 or more, below 10"),
            ("detector", callable(detector) or isinstance(detector, (str, Path)), '"yunet", a path or a function'),
            ("flip", isinstance(flip, (bool, np.bool_)), "True or False"),
            ("untrusted", isinstance(untrusted, (bool, np.bool_)), "True or False"),
            ("find_turned", isinstance(find_turned, (bool, np.bool_)), "True or False"),
        ):
            if not ok:
                raise MienError(f"{{parameter}} is {should}, not {locals()[option]!r}", parameter=option)
        self.model: Model = open_model(model, threads)
        self.threads = int(min(threads, CORES))
        self.flip = flip
        self.max_pixels = int(max_pixels)
        self.margin = margin
        if callable(detector):
            self._detect: Callable[[Image.Image], Detections] = checked_detector(detector, min_score)
        else:
            path = YUNET if detector == "yunet" else Path(detector)
            min_score = MIN_SCORE if min_score is None else min_score
            self._detect = open_detector(path, threads, min_score, find_turned=find_turned)
        self.min_score = min_score
        self.untrusted = untrusted
        options: dict[str, Any] = {
            "flip": flip,
            "max_pixels": max_pixels,
            "min_score": min_score,
            "margin": margin,
            "untrusted": untrusted,
            "find_turned": find_turned,
        }
        # Many pictures at a time with one thread each do more than one picture with many threads.
        self._one = self if self.threads == 1 else Reader(model, detector, 1, **options)

    def read(self, source: Source, already_cropped: bool = False) -> list[Face]:
        """The faces in one picture, largest first; an empty list where there are none.

        source: see mien.data.image.open_picture. already_cropped: take the whole picture as one face.
        Raises MienError, naming the source, where it is not a picture that can be read.
        """
        _require_bool("already_cropped", already_cropped)
        image = self.detect_and_crop(source, already_cropped)
        if image.result.error:
            raise image.result.error
        return list(self.classify_batch([image])[0].faces)

    def read_many(self, sources: Iterable[S], batch: int = 64, already_cropped: bool = False) -> Iterator[list[Face]]:
        """The faces of each picture, in the order of `sources`, which is read as it is needed.

        batch: faces classified together. Memory does not grow with the number of pictures. The first source that
        cannot be read raises its MienError; `stream` goes on past it.
        """
        for result in self.stream(sources, batch, already_cropped):
            if result.error:
                raise result.error
            yield list(result.faces)

    def stream(
        self, sources: Iterable[S], batch: int = 64, already_cropped: bool = False, keep: bool = False
    ) -> Iterator[ReadResult[S]]:
        """As read_many, but gives a ReadResult for every source: with its error where it could not be read.

        keep: give the decoded pictures too (ReadResult.picture).
        """
        if _is_one_picture(sources) or not hasattr(sources, "__iter__"):
            raise MienError(
                f"give several {{parameter}}, such as a list of paths, not {describe(sources)}; "
                "one picture is read with read()",
                parameter="sources",
            )
        _require_bool("already_cropped", already_cropped)
        _require_bool("keep", keep)
        require(isinstance(batch, Integral) and batch >= 1, "batch", repr(batch), "a whole number of 1 or more")
        waiting: list[PreparedImage[S]] = []
        prepared = _in_order(
            lambda source: self._one.detect_and_crop(source, already_cropped, keep), sources, self.threads
        )
        for image in prepared:
            waiting.append(image)
            faces = sum(len(each.crops) for each in waiting)
            pixels = sum(each.result.width * each.result.height for each in waiting) if keep else 0
            if faces >= batch or len(waiting) >= batch or pixels >= KEPT_PIXELS:
                yield from self._one.classify_batch(waiting)
                waiting = []
        yield from self._one.classify_batch(waiting)

    def classify(self, crops: ArrayLike) -> NDArray[np.float64]:
        """(N, 48, 48) uint8 gray faces already cropped -> (N, C) float64 probabilities."""
        return self.model.classify(crops, self.flip)

    def explain(self, face: Face, emotion: str | None = None) -> Explanation:
        """Which pixels of a face spoke for its emotion, or for another one. See mien.inference.occlusion."""
        require_face(face)
        return explain_crop(self.model, face.crop, emotion or face.emotion, self.flip)

    def detect_and_crop(self, source: S, already_cropped: bool = False, keep: bool = False) -> PreparedImage[S]:
        """First half of reading, a picture at a time: decode, find, cut. `classify_batch` is the second, many at a
        time.

        keep: keep the decoded picture. A source that cannot be read gives a PreparedImage with its error.
        """
        try:
            picture = open_picture(source, self.max_pixels, self.untrusted)
        except MienError as error:
            return PreparedImage(ReadResult(source, error=error), Detections.empty(), [])
        size = self.model.input_size
        if already_cropped:
            detections = Detections.of(np.array([[0, 0, picture.width, picture.height]], np.float64))
            crops = [to_square_gray(picture, size)]
        else:
            detections = self._detect(picture)
            crops = [
                crop_face(picture, box, size, self.margin, turn=int(turn))
                for box, turn in zip(detections.boxes, detections.turns, strict=True)
            ]
        result = ReadResult(source, (), picture.width, picture.height, None, picture if keep else None)
        return PreparedImage(result, detections, crops)

    def classify_batch(self, images: Sequence[PreparedImage[S]]) -> list[ReadResult[S]]:
        """Classify the faces of several pictures together and put them where they belong."""
        crops = [crop for image in images for crop in image.crops]
        probabilities = iter(self.classify(np.array(crops))) if crops else iter(())
        return [
            replace(
                image.result, faces=tuple(self._face(image, i, next(probabilities)) for i in range(len(image.crops)))
            )
            for image in images
        ]

    def _face(self, image: PreparedImage[S], i: int, probabilities: NDArray[np.float64]) -> Face:
        classes = self.model.classes
        best = int(probabilities.argmax())
        faces, width, height = image.detections, image.result.width, image.result.height
        box, score = faces.boxes[i], float(faces.scores[i])
        left, top = max(0, round(box[0])), max(0, round(box[1]))
        right, bottom = min(width, round(box[0] + box[2])), min(height, round(box[1] + box[3]))
        known = [] if np.isnan(faces.landmarks[i]).any() else faces.landmarks[i].tolist()
        return Face(
            emotion=classes[best],
            confidence=float(probabilities[best]),
            probabilities={name: float(p) for name, p in zip(classes, probabilities, strict=True)},
            box=(left, top, max(1, right - left), max(1, bottom - top)),
            score=None if math.isnan(score) else score,
            landmarks={name: (float(x), float(y)) for name, (x, y) in zip(LANDMARKS, known, strict=False)},
            crop=image.crops[i],
            model=str(self.model.path),
            set_threshold=self.model.info.conformal.get("threshold"),
            quality=measure_quality(image.crops[i], box, faces.landmarks[i], int(faces.turns[i]), width, height),
        )


def read(source: Source, *, already_cropped: bool = False, model: str | Path = "default", **options: Any) -> list[Face]:
    """The faces in one picture and their emotions, largest face first; an empty list where there are none.

    source: a path, the bytes of a picture file, an open file, a Pillow image, or an array (H, W), (H, W, 3) RGB or
    (H, W, 4) of uint8, uint16 or floats in 0..1 (OpenCV's arrays are BGR: give array[..., ::-1]).
    already_cropped: take the picture as one face. options: those of Reader.
    Raises MienError for what is not a readable picture.
    """
    if "whole" in options:
        already_cropped = bool(options.pop("whole"))
        warnings.warn("whole= is called already_cropped= now", MienWarning, stacklevel=2)
    return Reader(model, **options).read(source, already_cropped)


def classify(crops: ArrayLike, *, model: str | Path = "default", flip: bool = False) -> NDArray[np.float64]:
    """(N, 48, 48) uint8 gray faces already cropped -> (N, C) float64 probabilities, C = 7 for the shipped models."""
    _require_bool("flip", flip)
    return open_model(model).classify(crops, flip)


def explain(face: Face, emotion: str | None = None, *, flip: bool = False) -> Explanation:
    """Which pixels of a face spoke for its emotion, or for another one. See mien.inference.occlusion.

    flip: as it was read; a Reader's own `explain` knows it.
    """
    require_face(face)
    _require_bool("flip", flip)
    return explain_crop(open_model(face.model), face.crop, emotion or face.emotion, bool(flip))


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, Real) and low <= float(value) <= high


def _require_bool(parameter: str, value: object) -> None:
    """Raise MienError unless `value` is True or False."""
    require(isinstance(value, (bool, np.bool_)), parameter, repr(value), "True or False")


def _is_one_picture(sources: Any) -> bool:
    """Whether this is a single source, which would be iterated over by its rows, lines or letters."""
    if isinstance(sources, np.ndarray) and sources.dtype != object:
        return sources.ndim < 3 or (sources.ndim == 3 and sources.shape[2] in (1, 3, 4))
    one = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)
    return isinstance(sources, one) or hasattr(sources, "read")


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
