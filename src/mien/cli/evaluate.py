"""Measure a run or a model on a part of its split: accuracy with a 95 % interval, per class, calibration, confusion.

    mien evaluate runs/hybrid-1 --data data/ --split validation
    mien evaluate default --data data/ --tta single flip ten
    mien evaluate default --data data/ --labels fer+
    mien evaluate default --data data/ --lift disgust fear sad
    mien evaluate hybrid runs/champion-1 --data data/ --corruptions -o robustness.md

--corruptions measures accuracy under blur, noise, low contrast, JPEG, occlusion and rotation, each in five severities.
"""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mien.training.predict import VIEWS

    parser.add_argument("source", nargs="+", help="a run folder, a model.onnx, or the name of a shipped model")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", choices=("train", "validation", "test"), default="validation")
    parser.add_argument("--tta", choices=tuple(VIEWS), nargs="+", default=["single", "flip"],
                        help="test-time augmentation: none, mirror, five shifts or three turns and their mirrors")  # fmt: skip
    parser.add_argument("--labels", choices=("own", "fer+"), default="own",
                        help="measure against the data's labels or the votes of FER+ (fer2013new.csv beside the data)")  # fmt: skip
    parser.add_argument("--lift", nargs="+", default=[], metavar="CLASS",
                        help="also with the recall of these classes raised, for 0.25 points of accuracy where fitted")  # fmt: skip
    parser.add_argument("--corruptions", action="store_true", help="a table of accuracy under corruptions instead")
    parser.add_argument("-o", "--output", type=Path, help="keep the table of --corruptions in this file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    import sys

    from mien import data
    from mien.evaluation import corruptions, metrics
    from mien.files import atomic_write
    from mien.training.evaluate import evaluate, on_votes, robustness

    dataset = data.load(args.data)
    if args.corruptions:
        shown = robustness(args.source, dataset, args.split, lambda done: print(done, file=sys.stderr))
        text = json.dumps(shown, indent=2) + "\n" if args.json else corruptions.table(shown)
        print(text, end="")
        if args.output:
            with atomic_write(args.output) as temporary:
                temporary.write_text(text)
        return
    if args.labels == "fer+":
        voted = {source: on_votes(source, dataset, args.split, tuple(args.tta)) for source in args.source}
        if args.json:
            print(json.dumps(voted, indent=2))
            return
        for source, by_view in voted.items():
            for view, found in by_view.items():
                low, high = found["majority_interval"]
                print(
                    f"{source}  {args.split}  {view}: FER+ majority {found['majority']:.1%} ({low:.1%} to {high:.1%}, "
                    f"{found['n']:,} images), soft {found['soft']:.1%} ({found['n_soft']:,} images)"
                )
        return
    results = {source: evaluate(source, dataset, args.split, tuple(args.tta), args.lift) for source in args.source}
    if args.json:
        plain = {source: {view: e.to_dict() for view, e in found.items()} for source, found in results.items()}
        print(json.dumps(plain if len(plain) > 1 else next(iter(plain.values())), indent=2))
        return
    for source, found in results.items():
        for view, evaluation in found.items():
            print(f"{source}  {args.split}  {view}")
            print(metrics.table(evaluation))
            print()
        if Path(source).is_dir():
            kept = Path(source) / f"evaluation-{args.split}.json"
            print(f"kept in {kept}; figures in {Path(source) / 'figures'}")
