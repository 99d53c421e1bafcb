"""Run the study: a queue of trainings that shows what causes overfitting and what reduces it.

    mien study --data data/ --seeds 1 2 3 --jobs 2
    mien study --data data/ --lines a --networks deep globalpool hybrid --seeds 1
    mien study --report-only

The study has six lines:
    a    the seven networks, trained as in the original study and with modern training
    b    each regularizer added alone and removed alone
    c    five folds, for held-out probabilities of all Training faces
    d    what reduces overfitting in the deep network
    e    the modern hybrid on increasing numbers of images
    f    the modern hybrid on the training images that `mien data audit` keeps, with the probabilities of line c

Line f waits for line c. mien skips finished trainings and resumes interrupted ones, so run the command again until all
are done. To stop the queue after the running trainings, create a file named HALT in the runs folder.
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli.parser import Renamed

if TYPE_CHECKING:
    from mien.training.study import StudyRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is trained, on what, where it goes."""
    from mien.cli.data import add_loading_arguments
    from mien.training.study import LINES, NETWORKS

    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="Kaggle's files or class folders (default: data)"
    )
    add_loading_arguments(parser)
    parser.add_argument("--lines", nargs="+", choices=LINES,
                        help="lines to run, in this order (default: all; with a GPU, b first)")  # fmt: skip
    parser.add_argument(
        "--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="networks (default: all seven)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="seeds (default: 1 2 3)")
    parser.add_argument("--seed", type=int, nargs="+", dest="seeds", action=Renamed, help=argparse.SUPPRESS,
                        default=argparse.SUPPRESS)  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, help="number of trainings at a time, one process each (default: 1)"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/study"), help="the folder for runs (default: runs/study)"
    )
    parser.add_argument("--output", type=Path, default=Path("results/study"),
                        help="the folder for tables, figures and records (default: results/study)")  # fmt: skip
    parser.add_argument("--tracker", choices=("wandb", "trackio", "tensorboard", "mlflow", "none"), default="wandb",
                        help="experiment tracker (default: wandb)")  # fmt: skip
    parser.add_argument(
        "--epochs", type=int, help="limit each training to this number of epochs (a trial run, not a result)"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads per training; 0: torch's default (default: 0)")
    parser.add_argument("--precision", default="auto", help="precision of all trainings (default: auto)")
    parser.add_argument(
        "--report-only", action="store_true", help="train nothing; write the report of the finished trainings"
    )
    parser.add_argument("--plan-only", action="store_true", help="print the training commands without running them")


def run(args: argparse.Namespace) -> None:
    """Train what is missing, then write and print the table."""
    from mien.cli.data import loading_words
    from mien.cli.read_targets import stopped_by_signals
    from mien.errors import require
    from mien.training.queue import command
    from mien.training.study import LINES, lines_in_order, plan, with_epochs
    from mien.training.study_report import write_report

    require(args.jobs >= 1, "jobs", args.jobs, "1 or more")
    lines = args.lines or (LINES if args.report_only else lines_in_order())
    planned = plan(args.runs, lines, args.seeds, args.networks)
    if args.epochs is not None:
        planned = with_epochs(planned, args.epochs)
    machine = ["--tracker", args.tracker, "--threads", str(args.threads), "--precision", args.precision]
    machine += loading_words(args)
    if args.plan_only:
        for training in planned:
            mark = "# done: " if training.finished else ""
            print(mark + " ".join(command(training, args.data, machine)))
        return
    if not args.report_only:
        with stopped_by_signals():  # its trainings end with it
            _train(args, planned, machine)
    write_report(planned, args.output)
    for name in ("study.md", "claims.md"):
        print((args.output / name).read_text())
    drawn = [name for name in ("study", "curves", "effects") if (args.output / f"{name}.png").is_file()]
    figures = " and ".join([", ".join(drawn[:-1]), drawn[-1]] if drawn[1:] else drawn)
    print(f"written to {args.output}: tables study, claims and comparisons; figure{'s' * (len(drawn) > 1)} {figures}")


def _train(args: argparse.Namespace, planned: "Sequence[StudyRun]", machine: Sequence[str]) -> None:
    """Run the queue; a line at each end, and on a terminal a line that moves with what is being trained."""
    from mien.cli.data import load_dataset
    from mien.cli.live import Steps
    from mien.data.split_file import apply_split
    from mien.training.queue import Outcome, epochs_done, hours_left, run_queue
    from mien.training.study_report import write_cleaned_split, write_out_of_fold

    def left_over(left: "Sequence[StudyRun]") -> str:
        done = [training for training in planned if training.finished]
        hours = hours_left(left, done, args.jobs)
        return f"{len(done)} of {len(planned)} done" + ("" if math.isnan(hours) else f", about {hours:.1f} h left")

    with Steps("mien study") as steps:
        steps.on_phase(f"reading {args.data}")
        dataset = load_dataset(args.data, args)
        last = 0.0

        def on_end(outcome: Outcome, left: "Sequence[StudyRun]") -> None:
            state = "finished" if outcome.code == 0 else f"failed ({outcome.error})"
            minutes = outcome.seconds / 60
            print(f"{state}: {outcome.run.folder.name} in {minutes:.0f} min; {left_over(left)}", flush=True)

        def on_tick(running: "Sequence[StudyRun]") -> None:
            nonlocal last
            if not steps.console.is_terminal or time.monotonic() - last < 2:
                return
            last = time.monotonic()
            epochs = [f"{run.folder.name} epoch {epochs_done(run)}/{run.recipe.epochs}" for run in running]
            steps.on_phase("; ".join([*epochs, left_over([run for run in planned if not run.finished])]))

        def on_wait(training: "StudyRun") -> None:
            print(f"waiting for the training that is running in {training.folder}", flush=True)

        waiting = sum(not training.finished for training in planned)
        print(f"{waiting} of {len(planned)} trainings to do, {args.jobs} at a time", flush=True)
        halt = args.runs / "HALT"
        probabilities = args.output / "out_of_fold.npz"
        first, cleaned = ([run for run in planned if (run.line == "f") == after_c] for after_c in (False, True))

        def work(runs: "Sequence[StudyRun]", fingerprint: str) -> None:
            run_queue(runs, args.data, machine, args.jobs, halt.exists, on_end, fingerprint,
                      on_tick=on_tick, on_wait=on_wait)  # fmt: skip

        work(first, dataset.fingerprint)
        steps.on_phase("computing held-out probabilities")
        write_out_of_fold(first, dataset, probabilities)
        if all(run.finished for run in cleaned):
            return
        if not probabilities.is_file():
            print("line f needs the probabilities of the five folds of line c", flush=True)
            return
        steps.on_phase("auditing the training images")
        split_file = write_cleaned_split(dataset, probabilities, args.runs)
        work(cleaned, apply_split(dataset, split_file).fingerprint)
