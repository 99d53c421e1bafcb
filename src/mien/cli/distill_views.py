"""Store teachers' predictions for fixed views of the training images, to train students on them.

    mien distill-views champion hybrid --data data/ -o views.npz
    mien train nano --data data/ --stored-views views.npz --epochs 300
    mien distill-views runs/broad-1 runs/deep-1 --data data/ --recipe champion --views 64 --mirror -o views.npz

The views are augmented as in a recipe (--recipe; its fields are options, as in `mien train`), from the images that this
recipe and seed train on. The file contains no pixels: 16 views of FER2013 take about 6 MB. The cost of training a
student no longer depends on its teachers. After Shen & Xing 2022, "A fast knowledge distillation framework for visual
recognition".
"""

import argparse
import shlex
from pathlib import Path

from mien.cli.parser import Parser
from mien.cli.progress import Progress
from mien.cores import cores


def add_arguments(parser: Parser) -> None:
    """Teachers, data, output, and the fields of the recipe that make the views."""
    from mien.cli.data import add_loading_arguments
    from mien.cli.train import add_field, field_help
    from mien.training.recipes import FIELDS, RECIPES

    parser.add_argument("models", nargs="+", metavar="MODEL", help="teachers: shipped models, run folders, .onnx files")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the student's data (default: data)")
    add_loading_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the .npz file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--recipe", default="nano", metavar="RECIPE",
                        help=f"the student's recipe, one of: {', '.join(RECIPES)} (default: nano)")  # fmt: skip
    parser.add_argument("--views", type=int, default=16, metavar="N", help="views per image (1 or more; default 16)")
    parser.add_argument("--mirror", action="store_true", help="also store each view's mirror image: twice the time")
    parser.add_argument(
        "--seed", type=int, default=1, help="the student's seed (whole number of 0 or more; default: 1)"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads per teacher; 0: one per core (default: 0)")
    parser.add_argument("--accelerator", choices=("auto", "cpu", "gpu"), default="auto",
                        help="device for float teachers; auto: a GPU if there is one (default: auto)")  # fmt: skip
    group = parser.add_argument_group("the student's recipe (defaults of --recipe)")
    for field in FIELDS.values():
        if field.metadata.get("group") in ("augmentation", "data") and field.name != "mixup":
            add_field(group, field.name, field.type, None, field_help(field, []))


def run(args: argparse.Namespace) -> None:
    """Ask, write the file, and print the line that trains on it."""
    from mien.cli.live import Steps
    from mien.errors import MienError, require
    from mien.inference.model_file import resolve
    from mien.training.recipes import FIELDS, options, recipe

    require(args.views >= 1, "views", args.views, "1 or more")
    require(args.seed >= 0, "seed", args.seed, "0 or more")
    require(args.threads >= 0, "threads", args.threads, "0 or more")
    if args.output.suffix != ".npz":
        raise MienError(f"{args.output} must end in .npz", parameter="output")
    if args.output.exists() and not args.overwrite:
        raise MienError(f"{args.output} exists; replace it with --overwrite")
    for model in args.models:
        resolve(model, None)  # before the data are read
    changes = {name: value for name in FIELDS if name != "name" and (value := getattr(args, name, None)) is not None}
    chosen = recipe(args.recipe, **{**changes, "teacher": ""})
    with Steps("mien distill-views") as steps:
        steps.on_phase("starting torch")
        from mien.cli.data import load_dataset
        from mien.training.runtime import gpu
        from mien.training.stored_views import distill_views
        from mien.training.training_set import training_set

        device = gpu(args.accelerator)
        steps.on_phase(f"reading {args.data}")
        dataset = load_dataset(args.data, args)
        faces = training_set(chosen, dataset, args.seed)
    progress = Progress(args.views * len(faces.images), "views", alone=True)
    views = distill_views(
        args.models, faces.images, chosen, dataset.classes, views=args.views, seed=args.seed, mirror=args.mirror,
        threads=args.threads or cores(), device=device, on_step=progress.step,
    )  # fmt: skip
    progress.clear()
    views.save(args.output)
    agree = (views.probabilities.mean(axis=1).argmax(axis=1) == faces.labels).mean()
    size = args.output.stat().st_size
    print(f"{args.output}: {args.views} views of {len(faces.images):,} images, {size:,} bytes; the teachers' mean "
          f"agrees with {agree:.1%} of the labels")  # fmt: skip
    words = " ".join(map(shlex.quote, options(changes)))
    print(f"next: mien train {args.recipe} --data {shlex.quote(str(args.data))} {words + ' ' if words else ''}"
          f"--seed {args.seed} --stored-views {shlex.quote(str(args.output))}")  # fmt: skip
