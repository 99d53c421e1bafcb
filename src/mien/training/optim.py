"""Optimizers, as a plain function of the recipe."""

import torch
from torch import nn

from mien.training.recipes import Recipe


def optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the model's parameters.

    "adam" puts weight decay into the gradient of every parameter, as torch's Adam does and the study did. "adamw"
    (Loshchilov & Hutter 2019) and "sgd" (Nesterov momentum) leave biases and norms undecayed. All are fused: one pass
    over each tensor.
    """
    if recipe.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, recipe.learning_rate, fused=True)
    return torch.optim.SGD(
        groups, recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
    )
