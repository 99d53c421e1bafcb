"""Exponential moving average (EMA) of a network's weights (Polyak & Juditsky 1992)."""

import copy

import torch
from torch import Tensor, nn


class ModelEma:
    """A copy of a network that follows its weights and batch-norm statistics with the given decay per step, and a
    smaller decay in the first steps."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(model).requires_grad_(False)
        self._averaged = _floats(self.module)
        self._followed = _floats(model)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the trained weights. step: counted from 0 over the whole training."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, self._followed, 1 - decay)


def _floats(model: nn.Module) -> list[Tensor]:
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
