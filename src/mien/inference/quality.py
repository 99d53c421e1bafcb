"""Quality of a face image: size, sharpness, brightness, contrast, tilt and truncation, measured without labels.

`flags` names the measures with values at which faces are read less reliably; no face is dropped because of them.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Thresholds of the flags: PublicTest's faces, degraded in that way alone, lose about five points of accuracy or more
# there (results/benchmarks/quality.md); at most 4 in 100 of the undegraded faces are flagged.
SMALL = 40
BLURRED = 0.16
DARK, BRIGHT = 0.2, 0.75
LOW_CONTRAST = 0.25
TILTED = 18
CUT = 0.1


@dataclass(frozen=True)
class Quality:
    """Measures of how hard a face is to read.

    size: shorter side of its box, in pixels of the picture. sharpness: from 0 (none); mean absolute difference of
    neighboring pixels in the cropped face divided by their standard deviation, so that it does not depend on brightness
    or contrast; 0.15 to 0.5 for FER2013's faces. brightness: mean of the cropped face, 0..1. contrast: between the
    darkest and the brightest 1 % of its pixels, 0..1, before input normalization. tilt: angle of the eyes from
    horizontal in degrees, clockwise, -180..180; None without landmarks, and imprecise for faces under 150 pixels.
    turned: 0, 90, 180 or 270, degrees by which the picture was rotated counterclockwise to read the face upright. cut:
    share of its box outside the picture, 0..1.
    """

    size: int
    sharpness: float
    brightness: float
    contrast: float
    tilt: float | None
    turned: int
    cut: float

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the measures that are out of range: "small", "blurred", "dark", "bright", "low contrast", "tilted",
        "turned", "cut"."""
        flags = {
            "small": self.size < SMALL,
            "blurred": self.sharpness < BLURRED,
            "dark": self.brightness < DARK,
            "bright": self.brightness > BRIGHT,
            "low contrast": self.contrast < LOW_CONTRAST,
            "tilted": self.tilt is not None and abs(_wrapped(self.tilt - self.turned)) > TILTED,
            "turned": self.turned != 0,
            "cut": self.cut > CUT,
        }
        return tuple(name for name, raised in flags.items() if raised)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serializable numbers and a list of strings."""
        return {
            "size": self.size,
            "sharpness": round(self.sharpness, 3),
            "brightness": round(self.brightness, 3),
            "contrast": round(self.contrast, 3),
            "tilt": None if self.tilt is None else round(self.tilt, 1),
            "turned": self.turned,
            "cut": round(self.cut, 3),
            "flags": list(self.flags),
        }


def measure_quality(
    crop: NDArray[np.uint8],
    box: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    turn: int,
    width: int,
    height: int,
) -> Quality:
    """The quality of one face.

    crop: (S, S) uint8, upright. box: x, y, width, height in pixels of a picture of width x height. landmarks: (5, 2),
    NaN if unknown. turn: degrees by which the picture was rotated for it.
    """
    pixels = crop.astype(np.float32)
    deviation = float(pixels.std())
    steps = (np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean()) / 2
    low, high = np.partition(crop.ravel(), (crop.size // 100, crop.size - 1 - crop.size // 100))[
        [crop.size // 100, crop.size - 1 - crop.size // 100]
    ]
    x, y, w, h = box.tolist()
    inside = max(0.0, min(x + w, width) - max(x, 0)) * max(0.0, min(y + h, height) - max(y, 0))
    return Quality(
        size=max(1, round(min(w, h))),
        sharpness=float(steps) / deviation if deviation > 0 else 0.0,
        brightness=float(pixels.mean()) / 255,
        contrast=(int(high) - int(low)) / 255,
        tilt=tilt_of(landmarks),
        turned=int(turn),
        cut=min(1.0, max(0.0, 1 - inside / (w * h))) if w * h > 0 else 0.0,
    )


def tilt_of(landmarks: NDArray[np.float64]) -> float | None:
    """Angle of the line from the right to the left eye, in degrees clockwise from horizontal, -180..180; None without
    landmarks."""
    (right_x, right_y), (left_x, left_y) = landmarks[:2].tolist()
    angle = math.degrees(math.atan2(left_y - right_y, left_x - right_x))
    return angle if math.isfinite(angle) else None


def _wrapped(angle: float) -> float:
    return (angle + 180) % 360 - 180
