"""Weights to begin a training with, instead of fresh ones: fine-tuning on faces and classes of one's own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mien.errors import MienError
from mien.inference.model_file import state_dict
from mien.training import networks
from mien.training.recipes import Recipe


def pretrained_state_dict(source: str, recipe: Recipe, classes: Sequence[str], seed: int = 1) -> dict[str, Tensor]:
    """State dict for the recipe's network, from a run folder, a model file, or the name of a shipped model.

    The last layer is taken over where it has as many classes as are asked for; else it starts fresh, from the seed.
    Raises MienError where the source is none of these, or holds another network.
    """
    pretrained = {name: torch.from_numpy(array) for name, array in state_dict(source).items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = networks.build_from(recipe, len(classes)).state_dict()
    last = [name for name in fresh if name.endswith((".weight", ".bias"))][-2:]
    for name, tensor in fresh.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in pretrained or (pretrained[name].shape != tensor.shape and name not in last):
            raise MienError(
                f"{{parameter}} {source} holds another network than '{recipe.network}'; give the recipe of that "
                f"network",
                parameter="pretrained",
            )
        if pretrained[name].shape == tensor.shape:
            fresh[name] = pretrained[name].float().clone()
    return fresh
