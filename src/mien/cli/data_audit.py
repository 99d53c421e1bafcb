"""mien data audit: look for duplicates, images of nothing, non-faces and label errors, and write a page to decide
on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cores import cores
from mien.errors import MienError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.data import Dataset

EPILOG = """examples:
  mien data audit data/ -o audit/                                  duplicates, empty images, non-faces
  mien data audit data/ -o audit/ --probabilities out_of_fold.npz  also likely label errors
  mien data audit data/ -o audit/ --model runs/mine                the same, without a cross-validation
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `mien data audit`."""
    from mien.cli.data import add_loading_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Find exact and near duplicates (also across parts and with contradicting labels), uniform and placeholder\n"
        "images, images without a face, and likely label errors. Writes audit.json, audit.csv, split.csv, and\n"
        "audit.html, a page to keep, relabel or drop images. All files stay on this machine."
    )
    parser.epilog = EPILOG
    parser.add_argument("path", help="a csv, parquet or npz file, a folder of such files, or a folder of images")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, type=Path, help="the folder for the files")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--probabilities",
        metavar="FILE.npz",
        type=Path,
        help="find likely label errors with held-out class probabilities (from cross-validation); one row per image, "
        "or one per Training image",
    )
    source.add_argument(
        "--model", metavar="MODEL", help="use a model's probabilities; a model trained on the labels finds fewer errors"
    )
    parser.add_argument("--threads", type=int, default=cores(), help="number of threads (default: number of cores)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier audit in DIR")
    parser.add_argument("--no-cache", action="store_true", help="do not use or write the cache")
    add_loading_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Audit the data set and say what was found."""
    from mien.cli.data import read_dataset, tell_decisions
    from mien.cli.progress import Progress
    from mien.errors import require
    from mien.evaluation.audit_report import FILES, write_audit
    from mien.evaluation.audit_rows import audit_rows
    from mien.evaluation.label_errors import read_probabilities

    require(args.threads >= 1, "threads", args.threads, "1 or more")
    existing = [name for name in FILES if (args.output / name).exists()]
    if existing and not args.overwrite:
        raise MienError(f"{args.output / existing[0]} exists; replace it with --overwrite, or choose another folder")
    dataset = read_dataset(args.path, args, cache=not args.no_cache)
    probabilities, note = None, ""
    if args.probabilities:
        probabilities = read_probabilities(args.probabilities)
    elif args.model:
        probabilities, note = _of_model(dataset, args.model, args.threads)
    # Each row is compared with the others, and looked at for a face.
    steps = Progress(2 * len(dataset), "rows", alone=True, before="comparing images")
    try:
        audit = audit_rows(dataset, probabilities, args.threads, lambda what, count: steps.step(count, f", {what}"))
    finally:
        steps.clear()
    tell_decisions(dataset)
    record = write_audit(audit, args.output)
    print(_table(record))
    if note:
        print(f"\n{note}")
    if record["label_errors"] is None:
        print("\nNo search for label errors; add --probabilities from a cross-validation, or --model.")
    print(f"\nsuggested for removal: {record['left_out_of_train']:,} training rows (never validation or test rows)")
    print(f"review: {args.output / 'audit.html'}")
    print(f"then train with: --split {args.output / 'split.csv'}")


def _of_model(dataset: "Dataset", source: str, threads: int) -> "tuple[NDArray[np.float64], str]":
    """A model's probabilities of all rows, and what to know about them."""
    from mien.cli.progress import Progress
    from mien.evaluation.classifier import open_classifier

    classifier = open_classifier(source, threads)
    if classifier.classes != dataset.classes:
        raise MienError(
            f"{classifier.name} has the classes {', '.join(classifier.classes)}, but the data have "
            f"{', '.join(dataset.classes)}",
            parameter="model",
        )
    steps = Progress(len(dataset), "faces", alone=True)
    probabilities = classifier.probabilities(dataset.images, on_progress=steps.step)
    steps.clear()
    saw = "was trained on these labels" if classifier.fingerprint == dataset.fingerprint else "may know these labels"
    return probabilities, (
        f"{classifier.name} {saw}; a model tends to agree with labels that it was trained on, so it finds fewer errors "
        "than the held-out probabilities of a cross-validation (--probabilities)."
    )


def _table(record: dict[str, Any]) -> str:
    """Counts of reasons by part."""
    n, reasons = record["data"]["n"], record["reasons"]
    columns = list(next(iter(reasons.values())))
    lines = [f"{record['flagged']:,} of {n:,} images have a reason for review", ""]
    lines.append(f"{'reason':<22}" + "".join(f"{name:>12}" for name in columns))
    for reason, counts in reasons.items():
        if reason != "label error" or record["label_errors"] is not None:
            lines.append(f"{reason:<22}" + "".join(f"{counts[name]:>12,}" for name in columns))
    return "\n".join(lines)
