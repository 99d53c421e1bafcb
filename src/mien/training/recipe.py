"""The fields of a training recipe: every hyperparameter, with help, unit and range.

The table of recipes is `mien.training.recipes`. Nothing here imports torch: the command line reads its help from the
fields below.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from mien.errors import MienError, require
from mien.inference.normalization import InputNormalization
from mien.training.fields import (
    BELOW_ONE,
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Range,
    described,
    fits,
    require_kind,
)

Head = Literal["dense", "global_avg", "global_max"]

# Defaults of each network: (batch norm, head). Only the networks in VARIABLE can be built differently.
OWN: dict[str, tuple[bool, Head]] = {
    "normal": (False, "dense"),
    "baseline": (False, "dense"),
    "deep": (False, "dense"),
    "dropout": (False, "dense"),
    "dropout_heavy": (False, "dense"),
    "globalpool": (False, "global_max"),
    "hybrid": (True, "global_avg"),
    "champion": (True, "global_avg"),
    "broad": (True, "global_avg"),
    "nano": (True, "global_avg"),
    "vgg": (True, "dense"),
    "resnet": (True, "global_avg"),
    "inception": (True, "global_avg"),
    "repvgg": (True, "global_avg"),
}
VARIABLE = ("deep", "hybrid")
WITHOUT_DROPOUT = ("normal", "baseline")  # conv_drop and fc_drop have no effect
GROUPS = ("data", "network", "optimization", "regularization", "augmentation", "distillation")


@dataclass(frozen=True)
class Recipe:
    """How to train. Every field is an option of `mien train`: `learning_rate` is `--learning-rate`."""

    name: str
    network: str = described(dataclasses.MISSING, "network", "Network architecture.")
    batch_norm: bool = described(
        False, "network", f"Batch norm after each convolution; can be changed only for {', '.join(VARIABLE)}."
    )
    head: Head = described(
        "dense",
        "network",
        f"Layer between the last feature maps and the classifier; can be changed only for {', '.join(VARIABLE)}.",
    )
    split: Literal["official", "study", "kfold"] = described(
        "official",
        "data",
        "Training and validation images: the data's own parts, 70/15/15 of train.csv, or folds.",
    )
    fold: int = described(0, "data", "Validation fold, with split kfold.", Range(0, 4))
    train_fraction: float = described(
        1.0, "data", "Share of the training images of each class to train on, chosen by the seed.",
        Range(0, 1, low_open=True),
    )  # fmt: skip
    duplicates: Literal["warn", "group", "ignore"] = described(
        "warn", "data", "Exact copies on both sides of the split: warn, keep them on one side, or ignore them."
    )
    labels: Literal["own", "fer+", "both"] = described(
        "own", "data", "Training targets: the data's labels, FER+ votes as soft targets, or the mean of both."
    )
    input_normalization: InputNormalization = described(
        "none", "data", "Normalization of brightness and contrast of each face, in training and when reading."
    )
    mean: float = described(0.5, "data", "Value subtracted from the pixels, which are 0 to 1.", Range(0, 1))
    std: float = described(0.5, "data", "Value the pixels are divided by.", POSITIVE)
    epochs: int = described(20, "optimization", "Number of passes over the training images.", COUNT)
    batch_size: int = described(128, "optimization", "Images per step, over all processes.", COUNT)
    optimizer: Literal["adam", "adamw", "sgd"] = described(
        "adamw",
        "optimization",
        "Optimizer; sgd uses Nesterov momentum, adam adds weight decay to the gradient, as in the study.",
    )
    learning_rate: float = described(2e-3, "optimization", "Peak learning rate.", POSITIVE)
    schedule: Literal["constant", "cosine", "onecycle"] = described(
        "onecycle",
        "optimization",
        "Schedule; onecycle rises over the first 20 % of the steps, then falls as a cosine to a thousandth.",
    )
    backbone_lr_scale: float = described(
        1.0,
        "optimization",
        "Learning rate of the layers below the last, as a share of the last layer's; 0: frozen.",
        SHARE,
    )
    momentum: float = described(0.9, "optimization", "Momentum of sgd.", BELOW_ONE)
    ema_decay: float = described(
        0.0,
        "optimization",
        "Decay per step of the averaged weights (EMA) that are evaluated and saved; 0: no average.",
        BELOW_ONE,
    )
    bn_images: int = described(
        0, "optimization", "Plain training images that recalibrate batch norm before each validation; 0: none.",
        NOT_NEGATIVE, "images",
    )  # fmt: skip
    early_stopping: int = described(
        0, "optimization", "Stop after N epochs without a better validation accuracy; 0: never.", NOT_NEGATIVE,
        "epochs",
    )  # fmt: skip
    checkpoint_metric: Literal["last", "val_accuracy"] = described(
        "last", "optimization", "Weights to save: those of the last epoch, or of the best validation accuracy."
    )
    progressive_resizing_from: int = described(
        48,
        "optimization",
        "Image size in the first epochs; it grows to 48 over 60 % of the epochs.",
        Range(16, 48),
        "pixels",
    )
    weight_decay: float = described(
        0.05,
        "regularization",
        "Weight decay; adam: L2 on all parameters, adamw and sgd: only on matrices and kernels.",
        NOT_NEGATIVE,
    )
    label_smoothing: float = described(0.0, "regularization", "Share of the target spread over all classes.", BELOW_ONE)
    conv_drop: float = described(0.25, "regularization", "Dropout probability after pooling.", BELOW_ONE)
    fc_drop: float = described(0.5, "regularization", "Dropout probability before the last layer.", BELOW_ONE)
    drop_kind: Literal["channel", "element"] = described(
        "element", "regularization", "What conv_drop drops: whole feature maps (Dropout2d) or single values."
    )
    flip: bool = described(False, "augmentation", "Mirror half of the images.")
    rotate: float = described(0.0, "augmentation", "Maximum rotation in either direction.", Range(0, 180), "degrees")
    translate: float = described(
        0.0, "augmentation", "Maximum shift in x and in y, as a share of the image size.", BELOW_ONE
    )
    scale: float = described(
        0.0, "augmentation", "Maximum change of scale; 0.1: between 1/1.1 and 1.1 times as large.", NOT_NEGATIVE
    )
    brightness_contrast: float = described(
        0.0,
        "augmentation",
        "Strength; 0.2: contrast between 0.8 and 1.2, brightness shifted by 0.2 of the range.",
        BELOW_ONE,
    )
    random_erasing: float = described(
        0.0, "augmentation", "Share of the images in which a rectangle of 2 to 20 % of the area is erased.", SHARE
    )
    exposure: float = described(
        0.0,
        "augmentation",
        "Share of the images with simulated over- or underexposure, which a teacher does not see.",
        SHARE,
    )
    mixup: float = described(
        0.0,
        "augmentation",
        "Blend each image with another, with a weight from Beta(mixup, mixup); 0: off.",
        NOT_NEGATIVE,
    )
    teacher: str = described(
        "",
        "distillation",
        "Shipped model, model file or run (several: a+b) whose probabilities enter the target.",
    )
    distillation_weight: float = described(
        0.5, "distillation", "Weight of the teacher's probabilities in the target.", SHARE
    )
    teacher_input: Literal["clean", "augmented"] = described(
        "clean",
        "distillation",
        "Input of the teacher: the plain image, once, or the network's augmented input, at each step.",
    )

    @property
    def augmentation(self) -> "Augmentation":
        """The augmentation fields as an `Augmentation`."""
        return Augmentation(
            self.flip, self.rotate, self.translate, self.scale, self.brightness_contrast, self.random_erasing
        )


@dataclass(frozen=True)
class Augmentation:
    """Strength of each augmentation; the fields are those of a recipe. Zero or False switches one off."""

    flip: bool = False
    rotate: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    brightness_contrast: float = 0.0
    random_erasing: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether any geometric augmentation is on."""
        return bool(self.flip or self.rotate or self.translate or self.scale)


