"""Training images as a tensor that returns rows on request: in memory, or memory-mapped."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.data.packed import MappedFaces
from mien.inference.normalization import InputNormalization, normalize_input


class NormalizedFaces(MappedFaces):
    """Memory-mapped faces with the input normalization applied on reading."""

    def __init__(self, faces: MappedFaces, kind: InputNormalization) -> None:
        super().__init__(faces.images, faces.rows)
        self.kind = kind

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        return normalize_input(super().__getitem__(index), self.kind)


class MappedTensor:
    """Memory-mapped faces indexed like a tensor: `images[rows]` is (M, 48, 48) uint8 on the device."""

    def __init__(self, faces: MappedFaces, device: torch.device) -> None:
        self.faces, self.device = faces, device

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.faces[rows.cpu().numpy()]).to(self.device)


def as_tensor(faces: NDArray[np.uint8] | MappedFaces, device: torch.device) -> Any:
    """Faces (N, 48, 48) uint8 as a tensor on the device, or as a MappedTensor."""
    if isinstance(faces, MappedFaces):
        return MappedTensor(faces, device)
    return torch.from_numpy(np.ascontiguousarray(faces)).to(device)
