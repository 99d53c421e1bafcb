"""Train a network by a recipe, or go on with a run that was interrupted.

    mien train hybrid --data data/ --seed 1
    mien train study/hybrid --data data/ --epochs 5 --drop-kind channel
    mien train hybrid --data my_faces/ --pretrained runs/hybrid-1
    mien train --resume runs/hybrid-1

Every field of a recipe is an option. The run folder (runs/NAME) gets recipe.json, history.csv, metrics.json, weights,
model.onnx and figures.
"""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNTIME_HELP = {
    "accelerator": "Where the network trains: auto, cpu, gpu, cuda or mps.",
    "devices": "Processes that share each batch.",
    "precision": "auto, 32-true, bf16-mixed or 16-mixed; auto is bfloat16 where the machine has units for it.",
    "threads": "Threads of each process; 0 leaves torch's own choice.",
    "compiled": "torch.compile the network; pays on a GPU.",
    "max_minutes": "End after the epoch in which this budget is spent; 0: no budget.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mien.cli.data import add_loading_arguments
    from mien.evaluation.record import RENAMED
    from mien.training.recipes import FIELDS, GROUPS, RECIPES
    from mien.training.runtime import Runtime
    from mien.training.tracking import TRACKERS

    parser.add_argument("recipe", nargs="?", help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="Kaggle's files or class folders (default: data)"
    )
    add_loading_arguments(parser)
    parser.add_argument("--seed", type=int, help="whole number of 0 or more (default: 1)")
    parser.add_argument(
        "--name", help="name of the run folder (default: RECIPE-SEED, with a number where that is finished)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders are kept (default: runs)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")
    parser.add_argument("--pretrained", metavar="RUN|MODEL", default="",
                        help="begin with the weights of a run, a model.onnx, or a shipped model's name")  # fmt: skip
    parser.add_argument(
        "--tracker", choices=list(TRACKERS), default="wandb", help="where the run is tracked (default: wandb)"
    )
    runtime = parser.add_argument_group("machine")
    for field in dataclasses.fields(Runtime):
        _add(runtime, field.name, field.type, field.default, f"{RUNTIME_HELP[field.name]} Default: {field.default}.")
    for old, new in RENAMED.items():
        _add_old(parser, old, new, FIELDS)
    for name in GROUPS:
        group = parser.add_argument_group(f"{name} (default: the recipe's own)")
        for field in FIELDS.values():
            if field.name == "split" and field.metadata.get("group") == name:
                names = "|".join(typing.get_args(field.type))
                text = f"{_help(field)} Or a split file, as mien data audit writes: parts, labels and rows to keep."
                group.add_argument("--split", metavar=f"{names}|FILE", help=text)
            elif field.metadata.get("group") == name:
                _add(group, field.name, field.type, None, _help(field))


def run(args: argparse.Namespace) -> int:
    from mien.cli.allocator import keep_large_blocks

    keep_large_blocks()
    from mien.cli.data import load_dataset
    from mien.cli.live import Live
    from mien.errors import MienError
    from mien.evaluation import diagnose, history
    from mien.training import checkpoint
    from mien.training.finetune import pretrained_state_dict
    from mien.training.recipes import FIELDS, recipe
    from mien.training.run import load_run, train
    from mien.training.runtime import Runtime

    runtime = Runtime(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Runtime)})
    changes = {n: getattr(args, n) for n in FIELDS if n != "name" and getattr(args, n) is not None}
    split_file = _split_file(changes, typing.get_args(FIELDS["split"].type))
    if args.resume:
        before = load_run(args.resume)
        chosen, folder, seed = before.recipe, args.resume, int(before.record["seed"])
        pretrained = before.record.get("pretrained", "")
        if args.recipe or args.pretrained or args.name or changes or split_file or args.seed is not None:
            raise MienError(
                "--resume goes on with the run's own recipe, seed and weights; leave the recipe's name, its fields, --seed, "
                "--name and --pretrained out"
            )
    elif not args.recipe:
        raise MienError("which recipe? for example: mien train hybrid --data data/ (see mien train --help)")
    else:
        chosen, seed, pretrained = (
            recipe(args.recipe, **changes),
            1 if args.seed is None else args.seed,
            args.pretrained,
        )
        folder = args.runs / args.name if args.name else _free(args.runs / f"{chosen.name.replace('/', '-')}-{seed}")
    dataset = load_dataset(args.data, args)
    begun = checkpoint.exists(folder)  # then the weights are in the checkpoint, and their origin may be gone
    state = pretrained_state_dict(pretrained, chosen, dataset.classes, seed) if pretrained and not begun else None
    try:
        with Live(folder.name, chosen.epochs) as live:
            done = train(
                chosen, dataset, folder, seed=seed, runtime=runtime, track=args.tracker, pretrained=pretrained,
                pretrained_state_dict=state, resume=bool(args.resume), split_file=split_file, callbacks=(live,),
                on_phase=live.on_phase,
            )  # fmt: skip
    except KeyboardInterrupt:
        print(f"mien: stopped and saved; go on with: mien train --resume {folder} --data {args.data}", file=sys.stderr)
        return 130
    if done is None:
        return 0
    evaluation = done.metrics()["evaluations"]["validation"]["flip"]
    low, high = evaluation["accuracy_interval"]
    print(diagnose.diagnose_record(history.read(folder / "history.csv"), done.metrics()))
    print(
        f"validation accuracy {evaluation['accuracy']:.1%} ({low:.1%} to {high:.1%}) on {evaluation['n']:,} images, "
        f"image and mirror averaged{'; drawn faces: a demo, no result' if dataset.drawn else ''}"
    )
    print(f"run folder: {folder}")
    return 0


