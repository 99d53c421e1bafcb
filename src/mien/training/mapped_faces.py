"""Training images as the tensor that a trainer asks for rows of: in memory, or in a mapped file."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.data.packed import MappedFaces
from mien.inference.normalization import InputNormalization, normalize_input


class NormalizedFaces(MappedFaces):
    """Mapped faces whose light is normalized when they are read."""

    def __init__(self, faces: MappedFaces, kind: InputNormalization) -> None:
        super().__init__(faces.images, faces.rows)
        self.kind = kind

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        return normalize_input(super().__getitem__(index), self.kind)


class MappedTensor:
    """Rows of mapped faces on request: `images[rows]` is (M, 48, 48) uint8 on the device, read from the file."""

    def __init__(self, faces: MappedFaces, device: torch.device) -> None:
        self.faces, self.device = faces, device

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.faces[rows.cpu().numpy()]).to(self.device)


def as_tensor(faces: NDArray[np.uint8] | MappedFaces, device: torch.device) -> Any:
    """Faces (N, 48, 48) uint8 as a tensor on the device, or as what gives rows of one."""
    if isinstance(faces, MappedFaces):
        return MappedTensor(faces, device)
    return torch.from_numpy(np.ascontiguousarray(faces)).to(device)
