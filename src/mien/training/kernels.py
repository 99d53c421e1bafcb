"""Kernels in C that train faster on a CPU in float32 than torch's own layers, compiled at first use.

The sources are the files *.c beside this one. The machine's C compiler makes one library of them for the processor at
hand, kept in the cache folder. Where there is no compiler, on a GPU, in bfloat16, in evaluation and in export, layers
are torch's own; their weights and state always are. MIEN_KERNELS=0 switches the kernels off.
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
# OpenMP's library is found by its name, and torch's has been loaded already: its threads do the kernels' work too, so
# that none wait for each other and each finds its part of a map in its own cache.
PARALLEL = ("-fopenmp",)


def usable(x: Tensor) -> Any | None:
    """The library, where a layer that trains may give it this input; else None."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return None
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return None
    kernels = library()
    if kernels is None or (torch.get_num_threads() > 1 and not kernels.mien_parallel()):
        return None
    return kernels


def address(t: Tensor | None) -> ctypes.c_void_p:
    """Where a tensor's numbers begin, for C; NULL of None."""
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
    """The library file for these sources, compiler and processor, made if it is not there yet.

    Raises OSError, SubprocessError or MienError where it cannot be made.
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
        # Loading a library that is cut or overwritten kills the process, so its name holds the digest of its content.
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
    """What tells processors apart for a compiler that builds for the one at hand."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}".encode()
    return b"".join(sorted({line for line in lines if line.startswith((b"flags", b"Features", b"model name"))}))
