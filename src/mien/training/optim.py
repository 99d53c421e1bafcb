"""Optimisers, learning-rate schedules and averaged weights, each as a plain function of the recipe."""

import math

import torch
from torch import Tensor, nn

from mien.training.recipes import Recipe


def optimizer(model: nn.Module, r: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over the model's parameters.

    "adam" puts weight decay into the gradient of every parameter, as torch's Adam does and the study did. "adamw"
    (Loshchilov & Hutter 2019) and "sgd" leave biases and norms undecayed. These three are fused: one pass over each
    tensor. "muon" is `Muon` for the kernels of convolutions and "sgd" for the rest.
    """
    if r.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), r.learning_rate, weight_decay=r.weight_decay, fused=True)
    if r.optimizer == "muon":
        return Muon(model, r.learning_rate, r.momentum, r.weight_decay)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": r.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if r.optimizer == "adamw":
        return torch.optim.AdamW(groups, r.learning_rate, fused=True)
    return torch.optim.SGD(groups, r.learning_rate, momentum=r.momentum, nesterov=r.momentum > 0, fused=True)


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for the kernels of convolutions, SGD with Nesterov's momentum for everything else.

    The momentum of a kernel, as a matrix (C_out, C_in * h * w), is replaced by the nearest matrix whose rows are orthonormal, so
    that all directions are learned at one rate. A kernel keeps the length that it was given at first, as batch norm takes
    no notice of it, and so needs no weight decay; a step turns it by a fifth of the learning rate, in radians.
    """

    def __init__(self, model: nn.Module, lr: float, momentum: float, weight_decay: float) -> None:
        kernels = [p for p in model.parameters() if p.ndim == 4]
        matrices = [p for p in model.parameters() if 1 < p.ndim < 4]
        free = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": kernels, "turns": True, "weight_decay": 0.0},
            {"params": matrices, "turns": False, "weight_decay": weight_decay},
            {"params": free, "turns": False, "weight_decay": 0.0},
        ]
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                g = p.grad if not group["weight_decay"] else p.grad + group["weight_decay"] * p
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                    state["length"] = p.norm()
                moving = state["momentum"].mul_(group["momentum"]).add_(g)
                g = g + group["momentum"] * moving  # Nesterov: a look ahead
                if not group["turns"]:
                    p.sub_(g, alpha=group["lr"])
                    continue
                turn = orthonormal(g.flatten(1)).view(p.shape)
                p.sub_(turn * (0.2 * group["lr"] * state["length"] / turn.norm().clamp(min=1e-12)))
                p.mul_(state["length"] / p.norm().clamp(min=1e-12))


def orthonormal(matrix: Tensor, steps: int = 3) -> Tensor:
    """Nearly the nearest matrix (M, N) with orthonormal rows, or columns if those are fewer: singular values near 1, small ones
    41 times as large as they were, by the Newton-Schulz iteration of Jordan et al. 2024.

    It multiplies from the left by polynomials of x x^T, which are multiplied with each other here before they touch x:
    kernels are several times as wide as high, so that takes little more than half of the time.
    """
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-12)
    gram = x @ x.T
    whole = eye = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(steps):
        factor = 3.4445 * eye - 4.7750 * gram + 2.0315 * gram @ gram
        whole, gram = factor @ whole, factor @ gram @ factor
    x = whole @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


@torch.no_grad()
def climb(opt: torch.optim.Optimizer, radius: float) -> list[tuple[Tensor, Tensor]]:
    """Move the weights by `radius` along their gradients, uphill: where a sharp minimum would have its walls.

    The first half of a step of sharpness-aware minimisation (SAM, Foret et al. 2021); the gradient that is measured up there
    serves the weights from before. Returns each parameter with its value from before, for `descend`.
    """
    params = [p for group in opt.param_groups for p in group["params"] if p.grad is not None]
    grads = [p.grad for p in params]
    length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))).clamp(min=1e-12)
    before = [(p, p.detach().clone()) for p in params]
    torch._foreach_add_(params, torch._foreach_mul(grads, radius / length.item()))
    return before


@torch.no_grad()
def descend(before: list[tuple[Tensor, Tensor]]) -> None:
    """Undo `climb`, exactly."""
    for p, was in before:
        p.copy_(was)


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


def averaged_parts(into: nn.Module, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """What `average` takes: weights and batch-norm statistics of the averaged network and of the trained one."""
    mine, theirs = ([t for t in m.state_dict().values() if t.is_floating_point()] for m in (into, model))
    return mine, theirs


@torch.no_grad()
def average(mine: list[Tensor], theirs: list[Tensor], decay: float, step: int) -> None:
    """Move the averaged weights (and batch-norm statistics) towards the trained ones, faster at the beginning."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(mine, theirs, 1 - decay)
