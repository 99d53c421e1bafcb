"""Hyperparameters of a fine-tuning, chosen by the size of the data set, and the equivalent `mien train` command.

Nothing here imports torch.
"""

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.data import Dataset
from mien.data.splits import split_name
from mien.errors import MienError, require
from mien.inference.model_file import ModelInfo, read_info, resolve, shipped, trainable
from mien.training.recipes import OWN, RECIPES, Recipe, check_fields, options, recipe

MODEL = "champion"  # the most accurate shipped model that can be fine-tuned
SMALL = 2000  # labeled images below which accuracy is cross-validated
MIN_PER_CLASS = 5  # images per class: one for every fold
IMBALANCED = 3.0  # ratio of the largest to the smallest class above which there is a warning

# For up to so many training images: epochs, batch size, and learning rate scale of the backbone. With few images,
# training the backbone spoils features it has learned (Kumar et al. 2022): there only the last layer is trained, which
# is also faster.
SIZES = (
    (120, 20, 16, 0.0), (600, 10, 32, 0.0), (3000, 8, 32, 0.1), (10_000, 6, 64, 1.0), (math.inf, 4, 128, 1.0),
)  # fmt: skip
# For a batch size of 32; scaled linearly with it for sgd, by its square root for the others.
LEARNING_RATES = {"sgd": 0.02, "adam": 1e-3, "adamw": 1e-3}


@dataclass(frozen=True)
class FinetunePlan:
    """What a fine-tuning will do. recipe: all values; changes: those that differ from the recipe of its name.

    chosen: fields decided by the size of the data set or by the model. cross_validated: whether accuracy is measured by
    five folds, of which the run is the first. warnings: problems with the data that the user should know.
    """

    recipe: Recipe
    changes: dict[str, Any]
    chosen: tuple[str, ...]
    cross_validated: bool
    warnings: tuple[str, ...]


def plan_finetuning(
    dataset: Dataset, model: str = MODEL, cross_validate: bool | None = None, **given: Any
) -> FinetunePlan:
    """Choose the hyperparameters of a fine-tuning by the number of training images.

    model: a shipped model, run folder or model file with trainable weights. cross_validate: None: cross-validate if the
    set has no parts of its own and fewer than SMALL images. given: recipe fields that are used as they are. Raises
    MienError for a model that cannot be trained, too few images, and values out of range.
    """
    check_fields(given)
    counts = {name: n for name, n in dataset.counts().items() if n}
    if len(counts) < 2:
        raise MienError(
            f"{dataset.source} has images of {len(counts)} class; fine-tuning needs two or more", parameter="dataset"
        )
    own_parts = split_name(dataset) == "official"
    if not own_parts and min(counts.values()) < MIN_PER_CLASS:
        rare = min(counts, key=lambda name: counts[name])
        raise MienError(
            f"{dataset.source} has {counts[rare]} image{'s' * (counts[rare] != 1)} of {rare}; each class needs "
            f"{MIN_PER_CLASS} or more",
            parameter="dataset",
        )
    info = trainable_info(model, "model")
    n = int((dataset.labels >= 0).sum())
    require(
        not (own_parts and cross_validate),
        "cross_validate",
        True,
        "omitted for a data set with its own test part",
    )
    folds = not own_parts and (n < SMALL if cross_validate is None else cross_validate)
    trained = int((dataset.labels[dataset.usage == "Training"] >= 0).sum()) if own_parts else round(n * 0.8)
    base = recipe(_base(info, model))
    chosen = {**_of_model(info), **_of_size(trained, str(given.get("optimizer", base.optimizer)), given)}
    chosen |= {"duplicates": "group", "split": "official" if own_parts else "kfold" if folds else "study"}
    values = {**chosen, **given}
    changed = recipe(base.name, **values)
    changes = {name: value for name, value in values.items() if value != getattr(base, name)}
    return FinetunePlan(
        changed, changes, tuple(name for name in changes if name not in given), folds, _warnings(counts)
    )


def train_command(
    plan: FinetunePlan, model: str, data: str | Path, seed: int, folder: Path, more: Sequence[str] = ()
) -> str:
    """The `mien train` command for the same training into the same folder. more: further options."""
    words = ["mien", "train", plan.recipe.name, "--data", str(data), *more, "--pretrained", model]
    words += [*options(plan.changes), "--seed", str(seed), "--runs", str(folder.parent), "--name", folder.name]
    return shlex.join([*words, "--tracker", "none"])


def run_name(dataset: Dataset) -> str:
    """A run folder name made from the data set's name."""
    stem = re.sub(r"[^\w.-]+", "-", Path(dataset.source).resolve().name.split(".")[0]).strip("-.")
    return stem or "finetuned"


def trainable_info(model: str, parameter: str) -> ModelInfo:
    """The metadata of a model file. Raises MienError, about `parameter`, if it cannot be trained further."""
    info = read_info(resolve(model, parameter))
    if not trainable(info):
        can = [name for name in shipped() if trainable(read_info(name))]
        raise MienError(
            f"{model} cannot be trained: it is an 8-bit model or has two networks; give {' or '.join(can)}, or a run",
            parameter=parameter,
        )
    return info


def _base(info: ModelInfo, model: str) -> str:
    """Name of the base recipe: that of the model's network."""
    network = str(info.training.get("network") or info.training.get("recipe") or "")
    if network not in OWN or network not in RECIPES:
        raise MienError(
            f"{model} does not name its network; train with a recipe of that network: {{parameter}} {model}",
            parameter="pretrained",
        )
    return network


def _of_model(info: ModelInfo) -> dict[str, Any]:
    """Recipe fields that must match the model: its architecture and its input scaling."""
    training = {name: info.training[name] for name in ("batch_norm", "head") if name in info.training}
    return {**training, "mean": info.mean, "std": info.std, "input_normalization": info.input_normalization}


def _of_size(images: int, optimizer: str, given: dict[str, Any]) -> dict[str, Any]:
    """Recipe fields that depend on the number of training images."""
    epochs, batch, scale = next(row[1:] for row in SIZES if images <= row[0])
    batch, epochs = int(given.get("batch_size", batch)), int(given.get("epochs", epochs))
    frozen = float(given.get("backbone_lr_scale", scale)) == 0
    ratio = batch / 32
    rate = LEARNING_RATES[optimizer] * (ratio if optimizer == "sgd" else math.sqrt(ratio))
    steps = max(epochs * -(-images // max(batch, 1)), 10)
    return {
        "epochs": epochs, "batch_size": batch, "learning_rate": float(f"{rate:.2g}"),
        "ema_decay": round(1 - 10 / max(steps, 50), 3), "progressive_resizing_from": 48, "mixup": 0.0, "teacher": "",
        "checkpoint_metric": "last", "backbone_lr_scale": scale, **({"bn_images": 0} if frozen else {}),
    }  # fmt: skip


def _warnings(counts: dict[str, int]) -> tuple[str, ...]:
    rare, common = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    if counts[common] < IMBALANCED * counts[rare]:
        return ()
    share = counts[common] / sum(counts.values())
    return (
        f"the classes are unequal: {counts[common]:,} images of {common}, {counts[rare]:,} of {rare}. Always "
        f"guessing {common} gives an accuracy of {share:.0%}: check the recall of {rare}, and add images of it",
    )