ADDED = (
    "backbone_lr_scale",
    "exposure",
)  # fields added to format 2 later; a record without them has the default

FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


def from_record(fields: dict[str, Any]) -> Recipe:
    """The recipe in a run's recipe.json (format 2). Raises MienError for an unknown or missing field or a wrong
    type."""
    for field in fields:
        if field not in FIELDS:
            raise MienError(f"a recipe has no field '{field}'; the run is from another version of mien")
    missing = [field for field in FIELDS if field not in fields and field not in ADDED]
    if missing:
        raise MienError(f"the recipe lacks {', '.join(missing)}")
    for field, value in fields.items():
        kind = FIELDS[field].type
        # Accept choices unknown to this version, such as an old run's optimizer.
        if not fits(value, str if get_origin(kind) is Literal else kind):
            raise MienError(f"the recipe's {field} is {value!r}, which has the wrong type")
    return Recipe(**fields)


def check_fields(values: Mapping[str, Any]) -> None:
    """Raise MienError, naming the field, if it is unknown, has the wrong type or is out of range.

    values: all fields of a recipe, or only those to be changed.
    """
    for name, value in values.items():
        if name not in FIELDS:
            raise MienError(f"a recipe has no field '{{parameter}}'; {suggestion(name, FIELDS)}", parameter=name)
        require_kind(name, value, FIELDS[name].type)
        within = FIELDS[name].metadata.get("range")
        if within is not None:
            require(value in within, name, value, str(within))


def check_used(recipe: Recipe, given: Mapping[str, Any], base: Recipe) -> None:
    """Raise MienError for a given field that differs from the base but has no effect given the other fields.

    recipe: the base with the given fields.
    """
    for name, does_something, needs in (
        ("fold", recipe.split == "kfold", "split kfold"),
        ("momentum", recipe.optimizer == "sgd", "optimizer sgd"),
        ("drop_kind", recipe.conv_drop > 0, "conv_drop above 0"),
        ("conv_drop", recipe.network not in WITHOUT_DROPOUT, "a network with dropout"),
        ("fc_drop", recipe.network not in WITHOUT_DROPOUT, "a network with dropout"),
    ):
        if name in given and given[name] != getattr(base, name) and not does_something:
            raise MienError(f"{{parameter}} has no effect here: it needs {needs}; remove it", parameter=name)


def check(recipe: Recipe) -> None:
    """Raise MienError, naming the field, for an invalid value or combination of values."""
    check_fields({name: getattr(recipe, name) for name in FIELDS})
    if recipe.network not in OWN:
        raise MienError(f"no network '{recipe.network}'; {suggestion(recipe.network, OWN)}", parameter="network")
    batch_norm, head = OWN[recipe.network]
    if recipe.network not in VARIABLE and (recipe.batch_norm, recipe.head) != (batch_norm, head):
        raise MienError(
            f"the network '{recipe.network}' has batch_norm {batch_norm} and head {head}; "
            f"only {' and '.join(VARIABLE)} can be changed",
            parameter="head" if recipe.head != head else "batch_norm",
        )
    if recipe.progressive_resizing_from < 48 and recipe.head == "dense":
        raise MienError(
            f"{{parameter}} = {recipe.progressive_resizing_from} needs a network with global pooling, which takes "
            f"images of any size; '{recipe.network}' has a dense head: leave it at 48",
            parameter="progressive_resizing_from",
        )


def suggestion(name: str, names: Any) -> str:
    """The closest name ("did you mean ...?"), or the list of names."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
