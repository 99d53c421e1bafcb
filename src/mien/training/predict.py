"""Logits and probabilities of many faces, by a torch network."""

import numpy as np
import torch
from torch import Tensor, nn

from mien.errors import MienError
from mien.evaluation.tta import predict_with_tta


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
    return predict_with_tta(lambda faces: logits(model, faces, mean, std), images, tta, temperature)
