"""Measure a run on a part of its split: accuracy with a 95 % interval, per class, calibration, confusion.

mien evaluate runs/hybrid-1 --data data/ --split validation
"""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", choices=("train", "validation", "test"), default="validation")
    parser.add_argument("--tta", choices=("single", "flip", "ten"), nargs="+", default=["single", "flip"],
                        help="test-time augmentation: none, mirror, or five shifts and their mirrors")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    from mien import data
    from mien.training.evaluate import evaluate

    found = evaluate(args.run, data.load(args.data), args.split, tuple(args.tta))
    if args.json:
        print(json.dumps({view: e.to_dict() for view, e in found.items()}, indent=2))
        return
    from mien.study import metrics

    for view, evaluation in found.items():
        print(f"{args.run}  {args.split}  {view}")
        print(metrics.table(evaluation))
        print()
    print(f"kept in {args.run / f'evaluation-{args.split}.json'}; figures in {args.run / 'figures'}")
