"""Input normalization of faces: contrast and brightness correction, the same in training and reading.

Each kind is a look-up table of 256 entries per face, computed from the face's histogram, so that it is cheap and can be
reproduced exactly in any language.
"""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

InputNormalization = Literal["none", "percentile", "standardize", "equalize", "adaptive"]
KINDS: tuple[str, ...] = get_args(InputNormalization)

# adaptive: stretch faces whose levels span less than LOW_SPAN; then brighten faces whose mean is below LOW_MEAN (0..1).
LOW_SPAN = 128
LOW_MEAN = 0.44
BLACK_MEAN = 0.02  # below this mean a face is not brightened

_LEVELS = np.arange(256)
_SAME = np.arange(256, dtype=np.uint8)


def normalize_input(faces: NDArray[np.uint8], kind: str) -> NDArray[np.uint8]:
    """Normalize the light of gray faces (N, H, W) uint8, each by itself; the shape stays.

    none: as they are.
    percentile: stretched so that the darkest 1 % of the pixels are black and the brightest 1 % white. The limits are
        the smallest levels at which the cumulative count reaches 1 % and 99 % of the pixels.
    standardize: mean 127.5, standard deviation 50 levels, clipped to 0..255.
    equalize: histogram equalization (Gonzalez & Woods), the darkest level of the face to 0.
    adaptive: percentile where those limits are less than 128 levels apart; then, where the mean is below 0.44 of white,
        gamma correction that lifts a pixel of that mean to 0.44. Faces in usual light stay as they are, so that it
        suits networks that were trained without any normalization, too.

    A face of one level becomes black (percentile, equalize) or middle gray (standardize). Raises MienError for another
    kind.
    """
    if kind not in KINDS:
        raise MienError(
            f"no input normalization '{kind}'; there are {', '.join(KINDS)}", parameter="input_normalization"
        )
    if kind == "none" or not len(faces):
        return faces
    table_of = _TABLES[kind]
    # Faces usually come a few at a time: then one by one is faster than all at once.
    tables = [table_of(np.bincount(face.ravel(), minlength=256), face.size) for face in faces]
    if all(table is _SAME for table in tables):
        return faces
    normalized = np.empty(faces.shape, np.uint8)
    for face, output, table in zip(faces, normalized, tables, strict=True):
        output[...] = table[face]
    return normalized


def _limits(counts: NDArray[np.int64], pixels: int) -> tuple[int, int]:
    """Gray levels at which the cumulative count reaches 1 % and 99 % of the pixels; counts: the histogram, (256,)."""
    low, high = counts.cumsum().searchsorted((-(-pixels // 100), -(-99 * pixels // 100))).tolist()
    return low, high


def _stretched(low: int, high: int) -> NDArray[np.uint8]:
    span = max(high - low, 1)
    # Integer arithmetic, rounding half up: (2 * 255 * x + span) // (2 * span).
    table: NDArray[np.uint8] = ((510 * (_LEVELS - low) + span) // (2 * span)).clip(0, 255).astype(np.uint8)
    return table


def _percentile(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    """The look-up table (256,) for the histogram (256,)."""
    return _stretched(*_limits(counts, pixels))


def _standardize(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    mean = int(counts @ _LEVELS) / pixels
    variance = int(counts @ (_LEVELS * _LEVELS)) / pixels - mean * mean
    deviation = max(variance, 1e-12) ** 0.5
    result: NDArray[np.uint8] = np.clip(np.floor(127.5 + 50 * (_LEVELS - mean) / deviation + 0.5), 0, 255).astype(
        np.uint8
    )
    return result


def _equalize(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    cumulative = counts.cumsum()
    first = int(cumulative[(counts > 0).argmax()])  # pixels at the darkest level
    span = max(pixels - first, 1)
    table: NDArray[np.uint8] = ((510 * (cumulative - first) + span) // (2 * span)).clip(0, 255).astype(np.uint8)
    return table


def _adaptive(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    low, high = _limits(counts, pixels)
    table = _stretched(low, high) if high - low < LOW_SPAN else _SAME
    mean = int(counts @ (_LEVELS if table is _SAME else table.astype(np.int64))) / (255 * pixels)
    if mean >= LOW_MEAN:
        return table
    gamma = math.log(LOW_MEAN) / math.log(max(mean, BLACK_MEAN))
    brightened: NDArray[np.uint8] = np.floor(255 * (table / 255) ** gamma + 0.5).astype(np.uint8)
    return brightened


_TABLES = {"percentile": _percentile, "standardize": _standardize, "equalize": _equalize, "adaptive": _adaptive}
