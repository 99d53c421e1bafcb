"""Write submission.csv: the predicted emotion of each row of Kaggle's test.csv, in the same order.

    mien submit runs/hybrid-1 --data data/
    mien submit champion --data data/ --tta rotate6 -o submissions/champion.csv
    mien submit runs/hybrid-1 runs/hybrid-2 runs/hybrid-3 --data data/     (averaged)

If Kaggle's example_submission.csv is beside test.csv, mien uses its layout. Otherwise the layout is plain: one number
from 0 to 6 per line, without a header, as the challenge expects. Other layouts are id0 and id1 (`id,emotion`, with ids
from 0 or from 1), and like:FILE.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", metavar="MODEL", help="a run folder, a model.onnx, or the name of a "
                        "shipped model; several are averaged")  # fmt: skip
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder with test.csv (default: data)")
    parser.add_argument("--classes", help=argparse.SUPPRESS)  # of the commands beside this one: explained, not taken
    parser.add_argument("--format", default="auto", help="layout: auto, plain, id0, id1 or like:FILE (default: auto, "
                        "which is that of example_submission.csv beside test.csv, or plain)")  # fmt: skip
    parser.add_argument("--tta", default="flip", metavar="VIEWS",
                        help="test-time augmentation: single, flip (image and mirror), shift10 (five shifts and "
                        "mirrors) or rotate6 (three rotations and mirrors) (default: flip)")  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("submission.csv"), help="the file to write (default: submission.csv)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument(
        "--input-normalization", default="", metavar="KIND", help="none, adaptive, ... (default: as in the model file)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads per model (default: 1)")


def run(args: argparse.Namespace) -> None:
    from mien.cli.progress import Progress
    from mien.errors import MienError
    from mien.evaluation.classifier import refuse_repeated, typed
    from mien.evaluation.submit import submit
    from mien.labels import EMOTIONS

    if args.classes is not None:
        numbers = ", ".join(f"{number} {name}" for number, name in enumerate(EMOTIONS))
        raise MienError(
            f"{{parameter}} has no effect here: test.csv has no labels, and a submission uses FER2013's numbers "
            f"({numbers}); remove it",
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
            f"  {figures['accuracy']:.1%} of the {figures['n']:,} rows with known labels are correct ({low:.1%} to "
            f"{high:.1%})"
        )
    if record["layout"] == "plain":
        print("  if Kaggle asks for a header or ids, put its example_submission.csv beside test.csv, or use "
              "--format like:EXAMPLE.csv")  # fmt: skip
