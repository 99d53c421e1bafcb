"""The whole job in minutes: train the hybrid for a few epochs, diagnose, evaluate, write submission.csv.

mien quickstart                  on Kaggle's files in data/, or on faces that mien draws itself
mien quickstart --data folder/   on Kaggle's files there
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="Kaggle's files (default: data/ if they are there, else drawn faces)")
    parser.add_argument("--epochs", type=int, help="default: 8")
    parser.add_argument("--run", type=Path, default=Path("runs/quickstart"), help="the run folder")
    parser.add_argument("--tracker", choices=("wandb", "trackio", "tensorboard", "none"), default="wandb")
    parser.add_argument("--threads", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    from mien.cli.allocator import keep_large_blocks

    keep_large_blocks()
    from mien.cli.live import Live
    from mien.evaluation.diagnose import Verdict
    from mien.training.quickstart import find_data, quickstart
    from mien.training.recipes import recipe
    from mien.training.runtime import Runtime

    changes = {"epochs": args.epochs} if args.epochs is not None else {}
    epochs = recipe("quickstart", **changes).epochs
    data, drawn = find_data(args.data, args.run)
    if drawn:
        print("No Kaggle files in data/: using faces that mien draws itself. Numbers on them are a demo, not a result.")
    print(f"1/4  data       {data}")
    print(f"2/4  training   the hybrid, {epochs} epochs", flush=True)
    with Live("quickstart", epochs) as live:
        made = quickstart(data, args.run, changes, Runtime(threads=args.threads), args.tracker, (live,), live.on_phase)
    if not made.trained:
        print("     (already trained on these data: nothing to do again)")
    print(f"     verdict    {Verdict.from_dict(made.run.metrics()['verdict'])}")
    found = made.run.metrics()["evaluations"]
    for part, name in (("validation", "PublicTest"), ("test", "PrivateTest")):
        if part in found:
            e = found[part]["flip"]
            low, high = e["accuracy_interval"]
            print(
                f"3/4  {part:<10} accuracy {e['accuracy']:.1%} ({low:.1%} to {high:.1%}), macro-F1 {e['macro_f1']:.3f}, "
                f"ECE {e['ece']:.3f}, on {e['n']:,} {'drawn faces (demo)' if made.dataset.drawn else name + ' images'}"
            )
    print(f"4/4  submission {made.submission}")
    print(f"     figures    {args.run / 'figures'}")
    print("\nNext:")
    if made.dataset.drawn:
        print(
            "  put Kaggle's train.csv, test.csv and icml_face_data.csv into data/ (mien data fetch tells how), then again"
        )
    print("  mien train hybrid --data data/          the hybrid with modern training, about two hours on one core")
    print("  mien study --data data/                 the whole family: where overfitting comes from and what mends it")
    print(f"  mien read photo.jpg --model {args.run / 'model.onnx'}")
