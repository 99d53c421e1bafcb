"""Pixel depth: from the values that cameras, scanners and programs put into pixels to 8 bits."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError, MienWarning

DEPTHS = (8, 10, 12, 14, 16)  # bits that are found in pixels of 16


def to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Scale pixel values to uint8 0..255: bool, floats in 0..1, or whole numbers by the depth that they use.

    name: of the picture, for messages. Warns (MienWarning) where pixels of 16 bits use 10, 12 or 14. Raises MienError
    for values without a known scale.
    """
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        return np.where(array, np.uint8(255), np.uint8(0))
    if kind not in "iuf":
        raise MienError(f"{name}: pixels of type {array.dtype} are not numbers; give uint8 (0..255)")
    low, high = float(array.min()), float(array.max())
    if kind == "f":
        if not np.isfinite([low, high]).all():  # min and max of an array with NaN are NaN
            raise MienError(f"{name} holds NaN or infinite values; give finite pixels")
        if low >= 0 and high <= 1:
            result: NDArray[np.uint8] = np.rint(array * 255).astype(np.uint8)
            return result
    elif low >= 0 and high < 1 << DEPTHS[-1]:
        depth = next(depth for depth in DEPTHS if high < 1 << depth)
        if depth == 8:
            return array.astype(np.uint8)
        top = (1 << depth) - 1
        if depth < DEPTHS[-1]:
            warnings.warn(
                f"a picture of 16 bits a pixel holds values up to {top} only: read as one of {depth} bits",
                MienWarning, stacklevel=2,
            )  # fmt: skip
        scaled: NDArray[np.uint8] = ((array.astype(np.uint32) * 510 + top) // (2 * top)).astype(np.uint8)  # rounded
        return scaled
    raise MienError(
        f"{name}: pixels from {low:g} to {high:g} have no known scale; give uint8 (0..255), uint16 or floats in 0..1"
    )
