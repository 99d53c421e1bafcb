"""Turn a run into a model file that `mien read --model` takes, float32, int8, or with float16 weights.

    mien export runs/hybrid-1 -o hybrid.onnx
    mien export runs/hybrid-1 -o hybrid-int8.onnx --int8 --data data/

Parity with torch is checked on the validation images of --data, where given, and printed.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("-o", "--output", type=Path, default=Path("model.onnx"))
    parser.add_argument(
        "--int8", action="store_true", help="weights and activations in 8 bits; needs --data to calibrate"
    )
    parser.add_argument("--float16", action="store_true", help="weights stored in 16 bits: half the size")
    parser.add_argument("--data", type=Path, help="the data of the run, to check parity and to calibrate on")


def run(args: argparse.Namespace) -> None:
    from mien import data
    from mien.training.convert import convert

    report = convert(args.run, args.output, data.load(args.data) if args.data else None, args.int8, args.float16)
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")
    for line in report:
        print(f"  {line}")
