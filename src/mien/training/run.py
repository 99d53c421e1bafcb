"""Train a recipe into a run folder, and load a run from its folder.

recipe.json             every field of the recipe, seed, classes, data, machine, version (`format: 2`)
history.csv             one row per epoch, written during training
metrics.json            verdict and evaluations, written last
weights.safetensors     the kept weights
model.onnx              the trained model, for evaluation, submission and reading
figures/                learning curves, confusion matrix, reliability diagram, if matplotlib is installed
split.csv               parts, labels and rows to keep, if the run was given a split file
checkpoint.pt           full state, to resume from; checkpoint-previous.pt is the one before it
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from mien.data import Dataset, split
from mien.data.split_file import NAME as SPLIT_FILE
from mien.data.split_file import apply_split
from mien.data.splits import Split
from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.record import FORMAT, read_record, recipe_fields
from mien.files import atomic_write, write_json
from mien.inference.model_file import resolve
from mien.training import checkpoint, networks
from mien.training.distillation import make_teacher
from mien.training.finetune_plan import trainable_info
from mien.training.finish import finish
from mien.training.lock import lock_folder
from mien.training.pretrained import load_pretrained
from mien.training.processes import end_together
from mien.training.recipes import Recipe, from_record
from mien.training.runtime import Runtime, best_precision, check_accelerator, check_runtime, launched, machine
from mien.training.state import Callback, FaceSet, Progress, Row
from mien.training.stored_views import check_views, load_views
from mien.training.targets import targets
from mien.training.tracking import RunInfo, Tracker, code_version, tracker
from mien.training.trainer import Trainer
from mien.training.training_set import face_set, select
from mien.training.weights import load_weights, save_weights


@dataclass(frozen=True)
class Run:
    """A training run, loaded from its folder.

    folder: contains the files listed in `mien.training.run`. recipe: the recipe it was trained with. classes: class
    names, in the order of the model's outputs. record: recipe.json in full, in format 2: the recipe's fields, seed,
    data, runtime, machine.
    """

    folder: Path
    recipe: Recipe
    classes: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def _unfinished(self) -> str:
        """The part of an error message that says how to finish the run."""
        return f"finish it first: {{parameter}} {self.folder}"

    @property
    def model_file(self) -> Path:
        """Path of the trained model. Raises MienError if the run has none yet."""
        path = self.folder / "model.onnx"
        if not path.is_file():
            raise MienError(f"{path} does not exist; {self._unfinished}", parameter="resume")
        return path

    def model(self) -> nn.Module:
        """The network with the kept weights, in eval mode. Raises MienError if there are none yet."""
        path = self.folder / "weights.safetensors"
        if not path.is_file():
            raise MienError(f"{path} does not exist; {self._unfinished}", parameter="resume")
        weights = load_weights(path)
        model = networks.build_from(self.recipe, len(self.classes))
        try:
            model.load_state_dict(weights)
        except (RuntimeError, TypeError) as error:
            line = str(error).splitlines()[0]
            raise MienError(f"{path} belongs to another network ({line}); train again") from error
        result: nn.Module = model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        return result

    def metrics(self) -> dict[str, Any]:
        """The contents of metrics.json. Raises MienError if the run is not finished or the file is damaged."""
        path = self.folder / "metrics.json"
        try:
            metrics = json.loads(path.read_text())
        except FileNotFoundError:
            raise MienError(f"{self.folder} is not finished; {self._unfinished}", parameter="resume") from None
        except (OSError, ValueError) as error:
            raise MienError(f"{path} is damaged ({error}); run mien evaluate to compute it again") from error
        if not isinstance(metrics, dict):
            raise MienError(f"{path} is damaged: it is not a JSON object; run mien evaluate to compute it again")
        return metrics

    def as_trained(self, dataset: Dataset) -> Dataset:
        """The data set with the run's split file applied, if the run was trained with one."""
        path = self.folder / SPLIT_FILE
        whole = dataset.fingerprint == self.record["data"]["fingerprint"] or not path.is_file()
        return dataset if whole else apply_split(dataset, path)

    def split(self, dataset: Dataset) -> Split:
        """Split a data set (from `as_trained`) the way the run's recipe says."""
        return split(dataset, self.recipe.split, fold=self.recipe.fold, duplicates=self.recipe.duplicates)


def load_run(folder: str | Path) -> Run:
    """Load a run from its folder. Raises MienError if the folder holds no run."""
    folder = Path(folder)
    record = read_record(folder)
    try:
        recipe = from_record(recipe_fields(record))
        _ = int(record["seed"]), record["data"]["fingerprint"], record["runtime"]["precision"]
        return Run(folder, recipe, tuple(record["classes"]), record)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MienError(f"{folder / 'recipe.json'} is not a run's record ({error})") from error


