"""Write a folder for a model hub from a finished run: model card, config, ONNX, safetensors. Nothing is uploaded.

    mien publish runs/hybrid-1 --to hybrid-hub
    mien publish runs/mine --to mine-hub --license cc-by-4.0

The model card states data, seed, commands and accuracy with its intervals. Complete it: say where the images are from
and what the model is for. Then upload the folder with the hub's own tool. Others use the model with
`mien read --model hf:OWNER/NAME@REVISION`.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run folder")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to write; it must not exist")
    parser.add_argument(
        "--license",
        default="",
        metavar="NAME",
        help="license of the weights, such as mit (default: as in the model file)",
    )


def run(args: argparse.Namespace) -> None:
    """Write the folder and say what is in it."""
    from mien.training.publish import publish

    folder = publish(args.run, args.to, args.license)
    for path in sorted(folder.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")
    print(f"next: read and complete {folder / 'README.md'}, then run: hf upload OWNER/NAME {folder}")
