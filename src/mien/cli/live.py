"""The progress of a training: a live bar on a terminal, a line an epoch anywhere else."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mien.training.state import Progress as TrainingProgress


class Live:
    """A callback of a training, inside `with Live(name, epochs) as live:`."""

    def __init__(self, name: str, epochs: int) -> None:
        self.name, self.epochs = name, epochs
        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task(name, total=None, note="")
        self.began, self.done = time.monotonic(), 0

    def __enter__(self) -> "Live":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def on_step(self, progress: TrainingProgress) -> None:
        self.done += 1
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        self.bar.update(
            self.task, total=self.epochs * progress.steps,
            completed=(progress.epoch - 1) * progress.steps + progress.step,
            note=f"epoch {progress.epoch}/{self.epochs}  loss {progress.train_loss:.3f}  "
            f"accuracy {progress.train_accuracy:.3f}  {rate:.1f} steps/s",
        )  # fmt: skip

    def on_epoch(self, row: Mapping[str, float]) -> None:
        self.bar.console.print(
            f"{self.name}  epoch {row['epoch']:>3.0f}/{self.epochs}   "
            f"train {row['train_accuracy']:.3f} (loss {row['train_loss']:.3f})   "
            f"validation {row['val_accuracy']:.3f} (loss {row['val_loss']:.3f})   "
            f"{row['images_per_second']:,.0f} images/s"
        )

    def on_phase(self, phase: str) -> None:
        """What is being done after the last epoch."""
        self.bar.update(self.task, note=phase)
        self.bar.console.print(f"{self.name}  {phase}")
