"""Image corruptions in five severities, to measure robustness, after ImageNet-C (Hendrycks & Dietterich 2019).

Severities are chosen for faces of 48 pixels.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mien.errors import MienError

Faces = NDArray[np.uint8]

SEVERITIES = (1, 2, 3, 4, 5)


def _each(faces: Faces, change: Callable[[Image.Image], Image.Image]) -> Faces:
    return np.stack([np.asarray(change(Image.fromarray(face))) for face in faces])


def _blur(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Gaussian, of 0.5 to 2.5 pixels."""
    return _each(faces, lambda face: face.filter(ImageFilter.GaussianBlur(0.5 * severity)))


def _noise(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Gaussian, of 8 to 40 gray levels."""
    return np.clip(np.rint(faces + rng.normal(0, 8 * severity, faces.shape)), 0, 255).astype(np.uint8)


def _contrast(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Contrast reduced to 0.7, 0.5, 0.35, 0.25, 0.15."""
    mean = faces.mean(axis=(1, 2), keepdims=True)
    result: Faces = np.rint(mean + (faces - mean) * (0.7, 0.5, 0.35, 0.25, 0.15)[severity - 1]).astype(np.uint8)
    return result


def _brightness(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Brightness reduced to 0.7, 0.5, 0.3, 0.2, 0.1."""
    result: Faces = np.rint(faces * (0.7, 0.5, 0.3, 0.2, 0.1)[severity - 1]).astype(np.uint8)
    return result


def _overexposure(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Brightness times 1.2, 1.5, 1.8, 2.2, 3, clipped."""
    result: Faces = np.clip(np.rint(faces * (1.2, 1.5, 1.8, 2.2, 3.0)[severity - 1]), 0, 255).astype(np.uint8)
    return result


def _gamma(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Gamma of 1.4, 1.8, 2.2, 2.6, 3, which darkens shadows."""
    return np.rint(255 * (faces / 255) ** (1.4, 1.8, 2.2, 2.6, 3.0)[severity - 1]).astype(np.uint8)


def _small(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Downscaled to 2/3, 1/2, 1/3, 1/4, 1/6 of the side (32 to 8 pixels of 48) and upscaled again."""
    side = faces.shape[1]
    small = max(2, round(side / (1.5, 2, 3, 4, 6)[severity - 1]))

    def scaled(face: Image.Image) -> Image.Image:
        less = face.resize((small, small), Image.Resampling.BOX)
        return less.resize((side, side), Image.Resampling.BILINEAR)

    return _each(faces, scaled)


def _jpeg(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """JPEG of quality 50, 30, 20, 12, 7."""

    def pressed(face: Image.Image) -> Image.Image:
        buffer = BytesIO()
        face.save(buffer, "JPEG", quality=(50, 30, 20, 12, 7)[severity - 1])
        return Image.open(buffer).convert("L")

    return _each(faces, pressed)


def _occlusion(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """A gray square at a random position, its side 0.2 to 0.6 of the image's."""
    side = round(faces.shape[1] * (0.1 + 0.1 * severity))
    shown = faces.copy()
    for face, (top, left) in zip(shown, rng.integers(0, faces.shape[1] - side + 1, (len(faces), 2)), strict=True):
        face[top : top + side, left : left + side] = 128
    return shown


def _tilt(faces: Faces, severity: int, rng: np.random.Generator) -> Faces:
    """Rotation by 10 to 50 degrees to either side; the border is repeated outside."""
    angles = rng.choice([-10, 10], len(faces)) * severity
    pad = faces.shape[1] // 2
    wide = np.pad(faces, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
    turned = [
        Image.fromarray(face).rotate(float(angle), Image.Resampling.BILINEAR)
        for face, angle in zip(wide, angles, strict=True)
    ]
    return np.stack([np.asarray(face) for face in turned])[:, pad:-pad, pad:-pad]


KINDS: dict[str, Callable[[Faces, int, np.random.Generator], Faces]] = {
    "brightness": _brightness, "overexposure": _overexposure, "contrast": _contrast, "gamma": _gamma, "blur": _blur,
    "noise": _noise, "jpeg": _jpeg, "small": _small, "occlusion": _occlusion, "tilt": _tilt,
}  # fmt: skip


def corrupt(faces: Faces, kind: str, severity: int, seed: int = 0) -> Faces:
    """Corrupt faces (N, S, S) uint8; same shape and dtype. kind: a key of KINDS. severity: 1 (weak) to 5 (strong).

    Deterministic for a given seed. Raises MienError for an unknown kind or severity.
    """
    if kind not in KINDS:
        raise MienError(f"no corruption '{kind}'; there are {', '.join(KINDS)}", parameter="kind")
    if severity not in SEVERITIES:
        raise MienError(f"severity {severity} is not possible; it goes from 1 to 5", parameter="severity")
    return KINDS[kind](faces, severity, np.random.default_rng([seed, severity]))


def table(accuracies: dict[str, dict[str, list[float]]]) -> str:
    """Markdown table: one row per classifier and corruption, accuracy in percent without corruption, at each severity,
    and the mean over severities."""
    lines = [
        "| classifier | corruption | plain | " + " | ".join(map(str, SEVERITIES)) + " | mean of 1 to 5 |",
        "|---|---|" + "--:|" * (len(SEVERITIES) + 2),
    ]
    for name, rows in accuracies.items():
        for kind, values in rows.items():
            shown = " | ".join(f"{100 * v:.1f}" for v in [*values, float(np.mean(values[1:]))])
            lines.append(f"| {name} | {kind} | {shown} |")
    return "\n".join(lines) + "\n"
