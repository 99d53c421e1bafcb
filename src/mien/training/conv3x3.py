"""3x3 convolutions that train about twice as fast on a CPU in float32: Winograd's way, in C, compiled at first use.

The source is conv3x3.c beside this file. The machine's C compiler makes a library of it for the processor at hand,
kept in the cache folder. Where there is no compiler, on a GPU, in bfloat16, in evaluation and in export, `Conv3x3` is
torch's own nn.Conv2d; its weights and state always are. MIEN_KERNELS=0 switches the kernels off.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mien.data import cache
from mien.errors import MienError

FULL = "not enough memory for a convolution; close other programs or lower {parameter}"
SOURCE = Path(__file__).with_name("conv3x3.c")
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-shared", "-fPIC")
# OpenMP's library is found by its name, and torch's has been loaded already: its threads do the kernels' work too, so
# that none wait for each other and each finds its part of a map in its own cache.
PARALLEL = ("-fopenmp",)


class Conv3x3(nn.Conv2d):
    """nn.Conv2d(c_in, c_out, 3, padding=1) that uses the kernels while it trains on a CPU in float32."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True) -> None:
        super().__init__(c_in, c_out, kernel_size=3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and _usable(x, self.weight):
            return _Convolution.apply(x, self.weight, self.bias)  # type: ignore[no-any-return, no-untyped-call]
        return super().forward(x)


def _usable(x: Tensor, weight: Tensor) -> bool:
    if not torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    if x.device.type != "cpu" or x.dtype != torch.float32 or weight.dtype != torch.float32:
        return False
    kernels = library()
    if kernels is None or (torch.get_num_threads() > 1 and not kernels.mien_parallel()):
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
    """The convolution, or with `back` the one that takes a gradient of its result to its input."""
    n, c_in, h, w = x.shape
    c_out = weight.shape[1 if back else 0]
    kernels: Any = library()
    m, threads = _tile(h, w), torch.get_num_threads()
    taps = weight.detach().permute(2, 3, *((0, 1) if back else (1, 0))).contiguous()  # (3, 3, c_in, c_out)
    u = torch.empty((m + 2) ** 2 * c_in * c_out)
    kernels.mien_weights(_at(taps), c_in, c_out, m, back, _at(u), threads)
    y = torch.empty(n, c_out, h, w, memory_format=torch.channels_last)
    if kernels.mien_forward(_at(x), _at(u), _at(bias), _at(y), n, h, w, c_in, c_out, m, min(n, threads)):
        raise MienError(FULL, parameter="batch_size")
    return y


def _gradient(x: Tensor, g: Tensor) -> Tensor:
    """Gradient of the weights. Each thread sums over its pictures, and the sums are added in order."""
    n, c_in, h, w = x.shape
    c_out = g.shape[1]
    kernels: Any = library()
    threads = min(n, torch.get_num_threads())
    parts = torch.empty(threads, 3, 3, c_in, c_out)
    if kernels.mien_gradient(_at(x), _at(g), _at(parts), n, h, w, c_in, c_out, _tile(h, w), threads):
        raise MienError(FULL, parameter="batch_size")
    result: Tensor = functools.reduce(torch.add, parts).permute(3, 2, 0, 1)
    return result


def _tile(h: int, w: int) -> int:
    """Which of the two tilings takes fewer multiplications."""
    return min((6, 4), key=lambda m: -(-h // m) * -(-w // m) * (m + 2) ** 2)


def _at(t: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if t is None else t.data_ptr())


@functools.cache
def library() -> Any | None:
    """The compiled kernels, or None where they cannot be had."""
    if os.environ.get("MIEN_KERNELS") == "0":
        return None
    try:
        kernels: Any = ctypes.CDLL(str(_compiled()))
    except (OSError, subprocess.SubprocessError, MienError):
        return None
    return kernels


def _compiled() -> Path:
    """The library file for this source, compiler and processor, made if it is not there yet.

    Raises OSError, SubprocessError or MienError where it cannot be made.
    """
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    version = subprocess.run([compiler, "--version"], capture_output=True, timeout=60, check=True).stdout
    parts = (SOURCE.read_bytes(), " ".join(FLAGS + PARALLEL).encode(), version, _processor())
    folder = cache.own_folder(create=True)
    if folder is None:
        raise FileNotFoundError("no cache folder of this user's own")
    key = hashlib.sha256(b"|".join(parts)).hexdigest()[:16]
    for path in folder.glob(f"conv3x3-{key}-*.so"):
        # Loading a library that is cut or overwritten kills the process, so its name holds the digest of its content.
        if cache.private(path) and path.stem.rpartition("-")[2] == _digest(path):
            return path
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = Path(scratch) / "conv3x3.so"
        command = [compiler, *FLAGS, "-o", str(built), str(SOURCE)]
        if subprocess.run([*command, *PARALLEL], capture_output=True, timeout=300, check=False).returncode:
            subprocess.run(command, capture_output=True, timeout=300, check=True)  # a compiler without OpenMP
        path = folder / f"conv3x3-{key}-{_digest(built)}.so"
        built.replace(path)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _processor() -> bytes:
    """What tells processors apart for a compiler that builds for the one at hand."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}".encode()
    return b"".join(sorted({line for line in lines if line.startswith((b"flags", b"Features", b"model name"))}))
