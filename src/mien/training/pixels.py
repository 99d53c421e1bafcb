"""From pixels to what a network takes: the input layer shared by training, evaluation while training, and teachers."""

import torch
from torch import Tensor


def to_input(faces: Tensor, mean: float, std: float) -> Tensor:
    """uint8 faces (N, H, W) -> float32, or torch's default type, (N, 1, H, W): pixels as 0..1, less the mean, over the
    deviation."""
    return faces.unsqueeze(1).to(torch.get_default_dtype()).mul_(1 / (255 * std)).sub_(mean / std)
