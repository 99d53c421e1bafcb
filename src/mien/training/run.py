"""A run: a folder that explains itself. Trains into it, resumes it, reads it back.

recipe.json          every field of the recipe, seed, classes, data, machine, version
history.csv          one row an epoch, written as the training goes
metrics.json         verdict and evaluations
weights.safetensors  the kept weights
model.onnx           the same, ready for `mien read --model`
figures/             curves, confusion, reliability
checkpoint.pt        full state, to resume from
"""

import dataclasses
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mien.data import Dataset, split
from mien.data.splits import Split, split_name
from mien.errors import MienError, MienWarning
from mien.evaluation import calibration, diagnose, history, metrics, plots
from mien.files import atomic_write, write_json
from mien.training import checkpoint, networks, predict
from mien.training.onnx_export import export
from mien.training.recipes import Recipe
from mien.training.runtime import Runtime, best_precision, check_runtime, machine
from mien.training.targets import fits, onlooker, targets
from mien.training.tracking import Tracker, code_version, tracker
from mien.training.trainer import Fitted, Row, fit


@dataclass(frozen=True)
class Run:
    """A run read back from its folder."""

    folder: Path
    recipe: Recipe
    classes: tuple[str, ...]
    record: Mapping[str, Any]  # recipe.json, whole

    @property
    def name(self) -> str:
        return self.folder.name

    def model(self) -> nn.Module:
        """The network with the kept weights, in eval mode. Raises MienError before the run has any."""
        path = self.folder / "weights.safetensors"
        if not path.is_file():
            raise MienError(f"{path} does not exist; finish the run first: mien train --resume {self.folder}")
        r = self.recipe
        model = networks.build(r.network, len(self.classes), r.conv_drop, r.fc_drop, r.drop_kind)
        model.load_state_dict(load_file(path))
        return model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def metrics(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "metrics.json").read_text())
        except FileNotFoundError:
            raise MienError(
                f"{self.folder} is not finished; go on with it: mien train --resume {self.folder}"
            ) from None

    def split(self, dataset: Dataset) -> Split:
        return split(dataset, self.recipe.split, fold=self.recipe.fold, duplicates=self.recipe.copies)


def load_run(folder: str | Path) -> Run:
    """Read a run folder's description. Raises MienError where it is none."""
    folder = Path(folder)
    path = folder / "recipe.json"
    try:
        record = json.loads(path.read_text())
        fields = {f.name for f in dataclasses.fields(Recipe)}
        known = Recipe(**{k: v for k, v in record.items() if k in fields})
        _ = record["seed"], record["data"]["fingerprint"], record["runtime"]["precision"]
        return Run(folder, known, tuple(record["classes"]), record)
    except FileNotFoundError:
        raise MienError(f"{path} does not exist; a run is a folder that 'mien train' made") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MienError(f"{path} is not a run's description ({error})") from error


