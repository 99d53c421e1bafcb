"""3x3 convolutions by Winograd's algorithm, in C, compiled at first use: training on a CPU in float32 is about twice as
fast.

The source is conv3x3.c in this folder. Where the kernels cannot be used (see kernels.py), `Conv3x3` is nn.Conv2d.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mien.errors import MienError
from mien.training.kernels import address, library, usable

FULL = "not enough memory for a convolution; close other programs or lower {parameter}"


class Conv3x3(nn.Conv2d):
    """nn.Conv2d(c_in, c_out, 3, padding=1) that uses the C kernels when training on a CPU in float32."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True) -> None:
        super().__init__(c_in, c_out, kernel_size=3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H, W)."""
        if self.training and _usable(x, self.weight):
            return _Convolution.apply(x, self.weight, self.bias)  # type: ignore[no-any-return, no-untyped-call]
        return super().forward(x)


def _usable(x: Tensor, weight: Tensor) -> bool:
    if weight.dtype != torch.float32 or (kernels := usable(x)) is None:
        return False
    return all(c % kernels.mien_wide() == 0 for c in weight.shape[:2])


class _Convolution(torch.autograd.Function):
    """x (N, c_in, H, W) -> (N, c_out, H, W), both channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return _forward(x, weight, bias, back=False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        g = g.contiguous(memory_format=torch.channels_last)
        dx = _forward(g, weight, None, back=True) if ctx.needs_input_grad[0] else None
        db = g.permute(0, 2, 3, 1).reshape(-1, g.shape[1]).sum(0) if ctx.biased else None
        return dx, _gradient(x, g), db


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None, back: bool) -> Tensor:
    """The convolution, or with `back` its transpose: from the gradient of the output to the gradient of the input."""
    n, c_in, h, w = x.shape
    c_out = weight.shape[1 if back else 0]
    kernels: Any = library()
    m, threads = _tile(h, w), torch.get_num_threads()
    taps = weight.detach().permute(2, 3, *((0, 1) if back else (1, 0))).contiguous()  # (3, 3, c_in, c_out)
    u = torch.empty((m + 2) ** 2 * c_in * c_out)
    kernels.mien_weights(address(taps), c_in, c_out, m, back, address(u), threads)
    y = torch.empty(n, c_out, h, w, memory_format=torch.channels_last)
    if kernels.mien_forward(
        address(x), address(u), address(bias), address(y), n, h, w, c_in, c_out, m, min(n, threads)
    ):
        raise MienError(FULL, parameter="batch_size")
    return y


def _gradient(x: Tensor, g: Tensor) -> Tensor:
    """Gradient of the weights. Each thread sums over its images; the sums are added in a fixed order."""
    n, c_in, h, w = x.shape
    c_out = g.shape[1]
    kernels: Any = library()
    threads = min(n, torch.get_num_threads())
    parts = torch.empty(threads, 3, 3, c_in, c_out)
    if kernels.mien_gradient(address(x), address(g), address(parts), n, h, w, c_in, c_out, _tile(h, w), threads):
        raise MienError(FULL, parameter="batch_size")
    result: Tensor = functools.reduce(torch.add, parts).permute(3, 2, 0, 1)
    return result


def _tile(h: int, w: int) -> int:
    """Tile size (6 or 4) that needs fewer multiplications."""
    return min((6, 4), key=lambda m: -(-h // m) * -(-w // m) * (m + 2) ** 2)