def _split_file(changes: dict[str, Any], names: Sequence[str]) -> Path | None:
    """The file that --split names, then taken out of the recipe's changes; None where it names a split of the recipe."""
    from mien.errors import MienError

    if changes.get("split") is None or changes["split"] in names:
        return None
    path = Path(changes.pop("split"))
    if not path.is_file():
        raise MienError(
            f"there is no split and no file {path}; choose {', '.join(names)}, or give a split file", parameter="split"
        )
    return path


def _free(folder: Path) -> Path:
    """The folder, or the first with a number behind its name that holds no finished run: sweeps train one name often."""
    number, free = 1, folder
    while (free / "metrics.json").is_file():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _help(field: "dataclasses.Field[Any]") -> str:
    """A field in words: what it is, its unit and range. A percent sign is doubled for argparse."""
    within, unit = field.metadata.get("range"), field.metadata.get("unit")
    details = ", ".join(str(part) for part in (unit, within) if part)
    result: str = (field.metadata["help"] + (f" ({details})" if details else "")).replace("%", "%%")
    return result


class _Renamed(argparse.Action):
    """An option of mien 0.1: works, and says the new name."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        from mien.evaluation.record import VALUES

        flag = "--" + self.dest.replace("_", "-")
        print(f"mien: {option_string} is now {flag}; the old name goes with the next release", file=sys.stderr)
        value = VALUES.get(self.dest, {}).get(values, values)
        setattr(namespace, self.dest, value)


def _add_old(parser: argparse.ArgumentParser, old: str, new: str, fields: "dict[str, dataclasses.Field[Any]]") -> None:
    kind = fields[new].type if new in fields else str
    reader = kind if isinstance(kind, type) else str
    parser.add_argument(
        "--" + old.replace("_", "-"), dest=new, type=reader, action=_Renamed, default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )  # fmt: skip


def _add(group: Any, name: str, kind: Any, default: Any, text: str) -> None:
    # Sweeps write options with underscores.
    flags = list(dict.fromkeys(["--" + name.replace("_", "-"), "--" + name]))
    if kind is bool:
        group.add_argument(*flags, action=argparse.BooleanOptionalAction, default=default, help=text)
    elif typing.get_origin(kind) is typing.Literal:
        group.add_argument(*flags, choices=typing.get_args(kind), default=default, help=text)
    else:
        group.add_argument(*flags, type=kind, default=default, metavar=kind.__name__.upper(), help=text)
