"""What a file of faces holds, whatever its kind: images, labels, parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.labels import EMOTIONS


@dataclass(frozen=True)
class Rows:
    """What a file of faces holds. images (N, 48, 48) uint8; labels (N,) int64 index into classes, or None without that
    column; usage (N,) uint8 index into USAGES, or None without that column. by_order: the labels are numbers that
    nothing names."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    usage: NDArray[np.uint8] | None
    classes: tuple[str, ...] = EMOTIONS
    decisions: tuple[str, ...] = ()
    by_order: bool = False
