"""Photographs among pictures that should be cut-out faces: the face finder looks at a sample."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data.image import open_picture
from mien.data.sources import find
from mien.errors import MienError
from mien.inference.crop import MARGIN
from mien.inference.detector import Detector, open_detector

SAMPLE = 40  # pictures that are looked at
WARN_SHARE = 0.2  # share of them from which on they are worth a warning
FILLS = 0.6  # share of the picture's shorter side that the frame of a cut-out face takes at least
CUT = 64  # pixels: pictures no larger hold no photograph
ODD = 256  # pixels, longer side: larger ones without any face are photographs too


@dataclass(frozen=True)
class UncutReport:
    """How many of the pictures looked at are photographs that were never cut. example: one of them."""

    n: int
    uncut: int
    example: str = ""

    @property
    def many(self) -> bool:
        """Whether so many are photographs that were never cut that a warning is due."""
        return self.uncut > WARN_SHARE * self.n

    def warning(self, path: str | Path) -> str:
        """A sentence for people who train on the pictures at `path`; "" where nothing is wrong."""
        if not self.many:
            return ""
        cut = Path(path).with_name(f"{Path(path).resolve().name}-cut")
        return (
            f"{self.uncut} of {self.n} pictures looked at, such as {self.example}, are photographs that were never cut "
            f"to the face; do that first: mien data crop {path} -o {cut}"
        )


def check_uncut(path: str | Path, sample: int = SAMPLE) -> UncutReport:
    """Look at a sample of the pictures of a data set, spread evenly, with the face finder.

    A picture was never cut where its largest face is framed by less than 0.6 of its shorter side, or where it is large
    and no face is found. Data sets without pictures, or whose faces have boxes, give an empty report.
    """
    try:
        pictures = find(Path(path)).pictures
    except (MienError, OSError):
        pictures = None
    files = [each.file for each in pictures.samples if each.box is None] if pictures else []
    chosen = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, min(sample, len(files))).astype(int))]
    detector = open_detector()
    uncut = [file for file in chosen if _is_uncut(file, detector)]
    return UncutReport(len(chosen), len(uncut), uncut[0] if uncut else "")


def _is_uncut(file: str, detector: Detector) -> bool:
    try:
        picture = open_picture(file)
    except MienError:  # broken pictures are told of elsewhere
        return False
    if max(picture.size) <= CUT:
        return False
    boxes = detector(picture).boxes
    if not len(boxes):
        return max(picture.size) > ODD
    return bool(MARGIN * boxes[0, 2:].max() < FILLS * min(picture.size))
