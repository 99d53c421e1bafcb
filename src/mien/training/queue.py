"""A queue of trainings, several at a time, each in its own process. Skips finished trainings and resumes unfinished
ones."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.record import read_record
from mien.training.lock import is_held
from mien.training.study import StudyRun

# Seconds per thousand training images, relative to the hybrid's, to estimate the remaining time until the queue has
# measured its own.
COST = {
    "normal": 0.5, "baseline": 0.25, "deep": 1.5, "dropout": 0.55, "dropout_heavy": 0.6, "globalpool": 1.8,
    "hybrid": 1.0,
    "champion": 2.0, "broad": 6.0, "nano": 0.5,
}  # fmt: skip


@dataclass
class Job:
    """A running training."""

    run: StudyRun
    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Outcome:
    """How a training ended. code: exit code, 0 if it finished; error: the last line of its output."""

    run: StudyRun
    code: int
    seconds: float
    error: str


def command(run: StudyRun, data: Path, machine: Sequence[str]) -> list[str]:
    """The `mien train` command that starts or resumes a training. machine: runtime options."""
    begun = (run.folder / "recipe.json").is_file()
    words = (
        ["--resume", str(run.folder)]
        if begun
        else [
            run.base,
            "--seed",
            str(run.seed),
            "--name",
            run.folder.name,
            "--runs",
            str(run.folder.parent),
            *run.options(),
        ]
    )
    return ["mien", "train", *words, "--data", str(data), *machine]


def run_queue(
    planned: Sequence[StudyRun],
    data: Path,
    machine: Sequence[str] = (),
    jobs: int = 1,
    halt: Callable[[], bool] = lambda: False,
    on_end: Callable[[Outcome, Sequence[StudyRun]], None] = lambda outcome, left: None,
    fingerprint: str = "",
    *,
    on_tick: Callable[[Sequence[StudyRun]], None] = lambda running: None,
    on_wait: Callable[[StudyRun], None] = lambda run: None,
) -> None:
    """Run the trainings that are not finished, in order, `jobs` at a time.

    If another process already runs the next training, such as one left by a killed queue, wait for it.

    machine: options of `mien train` such as --threads 1. halt: checked between trainings; once it returns True, no more
    are started. on_end: called with each outcome and the trainings that are left. on_tick: called with the running
    trainings, five times a second. on_wait: called with a training that the queue waits for. Raises MienError if a
    finished run is of other data, and when a training failed, after the others have ended. KeyboardInterrupt terminates
    all; each saves its state.
    """
    for run in planned:
        if run.finished and fingerprint and read_record(run.folder)["data"]["fingerprint"] != fingerprint:
            raise MienError(
                f"{run.folder} was trained on other data; choose another folder as {{parameter}}", parameter="runs"
            )
    waiting = [run for run in planned if not run.finished]
    running: list[Job] = []
    awaited: StudyRun | None = None
    failed: Outcome | None = None
    try:
        while running or (waiting and not failed and not halt()):
            while waiting and not failed and len(running) < jobs and not halt():
                if is_held(waiting[0].folder):
                    if awaited != waiting[0]:
                        awaited = waiting[0]
                        on_wait(awaited)
                    break
                run = waiting.pop(0)
                if not run.finished:
                    running.append(_start(run, data, machine))
            time.sleep(0.2)
            on_tick([job.run for job in running])
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                outcome = _outcome(job)
                if outcome.code and is_held(job.run.folder):  # another process was faster
                    waiting.insert(0, job.run)
                    continue
                failed = failed or (outcome if outcome.code else None)
                on_end(outcome, [*(other.run for other in running), *waiting])
    except BaseException:
        for job in running:
            job.process.terminate()
        for job in running:
            job.process.wait()
        raise
    if failed:
        raise MienError(f"{failed.run.folder.name} failed: {failed.error}; see {failed.run.folder}.log")


def _start(run: StudyRun, data: Path, machine: Sequence[str]) -> Job:
    log = run.folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command(run, data, machine)], stdout=output, stderr=output, start_new_session=True
        )
    return Job(run, process, log)


def _outcome(job: Job) -> Outcome:
    lines = job.log.read_text(errors="replace").strip().splitlines()
    return Outcome(job.run, job.process.returncode, time.monotonic() - job.began, lines[-1] if lines else "no output")


def hours_left(left: Sequence[StudyRun], done: Sequence[StudyRun], jobs: int) -> float:
    """Estimated hours that are left, from the finished trainings; nan if there are none."""
    seconds = {run.base: _seconds(run) / _work(run, all_epochs=True) for run in done}
    if not seconds:
        return float("nan")
    typical = sum(seconds.values()) / len(seconds)
    total = sum(seconds.get(run.base, typical) * _work(run) for run in left)
    return total / 3600 / jobs


def epochs_done(run: StudyRun) -> int:
    """Epochs in the run's history so far; 0 if it cannot be read, because a resumed training rewrites it."""
    try:
        return len(history.read(run.folder / "history.csv"))
    except MienError:
        return 0


def _work(run: StudyRun, all_epochs: bool = False) -> float:
    recipe = run.recipe
    trained = 0 if all_epochs else epochs_done(run)
    return max(recipe.epochs - trained, 0.1) * COST.get(recipe.network, 1.0) * recipe.train_fraction


def _seconds(run: StudyRun) -> float:
    """Seconds of a training: its median epoch times their number, since a machine that slept makes a few epochs
    long."""
    seconds = [row["seconds"] for row in history.read(run.folder / "history.csv")]
    return statistics.median(seconds) * len(seconds)
