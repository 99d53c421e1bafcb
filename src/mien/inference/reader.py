"""The Reader: find the faces in pictures and classify their emotions, one picture at a time or in batches."""

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
KEPT_PIXELS = 32_000_000  # of decoded pictures in one batch, if the caller asked to keep them


@dataclass(frozen=True)
class ReadResult(Generic[S]):
    """The result of one source: its faces, or the error that kept it from being read.

    width, height: of the upright picture, in pixels; 0 if it could not be read. picture: only if requested. note: a
    warning of the decoder, if that was another process.
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
    """A picture whose faces are detected and cropped, but not yet classified. crops: F arrays (S, S) uint8."""

    result: ReadResult[S]
    detections: Detections
    crops: list[NDArray[np.uint8]]


class Reader:
    """Detects and classifies faces. Create one and reuse it; it is thread-safe.

    model: the name of a shipped model, or the path of one made by `mien export`. detector: "yunet"; the path of another
    YuNet; or a function from an RGB array (H, W, 3) uint8 to rows x, y, width, height[, score], in pixels. threads: for
    one picture, the threads of onnxruntime; for `read_many` and `stream`, pictures processed in parallel; at most the
    machine's cores. flip: average with the mirrored face (slower, slightly more accurate). max_pixels: refuse larger
    pictures. min_score: lowest detection score of a face, 0..1; None: 0.65 for YuNet, no limit for a function. margin:
    see mien.inference.crop. untrusted: refuse formats in which a small file can take minutes to decode. find_turned: if
    the detector is unsure, also look for sideways and upside-down faces, and read them upright.
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
        # Many pictures in parallel, one thread each, are faster than one picture with many threads.
        self._one = self if self.threads == 1 else Reader(model, detector, 1, **options)

    def read(self, source: Source, already_cropped: bool = False) -> list[Face]:
        """The faces in one picture, largest first; an empty list if there are none.

        source: see mien.data.image.open_picture. already_cropped: treat the whole picture as one face. Raises
        MienError, naming the source, if it is not a readable picture.
        """
        _require_bool("already_cropped", already_cropped)
        image = self.detect_and_crop(source, already_cropped)
        if image.result.error:
            raise image.result.error
        return list(self.classify_batch([image])[0].faces)

    def read_many(self, sources: Iterable[S], batch: int = 64, already_cropped: bool = False) -> Iterator[list[Face]]:
        """The faces of each picture, in the order of `sources`, which is consumed lazily.

        batch: faces classified together. Memory does not grow with the number of pictures. The first source that cannot
        be read raises its MienError; use `stream` to continue past it.
        """
        for result in self.stream(sources, batch, already_cropped):
            if result.error:
                raise result.error
            yield list(result.faces)

    def stream(
        self, sources: Iterable[S], batch: int = 64, already_cropped: bool = False, keep: bool = False
    ) -> Iterator[ReadResult[S]]:
        """Like read_many, but yields a ReadResult for every source, with its error if it could not be read.

        keep: include the decoded pictures (ReadResult.picture).
        """
        if _is_one_picture(sources) or not hasattr(sources, "__iter__"):
            raise MienError(
                f"give several {{parameter}}, such as a list of paths, not {describe(sources)}; "
                "use read() for one image",
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
            faces = sum(len(item.crops) for item in waiting)
            pixels = sum(item.result.width * item.result.height for item in waiting) if keep else 0
            if faces >= batch or len(waiting) >= batch or pixels >= KEPT_PIXELS:
                yield from self._one.classify_batch(waiting)
                waiting = []
        yield from self._one.classify_batch(waiting)

    def classify(self, crops: ArrayLike) -> NDArray[np.float64]:
        """(N, 48, 48) uint8 gray, cropped faces -> (N, C) float64 probabilities."""
        return self.model.classify(crops, self.flip)

    def explain(self, face: Face, emotion: str | None = None) -> Explanation:
        """Occlusion saliency: which pixels raise the probability of a face's emotion, or of another one. See
        mien.inference.occlusion."""
        require_face(face)
        return explain_crop(self.model, face.crop, emotion or face.emotion, self.flip)

    def detect_and_crop(self, source: S, already_cropped: bool = False, keep: bool = False) -> PreparedImage[S]:
        """First step of reading, per picture: decode, detect, crop. The second is `classify_batch`, for many at a time.

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
        """Classify the faces of several pictures together; one ReadResult per picture."""
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
        landmarks = [] if np.isnan(faces.landmarks[i]).any() else faces.landmarks[i].tolist()
        return Face(
            emotion=classes[best],
            confidence=float(probabilities[best]),
            probabilities={name: float(p) for name, p in zip(classes, probabilities, strict=True)},
            box=(left, top, max(1, right - left), max(1, bottom - top)),
            score=None if math.isnan(score) else score,
            landmarks={name: (float(x), float(y)) for name, (x, y) in zip(LANDMARKS, landmarks, strict=False)},
            crop=image.crops[i],
            model=str(self.model.path),
            set_threshold=self.model.info.conformal.get("threshold"),
            quality=measure_quality(image.crops[i], box, faces.landmarks[i], int(faces.turns[i]), width, height),
        )


def read(source: Source, *, already_cropped: bool = False, model: str | Path = "default", **options: Any) -> list[Face]:
    """The faces in one picture and their emotions, largest face first; an empty list if there are none.

    source: a path, the bytes of a picture file, an open file, a Pillow image, or an array (H, W), (H, W, 3) RGB or (H,
    W, 4) of uint8, uint16 or floats in 0..1 (OpenCV's arrays are BGR: pass array[..., ::-1]). already_cropped: treat
    the picture as one face. options: those of Reader. Raises MienError if the source is not a readable picture.
    """
    if "whole" in options:
        already_cropped = bool(options.pop("whole"))
        warnings.warn("whole= is now called already_cropped=", MienWarning, stacklevel=2)
    return Reader(model, **options).read(source, already_cropped)


def classify(crops: ArrayLike, *, model: str | Path = "default", flip: bool = False) -> NDArray[np.float64]:
    """(N, 48, 48) uint8 gray, cropped faces -> (N, C) float64 probabilities, C = 7 for the shipped models."""
    _require_bool("flip", flip)
    return open_model(model).classify(crops, flip)


def explain(face: Face, emotion: str | None = None, *, flip: bool = False) -> Explanation:
    """Occlusion saliency: which pixels raise the probability of a face's emotion, or of another one. See
    mien.inference.occlusion.

    flip: whether the face was read with flip; a Reader's own `explain` knows.
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
    """Whether this is a single source, which would otherwise be iterated by rows, lines or characters."""
    if isinstance(sources, np.ndarray) and sources.dtype != object:
        return sources.ndim < 3 or (sources.ndim == 3 and sources.shape[2] in (1, 3, 4))
    one = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)
    return isinstance(sources, one) or hasattr(sources, "read")


T = TypeVar("T")
R = TypeVar("R")


def _in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """`map` over `threads` threads, in order, at most two items per thread ahead of the consumer."""
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
