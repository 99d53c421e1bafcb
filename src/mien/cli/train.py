"""Train a network with a recipe, or resume an interrupted run.

    mien train --list                                       list the recipes and their accuracy
    mien train hybrid --help                                show all options and the defaults of this recipe
    mien train hybrid --data data/ --seed 1
    mien train study/hybrid --data data/ --epochs 5 --drop-kind channel
    mien train hybrid --data my_faces/ --pretrained runs/hybrid-1
    mien train --resume runs/hybrid-1

Each field of a recipe is an option. The run folder (runs/NAME) contains recipe.json, history.csv, metrics.json,
weights, model.onnx and figures.
"""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cli.options import as_options
from mien.cli.parser import Parser, Renamed

if TYPE_CHECKING:
    from mien.training.recipes import Recipe
    from mien.training.run import Run

RUNTIME_HELP = {
    "accelerator": "Device: auto, cpu, gpu, cuda or mps (",
    "devices": "Processes on this machine; they share each batch (1 or more; ",
    "nodes": "Machines; they share each batch. torchrun sets both numbers (1 or more; ",
    "sync_batch_norm": "Compute batch-norm statistics over the whole batch, not over the rows of each process, so that "
    "several processes train as one (",
    "precision": "auto, 32-true, bf16-mixed or 16-mixed; auto uses bfloat16 if the machine has units for it (",
    "threads": "Threads per process; 0: torch's default (0 or more; ",
    "compiled": "Compile the network with torch.compile; worth it on a GPU (",
    "max_minutes": "Stop after the epoch in which this time budget is used up; 0: no budget (minutes; 0 or more; ",
}


def add_arguments(parser: Parser) -> None:
    """The run's own options, the machine's, and one for each field of a recipe; none of it needs torch."""
    from mien.cli.data import add_loading_arguments
    from mien.evaluation.record import RENAMED
    from mien.training.recipes import FIELDS, GROUPS, RECIPES
    from mien.training.runtime import Runtime
    from mien.training.tracking import TRACKERS

    parser.usage = "mien train RECIPE [options]\n       mien train --resume RUN [options]\n       mien train --list"
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument("--list", action="store_true", help="list the recipes: parameters, accuracy, time, machine")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="Kaggle's files or class folders (default: data)"
    )
    add_loading_arguments(parser)
    parser.add_argument("--seed", type=int, help="random seed, a whole number of 0 or more (default: 1)")
    parser.add_argument(
        "--name", help="name of the run folder (default: RECIPE-SEED, plus a number if that run is finished)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder for runs (default: runs)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="resume the run in this folder")
    parser.add_argument("--pretrained", metavar="RUN|MODEL", default="",
                        help="start from the weights of a run, a model.onnx or a shipped model; the last layer is "
                             "transferred by class name")  # fmt: skip
    parser.add_argument(
        "--stored-views",
        type=Path,
        metavar="FILE",
        help="train on the views and teachers' predictions in FILE (from `mien distill-views`)",
    )
    parser.add_argument(
        "--tracker",
        choices=list(TRACKERS),
        help="experiment tracker (default: wandb; for a resumed run, its tracker)",
    )
    runtime = parser.add_argument_group("machine")
    for field in dataclasses.fields(Runtime):
        text = f"{RUNTIME_HELP[field.name]}default {shown_defaults([field.default])})"
        add_field(runtime, field.name, field.type, field.default, text)
    for old, new in RENAMED.items():
        _add_old(parser, old, new, FIELDS)
    named = next((RECIPES[word] for word in parser.words if word in RECIPES), None)
    shown = [named] if named else list(RECIPES.values())
    whose = (
        f"defaults of {named.name}" if named else "defaults of all recipes; for one recipe: mien train RECIPE --help"
    )
    for name in GROUPS:
        group = parser.add_argument_group(f"{name} ({whose})")
        for field in FIELDS.values():
            if field.name == "split" and field.metadata.get("group") == name:
                names = "|".join(typing.get_args(field.type))
                words = field_help(field, shown)
                text = f"{words}; or a split file from `mien data audit`: parts, labels, rows to keep"
                group.add_argument("--split", metavar=f"{names}|FILE", help=text)
            elif field.metadata.get("group") == name:
                add_field(group, field.name, field.type, None, field_help(field, shown))


def run(args: argparse.Namespace) -> int:
    """Train, or resume; print the verdict, the accuracy and where the run is. Returns the exit code."""
    if args.list:
        from mien.cli.recipe_list import table

        print(table())
        return 0
    from mien.cli.allocator import prepare_process
    from mien.errors import MienError

    prepare_process()
    if not args.recipe and not args.resume:
        raise MienError("no recipe given; try: mien train hybrid --data data/ (mien train --list shows all recipes)")
    from mien.cli.data import loading_options, tell_decisions
    from mien.cli.live import Live
    from mien.cli.quiet import quiet_decoders
    from mien.data import load
    from mien.training.recipes import FIELDS, recipe
    from mien.training.runtime import Runtime, is_first_process

    if args.name == "":
        raise MienError("{parameter} is empty; give the run a name, or remove {parameter}", parameter="name")
    runtime = Runtime(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Runtime)})
    changes = {n: getattr(args, n) for n in FIELDS if n != "name" and getattr(args, n) is not None}
    split_file = _split_file(changes, typing.get_args(FIELDS["split"].type))
    if args.stored_views and args.recipe and "teacher" not in changes and (own := recipe(args.recipe).teacher):
        changes["teacher"] = ""
        print(f"mien: --stored-views replaces the teacher of the recipe, {own}", file=sys.stderr)
    chosen = recipe(args.recipe, **changes) if args.recipe and not args.resume else None
    with Live("mien train") as live:
        live.on_phase("starting torch")
        from mien.training.lock import run_folder
        from mien.training.run import check_start, load_run, train

        seed = 1 if args.seed is None else args.seed
        if chosen is None:
            if args.recipe or args.pretrained or args.name or changes or split_file or args.seed is not None:
                raise MienError(
                    "--resume uses the run's own recipe, seed and weights; remove the recipe's name, its "
                    "fields, --seed, --name and --pretrained"
                )
            before = load_run(args.resume)
            chosen, folder, seed = before.recipe, args.resume, int(before.record["seed"])
            args.tracker = args.tracker or before.record.get("tracker")
        else:
            folder = run_folder(args.runs, args.name, chosen.name, seed)
        args.tracker = args.tracker or "wandb"
        check_start(
            chosen, folder, seed, runtime, pretrained=args.pretrained, resume=bool(args.resume), track=args.tracker
        )
        live.on_phase(f"reading {args.data}")
        quiet_decoders()
        dataset = load(args.data, **loading_options(args))
        live.begin(folder.name, chosen.epochs)

        def on_start(last_layer: str) -> None:
            tell_decisions(dataset)
            if last_layer:
                print(f"mien: {last_layer}", file=sys.stderr)

        try:
            done = train(
                chosen, dataset, folder, seed=seed, runtime=runtime, track=args.tracker, pretrained=args.pretrained,
                resume=bool(args.resume), split_file=split_file, stored_views=args.stored_views, callbacks=(live,),
                on_start=on_start, on_phase=live.on_phase,
            )  # fmt: skip
        except KeyboardInterrupt:
            if is_first_process():
                print(
                    f"mien: stopped and saved; resume with: mien train --resume {folder} --data {args.data}",
                    file=sys.stderr,
                )
            return 130
    if done is not None:
        _report(done, dataset.drawn)
    return 0


