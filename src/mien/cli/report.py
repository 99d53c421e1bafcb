"""Write a report of runs, a study or models as one HTML file: curves, confusion, reliability, each class, plain
sentences.

    mien report runs/hybrid-1                            of a run, as its files have it
    mien report runs/ -o study.html                      of all finished runs below a folder, compared
    mien report champion nano --data data/               of models, evaluated now

The file needs no network and no other file; it follows the reader's light or dark look.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", metavar="RUN|STUDY|MODEL",
                        help="run folders, folders with runs in them, model files or names of shipped models; "
                        "the others are compared with the first")  # fmt: skip
    parser.add_argument("--data", type=Path, help="labeled faces to evaluate on now (models need it; runs have figures "
                        "of their own)")  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE", help="(default: report.html)"
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
