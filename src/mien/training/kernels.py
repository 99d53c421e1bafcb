"""C kernels that train faster on a CPU in float32 than torch's own layers, compiled at first use.

The sources are the *.c files in this folder. The machine's C compiler builds one library for its processor, kept in the
cache folder. Without a compiler, on a GPU, in bfloat16, in evaluation and in export, torch's own layers run; weights
and state are the same either way. MIEN_KERNELS=0 switches the kernels off.
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
from torch import Tensor

from mien.data import cache
from mien.errors import MienError

SOURCES = sorted(Path(__file__).parent.glob("*.c"))
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-shared", "-fPIC")
LIBRARIES = ("-lm",)
# OpenMP is found by name, and torch has already loaded its own: the kernels share torch's threads, so that no two
# thread pools compete and each thread finds its part of a feature map in its cache.
PARALLEL = ("-fopenmp",)


def usable(x: Tensor) -> Any | None:
    """The library if a layer in training may use it for this input, else None."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return None
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return None
    kernels = library()
    if kernels is None or (torch.get_num_threads() > 1 and not kernels.mien_parallel()):
        return None
    return kernels


def address(t: Tensor | None) -> ctypes.c_void_p:
    """Pointer to a tensor's data, for C; NULL for None."""
    return ctypes.c_void_p(None if t is None else t.data_ptr())


@functools.cache
def library() -> Any | None:
    """The compiled kernels, or None if they are switched off or cannot be built."""
    if os.environ.get("MIEN_KERNELS") == "0":
        return None
    try:
        kernels: Any = ctypes.CDLL(str(_compiled()))
    except (OSError, subprocess.SubprocessError, MienError):
        return None
    return kernels


def _compiled() -> Path:
    """Path of the library for these sources, compiler and processor, built if it does not exist.

    Raises OSError, SubprocessError or MienError if it cannot be built.
    """
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    version = subprocess.run([compiler, "--version"], capture_output=True, timeout=60, check=True).stdout
    flags = " ".join(FLAGS + PARALLEL + LIBRARIES).encode()
    parts = (*(source.read_bytes() for source in SOURCES), flags, version, _processor())
    folder = cache.own_folder(create=True)
    if folder is None:
        raise FileNotFoundError("no cache folder of this user's own")
    key = hashlib.sha256(b"|".join(parts)).hexdigest()[:16]
    for path in folder.glob(f"kernels-{key}-*.so"):
        # Loading a truncated or overwritten library kills the process, so its name holds its digest.
        if cache.private(path) and path.stem.rpartition("-")[2] == _digest(path):
            return path
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = Path(scratch) / "kernels.so"
        command = [compiler, *FLAGS, "-o", str(built), *map(str, SOURCES), *LIBRARIES]
        if subprocess.run([*command, *PARALLEL], capture_output=True, timeout=300, check=False).returncode:
            subprocess.run(command, capture_output=True, timeout=300, check=True)  # a compiler without OpenMP
        path = folder / f"kernels-{key}-{_digest(built)}.so"
        built.replace(path)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _processor() -> bytes:
    """What identifies the processor for a compiler with -march=native."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}".encode()
    return b"".join(sorted({line for line in lines if line.startswith((b"flags", b"Features", b"model name"))}))
