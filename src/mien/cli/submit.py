"""Write submission.csv: the emotion of every row of Kaggle's test.csv, in its order.

    mien submit runs/hybrid-1 --data data/
    mien submit champion --data data/ --tta rotate6 -o submissions/champion.csv
    mien submit runs/hybrid-1 runs/hybrid-2 runs/hybrid-3 --data data/     (averaged)

The layout is that of Kaggle's example_submission.csv where it lies beside test.csv; else plain: one number 0..6 a line,
no header, as the hosts of the challenge scored it. Others: id0 and id1 (`id,emotion`, counted from 0 or from 1),
like:FILE.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", metavar="MODEL", help="a run folder, a model.onnx, or the name of a "
                        "shipped model; several are averaged")  # fmt: skip
    parser.add_argument("--data", type=Path, default=Path("data"), help="where test.csv is (default: data)")
    parser.add_argument("--classes", help=argparse.SUPPRESS)  # of the commands beside this one: explained, not taken
    parser.add_argument("--format", default="auto", help="auto, plain, id0, id1 or like:FILE (default: auto, as the "
                        "example_submission.csv beside test.csv, else plain)")  # fmt: skip
    parser.add_argument("--tta", default="flip", metavar="VIEWS",
                        help="test-time augmentation: single, flip (image and mirror), shift10 (five shifts and "
                        "mirrors) or rotate6 (three rotations and mirrors) (default: flip)")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path("submission.csv"), help="(default: submission.csv)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument(
        "--input-normalization", default="", metavar="KIND", help="in place of the model file's: none, adaptive, ..."
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of each model (default: 1)")


def run(args: argparse.Namespace) -> None:
    from mien.cli.progress import Progress
    from mien.errors import MienError
    from mien.evaluation.classifier import refuse_repeated, typed
    from mien.evaluation.submit import submit
    from mien.labels import EMOTIONS

    if args.classes is not None:
        numbers = ", ".join(f"{number} {name}" for number, name in enumerate(EMOTIONS))
        raise MienError(
            f"{{parameter}} names no labels here: test.csv has none, and the numbers of a submission are FER2013's "
            f"({numbers}); leave it out",
            parameter="classes",
        )
    refuse_repeated(args.source)
    with Progress(None, "faces", alone=True, before=f"reading {args.data}") as progress:
        record = submit(
            args.source,
            args.data,
            args.output,
            format=args.format,
            tta=args.tta,
            overwrite=args.overwrite,
            threads=args.threads,
            input_normalization=args.input_normalization,
            on_progress=progress,
        )
    model = typed(args.source[0], record["model"]) if len(args.source) == 1 else record["model"]
    print(f"{args.output}: {record['rows']:,} rows, layout {record['layout']}, from {model} ({record['tta']})")
    print("  " + "  ".join(f"{name} {n:,}" for name, n in record["predicted"].items()))
    if "on_the_labeled_rows" in record:
        figures = record["on_the_labeled_rows"]
        low, high = figures["accuracy_interval"]
        print(
            f"  {figures['accuracy']:.1%} of the {figures['n']:,} rows with known labels right ({low:.1%} to "
            f"{high:.1%})"
        )
    if record["layout"] == "plain":
        print("  Kaggle's page may ask for a header or ids: put its example_submission.csv beside test.csv, or give "
              "--format like:EXAMPLE.csv")  # fmt: skip
