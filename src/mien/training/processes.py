"""Errors of multi-process training: when one process ends, the others end with a clear message."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_fabric import Fabric

from mien.errors import MienError

_WORDS = ("peer", "gloo", "connection", "socket", "timed out", "timeout", "nccl", "store")


@contextmanager
def end_together(fabric: Fabric, folder: Path) -> Iterator[None]:
    """If another process ends, raise a MienError that says so, because this one cannot continue."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(word in str(error).lower() for word in _WORDS):
            raise
        raise MienError(
            f"process {fabric.global_rank + 1} of {fabric.world_size} lost another process, which ended or cannot "
            f"be reached; resume the run {folder} with any number of processes"
        ) from error
