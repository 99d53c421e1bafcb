"""Checkpoints: the full state of a training in one file, written so that a kill at any moment leaves a whole one."""

import pickle
from pathlib import Path
from typing import Any

import torch

from mien.errors import MienError
from mien.files import atomic_write

NAME = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts to folder/checkpoint.pt, in place of an older one."""
    with atomic_write(folder / NAME) as temporary:
        torch.save(state, temporary)


def load(folder: Path) -> dict[str, Any]:
    """Read it back (no code is run from the file). Raises MienError where there is none or it cannot be read."""
    path = folder / NAME
    if not path.is_file():
        raise MienError(f"{path} does not exist; is {folder} a run that was started with 'mien train'?")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, OSError, pickle.UnpicklingError) as error:
        raise MienError(f"{path} is not a whole checkpoint; start the run anew without --resume") from error
