"""Weights to begin a training with, instead of fresh ones: fine-tuning on faces and classes of one's own."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from mien.errors import MienError
from mien.training import networks
from mien.training.onnx_export import weights
from mien.training.recipes import Recipe
from mien.training.run import load_run


def starting_weights(source: str, r: Recipe, classes: Sequence[str], seed: int = 1) -> dict[str, Tensor]:
    """State dict for the recipe's network, from a run folder, a model file, or the name of a shipped model.

    The last layer is taken over where it has as many classes as are asked for; else it starts fresh, from the seed. Raises
    MienError where the source is none of these, or holds another network.
    """
    path = Path(source)
    shipped = Path(str(resources.files("mien.inference") / "weights" / f"{source}.onnx"))
    if path.is_dir():
        found = load_run(path).model().state_dict()
    elif path.is_file():
        found = weights(path)
    elif shipped.is_file():
        found = weights(shipped)
    else:
        known = sorted(p.stem for p in shipped.parent.glob("*.onnx") if "yunet" not in p.stem)
        raise MienError(
            f"--from {source}: no run folder, no model file, and no shipped model (there are {', '.join(known)})"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = networks.build(r.network, len(classes), r.conv_drop, r.fc_drop, r.drop_kind).state_dict()
    last = [name for name in fresh if name.endswith((".weight", ".bias"))][-2:]
    for name, tensor in fresh.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in found or (found[name].shape != tensor.shape and name not in last):
            raise MienError(
                f"--from {source} holds another network than '{r.network}'; give the recipe of that network"
            )
        if found[name].shape == tensor.shape:
            fresh[name] = found[name].float().clone()
    return fresh
