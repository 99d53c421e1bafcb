"""Optimisers, learning-rate schedules and averaged weights, each as a plain function of the recipe."""

import math

import torch
from torch import Tensor, nn

from mien.training.recipes import Recipe


def optimizer(model: nn.Module, r: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over the model's parameters.

    "adam" puts weight decay into the gradient of every parameter, as torch's Adam does and the study did. "adamw"
    (Loshchilov & Hutter 2019) and "sgd" leave biases and norms undecayed. All are fused: one pass over each tensor.
    """
    if r.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), r.learning_rate, weight_decay=r.weight_decay, fused=True)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": r.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if r.optimizer == "adamw":
        return torch.optim.AdamW(groups, r.learning_rate, fused=True)
    return torch.optim.SGD(groups, r.learning_rate, momentum=r.momentum, nesterov=r.momentum > 0, fused=True)


def learning_rate(step: int, steps: int, r: Recipe) -> float:
    """The learning rate of a step out of `steps`. "onecycle" (Smith 2018): up over the first 20 %, cosine to zero."""
    t = step / max(1, steps)
    if r.schedule == "constant":
        return r.learning_rate
    if r.schedule == "cosine":
        return r.learning_rate * 0.5 * (1 + math.cos(math.pi * t))
    rise = 0.2
    if t < rise:
        return r.learning_rate * (0.05 + 0.95 * t / rise)
    return r.learning_rate * (0.5 * (1 + math.cos(math.pi * (t - rise) / (1 - rise))) + 1e-3)


def class_weights(labels: Tensor, classes: int, power: float) -> Tensor | None:
    """Loss weights (classes,) ~ frequency ** -power, 1 on average over the samples; None where power is 0."""
    if not power:
        return None
    count = torch.bincount(labels, minlength=classes).clamp(min=1).float()
    weight = (count / count.sum()) ** -power
    return weight / (weight * count).sum() * count.sum()


@torch.no_grad()
def average(into: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights (and batch-norm statistics) towards the model's, faster at the beginning."""
    decay = min(decay, (1 + step) / (10 + step))
    mine = [t for t in into.state_dict().values() if t.is_floating_point()]
    theirs = [t for t in model.state_dict().values() if t.is_floating_point()]
    torch._foreach_lerp_(mine, theirs, 1 - decay)
