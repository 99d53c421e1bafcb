"""Batch norm, max pooling and ReLU fused into one pass: training on a CPU in float32 is several times faster.

`Sequential` is nn.Sequential with torch's own layers. In training, the kernels of layers.c compute a batch norm, a 2x2
max pool and a ReLU that follow each other, or a part of that sequence, without storing intermediate results. Where the
kernels cannot be used (see kernels.py), each layer runs by itself.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mien.training.kernels import address, library, usable

_ORDER = (nn.BatchNorm2d, nn.MaxPool2d, nn.ReLU)


class Sequential(nn.Sequential):
    """nn.Sequential that fuses batch norm, 2x2 max pooling and ReLU while training on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in order, some of them fused."""
        if not self.training or usable(x) is None:
            return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
        layers = list(self)
        while layers:
            run = _run(layers, x)
            x = _together(run, x) if run else layers[0](x)
            del layers[: max(len(run), 1)]
        return x


def _run(layers: Sequence[nn.Module], x: Tensor) -> list[nn.Module]:
    """The leading layers that the kernels can fuse; empty if the first layer is not one of them."""
    if x.ndim != 4 or usable(x) is None or not x.numel() or not x.is_contiguous(memory_format=torch.channels_last):
        return []
    kernels: Any = library()
    run: list[nn.Module] = []
    kinds = iter(_ORDER)
    for layer in layers if x.shape[1] % kernels.mien_lanes() == 0 else ():
        if not any(type(layer) is kind for kind in kinds) or not _fits(layer, x):
            break
        run.append(layer)
    return [] if len(run) == 1 and isinstance(run[0], nn.ReLU) else run


def _fits(layer: nn.Module, x: Tensor) -> bool:
    if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks:
        return False
    n, _, h, w = x.shape
    if isinstance(layer, nn.BatchNorm2d):
        floats = [t for t in (layer.weight, layer.bias, layer.running_mean, layer.running_var) if t is not None]
        plain = all(t.dtype == torch.float32 and t.is_contiguous() and t.device == x.device for t in floats)
        return layer.training and layer.affine and plain and layer.num_features == x.shape[1] and n * h * w > 1
    if isinstance(layer, nn.MaxPool2d):
        sizes = [(s, s) if isinstance(s, int) else tuple(s) for s in (layer.kernel_size, layer.stride, layer.padding)]
        plain = sizes == [(2, 2), (2, 2), (0, 0)] and layer.dilation in (1, (1, 1))
        return plain and not layer.ceil_mode and not layer.return_indices and min(h, w) > 1
    return True


def _together(run: Sequence[nn.Module], x: Tensor) -> Tensor:
    norm = run[0]
    pool, relu = (any(isinstance(layer, kind) for layer in run) for kind in (nn.MaxPool2d, nn.ReLU))
    if isinstance(norm, nn.BatchNorm2d):
        return _Norm.apply(x, norm.weight, norm.bias, norm, pool, relu)  # type: ignore[no-any-return, no-untyped-call]
    return _Pool.apply(x, relu)  # type: ignore[no-any-return, no-untyped-call]


class _Norm(torch.autograd.Function):
    """x (N, C, H, W) -> the same shape, or (N, C, H // 2, W // 2) after a pool; all channels last."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d, pool: bool, relu: bool
    ) -> Tensor:
        n, c, h, w = x.shape
        kernels: Any = library()
        momentum, mean, variance = _tracked(norm)
        y, which = _results(x, pool)
        known, sums = torch.empty(5, c), torch.empty(kernels.mien_sums(c), dtype=torch.float64)
        kernels.mien_norm(
            address(x), n, h, w, c, address(weight), address(bias), ctypes.c_double(norm.eps),
            ctypes.c_double(momentum), address(mean), address(variance), relu, address(known), address(y),
            address(which), address(sums), torch.get_num_threads(),
        )  # fmt: skip
        ctx.save_for_backward(x, known, which)
        ctx.relu = relu
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None, None]:
        x, known, which = ctx.saved_tensors
        n, c, h, w = x.shape
        kernels: Any = library()
        g = g.contiguous(memory_format=torch.channels_last)
        dx = torch.empty(x.shape, memory_format=torch.channels_last) if ctx.needs_input_grad[0] else None
        slope, level, dweight, dbias = (torch.empty(c) for _ in range(4))
        sums = torch.empty(kernels.mien_sums(c), dtype=torch.float64)
        kernels.mien_norm_back(
            address(x), address(g), address(which), n, h, w, c, address(known), ctx.relu, address(slope),
            address(level), address(dx), address(dweight), address(dbias), address(sums), torch.get_num_threads(),
        )  # fmt: skip
        return dx, dweight, dbias, None, None, None


def _tracked(norm: nn.BatchNorm2d) -> tuple[float, Tensor | None, Tensor | None]:
    """Momentum of this step and the running statistics, as in nn.BatchNorm2d; increments its step counter."""
    if not norm.track_running_stats or norm.running_mean is None:
        return 0.0, None, None
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if momentum is None:
            momentum = 1 / float(norm.num_batches_tracked)
    return momentum or 0.0, norm.running_mean, norm.running_var


class _Pool(torch.autograd.Function):
    """x (N, C, H, W) -> (N, C, H // 2, W // 2), channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, relu: bool) -> Tensor:
        n, c, h, w = x.shape
        y, which = _results(x, pool=True)
        kernels: Any = library()
        kernels.mien_pool(address(x), n, h, w, c, relu, address(y), address(which), torch.get_num_threads())
        ctx.save_for_backward(which)
        ctx.shape = x.shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (which,) = ctx.saved_tensors
        n, c, h, w = ctx.shape
        g = g.contiguous(memory_format=torch.channels_last)
        dx = torch.empty(ctx.shape, memory_format=torch.channels_last)
        kernels: Any = library()
        kernels.mien_pool_back(address(g), address(which), n, h, w, c, address(dx), torch.get_num_threads())
        return dx, None


def _results(x: Tensor, pool: bool) -> tuple[Tensor, Tensor | None]:
    """Memory for the result, and after a pool for the index of each maximum among its four values."""
    if not pool:
        return torch.empty(x.shape, memory_format=torch.channels_last), None
    n, c, h, w = x.shape
    shape = (n, c, h // 2, w // 2)
    last = torch.channels_last
    return torch.empty(shape, memory_format=last), torch.empty(shape, dtype=torch.uint8, memory_format=last)