def _split_file(changes: dict[str, Any], names: Sequence[str]) -> Path | None:
    """The file that --split names, then taken out of the recipe's changes; None where it names a split of the
    recipe."""
    from mien.errors import MienError

    if changes.get("split") is None or changes["split"] in names:
        return None
    path = Path(changes.pop("split"))
    if not path.is_file():
        raise MienError(
            f"{path} is neither a split nor a file; choose {', '.join(names)}, or give a split file", parameter="split"
        )
    return path


def _report(done: "Run", drawn: bool) -> None:
    """The verdict, the accuracy and the place of a finished run. drawn: trained on faces that mien draws."""
    from mien.evaluation import diagnose, history

    evaluation = done.metrics()["evaluations"]["validation"]["flip"]
    low, high = evaluation["accuracy_interval"]
    print(advised(diagnose.diagnose_record(history.read(done.folder / "history.csv"), done.metrics())))
    print(
        f"validation accuracy {evaluation['accuracy']:.1%} ({low:.1%} to {high:.1%}) on {evaluation['n']:,} images, "
        f"image and mirror averaged{'; synthetic faces: a demo, not a result' if drawn else ''}"
    )
    print(f"run folder: {done.folder}")


def advised(verdict: object) -> str:
    """A verdict as text, its advice in the options of this command line."""
    from mien.training.recipes import FIELDS

    return as_options(str(verdict), (*FIELDS, "precision", "parts", "raise_recall"))


def field_help(field: "dataclasses.Field[Any]", recipes: Sequence["Recipe"]) -> str:
    """A field in words: what it is, its unit, range and, of these recipes, default. A percent sign is doubled for
    argparse."""
    default = f"default {shown_defaults([getattr(recipe, field.name) for recipe in recipes])}" if recipes else ""
    parts = (field.metadata.get("unit"), field.metadata.get("range"), default)
    notes = "; ".join(str(part) for part in parts if part)
    text = f"{field.metadata['help'].rstrip('.')} ({notes})" if notes else str(field.metadata["help"]).rstrip(".")
    return text.replace("%", "%%")


def shown_defaults(values: Sequence[Any]) -> str:
    """The different values that recipes have for a field, in words: "0.0001 to 0.2", "adamw, adam, sgd", "yes, no"."""
    different = list(dict.fromkeys(values))
    numbers = [value for value in different if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) > 2:
        return f"{min(numbers):g} to {max(numbers):g}"
    return ", ".join(_word(value) for value in different)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else value or "none"


def _add_old(parser: argparse.ArgumentParser, old: str, new: str, fields: "dict[str, dataclasses.Field[Any]]") -> None:
    from mien.evaluation.record import VALUES

    kind = fields[new].type if new in fields else str
    reader = kind if isinstance(kind, type) else str
    parser.add_argument(
        "--" + old.replace("_", "-"), dest=new, type=reader, action=Renamed, values=VALUES.get(new, {}),
        default=argparse.SUPPRESS, help=argparse.SUPPRESS,
    )  # fmt: skip


def add_field(group: Any, name: str, kind: Any, default: Any, text: str) -> None:
    """An option for a field of a recipe or of the machine, in both spellings: --batch-size and --batch_size."""
    options: dict[str, Any] = {"dest": name}
    if kind is bool:
        options |= {"action": argparse.BooleanOptionalAction}
    elif typing.get_origin(kind) is typing.Literal:
        options |= {"choices": typing.get_args(kind)}
    else:
        options |= {"type": kind, "metavar": {int: "N", float: "X", str: "NAME"}[kind]}
    flag = "--" + name.replace("_", "-")
    group.add_argument(flag, default=default, help=text, **options)
    if "_" in name:  # as sweeps write it
        group.add_argument("--" + name, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **options)
