"""A decoded video frame as an image: RGB, upright, with square pixels, as players show it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mien.errors import MienError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter


@dataclass(frozen=True)
class Frame:
    """One frame. index: counted from 0. time: seconds from the start. duration: seconds until the next frame, 0 for a
    camera."""

    index: int
    time: float
    duration: float
    decoded: "VideoFrame" = field(repr=False, compare=False)
    aspect: float = field(repr=False)
    reformatter: "VideoReformatter" = field(repr=False, compare=False)

    @cached_property
    def image(self) -> Image.Image:
        """The image as players show it: RGB, upright, with square pixels. Computed on access."""
        import av

        frame = self.decoded
        width = max(1, round(frame.width * self.aspect))
        try:
            rgb = self.reformatter.reformat(frame, width, frame.height, "rgb24", threads=1)
            pixels = rgb.to_ndarray()
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise MienError(f"the frame at {self.time:.2f} s cannot be converted to an image: {error}") from error
        return _upright(Image.fromarray(pixels), frame)


def _upright(image: Image.Image, frame: "VideoFrame") -> Image.Image:
    """Rotate and mirror by the frame's display matrix, because phones film sideways."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if not any((a, b, c, d)):  # empty matrix
        return image
    turns = Image.Transpose
    if abs(a) + abs(d) >= abs(b) + abs(c):  # no quarter turn
        method = {(True, True): None, (False, False): turns.ROTATE_180, (False, True): turns.FLIP_LEFT_RIGHT}.get(
            (a > 0, d > 0), turns.FLIP_TOP_BOTTOM
        )
    else:
        method = {(True, False): turns.ROTATE_270, (False, True): turns.ROTATE_90, (True, True): turns.TRANSPOSE}.get(
            (b > 0, c > 0), turns.TRANSVERSE
        )
    return image if method is None else image.transpose(method)
