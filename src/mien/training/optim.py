"""Optimizers and parameter groups, from the recipe."""

from typing import Any

import torch
from torch import nn

from mien.training.recipes import Recipe


def optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the model's parameters.

    "adam" adds weight decay to the gradient of every parameter, as torch's Adam and the study do. "adamw" (Loshchilov &
    Hutter 2019) and "sgd" (Nesterov momentum) exempt biases and norms from weight decay. All are fused implementations.
    Each parameter group has `lr_scale`, its share of the learning rate (Howard & Ruder 2018); frozen parameters are in
    no group.
    """
    groups = _groups(model, recipe)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.learning_rate, fused=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, recipe.learning_rate, fused=True)
    return torch.optim.SGD(
        groups, recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
    )


def freeze_backbone(model: nn.Module, recipe: Recipe) -> None:
    """If backbone_lr_scale is 0, train only the last layer: no gradients below it, and batch-norm statistics stay
    fixed."""
    if recipe.backbone_lr_scale:
        return
    last = last_layer(model)
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is own for own in last))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def last_layer(model: nn.Module) -> list[nn.Parameter]:
    """Weight and bias of the layer that computes the logits."""
    return list(model.parameters())[-2:]


def _groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    last = {id(parameter) for parameter in last_layer(model)}
    groups: list[dict[str, Any]] = []
    for scale, below in ((recipe.backbone_lr_scale, True), (1.0, False)):
        if scale == 0 or (recipe.backbone_lr_scale == 1 and not below):
            continue
        own = [p for p in model.parameters() if recipe.backbone_lr_scale == 1 or (id(p) not in last) == below]
        if recipe.optimizer == "adam":
            groups.append({"params": own, "weight_decay": recipe.weight_decay, "lr_scale": scale})
            continue
        for decay, parameters in (
            (recipe.weight_decay, [p for p in own if p.ndim > 1]),
            (0.0, [p for p in own if p.ndim <= 1]),
        ):
            groups.append({"params": parameters, "weight_decay": decay, "lr_scale": scale})
    return groups
