"""Logits of many faces, with test-time augmentation as a short list of functions."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.errors import MienError
from mien.inference.model import softmax

View = Callable[[np.ndarray], np.ndarray]


def _same(faces: np.ndarray) -> np.ndarray:
    return faces


def _mirror(faces: np.ndarray) -> np.ndarray:
    return faces[:, :, ::-1]


def _moved(dx: int, dy: int) -> View:
    """Faces shifted by some pixels, the border repeated."""

    def view(faces: np.ndarray) -> np.ndarray:
        rows = np.clip(np.arange(faces.shape[1]) - dy, 0, faces.shape[1] - 1)
        columns = np.clip(np.arange(faces.shape[2]) - dx, 0, faces.shape[2] - 1)
        return faces[:, rows][:, :, columns]

    return view


def _turned(degrees: float) -> View:
    """Faces turned about their middle, in bilinear sampling, the border repeated."""

    def view(faces: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        theta = torch.tensor([[cos, -sin, 0], [sin, cos, 0]], dtype=torch.float32)
        x = torch.from_numpy(np.ascontiguousarray(faces)).unsqueeze(1).float()
        grid = F.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return x.squeeze(1).round().to(torch.uint8).numpy()

    return view


_CORNERS = [_moved(dx, dy) for dx in (-2, 2) for dy in (-2, 2)]
_TURNS = [_turned(degrees) for degrees in (-4, 4)]

# Each view takes uint8 faces (N, 48, 48) to as many of the same size; probabilities are averaged over views.
VIEWS: dict[str, list[View]] = {
    "single": [_same],
    "flip": [_same, _mirror],
    "ten": [_same, _mirror, *_CORNERS, *((lambda faces, move=move: _mirror(move(faces))) for move in _CORNERS)],
    "turned": [_same, _mirror, *_TURNS, *((lambda faces, turn=turn: turn(_mirror(faces))) for turn in _TURNS)],
}


def normalise(faces: Tensor, mean: float, std: float) -> Tensor:
    """uint8 (N, 48, 48) -> float32 (N, 1, 48, 48), ready for a network."""
    return faces.unsqueeze(1).to(torch.float32).mul_(1 / (255 * std)).sub_(mean / std)


@torch.inference_mode()
def logits(model: nn.Module, images: np.ndarray, mean: float, std: float, batch: int = 256) -> np.ndarray:
    """Logits (N, classes) float32 of uint8 faces (N, 48, 48), in float32. Leaves the model in eval mode."""
    model.eval()
    device = next(model.parameters()).device
    found = []
    for start in range(0, len(images), batch):
        faces = torch.from_numpy(np.ascontiguousarray(images[start : start + batch])).to(device)
        x = normalise(faces, mean, std).contiguous(memory_format=torch.channels_last)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # on a GPU: whole float32
            found.append(model(x).float().cpu().numpy())
    if not found:
        raise MienError("there are no faces to classify; check the data and the split")
    return np.concatenate(found)


def probabilities(
    model: nn.Module, images: np.ndarray, mean: float, std: float, tta: str = "single", temperature: float = 1.0
) -> np.ndarray:
    """Class probabilities (N, classes) float64 of uint8 faces, averaged over the views of `tta`."""
    return over_views(lambda faces: logits(model, faces, mean, std), images, tta, temperature)


def over_views(
    logits_of: Callable[[np.ndarray], np.ndarray], images: np.ndarray, tta: str = "single", temperature: float = 1.0
) -> np.ndarray:
    """Probabilities (N, classes) float64, the mean over the views of `tta`, of any function from faces to logits.

    tta: "single"; "flip", the picture and its mirror; "ten", those and four shifts by two pixels with their mirrors;
    "turned", those and both turned by four degrees to either side.
    Raises MienError for another name.
    """
    if tta not in VIEWS:
        raise MienError(f"no test-time augmentation '{tta}'; there are {', '.join(VIEWS)}")
    return np.mean([softmax(logits_of(view(images)), temperature) for view in VIEWS[tta]], axis=0)
