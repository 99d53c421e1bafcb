"""The Python API of training and of tables: train, finetune, resume, to_frame. `import mien` shows it.

Every function takes and returns plain values: a data set or its path, a run, a model or its name. torch is imported by
train, finetune and resume alone.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.data import Dataset
from mien.errors import MienError, MienWarning, require
from mien.evaluation.classifier import Source, open_dataset
from mien.evaluation.results import EvaluationResult
from mien.inference.model import Model

if TYPE_CHECKING:
    import pandas

    from mien.training.finetune import FinetuneResult
    from mien.training.recipes import Recipe
    from mien.training.run import Run
    from mien.training.runtime import Runtime


def train(
    recipe: "str | Recipe",
    dataset: Dataset | str | Path,
    *,
    seed: int = 1,
    name: str = "",
    runs: str | Path = "runs",
    pretrained: Source = "",
    tracker: str = "none",
    progress: bool = False,
    **fields: bool | int | float | str,
) -> "Run":
    """Train a network by a recipe, into a run folder; returns the run.

    recipe: the name of one (`mien train --list` shows them), or a Recipe. dataset: what load_dataset returned, or a
    path.
    seed: 0 or more. name: of the run folder under `runs`; by default RECIPE-SEED, with a number where that is finished.
    pretrained: a model whose weights to begin with, its last layer by class name. tracker: "none", "wandb", "trackio",
    "tensorboard" or "mlflow". progress: show a bar on standard error. fields: fields of the recipe (epochs=5,
    learning_rate=1e-3; `mien train --help` describes them) and of what it runs on (threads, accelerator, precision,
    compiled, max_minutes).

    The folder gets recipe.json, history.csv, metrics.json, weights, model.onnx and figures. Raises MienError for an
    unknown recipe or field, a value out of its range, data that leave nothing to train on, and a folder that holds a
    run already.
    """
    from dataclasses import replace

    from mien.training.lock import run_folder
    from mien.training.recipes import Recipe, check, check_fields, check_used
    from mien.training.recipes import recipe as named

    runtime, changes = _runtime(fields)
    if isinstance(recipe, str):
        chosen = named(recipe, **changes)
    else:
        require(isinstance(recipe, Recipe), "recipe", recipe, "the name of a recipe, or a Recipe")
        check_fields(changes)
        chosen = replace(recipe, **changes)
        check(chosen)
        check_used(chosen, changes, recipe)
    folder = run_folder(Path(runs), name, chosen.name, seed)
    return _run(
        chosen, open_dataset(dataset), folder, runtime,
        seed=seed, pretrained=_source(pretrained, "pretrained"), tracker=tracker, progress=progress,
    )  # fmt: skip


def finetune(
    dataset: Dataset | str | Path,
    model: Source = "champion",
    *,
    seed: int = 1,
    name: str = "",
    runs: str | Path = "runs",
    cross_validate: bool | None = None,
    tracker: str = "none",
    progress: bool = False,
    **fields: bool | int | float | str,
) -> "FinetuneResult":
    """Train on faces of your own, beginning with a trained model; returns the run with its accuracy and interval.

    dataset: what load_dataset returned, or a path: faces that are cut out already (`mien data crop`). model: what to
    begin with, a shipped model ("champion", "hybrid"), a run or a model file. Its last layer is taken over by class
    name. cross_validate: measure by five folds; None does so for sets of fewer than 2,000 images without parts of their
    own. fields: of the recipe and of what it runs on, as in `train`; what is not given is chosen by the size of the
    set, and stands in `result.run.recipe`. The rest as in `train`.

    Warns (MienWarning) of unequal classes, and of photographs that were never cut. Raises MienError for a model that
    cannot be trained on, too few images of a class, and an unknown field or a value out of its range.
    """
    import warnings

    from mien.inference.uncut import check_uncut
    from mien.training.finetune import finetune as _finetune
    from mien.training.finetune_plan import plan_finetuning, run_name
    from mien.training.lock import run_folder

    dataset, source = open_dataset(dataset), _source(model, "model")
    runtime, given = _runtime(fields)
    plan = plan_finetuning(dataset, source, cross_validate, **given)
    for warning in (*plan.warnings, check_uncut(dataset.source).warning(dataset.source)):
        if warning:
            warnings.warn(warning, MienWarning, stacklevel=2)
    folder = run_folder(Path(runs), name, run_name(dataset), seed)
    with ExitStack() as stack:
        shown = _shown(stack, folder.name, plan.recipe.epochs) if progress else {}
        return _finetune(plan, dataset, folder, source, seed=seed, runtime=runtime, track=tracker, **shown)


def resume(
    run: "Run | str | Path", dataset: Dataset | str | Path, *, tracker: str = "none", progress: bool = False
) -> "Run":
    """Go on with a training that was interrupted, by its own recipe and seed; returns the finished run.

    run: its folder. dataset: the one that it began with. Raises MienError where the folder is none of a run, or the
    data are others.
    """
    from mien.training.run import Run, load_run
    from mien.training.runtime import Runtime

    require(isinstance(run, str | Path | Run), "run", run, "a run, or its folder")
    before = load_run(run.folder if isinstance(run, Run) else run)
    return _run(
        before.recipe, open_dataset(dataset), before.folder, Runtime(),
        seed=int(before.record["seed"]), pretrained="", tracker=tracker, progress=progress, resumed=True,
    )  # fmt: skip


def to_frame(values: "Dataset | EvaluationResult | Run | Iterable[Any]") -> "pandas.DataFrame":
    """A table, as a pandas DataFrame, of what mien returns.

    Faces, or lists of them, or film frames: a row a face (mien.inference.face.to_frame). Dataset: a row an image, its
    class and its part. EvaluationResult: a row a part and view. Run: its history, a row an epoch. Raises MienError
    where pandas is not installed.
    """
    if isinstance(values, Dataset):
        names = [*values.classes, None]  # the last is for the label -1
        rows = [
            {"row": row, "label": int(label), "class": names[label], "part": str(part)}
            for row, (label, part) in enumerate(zip(values.labels, values.usage, strict=True))
        ]
    elif isinstance(values, EvaluationResult):
        rows = values.rows()
    elif hasattr(values, "recipe") and hasattr(values, "folder"):
        from mien.evaluation import history

        rows = history.read(values.folder / "history.csv")
    else:
        from mien.inference import face

        return face.to_frame(values)
    try:
        import pandas
    except ImportError as error:
        raise MienError("to_frame needs pandas; run: pip install pandas") from error
    return pandas.DataFrame(rows)


def _runtime(fields: dict[str, Any]) -> "tuple[Runtime, dict[str, Any]]":
    """The Runtime of these fields, and the fields that are left for the recipe. Raises MienError for an unknown one."""
    from dataclasses import fields as fields_of

    from mien.training.recipes import FIELDS, suggestion
    from mien.training.runtime import Runtime

    names = [field.name for field in fields_of(Runtime)]
    for name in fields:
        if name not in FIELDS and name not in names:
            raise MienError(f"there is no field '{{parameter}}'; {suggestion(name, [*FIELDS, *names])}", parameter=name)
    devices = fields.get("devices", 1)
    require(devices == 1, "devices", devices, "1 in Python; the command line trains with several processes")
    runtime = Runtime(**{name: value for name, value in fields.items() if name in names})
    return runtime, {name: value for name, value in fields.items() if name not in names}


def _run(
    recipe: "Recipe",
    dataset: Dataset,
    folder: Path,
    runtime: "Runtime",
    *,
    seed: int,
    pretrained: str,
    tracker: str,
    progress: bool,
    resumed: bool = False,
) -> "Run":
    """Train, or go on with the folder's training, and show it where asked."""
    from mien.training.run import load_run, train

    with ExitStack() as stack:
        shown = _shown(stack, folder.name, recipe.epochs) if progress else {}
        run = train(
            recipe, dataset, folder, seed=seed, runtime=runtime, track=tracker, pretrained=pretrained,
            resume=resumed, **shown,
        )  # fmt: skip
    return run or load_run(folder)


def _shown(stack: ExitStack, name: str, epochs: int) -> dict[str, Any]:
    """What shows a training on standard error, as arguments of `train`."""
    from mien.cli.live import Live

    live = stack.enter_context(Live(name))
    live.begin(name, epochs)
    return {"callbacks": (live,), "on_phase": live.on_phase}


def _source(model: Source, parameter: str) -> str:
    """The path or the name of a trained model."""
    if isinstance(model, str | Path):
        return str(model)
    known = isinstance(model, Model) or hasattr(model, "model_file")
    require(known, parameter, model, "a shipped model's name, a run, a model file, or what load_model returned")
    return str(model.path if isinstance(model, Model) else model.model_file)
