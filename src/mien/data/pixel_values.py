"""Arrays of pixels of any type and shape, as they come in npz and parquet files, as faces (N, 48, 48) uint8."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.csv_columns import PIXELS
from mien.data.dataset import SIZE
from mien.data.image import to_square_gray
from mien.errors import MienError

_FIRST = 8  # pictures that mostly tell already that a set is no set of zeros and ones
_ABOVE_1 = 1.5  # rounding and resizing lead a little beyond 1; pictures of 0..255 that stay under it are black
_LOW = 20  # fractions that end below it are on some scale of their own


def only_0_and_1(pixels: NDArray[Any]) -> bool:
    """Whether whole-numbered pictures, two or more, use no values but 0 and 1, and most of them use both."""
    if len(pixels) < 2 or pixels[:_FIRST].max() > 1 or pixels.max() > 1:
        return False
    flat = pixels.reshape(len(pixels), -1)
    return bool(((flat.max(axis=1) == 1) & (flat.min(axis=1) == 0)).mean() > 0.5)


def scale_of(pixels: NDArray[Any], name: str, decisions: list[str]) -> float:
    """By what pixels are multiplied to be 0..255: 255 for floats in 0..1 and for pictures of zeros and ones; told.

    pixels: (N, ...) of any type. Raises MienError for what are no pixels.
    """
    if pixels.dtype.kind not in "buif" or pixels.size == 0 or pixels.ndim < 2:
        raise MienError(
            f"{name} of shape {pixels.shape} and type {pixels.dtype} are no pictures; give (N, {SIZE}, {SIZE}) uint8"
        )
    if pixels.dtype.kind != "f":
        if pixels.dtype.kind != "b" and not only_0_and_1(pixels):
            return 1.0
        decisions.append("all pixels are 0 or 1, which are read as black and white")
        return 255.0
    high = float(pixels.max())
    if _ABOVE_1 < high < _LOW and (pixels[:_FIRST] % 1).any():
        raise MienError(
            f"{name} has values up to {high:g}, neither 0..1 nor 0..255; give uint8, 0 to 255, or floats 0 to 1"
        )
    if not 0 < high <= _ABOVE_1:
        return 1.0
    beyond = f" (the values up to {high:g} are cut off at 1)" if high > 1 else ""
    decisions.append(f"pixels are floating-point numbers in 0..1 and are scaled to 0..255{beyond}")
    return 255.0


def to_faces(pixels: NDArray[Any], name: str, scale: float, decisions: list[str]) -> NDArray[np.uint8]:
    """(N, 48, 48), (N, 48, 48, 1), (N, 1, 48, 48), (48, 48, N), (N, 2304) or pictures of another size, gray or RGB ->
    (N, 48, 48) uint8. Raises MienError for values out of 0..255 and other shapes.
    """
    shape = pixels.shape
    if pixels.dtype != np.uint8 or scale != 1:
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite(low + high):
            raise MienError(f"{name} has values that are no numbers (nan or infinite); give uint8, 0 to 255")
        if low < 0 or high > (255 if scale == 1 else _ABOVE_1):
            raise MienError(
                f"{name} has values from {low:g} to {high:g}"
                f"{' where the first ones are in 0..1' if scale > 1 and low >= 0 else ''}; give uint8, 0 to 255"
            )
        pixels = np.rint(np.minimum(pixels * scale, 255)).astype(np.uint8)
    if pixels.ndim == 2 and pixels.shape[1] == PIXELS:
        pixels = pixels.reshape(-1, SIZE, SIZE)
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 4 and pixels.shape[1] == 1:
        pixels = pixels[:, 0]
    if shape[:2] == (SIZE, SIZE) and len(shape) == 3:
        last = shape[2] != SIZE
        decisions.append(f"pictures of shape {shape}: the {'last' if last else 'first'} axis counts them")
        pixels = np.moveaxis(pixels, -1, 0) if last else pixels
    if pixels.ndim == 3 and pixels.shape[1:] == (SIZE, SIZE):
        return np.ascontiguousarray(pixels)
    if pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] in (3, 4)):
        return np.stack([to_square_gray(Image.fromarray(np.ascontiguousarray(picture)), SIZE) for picture in pixels])
    raise MienError(f"{name} of shape {pixels.shape} are no pictures; give (N, {SIZE}, {SIZE}) uint8")
