"""Runtime settings of a training: accelerator, processes, precision, threads. Not part of the recipe.

torch is imported by the functions that need it: the command line reads its help from the fields of Runtime.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from mien.cores import cores
from mien.errors import MienError, require
from mien.training.fields import require_kind

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


@dataclass(frozen=True)
class Runtime:
    """Where and how a training runs; not part of the recipe."""

    accelerator: str = "auto"
    devices: int = 1  # processes on this machine
    nodes: int = 1  # machines; torchrun and SLURM set devices and nodes
    sync_batch_norm: bool = True  # batch-norm statistics of the whole batch, or of each process's own rows
    precision: str = "auto"  # see best_precision
    threads: int = 0  # of each process; 0: torch's default
    compiled: bool = False  # torch.compile: does not pay for networks of this size on a CPU
    max_minutes: float = 0.0  # stop after the epoch that exceeds this time budget; 0: no budget


def check_runtime(runtime: Runtime, batch_size: int, seed: int) -> None:
    """Raise MienError, naming the parameter, for an invalid value."""
    require_kind("seed", seed, int)
    for field in fields(Runtime):
        require_kind(field.name, getattr(runtime, field.name), field.type)
    processes = runtime.devices * runtime.nodes
    for parameter, value, ok, should in (
        ("seed", seed, seed >= 0, "0 or more"),
        ("threads", runtime.threads, runtime.threads >= 0, "0 (torch's own choice) or more"),
        ("devices", runtime.devices, runtime.devices >= 1, "1 or more"),
        ("nodes", runtime.nodes, runtime.nodes >= 1, "1 or more"),
        ("devices", processes, processes <= batch_size, f"1 to the batch size, {batch_size}, over all nodes"),
        ("precision", runtime.precision, runtime.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        ("accelerator", runtime.accelerator, runtime.accelerator in ACCELERATORS, f"one of {', '.join(ACCELERATORS)}"),
        ("max_minutes", runtime.max_minutes, runtime.max_minutes >= 0, "0 (no budget) or more"),
    ):
        require(ok, parameter, value, should)
    if runtime.nodes > 1 and "RANK" not in os.environ:  # Fabric would wait forever for the others
        raise MienError("{parameter} needs torchrun on each machine, which connects the processes",
                        parameter="nodes")  # fmt: skip


def check_accelerator(accelerator: str) -> None:
    """Raise MienError for a GPU that torch does not find."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "auto": True, "cpu": True}
    if not available.get(accelerator, any(available[kind] for kind in ("cuda", "mps"))):
        raise MienError(
            f"cannot train on '{accelerator}': torch finds no such device on this machine; choose cpu or auto as "
            f"{{parameter}}",
            parameter="accelerator",
        )


def launched(runtime: Runtime) -> Runtime:
    """The runtime with the devices and nodes of torchrun, if torchrun started this process."""
    world, local = (int(os.environ.get(name, "0") or 0) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if "TORCHELASTIC_RUN_ID" not in os.environ or not local:
        return runtime
    return replace(runtime, devices=local, nodes=world // local)


@contextmanager
def without_denormals() -> Iterator[None]:
    """Treat denormal floats (below 1e-38) as zero on this thread and on threads it starts.

    Processors compute with denormals a hundred times slower, and L2 regularization under Adam shrinks the weights of
    dead filters to them: otherwise the study's networks slow down to a tenth after some epochs.
    """
    import torch

    previous = (torch.tensor(1e-30) * torch.tensor(1e-10)).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(previous)


def is_first_process() -> bool:
    """Whether this is the process that prints, among those started by torchrun, SLURM or Fabric."""
    names = ("RANK",) if "RANK" in os.environ else ("NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") in ("", "0") for name in names)


def best_precision(accelerator: str) -> str:
    """bf16-mixed on a GPU that supports it and on a CPU with matrix units for it (AMX); otherwise 32-true.

    AVX512-BF16 alone does not qualify: compared with float32 it is twice as fast on one processor and half as fast on
    another (results/benchmarks/convolutions*.txt), and mien's own kernels are for float32.
    """
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bf16-mixed" if amx() and accelerator in ("auto", "cpu") else "32-true"


def gpu(accelerator: str) -> "torch.device | None":
    """The GPU for teachers, or None for the CPU. Raises MienError if accelerator is "gpu" and there is none."""
    import torch

    if accelerator == "gpu" and not torch.cuda.is_available():
        raise MienError("there is no GPU that torch can use; choose cpu as {parameter}", parameter="accelerator")
    return torch.device("cuda") if accelerator != "cpu" and torch.cuda.is_available() else None


def machine() -> dict[str, Any]:
    """Description of the machine, as far as results may depend on it."""
    import torch

    from mien.training import kernels

    return {
        "system": platform.system(), "processor": platform.machine(), "cores": cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "kernels": kernels.library() is not None,
    }  # fmt: skip
