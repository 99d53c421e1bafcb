"""Input normalization: what is done to the light of a face before a network sees it, in training and in reading alike.

Each kind is a look-up table of 256 entries per face, made from the face's histogram, so that it costs little and any
language can repeat it exactly.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

InputNormalization = Literal["none", "percentile", "standardize", "equalize"]
KINDS: tuple[str, ...] = get_args(InputNormalization)

_LEVELS = np.arange(256)


def normalize_input(faces: NDArray[np.uint8], kind: str) -> NDArray[np.uint8]:
    """Normalize the light of gray faces (N, H, W) uint8, each by itself; the shape stays.

    none: as they are.
    percentile: stretched so that the darkest 1 % of the pixels are black and the brightest 1 % white. The limits are the smallest
        levels at which the cumulative count reaches 1 % and 99 % of the pixels.
    standardize: mean 127.5, standard deviation 50 levels, clipped to 0..255.
    equalize: histogram equalization (Gonzalez & Woods), the darkest level of the face to 0.

    A face of one level becomes black (percentile, equalize) or middle gray (standardize). Raises MienError for another kind.
    """
    if kind not in KINDS:
        raise MienError(
            f"no input normalization '{kind}'; there are {', '.join(KINDS)}", parameter="input_normalization"
        )
    if kind == "none" or not len(faces):
        return faces
    n, pixels = len(faces), faces[0].size
    flat = np.ascontiguousarray(faces).reshape(n, pixels)
    offsets = (np.arange(n) << 8)[:, None]
    counts = np.bincount((flat + offsets).ravel(), minlength=n << 8).reshape(n, 256)
    tables = {"percentile": _percentile, "standardize": _standardize, "equalize": _equalize}[kind](counts, pixels)
    return np.take(tables.ravel(), flat + offsets).reshape(faces.shape)


def _percentile(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    """Tables (N, 256) from histograms (N, 256)."""
    cumulative = counts.cumsum(axis=1)
    low = (100 * cumulative >= pixels).argmax(axis=1)[:, None]
    high = (100 * cumulative >= 99 * pixels).argmax(axis=1)[:, None]
    span = np.maximum(high - low, 1)
    # Rounded half up in whole numbers: (2 * 255 * x + span) // (2 * span).
    return np.clip((510 * (_LEVELS - low) + span) // (2 * span), 0, 255).astype(np.uint8)


def _standardize(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    mean = (counts @ _LEVELS)[:, None] / pixels
    variance = (counts @ (_LEVELS * _LEVELS))[:, None] / pixels - mean * mean
    deviation = np.sqrt(np.maximum(variance, 1e-12))
    return np.clip(np.floor(127.5 + 50 * (_LEVELS - mean) / deviation + 0.5), 0, 255).astype(np.uint8)


def _equalize(counts: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    cumulative = counts.cumsum(axis=1)
    first = np.take_along_axis(cumulative, (counts > 0).argmax(axis=1)[:, None], axis=1)  # pixels at the darkest level
    span = np.maximum(pixels - first, 1)
    return np.clip((510 * (cumulative - first) + span) // (2 * span), 0, 255).astype(np.uint8)
