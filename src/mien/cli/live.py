"""The progress of a training: a live line on a terminal, a line an epoch and every half minute anywhere else."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from mien.training.state import Progress as TrainingProgress

SILENCE = 30.0  # seconds after which a line says how far the epoch is, where there is no terminal


class Steps:
    """What is being done, of a job in a few steps: `with Steps("mien export") as steps: steps.on_phase("exporting")`.

    On a terminal one line that moves, with the seconds that the whole has taken; elsewhere a line a step, if `lines`.
    """

    def __init__(self, name: str, lines: bool = False) -> None:
        self.name, self.lines = name, lines
        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}  {task.fields[note]}"), TimeElapsedColumn(),
            console=self.console, transient=True, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task(name, total=None, note="")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def on_phase(self, phase: str) -> None:
        """What is being done now."""
        self.bar.update(self.task, note=phase)
        if self.lines:
            self.console.print(f"{self.name}  {phase}", markup=False)


class Live(Steps):
    """A callback of a training, inside `with Live(name, epochs) as live:`."""

    def __init__(self, name: str, epochs: int = 0) -> None:
        super().__init__(name)
        self.bar.columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(), TimeElapsedColumn(),
        )  # fmt: skip
        self.epochs, self.done = epochs, 0
        self.began = self.shown = time.monotonic()

    def begin(self, name: str, epochs: int) -> None:
        """What was prepared so far is trained now, under this name and for so many epochs."""
        self.name, self.epochs, self.lines = name, epochs, True
        self.began = self.shown = time.monotonic()
        self.bar.update(self.task, description=name, note="first step")

    def on_step(self, progress: "TrainingProgress") -> None:
        """Move the bar; without a terminal, say now and then how far the epoch is."""
        self.done += 1
        now = time.monotonic()
        rate = self.done / max(now - self.began, 1e-9)
        last = progress.step == progress.steps
        note = (
            f"epoch {progress.epoch}/{self.epochs}  {'validating  ' if last else ''}loss {progress.train_loss:.3f}  "
            f"accuracy {progress.train_accuracy:.3f}  {rate:.1f} steps/s"
        )
        self.bar.update(
            self.task, total=self.epochs * progress.steps,
            completed=(progress.epoch - 1) * progress.steps + progress.step, note=note,
        )  # fmt: skip
        if self.bar.disable and now - self.shown > SILENCE:
            self.shown = now
            self.console.print(f"{self.name}  {note}, step {progress.step} of {progress.steps}", markup=False)

    def on_epoch(self, row: Mapping[str, float]) -> None:
        """A line for the epoch that has ended."""
        self.shown = time.monotonic()
        self.console.print(
            f"{self.name}  epoch {row['epoch']:>3.0f}/{self.epochs}   "
            f"train {row['train_accuracy']:.3f} (loss {row['train_loss']:.3f})   "
            f"validation {row['val_accuracy']:.3f} (loss {row['val_loss']:.3f})   "
            f"{row['images_per_second']:,.0f} images/s",
            markup=False,
        )
