"""Test-time augmentation (TTA): class probabilities averaged over several views of each face. NumPy only, no torch."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mien.data.packed import MappedFaces
from mien.errors import MienError, MienWarning
from mien.inference.model import softmax

Faces = NDArray[np.uint8]
View = Callable[[Faces], Faces]
LogitsFunction = Callable[[Faces], NDArray[np.float32]]

CHUNK = 256  # faces per batch: bounds memory, and progress is reported often


def _identity(faces: Faces) -> Faces:
    return faces


def _mirror(faces: Faces) -> Faces:
    return faces[:, :, ::-1]


def _shift(dx: int, dy: int) -> View:
    """Translation by whole pixels; the border is repeated."""

    def view(faces: Faces) -> Faces:
        rows = np.clip(np.arange(faces.shape[1]) - dy, 0, faces.shape[1] - 1)
        columns = np.clip(np.arange(faces.shape[2]) - dx, 0, faces.shape[2] - 1)
        return faces[:, rows][:, :, columns]

    return view


def _rotate(degrees: float) -> View:
    """Rotation around the center, bilinear; the border is repeated.

    The same pixels as torch's affine_grid and grid_sample(mode="bilinear", padding_mode="border", align_corners=False).
    """

    def view(faces: Faces) -> Faces:
        height, width = faces.shape[1:]
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        # Pixel centers in -1..1, rotated, then converted back to pixels.
        y, x = np.meshgrid(*((2 * np.arange(n) + 1) / n - 1 for n in (height, width)), indexing="ij")
        source_x = np.clip(((cos * x - sin * y + 1) * width - 1) / 2, 0, width - 1)
        source_y = np.clip(((sin * x + cos * y + 1) * height - 1) / 2, 0, height - 1)
        left, top = np.floor(source_x).astype(np.int64), np.floor(source_y).astype(np.int64)
        right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        across, down = (source_x - left).astype(np.float32), (source_y - top).astype(np.float32)
        pixels = faces.astype(np.float32)
        upper = pixels[:, top, left] * (1 - across) + pixels[:, top, right] * across
        lower = pixels[:, bottom, left] * (1 - across) + pixels[:, bottom, right] * across
        result: Faces = np.rint(upper * (1 - down) + lower * down).astype(np.uint8)
        return result

    return view


def _with_mirrors(*views: View) -> tuple[View, ...]:
    """The face, its mirror image, the given views, and their mirror images."""

    def mirrored(view: View) -> View:
        return lambda faces: view(_mirror(faces))

    return (_identity, _mirror, *views, *map(mirrored, views))


# Each view maps faces (N, S, S) to the same shape; the identity is always first.
TTA: dict[str, tuple[View, ...]] = {
    "single": (_identity,),
    "flip": (_identity, _mirror),
    "shift10": _with_mirrors(*(_shift(dx, dy) for dx in (-2, 2) for dy in (-2, 2))),
    "rotate6": _with_mirrors(_rotate(-4), _rotate(4)),
}
DESCRIPTIONS = {
    "single": "one view",
    "flip": "image and mirror averaged",
    "shift10": "ten views averaged (shifted by two pixels to the four corners, and mirrors)",
    "rotate6": "six views averaged (rotated by -4, 0 and 4 degrees, and mirrors)",
}
OLD_NAMES = {"ten": "shift10", "turned": "rotate6"}  # names of version 0.1


def resolve_tta(name: str) -> str:
    """A key of TTA. Names of version 0.1 are mapped to current ones, with a MienWarning.

    Raises MienError for an unknown name.
    """
    if name in OLD_NAMES:
        warnings.warn(
            f"the test-time augmentation '{name}' is now called '{OLD_NAMES[name]}'", MienWarning, stacklevel=2
        )
        return OLD_NAMES[name]
    if name not in TTA:
        raise MienError(f"no test-time augmentation '{name}'; there are {', '.join(TTA)}", parameter="tta")
    return name


def predict_with_tta(
    logits_of: LogitsFunction,
    images: Faces | MappedFaces,
    tta: str = "single",
    temperature: float = 1.0,
    on_progress: Callable[[int], None] = lambda faces: None,
) -> NDArray[np.float64]:
    """Probabilities (N, C), averaged over the views of `tta`, of any function from faces to logits.

    images: (N, S, S) uint8. tta: "single"; "flip", the image and its mirror image; "shift10", those and four shifts by
    two pixels with their mirror images; "rotate6", those and both rotated by four degrees to either side. on_progress:
    called with the number of faces classified since the last call, counting each view. Raises MienError for an unknown
    name.
    """
    views = TTA[resolve_tta(tta)]

    def averaged(chunk: Faces) -> Iterator[NDArray[np.float64]]:
        for view in views:
            yield softmax(logits_of(np.ascontiguousarray(view(chunk))), temperature)
            on_progress(len(chunk))

    # An empty set gives one empty batch, so that the result has its columns.
    starts = range(0, max(len(images), 1), CHUNK)
    return np.concatenate([np.mean(list(averaged(images[start : start + CHUNK])), axis=0) for start in starts])
