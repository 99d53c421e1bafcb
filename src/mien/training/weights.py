"""weights.safetensors: a network's weights in a file without code, with a checksum."""

import hashlib
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from mien.errors import MienError
from mien.files import atomic_write

KEY = "mien_sha256"


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write a state dict, atomically. Raises MienError if the file cannot be written."""
    tensors = {name: tensor.contiguous().cpu() for name, tensor in weights.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata={KEY: _digest(tensors)})


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict written by `save_weights`; files of mien 0.1 have no checksum and are not checked.

    Raises MienError if the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest = (file.metadata() or {}).get(KEY)
    except Exception as error:  # safetensors and torch raise many types
        raise MienError(f"{path} is damaged ({str(error).splitlines()[0]}); train again") from error
    if digest is not None and digest != _digest(tensors):
        raise MienError(f"{path} is damaged: its checksum is wrong; train again, or use its model.onnx")
    return tensors


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and values, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
