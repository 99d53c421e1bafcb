"""Recipes: everything that decides how a network is trained, as a value with a name.

`study/...` are the study's own: its hyperparameters, its split (70/15/15 of train.csv), no augmentation, last epoch
kept. The others train the same networks the modern way on the official split (Training to learn from, PublicTest to
look at). Measured results stand in results/, written by `mien study`; `mien train RECIPE --field value` overrides.
"""

import dataclasses
import difflib
from dataclasses import dataclass, replace
from typing import Literal

from mien.errors import MienError
from mien.training.augment import Augmentation


@dataclass(frozen=True)
class Recipe:
    """How to train. Every field can be set on the command line: `learning_rate` is `--learning-rate`."""

    name: str
    network: str
    split: Literal["official", "study", "kfold"] = "official"
    copies: Literal["warn", "group", "ignore"] = "warn"  # what to do with exact copies that cross the split
    fold: int = 0  # which of the 5 folds validates, with split kfold
    epochs: int = 20
    batch_size: int = 128
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adamw"
    learning_rate: float = 2e-3  # the peak of the schedule
    schedule: Literal["constant", "cosine", "onecycle"] = "onecycle"
    weight_decay: float = 0.05  # adam: L2 in the gradient, on all; adamw, sgd: on matrices and kernels alone
    momentum: float = 0.9  # sgd, muon (Nesterov)
    sam: float = 0.0  # radius in which the loss should be low everywhere, at twice the time a step; 0: at one point
    label_smoothing: float = 0.0
    labels: Literal["own", "fer+", "both"] = "own"  # the data's, FER+'s votes as soft targets, or the mean of the two
    teacher: str = ""  # shipped model, model file or run (several: a+b) whose probabilities are part of the target
    teacher_share: float = 0.5  # how much of the target they are
    teacher_sees: Literal["picture", "view"] = "picture"  # the plain picture, once, or what the network sees, each time
    self_share: float = 0.0  # how much of the target its own opinion of an epoch ago is by the last epoch; 0: nothing
    class_weighting: float = 0.0  # loss weight ~ frequency ** -class_weighting; 0 none, 1 balanced
    ema: float = 0.0  # decay a step of the averaged weights that are evaluated and kept; 0: none
    settle: int = 0  # plain training pictures that measure batch norms before each validation (last: all); 0: none
    early_stopping: int = 0  # stop after so many epochs without a better validation accuracy; 0: never
    keep: Literal["last", "best"] = "last"  # whose weights the run keeps: the last epoch's, or the best validation's
    conv_drop: float = 0.25
    fc_drop: float = 0.5
    drop_kind: Literal["channel", "element"] = "element"
    start_size: int = 48  # side in pixels of the first epochs' pictures; grows to 48 (progressive resolution)
    flip: bool = False
    rotate: float = 0.0  # degrees
    shift: float = 0.0  # share of the side
    scale: float = 0.0
    light: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0  # each picture is blended with another by a share from Beta(mixup, mixup); 0: none
    mean: float = 0.5  # of pixels in 0..1
    std: float = 0.5

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.flip, self.rotate, self.shift, self.scale, self.light, self.erase)


def _study(network: str, lr: float, batch: int, epochs: int) -> Recipe:
    return Recipe(
        f"study/{network}", network, split="study", epochs=epochs, batch_size=batch, learning_rate=lr,
        optimizer="adam", schedule="constant", weight_decay=1e-5,
    )  # fmt: skip


