"""Checkpoints: the full training state in one file with a checksum, and the one before it.

Files are written atomically, so a kill leaves a whole one; a damaged file is detected and the previous one used.
"""

import dataclasses
import hashlib
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from mien.errors import MienError, MienWarning
from mien.files import atomic_write
from mien.training.recipes import Recipe

FORMAT = 2
NAME = "checkpoint.pt"
PREVIOUS = "checkpoint-previous.pt"
_MARK = b"mien-sha256:"  # at the end of the file, before the digest


def exists(folder: Path) -> bool:
    """Whether a folder has a checkpoint, even a damaged one."""
    return (folder / NAME).is_file() or (folder / PREVIOUS).is_file()


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts to folder/checkpoint.pt; the existing file becomes
    checkpoint-previous.pt."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getbuffer()
    digest = hashlib.sha256(payload).digest()
    with atomic_write(folder / NAME) as temporary:
        with open(temporary, "wb") as file:
            file.write(payload)
            file.write(_MARK + digest)
        if (folder / NAME).is_file():
            (folder / NAME).replace(folder / PREVIOUS)


def load(folder: Path) -> dict[str, Any]:
    """Read the newest undamaged checkpoint, with a MienWarning if it is the previous one. Runs no code from the file.

    Raises MienError if there is none, or only damaged ones.
    """
    faults = []
    for name in (NAME, PREVIOUS):
        path = folder / name
        try:
            state = _read(path)
        except FileNotFoundError:
            continue
        except MienError as error:
            faults.append(error)
            continue
        if faults:
            warnings.warn(f"{faults[0]}; resuming from the previous checkpoint", MienWarning, stacklevel=2)
        return state
    if faults:
        raise MienError(
            f"{faults[0]}, and there is no earlier checkpoint; train again with another {{parameter}}",
            parameter="name",
        )
    raise MienError(f"{folder / NAME} does not exist; is {folder} a run that was started with 'mien train'?")


def told(recipe: Recipe, seed: int, images: int) -> dict[str, Any]:
    """What a checkpoint records about its training: format, recipe, seed and number of training images."""
    return {"format": FORMAT, "recipe": {**dataclasses.asdict(recipe), "seed": seed, "images": images}}


def check(state: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raise MienError if a checkpoint is from mien 0.1, or if its recipe, seed or number of training images differ from
    those of the resumed run (`now`, from `told`)."""
    if state.get("format") != FORMAT:
        raise MienError(
            f"{folder / NAME} is from mien 0.1, whose random numbers differ; train again with another {{parameter}}",
            parameter="name",
        )
    changed = [
        f"{name} was {value}" for name, value in state.get("recipe", {}).items()
        if name in now["recipe"] and now["recipe"][name] != value
    ]  # fmt: skip
    if changed:
        raise MienError(
            f"{folder / NAME} belongs to another training than recipe.json ({', '.join(changed[:4])}); put the "
            "run's own file back, or train again with another {parameter}",
            parameter="name",
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise MienError(f"{path} cannot be read ({error.strerror})") from error
    end = len(content) - len(_MARK) - hashlib.sha256().digest_size
    if content[end : end + len(_MARK)] == _MARK:
        payload, digest = content[:end], content[end + len(_MARK) :]
        if hashlib.sha256(payload).digest() != digest:
            raise MienError(f"{path} is damaged: its checksum is wrong")
        whole = True
    else:
        payload, whole = content, False
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, OSError, pickle.UnpicklingError) as error:
        raise MienError(f"{path} is an incomplete checkpoint") from error
    if not isinstance(state, dict):
        raise MienError(f"{path} contains no checkpoint")
    if not whole and "format" in state:  # checkpoints of mien 0.1 have neither format nor checksum
        raise MienError(f"{path} is damaged: its checksum is truncated")
    return state
