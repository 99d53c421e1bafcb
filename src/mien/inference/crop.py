"""Crop detected faces to the gray square that the classifier was trained on, with FER2013's framing."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Measured by benchmarks/crop_margin.py. In FER2013 the median frame is 1.03 times the longer side of YuNet's box, half
# of all frames between 1.00 and 1.09; but a crop that is too tight costs more than one that is slightly too wide: from
# 1.1 to 1.2 accuracy equals that of FER2013's own frames.
MARGIN = 1.15  # side of the frame over the longer side of the box
# Aligning the eyes horizontally gains nothing, however tilted the face: the network was trained on tilted faces, and a
# second detection per face costs a third of a photo's time. Frames are rounded to eighths of a pixel, because rounding
# errors in a box differ between processors and browsers, and one gray level in one pixel can change a probability of an
# 8-bit model by 0.01.
GRID = 8


def frame(box: NDArray[np.float64], margin: float = MARGIN) -> tuple[float, float, float]:
    """The square (left, top, side) around a box (x, y, width, height), in pixels; it may extend beyond the picture.

    All three are multiples of an eighth of a pixel.
    """
    x, y, width, height = (float(value) for value in box[:4])
    side = margin * max(width, height)
    left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
    return round(left * GRID) / GRID, round(top * GRID) / GRID, max(1, round(side * GRID)) / GRID


def crop_face(
    image: Image.Image,
    box: NDArray[np.float64],
    size: int,
    margin: float = MARGIN,
    turn: int = 0,
) -> NDArray[np.uint8]:
    """Crop one face from an RGB or gray image. Returns (size, size) uint8 gray.

    box: x, y, width, height. If the frame extends beyond the picture, it is moved inside. A frame larger than the
    picture shrinks to its longer side (so a tight square crop is kept as it is), and the shorter side is padded by
    repeating edge pixels. turn: 0, 90, 180 or 270, degrees by which the crop is finally rotated counterclockwise.
    """
    crop = _cut(image, box, size, margin)
    return np.ascontiguousarray(np.rot90(crop, turn // 90)) if turn else crop


def _cut(image: Image.Image, box: NDArray[np.float64], size: int, margin: float) -> NDArray[np.uint8]:
    left, top, side = frame(box, margin)
    excess = side - max(image.size)
    if excess > 0:
        left, top, side = left + excess / 2, top + excess / 2, side - excess
    left, top = _inside(left, side, image.width), _inside(top, side, image.height)
    region, (x, y) = _region(image, left, top, side)
    inner = (left - x, top - y, left - x + side, top - y + side)
    return np.asarray(region.resize((size, size), Image.Resampling.BILINEAR, box=_clamped(inner, region)))


def _inside(start: float, side: float, length: int) -> float:
    """Move an interval of length `side` starting at `start` into 0..length; center it if it does not fit."""
    if side >= length:
        return (length - side) / 2
    return min(max(start, 0.0), length - side)


def _region(image: Image.Image, left: float, top: float, side: float) -> tuple[Image.Image, tuple[int, int]]:
    """The gray pixels in a square, with edges repeated outside the picture; and where the region starts."""
    x0, y0 = math.floor(left), math.floor(top)
    x1, y1 = max(x0 + 1, math.ceil(left + side)), max(y0 + 1, math.ceil(top + side))
    a0, b0 = min(max(x0, 0), image.width - 1), min(max(y0, 0), image.height - 1)
    a1, b1 = max(min(x1, image.width), a0 + 1), max(min(y1, image.height), b0 + 1)
    region = image.crop((a0, b0, a1, b1)).convert("L")
    if (a0, b0, a1, b1) != (x0, y0, x1, y1):
        pad = ((max(b0 - y0, 0), max(y1 - b1, 0)), (max(a0 - x0, 0), max(x1 - a1, 0)))
        region = Image.fromarray(np.pad(np.asarray(region), pad, mode="edge"))
    return region, (min(x0, a0), min(y0, b0))


def _clamped(box: tuple[float, float, float, float], region: Image.Image) -> tuple[float, float, float, float]:
    # Pillow rejects a box that exceeds the image by a rounding error.
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(region.width)), min(box[3], float(region.height))
