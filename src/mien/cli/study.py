"""Train the family of networks, the study's way and the modern way, and write one table and one figure.

    mien study --data data/
    mien study --data data/ --networks deep globalpool hybrid --trainings study
    mien study --report-only

Finished trainings are kept, interrupted ones are resumed: run it again until it is done.
"""

import argparse
from pathlib import Path

NETWORKS = ("normal", "baseline", "deep", "dropout", "dropout_heavy", "globalpool", "hybrid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="NAME")
    parser.add_argument(
        "--trainings", nargs="+", default=["study", "modern"], choices=("study", "modern", "variations")
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--output", type=Path, default=Path("results/study"), help="where study.md and study.png go")
    parser.add_argument("--tracker", choices=("wandb", "trackio", "none"), default="wandb")
    parser.add_argument("--epochs", type=int, help="cut every training to so many epochs (for a trial)")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--max-minutes", type=float, default=0.0, help="budget of each training; 0: none")
    parser.add_argument("--report-only", action="store_true", help="train nothing, report what is finished")


def run(args: argparse.Namespace) -> None:
    from mien import data
    from mien.cli.live import Live
    from mien.evaluation import report
    from mien.training.runtime import Runtime
    from mien.training.study import plan, run_study, write_report

    planned = plan(args.runs, args.networks, args.trainings, args.seed, args.epochs)
    if not args.report_only:
        dataset = data.load(args.data)
        runtime = Runtime(threads=args.threads, precision=args.precision, max_minutes=args.max_minutes)
        live = lambda p: Live(p.folder.name, p.recipe.epochs)  # noqa: E731
        for done in run_study(planned, dataset, args.seed, runtime, args.tracker, live):
            print(f"finished: {done.folder}")
    rows = write_report(planned, args.output)
    print(report.study_markdown(rows))
    print(f"kept in {args.output / 'study.md'} and {args.output / 'study.png'}")
