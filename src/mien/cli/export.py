"""Export a run as a model file for `mien read --model`, in float32 or smaller.

    mien export runs/hybrid-1 -o hybrid.onnx
    mien export runs/hybrid-1 -o hybrid-int8.onnx --int8 --data data/
    mien export runs/nano-1 -o nano.onnx --int8-weights --data data/
    mien export runs/champion-1 -o both.onnx --int8 --fast-model runs/nano-1 --data data/

With --fast-model, the small model classifies every face, and the large one only those for which the small one is
unsure. With --data, the exported model is compared with torch on the validation images, and the result is printed.
"""

import argparse
from pathlib import Path

from mien.cli.parser import Renamed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the output, and how its numbers are stored."""
    from mien.cli.data import add_loading_arguments

    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("model.onnx"), help="the file to write (default: model.onnx)"
    )
    kind = parser.add_mutually_exclusive_group()
    for option, value, says in (
        ("--int8", "int8", "store weights and activations in 8 bits; needs --data to calibrate"),
        ("--float16", "float16 weights", "store weights in 16 bits: half the size"),
        ("--int8-weights", "int8 weights", "fold batch norms and store weights in 8 bits: a quarter of the size"),
    ):
        kind.add_argument(option, dest="kind", action="store_const", const=value, default="float32", help=says)
    parser.add_argument(
        "--fast-model",
        metavar="MODEL",
        help="a small model (a run, a file or a shipped model) that classifies every face first",
    )
    parser.add_argument("--escalation-rate", type=float, metavar="SHARE",
                        help="with --fast-model: share of faces that RUN classifies (default: 0.2)")  # fmt: skip
    for old, new in (("--first", "fast_model"), ("--ask", "escalation_rate")):
        parser.add_argument(old, dest=new, action=Renamed, type=float if old == "--ask" else str,
                            help=argparse.SUPPRESS)  # fmt: skip
    parser.add_argument("--data", type=Path, help="the data of the run, for comparison with torch and for calibration")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    add_loading_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Write the file, and say how it compares with torch."""
    from mien.cli.live import Steps
    from mien.errors import MienError
    from mien.inference.model_file import shipped

    if str(args.run) in shipped() and not args.run.exists():
        raise MienError(f"{args.run} is a shipped model and already a model file; give a run folder", parameter="run")
    if args.escalation_rate is not None and not args.fast_model:
        raise MienError(
            "{parameter} has no effect without --fast-model; add it, or remove {parameter}", parameter="escalation_rate"
        )
    if args.output.exists() and not args.overwrite:
        raise MienError(f"{args.output} exists; replace it with {{parameter=True}}", parameter="overwrite")
    if args.output.suffix.lower() != ".onnx":
        raise MienError(f"{args.output} does not end in .onnx; give a name that does")
    rate = 0.2 if args.escalation_rate is None else args.escalation_rate
    with Steps("mien export") as steps:
        steps.on_phase("starting torch")
        from mien import data
        from mien.cli.data import loading_options
        from mien.training.convert import convert

        if args.data:
            steps.on_phase(f"reading {args.data}")
        dataset = data.load(args.data, **loading_options(args)) if args.data else None
        report = convert(args.run, args.output, dataset, args.kind, args.fast_model, rate, steps.on_phase)
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")
    for line in report:
        print(f"  {line}")
