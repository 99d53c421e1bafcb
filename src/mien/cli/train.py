"""Train a network by a recipe, or go on with a run that was interrupted.

    mien train hybrid --data data/ --seed 1
    mien train study/hybrid --data data/ --epochs 5 --drop-kind channel
    mien train hybrid --data my_faces/ --from runs/hybrid-1
    mien train --resume runs/hybrid-1

Every field of a recipe is an option. The run folder (runs/NAME) gets recipe.json, history.csv, metrics.json, weights,
model.onnx and figures.
"""

import argparse
import dataclasses
import sys
import typing
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mien.training.recipes import RECIPES, Recipe
    from mien.training.runtime import Runtime
    from mien.training.tracking import TRACKERS

    parser.add_argument("recipe", nargs="?", help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="Kaggle's files or class folders (default: data)"
    )
    parser.add_argument("--seed", type=int, help="default: 1")
    parser.add_argument("--name", help="name of the run folder (default: RECIPE-SEED)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders are kept (default: runs)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")
    parser.add_argument("--from", dest="start", metavar="RUN|MODEL",
                        help="begin with the weights of a run, a model.onnx, or a shipped model's name")  # fmt: skip
    parser.add_argument("--tracker", choices=list(TRACKERS), default="wandb")
    runtime = parser.add_argument_group("what it runs on")
    for field in dataclasses.fields(Runtime):
        _add(runtime, field.name, field.type, field.default)
    fields = parser.add_argument_group("fields of the recipe (default: the recipe's own)")
    for field in dataclasses.fields(Recipe):
        if field.name != "name":
            _add(fields, field.name, field.type, None)


def run(args: argparse.Namespace) -> int:
    from mien import data
    from mien.cli.live import Live
    from mien.errors import MienError
    from mien.evaluation import diagnose, history
    from mien.training import checkpoint
    from mien.training.finetune import starting_weights
    from mien.training.recipes import Recipe, recipe
    from mien.training.run import load_run, train
    from mien.training.runtime import Runtime

    runtime = Runtime(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Runtime)})
    names = {f.name for f in dataclasses.fields(Recipe)} - {"name"}
    changes = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    if args.resume:
        before = load_run(args.resume)
        r, folder, seed, origin = before.recipe, args.resume, int(before.record["seed"]), before.record.get("from", "")
        if args.recipe or args.start or args.name or changes or args.seed is not None:
            raise MienError(
                "--resume goes on with the run's own recipe, seed and weights; leave the recipe's name, its fields, --seed, "
                "--name and --from out"
            )
    elif not args.recipe:
        raise MienError("which recipe? for example: mien train hybrid --data data/ (see mien train --help)")
    else:
        r, seed, origin = recipe(args.recipe, **changes), 1 if args.seed is None else args.seed, args.start or ""
        folder = args.runs / (args.name or f"{r.name.replace('/', '-')}-{seed}")
    dataset = data.load(args.data)
    begun = (folder / checkpoint.NAME).is_file()  # then the weights are in the checkpoint, and their origin may be gone
    start = starting_weights(origin, r, dataset.classes, seed) if origin and not begun else None
    try:
        with Live(folder.name, r.epochs) as live:
            done = train(
                r, dataset, folder, seed, runtime, args.tracker, start, bool(args.resume), live.on_epoch, live.on_step,
                origin,
            )  # fmt: skip
    except KeyboardInterrupt:
        print(f"mien: stopped and saved; go on with: mien train --resume {folder} --data {args.data}", file=sys.stderr)
        return 130
    if done is None:
        return 0
    found = done.metrics()["evaluations"]["validation"]["flip"]
    low, high = found["accuracy_interval"]
    print(diagnose.diagnose(history.read(folder / "history.csv"), chance=1 / len(done.classes)))
    print(
        f"validation accuracy {found['accuracy']:.1%} ({low:.1%} to {high:.1%}) on {found['n']:,} images, "
        f"picture and mirror averaged{'; drawn faces: a demo, no result' if dataset.drawn else ''}"
    )
    print(f"run folder: {folder}")
    return 0


def _add(group: Any, name: str, kind: Any, default: Any) -> None:
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=default)
    elif typing.get_origin(kind) is typing.Literal:
        group.add_argument(flag, choices=typing.get_args(kind), default=default)
    else:
        group.add_argument(flag, type=kind, default=default, metavar=kind.__name__.upper())
