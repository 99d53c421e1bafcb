"""Scaling of pixels to the network's input, shared by training, validation and teachers."""

import torch
from torch import Tensor


def to_input(faces: Tensor, mean: float, std: float) -> Tensor:
    """Faces (N, H, W) uint8 -> (N, 1, H, W) in torch's default dtype: (pixels in 0..1 - mean) / std."""
    return faces.unsqueeze(1).to(torch.get_default_dtype()).mul_(1 / (255 * std)).sub_(mean / std)
