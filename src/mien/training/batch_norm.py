"""Recalibration of batch norm: statistics measured anew with the weights that are kept."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from mien.training.pixels import to_input
from mien.training.recipes import Recipe
from mien.training.seeds import generator


@torch.no_grad()
def recalibrate_batch_norm(model: nn.Module, images: Tensor, recipe: Recipe, n: int, seed: int, fabric: Fabric) -> None:
    """Give batch norms the statistics of these very weights on n plain training images (0: leave them).

    Those gathered in training belong to weights that have changed since, all the more where weights are averaged
    (Izmailov et al. 2018), and to augmented and blended images. images: (N, 48, 48) uint8. Each process does the same.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not n or not norms or len(images) < 2:
        return
    model.eval()
    momentum = norms[0].momentum
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    rows = torch.randperm(len(images), generator=generator(seed, 0))[:n]
    for part in rows.tensor_split(-(-len(rows) // 256)):
        x = to_input(images[part], recipe.mean, recipe.std)
        if recipe.flip:
            x = torch.cat([x[::2], x[1::2].flip(-1)])
        with fabric.autocast():
            model(x.contiguous(memory_format=torch.channels_last))
    for norm in norms:
        norm.momentum = momentum
    model.eval()