def _modern(network: str, **changes: object) -> Recipe:
    base = Recipe(
        network, network, epochs=30, batch_size=128, optimizer="adamw", learning_rate=2e-3, schedule="onecycle",
        weight_decay=0.05, label_smoothing=0.05, ema=0.998, settle=2048, conv_drop=0.05, fc_drop=0.2,
        flip=True, rotate=12.0, shift=0.08, scale=0.12, light=0.25, erase=0.25,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def _champion(**changes: object) -> Recipe:
    """The champion's recipe, from nothing and without a teacher.

    `mien train champion --data data/ --seed 4`: 50 epochs in two hours of one core; 69.1 % on PublicTest, single view, 69.7 % with the
    mirror (3,589 images, mean of seeds 4 to 6, one by one within 0.1 and 0.5 points; results/champion/seeds.md). The shipped
    champion goes on from such weights with `distilled`.
    """
    base = _modern(
        "champion", epochs=50, optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, label_smoothing=0.05, ema=0.999,
        start_size=32, mixup=0.2, rotate=15.0, shift=0.1, scale=0.15, light=0.3, erase=0.3,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


RECIPES = {
    recipe.name: recipe
    for recipe in (
        _study("normal", 1e-4, 16, 10),
        _study("baseline", 1e-4, 16, 20),
        _study("deep", 1e-4, 62, 20),
        _study("dropout", 1e-3, 16, 20),
        _study("dropout_heavy", 1e-3, 16, 20),
        _study("globalpool", 1e-3, 16, 10),
        _study("hybrid", 3e-4, 64, 25),
        _modern("normal"),
        _modern("baseline"),
        _modern("deep", learning_rate=1e-3),
        _modern("dropout"),
        _modern("dropout_heavy"),
        # Without batch norm it stands still for thousands of steps at first: small batches get it over with.
        _modern("globalpool", learning_rate=1e-3, batch_size=16, start_size=32),
        _modern("hybrid", epochs=60, learning_rate=4e-3, start_size=32),
        _champion(),
        # One member: train it with several seeds, and average them with `mien submit RUN RUN ...`.
        _champion(name="ensemble"),
        # For a GPU (--accelerator gpu --compiled), to be a teacher: three times the champion's work. 69.9 % on PublicTest, single view,
        # with 60 epochs in four minutes of an H100 that trained three at once (3,589 images, seed 1; section 16 of the log).
        _champion(
            name="broad", network="broad", epochs=120, batch_size=256, learning_rate=0.2, ema=0.998, start_size=48
        ),
        # In a checkout of the repository: learns from two of them. champion-5: 70.4 % and 70.6 % on PublicTest, from weights of `champion`, 38 epochs
        # in two hours of one core (section 7 of the log). The shipped champion went on from there with three broad teachers on a GPU: 71.0 % (section 16).
        _champion(
            name="distilled",
            label_smoothing=0.0,
            teacher="results/champion/champion-2-int8.onnx+results/champion/champion-4-int8.onnx",
            teacher_share=0.7,
            teacher_sees="view",
        ),
        # Small enough to learn from larger networks for long, which look at each blended view with it. The shipped nano: 69.2 % on PublicTest, single
        # view (3,589 images, float32), 326 epochs of batches of 512 with two broad teachers, ten minutes of a GPU (section 17 of the log). These are
        # for a CPU, some two hours of one core; on a GPU take `--teacher champion`, which runs there.
        _modern(
            "nano",
            epochs=95,
            learning_rate=4e-3,
            weight_decay=0.02,
            label_smoothing=0.0,
            ema=0.999,
            teacher="champion-int8",
            teacher_share=0.9,
            teacher_sees="view",
            mixup=0.2,
            fc_drop=0.0,
            rotate=10.0,
            scale=0.1,
            light=0.2,
            erase=0.0,
        ),
        # A first look in minutes, not a result: what `mien quickstart` trains. At twice the learning rate, rounding
        # alone decides whether a start on a few thousand faces stands still for epochs.
        _modern("hybrid", name="quickstart", epochs=8, batch_size=64, ema=0.98, erase=0.0, start_size=32),
    )
}

TYPES = {field.name: field.type for field in dataclasses.fields(Recipe)}


def recipe(name: str, **changes: object) -> Recipe:
    """The recipe of that name with fields changed. Raises MienError for an unknown name, field or value."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(RECIPES)}"
        raise MienError(f"no recipe '{name}'; {hint}")
    for field in changes:
        if field not in TYPES:
            near = difflib.get_close_matches(field, TYPES, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(TYPES)}"
            raise MienError(f"a recipe has no field '{field}'; {hint}")
    changed = replace(RECIPES[name], **changes)  # type: ignore[arg-type]
    check(changed)
    return changed


def check(r: Recipe) -> None:
    """Raises MienError, naming the field, where a value makes no sense."""
    for field, ok, should in (
        ("epochs", r.epochs >= 1, "at least 1"),
        ("batch_size", r.batch_size >= 1, "at least 1"),
        ("learning_rate", 0 < r.learning_rate < float("inf"), "above 0"),
        ("weight_decay", r.weight_decay >= 0, "0 or more"),
        ("momentum", 0 <= r.momentum < 1, "in [0, 1)"),
        ("sam", 0 <= r.sam < float("inf"), "0 or more"),
        ("label_smoothing", 0 <= r.label_smoothing < 1, "in [0, 1)"),
        ("teacher_share", 0 <= r.teacher_share <= 1, "0 to 1"),
        ("self_share", 0 <= r.self_share <= 1, "0 to 1"),
        ("ema", 0 <= r.ema < 1, "in [0, 1)"),
        ("settle", r.settle >= 0, "0 or more"),
        ("early_stopping", r.early_stopping >= 0, "0 or more"),
        ("conv_drop", 0 <= r.conv_drop < 1, "in [0, 1)"),
        ("fc_drop", 0 <= r.fc_drop < 1, "in [0, 1)"),
        ("fold", 0 <= r.fold < 5, "0 to 4"),
        ("start_size", 16 <= r.start_size <= 48, "16 to 48"),
        ("rotate", 0 <= r.rotate <= 180, "0 to 180 degrees"),
        ("shift", 0 <= r.shift < 1, "in [0, 1)"),
        ("scale", r.scale >= 0, "0 or more"),
        ("light", 0 <= r.light < 1, "in [0, 1)"),
        ("erase", 0 <= r.erase <= 1, "0 to 1"),
        ("mixup", 0 <= r.mixup < float("inf"), "0 or more"),
        ("std", r.std > 0, "above 0"),
    ):
        if not ok:
            raise MienError(f"{field} = {getattr(r, field)} cannot be; it should be {should}")
    if r.self_share and r.mixup:
        raise MienError(
            "self_share needs an opinion of each picture, and mixup shows blends of two; set one of them to 0"
        )
    if r.start_size < 48 and r.network not in SIZE_FREE:
        raise MienError(
            f"start_size = {r.start_size} needs a network with global pooling ({', '.join(SIZE_FREE)}), "
            f"not '{r.network}'; leave it at 48"
        )


SIZE_FREE = ("globalpool", "hybrid", "broad", "champion", "nano")  # these take pictures of any side
