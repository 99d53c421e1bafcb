"""Training state besides the weights: data, progress, the sums of an epoch, and what a checkpoint stores."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.data.packed import MappedFaces
from mien.training.stored_views import StoredViews

Row = dict[str, float]
Teacher = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FaceSet:
    """Faces to train or validate on: images (N, 48, 48) uint8, with the input normalization applied, in memory or
    memory-mapped; labels (N,) int.

    targets: probabilities (N, C) for the loss, instead of the labels; None: use the labels. views: stored augmented
    views of the images with teacher probabilities; None: augment afresh.
    """

    images: NDArray[np.uint8] | MappedFaces
    labels: NDArray[np.int64]
    targets: NDArray[np.float64] | None = None
    views: StoredViews | None = None


@dataclass(frozen=True)
class Progress:
    """Progress within an epoch: epoch and step, counted from 1; steps per epoch; running training loss and accuracy,
    nan at first."""

    epoch: int
    step: int
    steps: int
    train_loss: float
    train_accuracy: float


class Callback(Protocol):
    """Hooks called during training, in the first process only."""

    def on_step(self, progress: Progress) -> None:
        """Called after each training step."""

    def on_epoch(self, row: Row) -> None:
        """Called after each epoch, with its row of the history."""


@dataclass(frozen=True)
class FitResult:
    """Result of a training: the network with the kept weights, one row per epoch, and the epoch kept (counted from
    1)."""

    model: nn.Module
    history: list[Row]
    epoch: int


@dataclass
class Sums:
    """Loss, correct predictions (hits), images and seconds of the current epoch so far, in this process."""

    loss: float = 0.0
    hits: float = 0.0
    images: float = 0.0
    seconds: float = 0.0


@dataclass
class TrainState:
    """Position in a training. epoch, step: the next ones, counted from 0."""

    epoch: int = 0
    step: int = 0
    sums: Sums = field(default_factory=Sums)
    history: list[Row] = field(default_factory=list)
    best: dict[str, Any] | None = None  # val_accuracy, epoch and, if they are kept, weights of the best epoch
    minutes: float = 0.0  # spent in earlier processes
    done: bool = False

    def state_dict(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        return {**self.__dict__, "sums": asdict(self.sums)}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> "TrainState":
        """From a checkpoint's values."""
        return cls(**{**state, "sums": Sums(**state["sums"])})


def history_row(epoch: int, lr: float, sums: Sums, validation: tuple[float, float], fabric: Fabric) -> Row:
    """A row of history.csv, summed over all processes. validation: loss and accuracy."""
    loss, hits, n = total_over_processes([sums.loss, sums.hits, sums.images], fabric)
    return {
        "epoch": epoch,
        "train_loss": loss / n,
        "train_accuracy": hits / n,
        "val_loss": validation[0],
        "val_accuracy": validation[1],
        "test_loss": validation[0],
        "test_accuracy": validation[1],
        "generalization_gap": hits / n - validation[1],
        "learning_rate": lr,
        "images_per_second": n / max(sums.seconds, 1e-9),
        "seconds": sums.seconds,
    }


def total_over_processes(values: list[float], fabric: Fabric) -> list[float]:
    """Sum each number over all processes."""
    if fabric.world_size == 1:
        return values
    summed = fabric.all_reduce(torch.tensor(values, dtype=torch.float64, device=fabric.device), reduce_op="sum")
    return summed.tolist()  # type: ignore[union-attr]
