"""Pixel depth: from the values that cameras, scanners and programs put into pixels to 8 bits."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def colors_to_uint8(pixels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """As to_uint8, for (H, W, C): where there are four channels, colors and alpha each by the depth of their own."""
    if pixels.ndim < 3 or pixels.shape[2] != 4:
        return to_uint8(pixels, name)
    return np.concatenate([to_uint8(pixels[..., :3], name), to_uint8(pixels[..., 3:], name)], axis=2)


def load_deep(image: Image.Image, rawmode: str, reopen: Callable[[], Image.Image], name: str) -> Image.Image:
    """Decode colors, or gray with alpha, of 16 bits. Pillow keeps their high bytes only; where the values are small,
    both are needed.

    image: not loaded yet. rawmode: of its tiles, such as "RGB;16B". reopen: gives the same image once more. Raises what
    Pillow does where the file is damaged.
    """
    image.load()
    high = np.asarray(image)
    if high[..., :3].max() >= 1 << (DEPTHS[-2] - 8):
        return image
    again = reopen()
    gray = rawmode == "LA;16B"
    # The same bytes read in the other order: what Pillow takes for the high byte is the low one. For gray with alpha it
    # knows no other order, but four bytes as they are.
    little = sys.byteorder == "little" if rawmode[-1] == "N" else rawmode[-1] == "L"
    swapped = "RGBA" if gray else rawmode[:-1] + ("B" if little else "L")
    for i, (codec, extents, offset, arguments) in enumerate(again.tile):  # type: ignore[attr-defined]
        other = (swapped, *arguments[1:]) if isinstance(arguments, tuple) else swapped
        again.tile[i] = type(again.tile[i])(codec, extents, offset, other)  # type: ignore[attr-defined]
    again.load()
    low = np.asarray(again)
    deep = high.astype(np.uint16) << 8 | (low[..., [1, 1, 1, 3]] if gray else low)
    image.paste(Image.fromarray(colors_to_uint8(deep, name)))
    return image
