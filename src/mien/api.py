"""The Python API for training and tables: train, finetune, resume, to_frame. `import mien` exports it.

Functions take and return plain values: a data set or its path, a run, a model or its name. torch is imported only by
train, finetune and resume.
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
    """Train a network with a recipe into a run folder; returns the run.

    recipe: a name (`mien train --list` shows them), or a Recipe. dataset: from load_dataset, or a path. seed: 0 or
    more. name: of the run folder under `runs`; by default RECIPE-SEED, with a number appended if that run is finished.
    pretrained: a model whose weights to start from, with the last layer matched by class name. tracker: "none",
    "wandb", "trackio", "tensorboard" or "mlflow". progress: show a progress bar on standard error. fields: recipe
    fields (epochs=5, learning_rate=1e-3; `mien train --help` describes them) and runtime settings (threads,
    accelerator, precision, compiled, max_minutes).

    The folder gets recipe.json, history.csv, metrics.json, weights, model.onnx and figures. Raises MienError for an
    unknown recipe or field, a value out of its range, data that leave nothing to train on, and a folder that already
    holds a run.
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
    """Fine-tune a trained model on your own faces; returns the run with its accuracy and interval.

    dataset: from load_dataset, or a path, with cropped faces (`mien data crop`). model: a shipped model ("champion",
    "hybrid"), a run or a model file to start from; its last layer is matched by class name. cross_validate: measure
    accuracy by five-fold cross-validation; None: for sets of fewer than 2,000 images without parts of their own.
    fields: recipe fields and runtime settings, as in `train`; recipe fields that are not given are chosen by the size
    of the set and recorded in `result.run.recipe`. Other parameters as in `train`.

    Warns (MienWarning) about imbalanced classes, and about uncropped photographs. Raises MienError for a model that
    cannot be trained further, too few images of a class, an unknown field or a value out of its range.
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
    """Resume an interrupted training with its own recipe and seed; returns the finished run.

    run: its folder. dataset: the one it started with. Raises MienError if the folder holds no run, or the data differ.
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
    """A pandas DataFrame of values that mien returns.

    Faces, or lists of them, or video frames: one row per face (mien.inference.face.to_frame). Dataset: one row per
    image, with its class and part. EvaluationResult: one row per part and view. Run: its history, one row per epoch.
    Raises MienError if pandas is not installed.
    """
    if isinstance(values, Dataset):
        names = [*values.classes, None]  # the last is for label -1
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
    """Split fields into a Runtime and the fields left for the recipe. Raises MienError for an unknown one."""
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
    """Train, or resume the folder's training, with progress if requested."""
    from mien.training.run import load_run, train

    with ExitStack() as stack:
        shown = _shown(stack, folder.name, recipe.epochs) if progress else {}
        run = train(
            recipe, dataset, folder, seed=seed, runtime=runtime, track=tracker, pretrained=pretrained,
            resume=resumed, **shown,
        )  # fmt: skip
    return run or load_run(folder)


def _shown(stack: ExitStack, name: str, epochs: int) -> dict[str, Any]:
    """Progress callbacks on standard error, as arguments of `train`."""
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
