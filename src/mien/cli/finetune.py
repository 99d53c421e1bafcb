"""Fine-tune a shipped model on your own faces, with hyperparameters that suit the size of the data set.

    mien data crop photos/ -o faces/       first, crop the faces in photographs, one folder per class
    mien finetune faces/
    mien finetune faces/ --model hybrid    a quarter of the time, slightly less accurate
    mien finetune faces/ --epochs 30 --learning-rate 0.01

The last layer is transferred by class name. A small data set without predefined parts is cross-validated: mien trains
five networks and evaluates each on the fifth of the faces that it was not trained on. The first network becomes the
model. At the end, mien reports the accuracy and its interval.
"""

import argparse
import dataclasses
import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli.parser import Parser

if TYPE_CHECKING:
    from mien.data import Dataset
    from mien.training.finetune import FinetuneResult
    from mien.training.finetune_plan import FinetunePlan

KEPT = ("network", "batch_norm", "head", "mean", "std", "split", "fold")  # as the model is, or as the set allows


def add_arguments(parser: Parser) -> None:
    """The faces, the model, the run, the machine, and the fields of the recipe; none of it needs torch."""
    from mien.cli.data import add_loading_arguments
    from mien.cli.train import RUNTIME_HELP, add_field, field_help, shown_defaults
    from mien.training.finetune_plan import MODEL
    from mien.training.recipes import FIELDS, GROUPS
    from mien.training.runtime import Runtime
    from mien.training.tracking import TRACKERS

    parser.usage = "mien finetune FACES [options]"
    parser.add_argument("faces", type=Path, metavar="FACES", help="a folder with one folder of faces per class, or "
                        "any other layout that `mien data info` reads")  # fmt: skip
    parser.add_argument(
        "--model", default=MODEL, metavar="RUN|MODEL",
        help=f"the model to start from: a shipped model, a run or a model.onnx (default: {MODEL})",
    )  # fmt: skip
    add_loading_arguments(parser)
    parser.add_argument("--seed", type=int, default=1, help="random seed, a whole number of 0 or more (default: 1)")
    parser.add_argument(
        "--name", help="name of the run folder (default: FACES-SEED, plus a number if that run is finished)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder for runs (default: runs)")
    parser.add_argument("--cross-validate", action=argparse.BooleanOptionalAction, default=None,
                        help="use five folds (default: for fewer than 2,000 images without parts)")  # fmt: skip
    parser.add_argument(
        "--plan", action="store_true", help="show the hyperparameters and the `mien train` command without training"
    )
    parser.add_argument("--tracker", choices=list(TRACKERS), default="none", help="experiment tracker (default: none)")
    machine = parser.add_argument_group("machine")
    for field in dataclasses.fields(Runtime):
        if field.name not in ("devices", "max_minutes"):
            text = f"{RUNTIME_HELP[field.name]}default {shown_defaults([field.default])})"
            add_field(machine, field.name, field.type, field.default, text)
    group = parser.add_argument_group(
        "hyperparameters (defaults depend on the size of the data set and the model's recipe; --plan shows them)"
    )
    for name in GROUPS:
        for field in FIELDS.values():
            if field.metadata.get("group") == name and field.name not in KEPT and name != "distillation":
                add_field(group, field.name, field.type, None, field_help(field, []))


def run(args: argparse.Namespace) -> None:
    """Say what will be done, train, and say what came of it."""
    from mien.cli.allocator import prepare_process
    from mien.cli.data import load_dataset, loading_words
    from mien.cli.live import Live
    from mien.errors import MienWarning
    from mien.inference.uncut import check_uncut
    from mien.training.finetune_plan import plan_finetuning, run_name, train_command
    from mien.training.lock import run_folder
    from mien.training.recipes import FIELDS

    prepare_process()
    dataset = load_dataset(args.faces, args)
    given = {name: getattr(args, name) for name in FIELDS if getattr(args, name, None) is not None and name != "name"}
    plan = plan_finetuning(dataset, args.model, args.cross_validate, **given)
    for warning in (*plan.warnings, check_uncut(args.faces).warning(args.faces)):
        if warning:
            warnings.warn(warning, MienWarning, stacklevel=1)
    folder = run_folder(args.runs, args.name, run_name(dataset), args.seed)
    more = [*loading_words(args), *(["--threads", str(args.threads)] if args.threads else [])]
    _show_plan(plan, dataset, train_command(plan, args.model, args.faces, args.seed, folder, more))
    if args.plan:
        return
    with Live("mien finetune") as live:
        live.on_phase("starting torch")
        from mien.training.finetune import finetune
        from mien.training.runtime import Runtime

        runtime = Runtime(
            **{f.name: getattr(args, f.name) for f in dataclasses.fields(Runtime) if hasattr(args, f.name)}
        )
        live.begin(folder.name, plan.recipe.epochs)
        result = finetune(
            plan, dataset, folder, args.model, seed=args.seed, runtime=runtime, track=args.tracker, callbacks=(live,),
            on_phase=live.on_phase,
        )  # fmt: skip
    _report(result, args.model, dataset.drawn)


def _show_plan(plan: "FinetunePlan", dataset: "Dataset", command: str) -> None:
    from mien.training.recipes import options

    counts = {name: n for name, n in dataset.counts().items() if n}
    shown = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    print(f"{sum(counts.values()):,} faces in {len(counts)} classes: {shown}")
    print(
        f"hyperparameters for this data set and model: {shlex.join(options({n: plan.changes[n] for n in plan.chosen}))}"
    )
    print(f"equivalent to: {command}", flush=True)


def _report(result: "FinetuneResult", model: str, drawn: bool) -> None:
    evaluation = result.evaluation
    low, high = evaluation.accuracy_interval
    print(result.last_layer)
    width = max(len(score.name) for score in evaluation.per_class)
    for score in evaluation.per_class:
        if score.support:
            print(f"  {score.name:<{width}}  {score.support:>6,} faces, {score.recall:.1%} recognized")
    print(
        f"accuracy {evaluation.accuracy:.1%} ({low:.1%} to {high:.1%}), {result.measured}"
        f"{'; synthetic faces: a demo, not a result' if drawn else ''}"
    )
    if result.before is not None:
        print(f"{model} before fine-tuning: {result.before:.1%} on the same faces")
    file = result.run.model_file
    print(f"model: {file}")
    print(f"next: mien read photo.jpg --model {shlex.quote(str(file))}")
