"""Validation loss and accuracy of a network during training."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from mien.training.pixels import to_input
from mien.training.predict import faces_at_once
from mien.training.recipes import Recipe
from mien.training.state import FaceSet, total_over_processes


@torch.no_grad()
def validate(model: nn.Module, faces: FaceSet, recipe: Recipe, fabric: Fabric) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, nan for an empty set. Each face is counted in one process: exact for any number
    of them."""
    images, labels = faces.images, faces.labels
    mine = np.array_split(np.arange(len(images)), fabric.world_size)[fabric.global_rank]
    sums = np.zeros(3)
    batch = faces_at_once(fabric.device)
    model.eval()
    for start in range(0, len(mine), batch):
        rows = mine[start : start + batch]
        pixels = torch.from_numpy(images[rows]).to(fabric.device)
        y = torch.from_numpy(np.asarray(labels[rows], dtype=np.int64)).to(fabric.device)
        x = to_input(pixels, recipe.mean, recipe.std).contiguous(memory_format=torch.channels_last)
        with fabric.autocast():
            logits = model(x).float()
        loss = F.cross_entropy(logits, y, reduction="sum").item()
        sums += [loss, (logits.argmax(1) == y).sum().item(), len(rows)]
    loss, hits, n = total_over_processes(sums.tolist(), fabric)
    return (loss / n, hits / n) if n else (math.nan, math.nan)
