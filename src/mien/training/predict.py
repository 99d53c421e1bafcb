"""Logits of many faces by a torch network, to compare model files with."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mien.errors import MienError
from mien.training.pixels import to_input


def faces_at_once(device: torch.device) -> int:
    """Batch size for inference; on a CPU small enough that the feature maps fit into its cache."""
    return 32 if device.type == "cpu" else 2048


@torch.inference_mode()
def logits(model: nn.Module, images: NDArray[np.uint8], mean: float, std: float) -> NDArray[np.float32]:
    """Logits (N, classes) float32 of faces (N, 48, 48) uint8. Leaves the model in eval mode. Raises MienError if there
    are no faces."""
    model.eval()
    device = next(model.parameters()).device
    outputs = []
    batch = faces_at_once(device)
    for start in range(0, len(images), batch):
        faces = torch.from_numpy(np.ascontiguousarray(images[start : start + batch])).to(device)
        x = to_input(faces, mean, std).contiguous(memory_format=torch.channels_last)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # on a GPU: full float32
            outputs.append(model(x).float().cpu().numpy())
    if not outputs:
        raise MienError("there are no faces to classify; check the data and the split")
    return np.concatenate(outputs)
