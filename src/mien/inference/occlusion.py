"""Occlusion saliency: mask patches of a face, measure the drop in the probability of its class.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014. It needs only the network's
outputs, so it works for every model file.
"""

import html
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mien.errors import MienError
from mien.inference.face import png_base64
from mien.inference.model import Model

STEPS = 12  # masks along each side: 144 masked faces are classified together
SPREAD = 0.11  # standard deviation of a mask, relative to the face's side: about an eye or half a mouth
OVERLAY = 288  # side of the overlay in pixels

# Colors of the overlay from cold to hot: dark violet, magenta, orange, pale yellow; the hotter, the more opaque.
RAMP = ((20, 11, 52), (132, 32, 107), (229, 92, 48), (246, 215, 70), (252, 255, 200))


@dataclass(frozen=True)
class Explanation:
    """Saliency of one face: which pixels raise the probability of `emotion`.

    probability: of the emotion without occlusion, 0..1. probability_drop: largest drop, at the most important spot.
    saliency: (S, S) float32, 0..1, 1 at that spot; all 0 if occlusion lowers the probability nowhere. overlay: (288,
    288, 3) uint8 RGB, the saliency over the gray face.
    """

    emotion: str
    probability: float
    probability_drop: float
    saliency: NDArray[np.float32] = field(repr=False)
    overlay: NDArray[np.uint8] = field(repr=False)

    def _repr_html_(self) -> str:
        """The overlay with its numbers, for notebooks."""
        drop = f"{self.probability_drop:.0%} less if the hottest spot is covered"
        words = f"{html.escape(self.emotion)} {self.probability:.0%}, {drop}"
        return f'<img alt="saliency" src="data:image/png;base64,{png_base64(self.overlay)}"><div>{words}</div>'


def explain_crop(model: Model, crop: NDArray[Any], emotion: str, flip: bool = False) -> Explanation:
    """Explain the prediction for one gray face (S, S) uint8. flip: average over the face and its mirror image, as in
    Model.classify. Raises MienError for an unknown class."""
    if emotion not in model.classes:
        message = f"the model {model.name} has no class {emotion!r}; it has {', '.join(model.classes)}"
        raise MienError(message, parameter="emotion")
    size = model.input_size
    if crop.shape != (size, size):
        raise MienError(
            f"the face is {crop.shape}, the model {model.name} takes {size}x{size}: read it with that model"
        )
    index = model.classes.index(emotion)
    covers = _covers(size)
    # Masked pixels are replaced by a blur of their surroundings: a hard patch would be a feature itself.
    blurred = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(size * SPREAD * 1.5)), np.float32)
    covered = crop + covers * (blurred - crop)
    faces = np.concatenate([crop[None], np.rint(covered).astype(np.uint8)])
    shares = _log_probabilities(model, faces)
    if flip:
        mirrored = _log_probabilities(model, np.ascontiguousarray(faces[:, :, ::-1]))
        shares = np.logaddexp(shares, mirrored) - np.log(2)
    probabilities = np.exp(shares[:, index])
    # Log-odds, because near 1 the probability itself hardly changes.
    odds = shares[:, index] - np.logaddexp.reduce(np.delete(shares, index, axis=1), axis=1)
    falls = np.maximum(odds[0] - odds[1:], 0)
    heat = np.tensordot(falls, covers, axes=1) / covers.sum(axis=0)
    heat = (heat / heat.max() if heat.max() > 0 else heat).astype(np.float32)
    drop = max(0.0, float(probabilities[0] - probabilities[1:].min()))
    return Explanation(emotion, float(probabilities[0]), drop, heat, lay_over(crop, heat))


def _log_probabilities(model: Model, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    logits = model.logits(faces).astype(np.float64) / model.temperature
    logs: NDArray[np.float64] = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return logs


def lay_over(crop: NDArray[Any], heat: NDArray[Any], size: int = OVERLAY) -> NDArray[Any]:
    """(S, S) uint8 gray and (S, S) heat 0..1 -> (size, size, 3) uint8 RGB."""
    gray = np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC), np.float32)
    warmth = Image.fromarray(heat).resize((size, size), Image.Resampling.BICUBIC)
    level = np.clip(np.asarray(warmth, np.float32), 0, 1)
    ramp = np.array(RAMP, np.float32)
    stops = np.linspace(0, 1, len(ramp))
    hue = np.stack([np.interp(level, stops, ramp[:, channel]) for channel in range(3)], axis=-1)
    opacity = (0.12 + 0.5 * level)[..., None]
    result: np.ndarray = np.rint(gray[..., None] * (1 - opacity) + hue * opacity).astype(np.uint8)
    return result


@lru_cache(maxsize=4)
def _covers(size: int) -> NDArray[Any]:
    """Soft round masks, (STEPS * STEPS, size, size) float32, 0..1, on a grid over the face."""
    centers = (np.arange(STEPS) + 0.5) * size / STEPS
    pixels = np.arange(size) + 0.5
    along = np.exp(-((pixels[None] - centers[:, None]) ** 2) / (2 * (SPREAD * size) ** 2))  # (STEPS, size)
    return (along[:, None, :, None] * along[None, :, None, :]).reshape(-1, size, size).astype(np.float32)