def train(
    r: Recipe,
    dataset: Dataset,
    folder: Path,
    seed: int = 1,
    runtime: Runtime | None = None,
    track: str = "wandb",
    start: dict[str, Tensor] | None = None,
    resume: bool = False,
    on_epoch: Callable[[Row], None] = lambda row: None,
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
    origin: str = "",
) -> Run | None:
    """Train a recipe on a data set into a run folder.

    resume: go on from the folder's checkpoint, by the recipe, seed, precision and processes that it began with.

    start: weights to begin with, and origin: where they are from, for the run's record.

    Of several processes, the first one returns the run, the others None.

    Raises MienError where the folder holds another run, the data are not those the run began with, or the split
    leaves nothing to train on.
    """
    runtime = runtime or Runtime()
    if resume:
        before = load_run(folder)
        if before.record["data"]["fingerprint"] != dataset.fingerprint:
            raise MienError(f"{dataset.source} is not the data that {folder} was trained on; give the same --data")
        r, seed, was = before.recipe, int(before.record["seed"]), before.record["runtime"]
        runtime = dataclasses.replace(runtime, devices=was.get("devices", 1), compiled=was.get("compiled", False))
        if runtime.precision == "auto":
            runtime = dataclasses.replace(runtime, precision=was["precision"])
    elif (folder / "recipe.json").exists():
        raise MienError(f"{folder} holds a run already; resume it with --resume {folder}, or choose another --name")
    check_runtime(runtime, r, seed)
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    r = settled(r, dataset)
    parts = split(dataset, r.split, fold=r.fold, duplicates=r.copies)
    if len(parts.train) == 0 or len(parts.validation) == 0:
        raise MienError(
            f"{dataset.source}: the split '{r.split}' leaves {len(parts.train)} images to train on and "
            f"{len(parts.validation)} to validate; try --split study"
        )
    precision = runtime.precision if runtime.precision != "auto" else best_precision(runtime.accelerator)
    record = {
        **dataclasses.asdict(r),
        "seed": seed,
        "from": origin,
        "classes": list(dataset.classes),
        "group": networks.NETWORKS[r.network].group,
        "data": {
            "fingerprint": dataset.fingerprint, "source": Path(dataset.source).name, "drawn": dataset.drawn,
            "n_train": len(parts.train), "n_validation": len(parts.validation), "n_test": len(parts.test),
            "copies_crossing": parts.leaked,
        },
        "runtime": {**dataclasses.asdict(runtime), "precision": precision},
        "machine": machine(),
        "mien": code_version(),
    }  # fmt: skip
    aim = targets(r, dataset, parts.train)
    try:
        fabric = Fabric(accelerator=runtime.accelerator, devices=runtime.devices, precision=precision)  # type: ignore[arg-type]
    except (RuntimeError, ValueError) as error:
        raise MienError(
            f"cannot train on {runtime.devices} x '{runtime.accelerator}' in {precision}: {str(error).splitlines()[0]}"
        ) from error
    fabric.launch()
    main = fabric.is_global_zero
    torch.backends.cudnn.benchmark = True  # batches have one size, so the fastest convolutions are worth looking for
    teacher = onlooker(r, runtime.threads or 1, fabric.device, runtime.compiled)
    if main and not resume:
        write_json(folder / "recipe.json", record)
    watch: Tracker = tracker(track if main else "none")
    watch.start(folder.name, str(record["group"]), record, folder)
    rows = list(checkpoint.load(folder)["history"]) if (folder / checkpoint.NAME).is_file() else []

    for row in rows:
        watch.log(row)

    def after_epoch(row: Row) -> None:
        rows.append(row)
        if main:
            history.write(rows, folder / "history.csv")
            watch.log(row)
            on_epoch(row)

    images, labels = dataset.images, dataset.labels
    fitted = fit(
        r, (images[parts.train], labels[parts.train]), (images[parts.validation], labels[parts.validation]),
        len(dataset.classes), seed, folder, fabric, start, runtime.compiled, after_epoch,
        on_step if main else lambda epoch, step, steps: None, runtime.max_minutes,
        aim, teacher,
    )  # fmt: skip
    if not main:
        return None
    run = load_run(folder)
    finish(run, dataset, parts, fitted, watch)
    return run


def settled(r: Recipe, dataset: Dataset) -> Recipe:
    """The recipe as it can be followed on this data set, with a warning for each change.

    Without labelled PublicTest faces there is no official split, and the study's (70/15/15 by class) takes its place. A
    teacher that knows other classes has nothing to teach. Raises MienError for a teacher that is not there.
    """
    if r.split == "official" and split_name(dataset) != "official":
        warnings.warn(
            f"{dataset.source} has no labelled PublicTest faces to validate on; splitting it 70/15/15 by class instead "
            "(--split study)", MienWarning, stacklevel=2,
        )  # fmt: skip
        r = dataclasses.replace(r, split="study")
    if r.teacher and not fits(r.teacher, dataset):
        warnings.warn(
            f"the teacher '{r.teacher}' knows other classes than {dataset.source}; training without it",
            MienWarning, stacklevel=2,
        )  # fmt: skip
        r = dataclasses.replace(r, teacher="")
    return r


