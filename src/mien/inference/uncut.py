"""Check that a data set of cropped faces contains no uncropped photographs, by running the face detector on a
sample."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data.image import open_picture
from mien.data.sources import find
from mien.errors import MienError
from mien.inference.crop import MARGIN
from mien.inference.detector import Detector, open_detector

SAMPLE = 40  # pictures in the sample
WARN_SHARE = 0.2  # share of uncropped pictures from which there is a warning
FILLS = 0.6  # smallest share of the picture's shorter side for the frame of a cropped face
CUT = 64  # pixels: pictures up to this size are not photographs
ODD = 256  # pixels, longer side: larger pictures without any face count as photographs


@dataclass(frozen=True)
class UncutReport:
    """How many of the sampled pictures are uncropped photographs. example: one of them."""

    n: int
    uncut: int
    example: str = ""

    @property
    def many(self) -> bool:
        """Whether the share of uncropped photographs is large enough for a warning."""
        return self.uncut > WARN_SHARE * self.n

    def warning(self, path: str | Path) -> str:
        """The warning for the pictures at `path`; "" if there is none."""
        if not self.many:
            return ""
        cut = Path(path).with_name(f"{Path(path).resolve().name}-cut")
        return (
            f"{self.uncut} of {self.n} images checked, such as {self.example}, are uncropped photographs; "
            f"crop the faces first: mien data crop {path} -o {cut}"
        )


def check_uncut(path: str | Path, sample: int = SAMPLE) -> UncutReport:
    """Run the face detector on an evenly spaced sample of a data set's pictures.

    A picture is uncropped if the frame of its largest face is less than 0.6 of its shorter side, or if it is large and
    no face is found. Data sets without picture files, or with face boxes, give an empty report.
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
    except MienError:  # broken pictures are reported elsewhere
        return False
    if max(picture.size) <= CUT:
        return False
    boxes = detector(picture).boxes
    if not len(boxes):
        return max(picture.size) > ODD
    return bool(MARGIN * boxes[0, 2:].max() < FILLS * min(picture.size))
