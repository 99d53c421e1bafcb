"""Write an HTML report on runs, a study or models: training curves, confusion, calibration, classes, a summary.

    mien report runs/hybrid-1                            on a run, from its files
    mien report runs/ -o study.html                      compare all finished runs below a folder
    mien report champion nano --data data/               on models, evaluated now

The report is a single file that needs no network. It follows the browser's light or dark mode.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", metavar="RUN|STUDY|MODEL",
                        help="run folders, folders with runs in them, model files or names of shipped models; "
                        "all are compared with the first")  # fmt: skip
    parser.add_argument("--data", type=Path, help="labeled faces for a new evaluation (required for models; runs have "
                        "their own results)")  # fmt: skip
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the file to write (default: report.html)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")


def run(args: argparse.Namespace) -> None:
    from mien import data
    from mien.cli.progress import Busy, Progress
    from mien.evaluation.classifier import refuse_repeated
    from mien.evaluation.html_report import check_output, sentences, write_report
    from mien.evaluation.subjects import find_subjects

    check_output(args.output, args.overwrite)  # before the data are read
    refuse_repeated(args.source)
    find_subjects(args.source, bool(args.data))
    with Busy(f"reading {args.data}"):
        dataset = data.load(args.data) if args.data else None
    with Progress(None, "faces", alone=True, before="reading runs") as progress:
        subjects = write_report(args.source, args.output, dataset, args.overwrite, progress)
    what = subjects[0].name if len(subjects) == 1 else f"{len(subjects)} runs and models"
    print(f"{args.output}: {what}")
    if len(subjects) == 1:
        print("  " + "\n  ".join(sentences(subjects[0])))