def finish(run: Run, dataset: Dataset, parts: Split, fitted: Fitted, watch: Tracker) -> None:
    """Weights, evaluations, verdict, figures and model of a training that has ended."""
    r, folder = run.recipe, run.folder
    history.write(fitted.history, folder / "history.csv")
    with atomic_write(folder / "weights.safetensors") as temporary:
        save_file({k: v.contiguous().cpu() for k, v in fitted.model.state_dict().items()}, temporary)
    model = run.model().to(next(fitted.model.parameters()).device)
    held, drawn = parts.validation, dataset.drawn
    z = predict.logits(model, dataset.images[held], r.mean, r.std)
    temperature = calibration.fit_temperature(z, dataset.labels[held])
    verdict = diagnose.diagnose(fitted.history, chance=1 / len(dataset.classes))
    evaluations = {"validation": evaluations_of(run, model, dataset, held)}
    test = parts.test[dataset.labels[parts.test] >= 0]
    if len(test):
        evaluations["test"] = evaluations_of(run, model, dataset, test)
    summary = {
        "run": run.name, "recipe": r.name, "group": run.record["group"], "parameters": networks.parameters(model),
        "epochs": len(fitted.history), "kept_epoch": fitted.epoch, "drawn": drawn, "temperature": temperature,
        "calibrated_ece": metrics.ece(calibration.cross_fitted(z, dataset.labels[held]), dataset.labels[held]),
        "best_epoch": 1 + int(np.argmax([row["val_accuracy"] for row in fitted.history])),
        "verdict": verdict.to_dict(),
        "evaluations": evaluations,
    }  # fmt: skip
    figures = draw_figures(run, z, dataset, held, temperature, fitted.history)
    export_run(run, folder / "model.onnx", summary)
    write_json(folder / "metrics.json", summary)  # last: with it the run is finished
    flat = {f"{part}_{key}": found["single"][key] for part, found in evaluations.items()
            for key in ("accuracy", "nll", "macro_f1", "ece")}  # fmt: skip
    last = fitted.history[-1]
    four = {"train_loss": last["train_loss"], "train_accuracy": last["train_accuracy"],
            "val_loss": evaluations["validation"]["single"]["nll"],
            "val_accuracy": evaluations["validation"]["single"]["accuracy"]}  # fmt: skip
    if "test" in evaluations:
        four |= {"test_loss": evaluations["test"]["single"]["nll"],
                 "test_accuracy": evaluations["test"]["single"]["accuracy"]}  # fmt: skip
    watch.finish(
        {**flat, **four, "temperature": temperature, "verdict": verdict.kind, "epochs": len(fitted.history),
         "parameters": summary["parameters"], "drawn": drawn},
        figures, folder / "model.onnx",
    )  # fmt: skip


def evaluations_of(
    run: Run, model: nn.Module, dataset: Dataset, index: np.ndarray, views: tuple[str, ...] = ("single", "flip")
) -> dict[str, dict[str, Any]]:
    """Evaluate the labelled rows at `index`, once for each test-time augmentation; uncalibrated probabilities."""
    found = {}
    for view in views:
        p = predict.probabilities(model, dataset.images[index], run.recipe.mean, run.recipe.std, view)
        found[view] = dict(metrics.evaluate(p, dataset.labels[index], dataset.classes).to_dict())
    return found


def export_run(run: Run, path: Path, summary: Mapping[str, Any] | None = None) -> None:
    """A finished run as a model file, with what its metrics.json (or the summary given) and recipe.json say of it."""
    r, summary = run.recipe, summary or run.metrics()
    export(
        run.model(), path, name=run.name, classes=run.classes, mean=r.mean, std=r.std, temperature=summary["temperature"],
        training={"recipe": r.name, "network": r.network, "seed": run.record["seed"], "from": run.record.get("from", ""), "epochs": summary["epochs"], "split": r.split, "fold": r.fold, "copies": r.copies,
                  "data": run.record["data"], "mien": run.record["mien"],
                  "validation_accuracy": summary["evaluations"]["validation"]["single"]["accuracy"]},
    )  # fmt: skip


def draw_figures(
    run: Run, z: np.ndarray, dataset: Dataset, index: np.ndarray, temperature: float, rows: list[Row]
) -> dict[str, Path]:
    """Learning curves, confusion matrix and reliability diagram of a run, as PNG in its figures folder.

    z: logits of the rows at `index`.
    """
    folder = run.folder / "figures"
    title = f"{run.folder.name} (recipe {run.recipe.name}, seed {run.record['seed']})"
    verdict = diagnose.diagnose(rows, chance=1 / len(dataset.classes))
    found = metrics.evaluate(calibration.softmax(z), dataset.labels[index], dataset.classes)
    paths = {name: folder / f"{name}.png" for name in ("curves", "confusion", "reliability")}
    plots.learning_curves(rows, paths["curves"], title, verdict=verdict, drawn=dataset.drawn)
    plots.confusion(found.confusion, dataset.classes, paths["confusion"], f"{title}: validation", drawn=dataset.drawn)
    curves = {
        f"temperature {t:.2f}": calibration.reliability(calibration.softmax(z, t), dataset.labels[index])
        for t in (1.0, temperature)
    }
    plots.reliability(curves, paths["reliability"], f"{title}: validation", drawn=dataset.drawn)
    return paths
