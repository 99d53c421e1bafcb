"""A queue of trainings: several at a time, each a process of its own; it skips what is finished and resumes what is
not."""

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

# Seconds that a thousand training images take, relative to the hybrid's: for the estimate of what is left, until the
# queue has measured its own.
COST = {
    "normal": 0.5, "baseline": 0.25, "deep": 1.5, "dropout": 0.55, "dropout_heavy": 0.6, "globalpool": 1.8,
    "hybrid": 1.0,
    "champion": 2.0, "broad": 6.0, "nano": 0.5,
}  # fmt: skip


@dataclass
class Job:
    """A training that is running."""

    run: StudyRun
    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Outcome:
    """How a training of the queue ended: code 0 is finished; error: the last line that it printed."""

    run: StudyRun
    code: int
    seconds: float
    error: str


def command(run: StudyRun, data: Path, machine: Sequence[str]) -> list[str]:
    """The `mien train` command of a training, or that which resumes it. machine: options of what it runs on."""
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
    """Train what is not finished, in order, `jobs` at a time.

    A training that another process works on, as one that a killed queue has left behind, is waited for.

    machine: options of `mien train` such as --threads 1. halt: asked between trainings; once it says so, none is begun.
    on_end: told of each end, and of what is left. on_tick: told of what is running, five times a second. on_wait: told
    of each training that is waited for. Raises MienError where a finished run is of other data, and when a training
    fails, after the others have ended; KeyboardInterrupt stops all, and each saves its state.
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
    """An estimate in hours, from what the finished trainings took. nan where none is finished."""
    seconds = {run.base: _seconds(run) / _work(run, all_epochs=True) for run in done}
    if not seconds:
        return float("nan")
    typical = sum(seconds.values()) / len(seconds)
    total = sum(seconds.get(run.base, typical) * _work(run) for run in left)
    return total / 3600 / jobs


def epochs_done(run: StudyRun) -> int:
    """Epochs in the run's history so far; 0 where it cannot be read, for a training that goes on writes it anew."""
    try:
        return len(history.read(run.folder / "history.csv"))
    except MienError:
        return 0


def _work(run: StudyRun, all_epochs: bool = False) -> float:
    recipe = run.recipe
    trained = 0 if all_epochs else epochs_done(run)
    return max(recipe.epochs - trained, 0.1) * COST.get(recipe.network, 1.0) * recipe.train_fraction


def _seconds(run: StudyRun) -> float:
    """What a training takes: all its epochs at their median, as a machine that slept makes a few of them long."""
    seconds = [row["seconds"] for row in history.read(run.folder / "history.csv")]
    return statistics.median(seconds) * len(seconds)
