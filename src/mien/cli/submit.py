"""Write submission.csv: the emotion of every row of Kaggle's test.csv, in its order.

    mien submit runs/hybrid-1 --data data/
    mien submit default --data data/ --format id0 -o mine.csv
    mien submit runs/hybrid-1 runs/hybrid-2 runs/hybrid-3 --data data/

Formats: plain (one integer a line, no header: the hosts' own), id0 and id1 (`id,emotion`, counted from 0 or 1), and
like:FILE (the layout of an example file).
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mien.training.predict import VIEWS

    parser.add_argument("source", nargs="+", help="a run folder, a model.onnx, or the name of a shipped model; "
                        "several are averaged")  # fmt: skip
    parser.add_argument("--data", type=Path, default=Path("data"), help="where test.csv is (default: data)")
    parser.add_argument("--format", default="plain", help="plain, id0, id1 or like:FILE (default: plain)")
    parser.add_argument("--tta", choices=tuple(VIEWS), default="flip",
                        help="test-time augmentation (default: flip, picture and mirror averaged)")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path("submission.csv"))


def run(args: argparse.Namespace) -> None:
    from mien.training.submit import submit

    made = submit(args.source, args.data, args.output, args.format, args.tta)
    print(f"{args.output}: {made['rows']:,} rows, {args.format}, from {made['model']} ({made['tta']})")
    print("  " + "  ".join(f"{name} {n:,}" for name, n in made["predicted"].items()))
