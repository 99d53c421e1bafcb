"""Schedules: learning rate per step and image size per epoch, as functions of the recipe."""

import math

from mien.training.recipes import Recipe


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate of a step out of `steps`. "onecycle" (Smith 2018): up over the first 20 %, then a cosine down to a
    thousandth of the peak; "cosine": down to zero."""
    t = step / max(1, steps)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "cosine":
        return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * t))
    rise = 0.2
    if t < rise:
        return recipe.learning_rate * (0.05 + 0.95 * t / rise)
    return recipe.learning_rate * (0.5 * (1 + math.cos(math.pi * (t - rise) / (1 - rise))) + 1e-3)


def image_size_at(epoch: int, recipe: Recipe) -> int:
    """Side of the training images in an epoch, in pixels: from progressive_resizing_from to 48 in steps of 8 over the
    first 60 % of the epochs."""
    sizes = [*range(recipe.progressive_resizing_from, 48, 8), 48]
    result: int = sizes[min(len(sizes) - 1, int(epoch / recipe.epochs / 0.6 * (len(sizes) - 1)))]
    return result
