"""Batch norm: synchronized statistics over processes in training, and recalibration of the kept weights."""

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as between
from lightning_fabric import Fabric
from torch import Tensor, nn

from mien.training.pixels import to_input
from mien.training.recipes import Recipe
from mien.training.seeds import generator


class SyncBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d with statistics over the whole batch, of which each process has some rows.

    Like torch's nn.SyncBatchNorm (Ioffe and Szegedy 2015 over all processes), which works on GPUs only. In evaluation,
    in recalibration and in a single process it behaves as nn.BatchNorm2d; weights and state are the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W), the rows of this process -> the same shape."""
        if not (self.training and torch.is_grad_enabled() and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(x)
        axes = (0, 2, 3)
        wide = x if x.dtype == torch.float64 else x.float()
        rows = torch.full((1,), x.numel() / x.shape[1], dtype=wide.dtype, device=x.device)
        own_mean = wide.mean(axes)
        total = between.all_reduce(torch.cat([own_mean * rows, rows]))  # type: ignore[no-untyped-call]
        n = total[-1].detach()
        mean = total[:-1] / n
        spread = (wide - mean[:, None, None]).square().sum(axes)
        variance = between.all_reduce(spread) / n  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * n / (n - 1).clamp(min=1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        result: Tensor = x * scale[:, None, None] + shift[:, None, None]
        return result.to(x.dtype)


def synchronize_batch_norm(model: nn.Module) -> None:
    """Convert every nn.BatchNorm2d of a network to SyncBatchNorm2d, in place, keeping weights and state."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncBatchNorm2d


@torch.no_grad()
def recalibrate_batch_norm(model: nn.Module, images: Tensor, recipe: Recipe, n: int, seed: int, fabric: Fabric) -> None:
    """Recompute batch-norm statistics with the current weights on n unaugmented training images (0: keep them).

    Statistics gathered in training belong to earlier weights, the more so for averaged weights (Izmailov et al. 2018),
    and to augmented and blended images. images: (N, 48, 48) uint8. Every process computes the same.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not n or not norms or len(images) < 2:
        return
    model.eval()
    momentum = norms[0].momentum
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean over all batches
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
