"""What a training shows while it runs: a live bar on a terminal, a line an epoch anywhere else."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Live:
    """Pass `on_step` and `on_epoch` to a training inside `with Live(name, epochs) as live:`."""

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

    def on_step(self, epoch: int, step: int, steps: int) -> None:
        self.done += 1
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        self.bar.update(
            self.task, total=self.epochs * steps, completed=epoch * steps + step,
            note=f"epoch {epoch + 1}/{self.epochs}  {rate:.1f} steps/s",
        )  # fmt: skip

    def on_epoch(self, row: Mapping[str, float]) -> None:
        self.bar.console.print(
            f"{self.name}  epoch {row['epoch']:>3.0f}/{self.epochs}   "
            f"train {row['train_accuracy']:.3f} (loss {row['train_loss']:.3f})   "
            f"validation {row['val_accuracy']:.3f} (loss {row['val_loss']:.3f})   "
            f"{row['images_per_second']:,.0f} images/s"
        )
