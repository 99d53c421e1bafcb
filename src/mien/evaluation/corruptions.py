"""Pictures made worse in a known measure: how far does a classifier hold? After ImageNet-C (Hendrycks & Dietterich 2019),
with strengths for faces of 48 pixels."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

from mien.errors import MienError

SEVERITIES = (1, 2, 3, 4, 5)


def _each(faces: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(face))) for face in faces])


def _blur(faces: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian, of 0.5 to 2.5 pixels."""
    return _each(faces, lambda face: face.filter(ImageFilter.GaussianBlur(0.5 * severity)))


def _noise(faces: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian, of 8 to 40 gray levels."""
    return np.clip(np.rint(faces + rng.normal(0, 8 * severity, faces.shape)), 0, 255).astype(np.uint8)


def _contrast(faces: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Differences from each picture's mean shrink to 0.7, 0.5, 0.35, 0.25, 0.15 of themselves."""
    mean = faces.mean(axis=(1, 2), keepdims=True)
    return np.rint(mean + (faces - mean) * (0.7, 0.5, 0.35, 0.25, 0.15)[severity - 1]).astype(np.uint8)


def _jpeg(faces: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """JPEG of quality 50, 30, 20, 12, 7."""

    def pressed(face: Image.Image) -> Image.Image:
        buffer = BytesIO()
        face.save(buffer, "JPEG", quality=(50, 30, 20, 12, 7)[severity - 1])
        return Image.open(buffer).convert("L")

    return _each(faces, pressed)


def _occlusion(faces: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A gray square anywhere in the picture, its side 0.2 to 0.6 of the picture's."""
    side = round(faces.shape[1] * (0.1 + 0.1 * severity))
    shown = faces.copy()
    for face, (top, left) in zip(shown, rng.integers(0, faces.shape[1] - side + 1, (len(faces), 2)), strict=True):
        face[top : top + side, left : left + side] = 128
    return shown


def _rotation(faces: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """By 10 to 50 degrees to either side; what comes from outside repeats the border."""
    angles = rng.choice([-10, 10], len(faces)) * severity
    pad = faces.shape[1] // 2
    wide = np.pad(faces, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
    turned = [
        Image.fromarray(face).rotate(float(angle), Image.Resampling.BILINEAR)
        for face, angle in zip(wide, angles, strict=True)
    ]
    return np.stack([np.asarray(face) for face in turned])[:, pad:-pad, pad:-pad]


KINDS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "blur": _blur, "noise": _noise, "contrast": _contrast, "jpeg": _jpeg, "occlusion": _occlusion, "rotation": _rotation,
}  # fmt: skip


def corrupt(faces: np.ndarray, kind: str, severity: int, seed: int = 0) -> np.ndarray:
    """Faces (N, S, S) uint8 made worse, same shape and type. kind: a key of KINDS. severity: 1 (little) to 5 (much).

    The same seed makes the same pictures. Raises MienError for another kind or severity.
    """
    if kind not in KINDS:
        raise MienError(f"no corruption '{kind}'; there are {', '.join(KINDS)}")
    if severity not in SEVERITIES:
        raise MienError(f"severity {severity} cannot be; it goes from 1 to 5")
    return KINDS[kind](faces, severity, np.random.default_rng([seed, severity]))


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Markdown: a row per classifier and corruption, accuracy in percent plain and at each severity, and their mean."""
    lines = [
        "| classifier | corruption | plain | " + " | ".join(map(str, SEVERITIES)) + " | mean of 1 to 5 |",
        "|---|---|" + "--:|" * (len(SEVERITIES) + 2),
    ]
    for name, rows in found.items():
        for kind, values in rows.items():
            shown = " | ".join(f"{100 * v:.1f}" for v in [*values, float(np.mean(values[1:]))])
            lines.append(f"| {name} | {kind} | {shown} |")
    return "\n".join(lines) + "\n"
