"""Kinds of TIFF that Pillow reads wrongly, or not as the picture that the file is about."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.errors import MienError

_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANES, _SUB_IFDS, _SAMPLE_FORMAT = 258, 259, 262, 284, 330, 339
_SUBFILE, _DNG_VERSION = 254, 50706
_SIGNED = 2


def check_tiff(image: Image.Image, name: str) -> None:
    """Raise MienError for what would be read wrongly: camera raw files, of which only the thumbnail is a plain picture,
    colors of 16 bits in planes, and signed pixels of 8 bits."""
    tags: Any = getattr(image, "tag_v2", {})
    bits = _first(tags, _BITS)
    if _DNG_VERSION in tags or (_first(tags, _SUBFILE) == 1 and _SUB_IFDS in tags):
        raise MienError(f"{name} is a camera's raw file (DNG, NEF, CR2, ...); develop it and save it as JPEG or PNG")
    if (
        bits > 8
        and _first(tags, _PLANES) == 2
        and _first(tags, _COMPRESSION) in (0, 1)
        and len(tags.get(_BITS, ())) > 1
    ):
        raise MienError(
            f"{name} is a TIFF of {bits} bits in planes, which cannot be read; save it with pixels interleaved"
        )
    if bits == 8 and _first(tags, _SAMPLE_FORMAT) == _SIGNED:
        raise MienError(f"{name} is a TIFF of signed pixels, whose scale is not known; save it as 8 bits unsigned")


def white_is_zero(image: Image.Image) -> bool:
    """Whether the pixels of a TIFF are deep and 0 is white in them, which Pillow turns for 8 bits only."""
    tags: Any = getattr(image, "tag_v2", {})
    return image.format == "TIFF" and tags.get(_PHOTOMETRIC) == 0 and _first(tags, _BITS) == 16


def turned(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    """Gray pixels of 16 bits (H, W) with white and black changed over."""
    return (65535 - pixels.astype(np.int64)).astype(np.uint16)


def _first(tags: Any, number: int) -> int:
    value = tags.get(number, 0)
    return int(value[0] if isinstance(value, tuple) and value else value or 0)
