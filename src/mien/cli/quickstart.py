"""Train the hybrid for a few epochs, diagnose, evaluate and write submission.csv, in minutes.

mien quickstart                               on Kaggle's files in data/, or on synthetic faces
mien quickstart --data folder/                on Kaggle's files in folder/
mien quickstart --epochs 2 --tracker none     shorter, without a tracker
"""

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.training.quickstart import Quickstart


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, epochs, folder, tracker, threads."""
    from mien.cli.data import add_loading_arguments

    parser.add_argument("--data", type=Path, help="the folder with Kaggle's files (default: data/, or synthetic faces)")
    add_loading_arguments(parser)
    parser.add_argument("--epochs", type=int, help="number of epochs (default: 8)")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/quickstart"), help="the run folder (default: runs/quickstart)"
    )
    parser.add_argument("--tracker", choices=("wandb", "trackio", "tensorboard", "mlflow", "none"), default="wandb",
                        help="experiment tracker (default: wandb, offline without an account)")  # fmt: skip
    parser.add_argument("--threads", type=int, default=0, help="training threads; 0: torch's default (default: 0)")


def run(args: argparse.Namespace) -> None:
    """Do the whole job, and say what to do next."""
    from mien.cli.allocator import prepare_process

    prepare_process()
    from mien.cli.data import load_dataset
    from mien.cli.live import Live
    from mien.training.recipes import recipe

    changes = {"epochs": args.epochs} if args.epochs is not None else {}
    epochs = recipe("quickstart", **changes).epochs
    with Live("quickstart") as live:
        live.on_phase("starting torch")
        from mien.training.quickstart import find_data, quickstart
        from mien.training.runtime import Runtime

        live.on_phase("looking for data or drawing faces")
        data, drawn = find_data(args.data, args.run)
        if drawn:
            print(
                "There are no Kaggle files in data/: using synthetic faces. Numbers on them are a demo, not a result."
            )
        print(f"1/4  data       {data}")
        print(f"2/4  training   the hybrid, {epochs} epochs", flush=True)
        live.begin("quickstart", epochs)
        result = quickstart(
            data, args.run, changes, Runtime(threads=args.threads), args.tracker, (live,), live.on_phase,
            dataset=load_dataset(data, args),
        )  # fmt: skip
    _report(result)


def _report(result: "Quickstart") -> None:
    from mien.cli.train import advised
    from mien.evaluation.diagnose import Verdict

    folder = result.run.folder
    if not result.trained:
        print("     (already trained on these data; nothing to do)")
    metrics = result.run.metrics()
    print(f"     verdict    {advised(Verdict.from_dict(metrics['verdict']))}")
    for part, name in (("validation", "PublicTest"), ("test", "PrivateTest")):
        if part in metrics["evaluations"]:
            figures = metrics["evaluations"][part]["flip"]
            low, high = figures["accuracy_interval"]
            images = "synthetic faces (demo)" if result.dataset.drawn else f"{name} images"
            print(
                f"3/4  {part:<10} accuracy {figures['accuracy']:.1%} ({low:.1%} to {high:.1%}), "
                f"macro-F1 {figures['macro_f1']:.3f}, ECE {figures['ece']:.3f}, on {figures['n']:,} {images}"
            )
    print(f"4/4  submission {result.submission}")
    print(f"     figures    {folder / 'figures'}")
    print("\nNext:")
    if result.dataset.drawn:
        print(
            "  put Kaggle's train.csv, test.csv and icml_face_data.csv into data/ (mien data fetch says how), then run "
            "this again"
        )
    mien = _program()
    print(f"  {mien} train hybrid --data data/          the hybrid with modern training, about two hours on one core")
    print(f"  {mien} study --data data/                 all networks: what causes overfitting and what reduces it")
    print(f"  {mien} read photo.jpg --model {folder / 'model.onnx'}")


def _program() -> str:
    """How this shell calls mien: by its name where it is on the PATH, else by its path."""
    here = Path(sys.argv[0])
    if shutil.which("mien"):
        return "mien"
    if here.stem == "mien" and here.is_file():
        return shlex.quote(str(here))
    return f"{shlex.quote(sys.executable)} -m mien"
