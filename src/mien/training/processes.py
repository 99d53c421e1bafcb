"""Several processes of one training: they end together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_fabric import Fabric

from mien.errors import MienError

_WORDS = ("peer", "gloo", "connection", "socket", "timed out", "timeout", "nccl", "store")


@contextmanager
def end_together(fabric: Fabric, folder: Path) -> Iterator[None]:
    """Where one of several processes ends, the others cannot go on: a MienError in each that says so."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(word in str(error).lower() for word in _WORDS):
            raise
        raise MienError(
            f"process {fabric.global_rank + 1} of {fabric.world_size} lost another one, which ended or cannot be "
            f"reached; resume the run {folder} with any number of processes"
        ) from error
