"""Pretrained weights for a training; rows of the last layer are matched by class name."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mien.data.class_names import SharedClasses, shared_classes
from mien.errors import MienError
from mien.inference.model_file import read_info, state_dict
from mien.training import networks
from mien.training.recipes import Recipe


@dataclass(frozen=True)
class Pretrained:
    """Pretrained weights. state_dict: of the recipe's network. shared: classes whose rows of the last layer come from
    the source; the rows of `shared.dataset_only` are freshly initialized. decision: the same as a sentence."""

    state_dict: dict[str, Tensor]
    shared: SharedClasses
    decision: str


def load_pretrained(source: str, recipe: Recipe, classes: Sequence[str], seed: int = 1) -> Pretrained:
    """Load weights from a run folder, a model file or a shipped model, for the recipe's network and these classes.

    Rows of the last layer are matched by class name, synonyms included (anger and angry); rows of classes that the
    source lacks are freshly initialized from the seed. Raises MienError if the source is none of these, or holds
    another network.
    """
    pretrained = {name: torch.from_numpy(array) for name, array in state_dict(source).items()}
    shared = shared_classes(read_info(source).classes, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = networks.build_from(recipe, len(classes)).state_dict()
    last = [name for name in fresh if name.endswith((".weight", ".bias"))][-2:]  # weight (C, D) and bias (C,)
    for name, tensor in fresh.items():
        if name.endswith("num_batches_tracked"):
            continue
        first = 1 if name in last else 0  # dimension from which the shapes have to be equal
        if name not in pretrained or pretrained[name].shape[first:] != tensor.shape[first:]:
            raise MienError(
                f"{{parameter}} {source} contains another network than '{recipe.network}'; choose a recipe "
                f"with that network",
                parameter="pretrained",
            )
        if name in last:
            tensor[shared.in_dataset] = pretrained[name].float()[shared.in_model]
        else:
            fresh[name] = pretrained[name].float().clone()
    return Pretrained(fresh, shared, _sentence(source, shared, classes))


def _sentence(source: str, shared: SharedClasses, classes: Sequence[str]) -> str:
    """What happened to the last layer, as a sentence."""
    if not shared.names:
        return f"the last layer starts with new weights: {source} has none of the classes {', '.join(classes)}"
    partners = zip(shared.names, shared.in_dataset.tolist(), strict=True)
    carried = [classes[j] if classes[j] == name else f"{classes[j]} (there {name})" for name, j in partners]
    fresh = f"; new weights for {', '.join(shared.dataset_only)}" if shared.dataset_only else ""
    return f"the last layer is transferred from {source} by class name for {', '.join(carried)}{fresh}"
