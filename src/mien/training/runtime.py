"""What a training runs on: accelerator, processes, precision, threads. None of it is part of the recipe.

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
    """What a training runs on; none of it is part of the recipe."""

    accelerator: str = "auto"
    devices: int = 1  # processes on this machine
    nodes: int = 1  # machines; torchrun and SLURM tell both themselves
    sync_batch_norm: bool = True  # batch-norm statistics of the whole batch, or of each process's own rows
    precision: str = "auto"  # see best_precision
    threads: int = 0  # of each process; 0 leaves torch's own choice
    compiled: bool = False  # torch.compile: does not pay for networks of this size on a CPU
    max_minutes: float = 0.0  # end after the epoch in which this budget is spent; 0: no budget


def check_runtime(runtime: Runtime, batch_size: int, seed: int) -> None:
    """Raises MienError, naming the parameter, where a value makes no sense."""
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
    if runtime.nodes > 1 and "RANK" not in os.environ:  # Fabric would wait for the others for ever
        raise MienError("{parameter} needs torchrun on each machine, which tells each process of the others",
                        parameter="nodes")  # fmt: skip


def check_accelerator(accelerator: str) -> None:
    """Raises MienError for a GPU that torch does not find here."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "auto": True, "cpu": True}
    if not there.get(accelerator, any(there[kind] for kind in ("cuda", "mps"))):
        raise MienError(
            f"cannot train on '{accelerator}': torch finds no such device on this machine; choose cpu or auto as "
            f"{{parameter}}",
            parameter="accelerator",
        )


def launched(runtime: Runtime) -> Runtime:
    """With the devices and nodes that torchrun started, where it did; else as it is."""
    world, local = (int(os.environ.get(name, "0") or 0) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if "TORCHELASTIC_RUN_ID" not in os.environ or not local:
        return runtime
    return replace(runtime, devices=local, nodes=world // local)


@contextmanager
def without_denormals() -> Iterator[None]:
    """While it lasts, numbers below 1e-38 count as zero on this thread and on those that it starts.

    Processors take a hundred times as long over such numbers as over others, and L2 regularization under Adam shrinks
    the weights of dead filters to them: without it, the study's networks train at a tenth of their speed after some
    epochs.
    """
    import torch

    before = (torch.tensor(1e-30) * torch.tensor(1e-10)).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def is_first_process() -> bool:
    """Whether this is the process that speaks to people, of those that torchrun, SLURM or Fabric started."""
    names = ("RANK",) if "RANK" in os.environ else ("NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") in ("", "0") for name in names)


def best_precision(accelerator: str) -> str:
    """bf16-mixed on a GPU that has it and on a CPU with matrix units for it (AMX); else 32-true.

    AVX512-BF16 alone is no reason: against float32 it is twice as fast on one processor and half as fast on another
    (results/benchmarks/convolutions*.txt), and mien's own kernels are for float32.
    """
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bf16-mixed" if amx() and accelerator in ("auto", "cpu") else "32-true"


def gpu(accelerator: str) -> "torch.device | None":
    """The GPU that runs teachers, or None where the CPU does. Raises MienError where "gpu" is asked for and there is
    none."""
    import torch

    if accelerator == "gpu" and not torch.cuda.is_available():
        raise MienError("there is no GPU that torch can use; choose cpu as {parameter}", parameter="accelerator")
    return torch.device("cuda") if accelerator != "cpu" and torch.cuda.is_available() else None


def machine() -> dict[str, Any]:
    """What the run was trained on, as far as numbers may depend on it."""
    import torch

    from mien.training import kernels

    return {
        "system": platform.system(), "processor": platform.machine(), "cores": cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "kernels": kernels.library() is not None,
    }  # fmt: skip