def train(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    *,
    seed: int = 1,
    runtime: Runtime | None = None,
    track: str = "wandb",
    pretrained: str = "",
    resume: bool = False,
    split_file: Path | None = None,
    stored_views: Path | None = None,
    callbacks: Sequence[Callback] = (),
    on_start: Callable[[str], None] = lambda last_layer: None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> Run | None:
    """Train a recipe on a data set into a run folder.

    pretrained: a shipped model, model file or run whose weights to start from. resume: continue from the folder's
    checkpoint, with the recipe, seed and precision the run started with; the number of processes may differ.
    split_file: parts, labels and rows to keep, in the format of `mien.data.split_file`, instead of the recipe's split;
    it is copied into the folder. stored_views: a file of fixed augmented views with teacher probabilities
    (`mien.training.stored_views`), used instead of fresh augmentation; a resumed run uses the same file. on_start:
    called before the first epoch with a sentence on what happens to a pretrained model's last layer. on_phase: called
    after the last epoch with the name of each phase, and at the end with how to look at the tracked run.

    With several processes, the first returns the run, the others None. Raises MienError if the folder holds another
    run or is in use by another training, the data differ from those the run started with, or the split leaves nothing
    to train on.
    """
    runtime, before, given = launched(runtime or Runtime()), None, dataset
    if resume and (folder / SPLIT_FILE).is_file():
        split_file = folder / SPLIT_FILE
    if split_file:
        dataset, recipe = apply_split(dataset, split_file), dataclasses.replace(recipe, split="official")
    if resume:
        before = load_run(folder)
        recipe, seed, runtime = _as_before(before, dataset, runtime)
        pretrained = str(before.record.get("pretrained", ""))
        stored_views = stored_views or _views_of(before)
    check_start(recipe, folder, seed, runtime, pretrained=pretrained, resume=resume, track=track)
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    recipe, parts, rows = select(recipe, dataset, seed)
    precision = runtime.precision if runtime.precision != "auto" else best_precision(runtime.accelerator)
    train_set = face_set(recipe, dataset, rows, targets(recipe, dataset, rows))
    train_set = _with_views(train_set, stored_views, recipe, dataset, before)
    fabric = launch(runtime, precision)
    main = fabric.is_global_zero
    # A resumed run has its weights in the checkpoint; the pretrained model may no longer exist.
    fresh = pretrained and not checkpoint.exists(folder)
    weights = load_pretrained(pretrained, recipe, dataset.classes, seed) if fresh else None
    teacher = make_teacher(recipe, runtime.threads or 1, fabric.device, runtime.compiled)
    with lock_folder(folder if main else None):
        record = before.record if before else _record(
            recipe, dataset, parts, len(rows), seed, pretrained, runtime, precision=precision)  # fmt: skip
        if train_set.views:
            record = {**record, "stored_views": {"file": str(stored_views), **train_set.views.about()}}
        if split_file and main and not resume:
            with atomic_write(folder / SPLIT_FILE) as temporary:
                temporary.write_bytes(split_file.read_bytes())
        watch = _start_tracking(track if main else "none", folder, record, resume)
        recorder = _Recorder(folder, watch, _rows_before(folder))
        trainer = _trainer(recipe, fabric, seed, folder, runtime)
        if main:
            on_start(weights.decision if weights else "")
        with end_together(fabric, folder):
            fitted = trainer.fit(
                train_set, face_set(recipe, dataset, parts.validation), len(dataset.classes),
                pretrained=weights.state_dict if weights else None, teacher=teacher,
                callbacks=(recorder, *callbacks) if main else (),
            )  # fmt: skip
        if not main:
            return None
        history.write(fitted.history, folder / "history.csv")
        save_weights(fitted.model.state_dict(), folder / "weights.safetensors")
        run = load_run(folder)
        labeled = [name for name in ("validation", "test") if (dataset.labels[getattr(parts, name)] >= 0).any()]
        finish(run, given, labeled, fitted, watch, on_phase)
    return run


def check_start(
    recipe: Recipe, folder: Path, seed: int, runtime: Runtime, *, pretrained: str = "", resume: bool = False,
    track: str = "none",
) -> None:  # fmt: skip
    """Check what can be checked before the data are read. Raises MienError if the folder already holds a run, the seed
    or runtime is invalid, or the tracker, a teacher or the pretrained model does not exist."""
    if not resume and (folder / "recipe.json").exists():
        raise MienError(f"{folder} already contains a run; resume it, or choose another {{parameter}}",
                        parameter="name")  # fmt: skip
    check_runtime(runtime, recipe.batch_size, seed)
    check_accelerator(runtime.accelerator)
    tracker(track)
    for source in filter(None, recipe.teacher.split("+")):
        resolve(source)
    if pretrained and not resume:
        trainable_info(pretrained, "pretrained")


def _as_before(before: Run, dataset: Dataset, runtime: Runtime) -> tuple[Recipe, int, Runtime]:
    """Recipe, seed and runtime of a resumed run. Raises MienError if it cannot be resumed."""
    record = before.record
    if record["data"]["fingerprint"] != dataset.fingerprint:
        raise MienError(
            f"{dataset.source} is not the data that {before.folder} was trained on; give the same {{parameter}}",
            parameter="dataset",
        )
    if record.get("removed"):
        gone = ", ".join(f"{field} = {value}" for field, value in record["removed"].items())
        raise MienError(f"{before.folder} was trained with {gone}, which mien no longer has; it cannot be resumed")
    previous = record["runtime"]
    runtime = dataclasses.replace(
        runtime, compiled=previous.get("compiled", False), sync_batch_norm=previous.get("sync_batch_norm", False)
    )
    if runtime.precision == "auto":
        runtime = dataclasses.replace(runtime, precision=previous["precision"])
    return before.recipe, int(record["seed"]), runtime


def launch(runtime: Runtime, precision: str) -> Fabric:
    """Launch a Fabric. Raises MienError if the machine lacks the accelerator, devices or precision asked for."""
    try:
        fabric = Fabric(
            accelerator=runtime.accelerator, devices=runtime.devices, num_nodes=runtime.nodes,
            precision=precision,  # type: ignore[arg-type]
        )  # fmt: skip
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        raise MienError(
            f"cannot train on {runtime.nodes * runtime.devices} x '{runtime.accelerator}' in {precision}: "
            f"{str(error).splitlines()[0]}",
            parameter="accelerator",
        ) from error
    torch.backends.cudnn.allow_tf32 = precision != "32-true"  # TF32 rounds float32 to a 10-bit mantissa
    torch.backends.cudnn.benchmark = True  # batches have one size, so searching for the fastest kernels pays off
    return fabric


def _views_of(run: Run) -> Path | None:
    """The file of stored views that a run started with."""
    named = run.record.get("stored_views", {}).get("file")
    return Path(named) if named else None


def _with_views(train_set: FaceSet, path: Path | None, recipe: Recipe, dataset: Dataset, before: Run | None) -> FaceSet:
    """Add the stored views to the training set, if there are any. Raises MienError if they are of other images or not
    the file that the run started with."""
    if path is None:
        return train_set
    views = load_views(path)
    check_views(views, recipe, dataset.classes, train_set.images)
    if before and before.record.get("stored_views", {}).get("digest") != views.digest:
        raise MienError(f"{path} is not the file that {before.folder} started from", parameter="stored_views")
    return dataclasses.replace(train_set, views=views)


def _trainer(recipe: Recipe, fabric: Fabric, seed: int, folder: Path, runtime: Runtime) -> Trainer:
    return Trainer(
        recipe, fabric, seed, folder, compiled=runtime.compiled, max_minutes=runtime.max_minutes,
        sync_batch_norm=runtime.sync_batch_norm,
    )  # fmt: skip


def _record(
    recipe: Recipe, dataset: Dataset, parts: Split, n_train: int, seed: int, pretrained: str, runtime: Runtime,
    *, precision: str,
) -> dict[str, Any]:  # fmt: skip
    return {
        "format": FORMAT,
        **dataclasses.asdict(recipe),
        "seed": seed,
        "pretrained": pretrained,
        "classes": list(dataset.classes),
        "group": networks.NETWORKS[recipe.network].group,
        "data": {
            "fingerprint": dataset.fingerprint, "source": Path(dataset.source).name, "drawn": dataset.drawn,
            "n_train": n_train, "n_validation": len(parts.validation), "n_test": len(parts.test),
            "leaked": parts.leaked,
        },
        "runtime": {**dataclasses.asdict(runtime), "precision": precision},
        "machine": machine(),
        "mien": code_version(),
        "trackers": {},
    }  # fmt: skip


def _start_tracking(track: str, folder: Path, record: Mapping[str, Any], resume: bool) -> Tracker:
    """Start or resume tracking, and store the tracker's id of the run in recipe.json."""
    watch = tracker(track)
    trackers = dict(record.get("trackers", {}))
    config = {key: value for key, value in record.items() if key not in ("tracker", "trackers", "removed")}
    name = watch.start(RunInfo(folder.name, str(record["group"]), config, folder, trackers.get(track, "")))
    if name:
        trackers[track] = name
    now = {**record, "tracker": track, "trackers": trackers}
    if not resume or now != record:
        write_json(folder / "recipe.json", now)
    return watch


def _rows_before(folder: Path) -> list[Row]:
    return list(checkpoint.load(folder)["state"]["history"]) if checkpoint.exists(folder) else []


class _Recorder:
    """Callback that writes history.csv and logs each epoch to the tracker."""

    def __init__(self, folder: Path, watch: Tracker, rows: list[Row]) -> None:
        self.folder, self.watch, self.rows = folder, watch, rows

    def on_step(self, progress: Progress) -> None: ...

    def on_epoch(self, row: Row) -> None:
        self.rows.append(row)
        history.write(self.rows, self.folder / "history.csv")
        self.watch.log(row)
