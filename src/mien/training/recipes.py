"""The table of training recipes: named sets of hyperparameters.

`study/...` are the study's own: its hyperparameters, its split (70/15/15 of train.csv), no augmentation, last epoch
kept. The others train the same networks the modern way on the official split (train on Training, validate on
PublicTest). Measured results are in results/, written by `mien study`; `mien train RECIPE --field value` overrides a
field.

Nothing here imports torch: the command line reads its help from the fields of `mien.training.recipe`.
"""

from dataclasses import replace
from typing import Any

from mien.errors import MienError
from mien.training.recipe import (
    ADDED,
    FIELDS,
    GROUPS,
    OWN,
    VARIABLE,
    WITHOUT_DROPOUT,
    Augmentation,
    Head,
    Recipe,
    check,
    check_fields,
    check_used,
    from_record,
    suggestion,
)

__all__ = [
    "ADDED", "FIELDS", "GROUPS", "OWN", "RECIPES", "VARIABLE", "WITHOUT_DROPOUT", "Augmentation", "Head", "Recipe",
    "check", "check_fields", "check_used", "from_record", "options", "recipe", "suggestion",
]  # fmt: skip


def _study(network: str, lr: float, batch: int, epochs: int, **changes: Any) -> Recipe:
    batch_norm, head = OWN[network]
    base = Recipe(
        f"study/{network}", network, batch_norm, head, split="study", epochs=epochs, batch_size=batch, learning_rate=lr,
        optimizer="adam", schedule="constant", weight_decay=1e-5,
    )  # fmt: skip
    return replace(base, **changes)


def _modern(network: str, **changes: Any) -> Recipe:
    batch_norm, head = OWN[network]
    base = Recipe(
        network, network, batch_norm, head, input_normalization="percentile", epochs=30, batch_size=128,
        optimizer="adamw", learning_rate=2e-3, schedule="onecycle", weight_decay=0.05, label_smoothing=0.05,
        ema_decay=0.998, bn_images=2048, conv_drop=0.05, fc_drop=0.2,
        flip=True, rotate=12.0, translate=0.08, scale=0.12, brightness_contrast=0.25, random_erasing=0.25,
    )  # fmt: skip
    return replace(base, **changes)


def _champion(network: str = "champion", **changes: Any) -> Recipe:
    """The champion's recipe, from scratch and without a teacher.

    `mien train champion --data data/ --seed 4` in version 0.1: 50 epochs in two hours on one core; 69.1 % on
    PublicTest, single view, 69.7 % with the mirror image (3,589 images, mean of seeds 4, 8 and 9;
    results/champion/seeds.md). The shipped champion was trained further from such weights, with teachers.
    """
    recipe = _modern(
        network, epochs=50, optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, ema_decay=0.999,
        progressive_resizing_from=32, mixup=0.2, rotate=15.0, translate=0.1, scale=0.15, brightness_contrast=0.3,
        random_erasing=0.3,
    )  # fmt: skip
    return replace(recipe, **changes)


def _member(network: str, **changes: Any) -> Recipe:
    """An ensemble member: less regularized than a single network, so that members disagree more.

    No mixup and no teacher, dropout after each stage (Khaireddin & Chen 2021), SGD with Nesterov momentum and weight
    decay as in Pramerdorfer & Kampel 2016, with their learning rate scaled linearly to twice their batch size.
    """
    recipe = _modern(
        network, epochs=120, batch_size=256, optimizer="sgd", learning_rate=0.1, weight_decay=3e-4, ema_decay=0.998,
        label_smoothing=0.1, conv_drop=0.2, fc_drop=0.2, rotate=10.0, translate=0.1, scale=0.15,
        brightness_contrast=0.2, random_erasing=0.4,
    )  # fmt: skip
    return replace(recipe, **changes)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        _study("normal", 1e-4, 16, 10, conv_drop=0.0, fc_drop=0.0),
        _study("baseline", 1e-4, 16, 20, conv_drop=0.0, fc_drop=0.0),
        _study("deep", 1e-4, 62, 20, conv_drop=0.0, fc_drop=0.0),
        _study("dropout", 1e-3, 16, 20),
        _study("dropout_heavy", 1e-3, 16, 20),
        _study("globalpool", 1e-3, 16, 10, conv_drop=0.0),
        # Whole maps, as in the study's write-up; its notebook dropped single elements (--drop-kind element).
        _study("hybrid", 3e-4, 64, 25, drop_kind="channel"),
        _modern("normal", conv_drop=0.0, fc_drop=0.0),
        _modern("baseline", conv_drop=0.0, fc_drop=0.0),
        _modern("deep", conv_drop=0.0, fc_drop=0.0, learning_rate=1e-3),
        _modern("dropout"),
        _modern("dropout_heavy"),
        # Without batch norm it makes no progress for thousands of steps; small batches shorten that phase.
        _modern("globalpool", conv_drop=0.0, learning_rate=1e-3, batch_size=16, progressive_resizing_from=32),
        _modern("hybrid", epochs=60, learning_rate=4e-3, progressive_resizing_from=32),
        _champion(),
        # A teacher, trained on a GPU (--accelerator gpu --compiled): three times the champion's work. Version 0.1
        # reached 69.9 % on PublicTest, single view, in 60 epochs and four minutes on an H100 that trained three at once
        # (3,589 images, seed 1).
        _champion(
            "broad", epochs=120, batch_size=256, learning_rate=0.2, ema_decay=0.998, progressive_resizing_from=48
        ),
        # Small enough for long distillation from a larger network, which sees the same augmented and blended images.
        # The shipped nano: 69.2 % on PublicTest, single view (3,589 images, float32), 326 epochs with batch size 512
        # and two broad teachers, ten minutes on a GPU. On a CPU the teacher takes most of an epoch; an 8-bit teacher
        # (`mien export RUN --int8`) takes a third of the time.
        _modern(
            "nano", epochs=95, learning_rate=4e-3, weight_decay=0.02, label_smoothing=0.0, ema_decay=0.999,
            teacher="champion", distillation_weight=0.9, teacher_input="augmented", mixup=0.2, fc_drop=0.0,
            rotate=10.0, scale=0.1, brightness_contrast=0.2, random_erasing=0.0,
        ),
        # Ensemble members, trained on a GPU, each of another family (papers in training/members.py): plain, residual,
        # parallel branches, and plain on histogram-equalized faces.
        _member("vgg", fc_drop=0.4, weight_decay=1e-4),
        _member("resnet"),
        _member("inception"),
        _member("repvgg", input_normalization="equalize"),
        # broad-3's recipe with more epochs. broad-3 reached 69.7 % on PublicTest, single view, after 60 epochs
        # (results/champion/log.md, 16), and disagreed most with the others.
        _champion(
            "broad", name="broad_no_mixup", epochs=150, batch_size=256, learning_rate=0.2, ema_decay=0.998,
            progressive_resizing_from=48, mixup=0.0, label_smoothing=0.1, random_erasing=0.5,
        ),
        # For `mien quickstart`: a demonstration in minutes, not a result. At twice the learning rate, rounding alone
        # decides whether training on a few thousand faces makes no progress for epochs.
        _modern(
            "hybrid", name="quickstart", epochs=8, batch_size=64, ema_decay=0.98, random_erasing=0.0,
            progressive_resizing_from=32,
        ),
    )
}  # fmt: skip


def recipe(name: str, **changes: object) -> Recipe:
    """The recipe of that name with some fields changed. Raises MienError for an unknown name, field or value, and for a
    field that has no effect given the others, such as momentum with adam.

    If the network is changed, batch_norm and head become that network's defaults unless they are given too.
    """
    if name not in RECIPES:
        raise MienError(f"no recipe '{name}'; {suggestion(name, RECIPES)}", parameter="recipe")
    check_fields(changes)
    if changes.get("network") in OWN:
        batch_norm, head = OWN[str(changes["network"])]
        changes = {"batch_norm": batch_norm, "head": head, **changes}
    changed = replace(RECIPES[name], **changes)  # type: ignore[arg-type]
    check(changed)
    check_used(changed, changes, RECIPES[name])
    return changed


def options(changes: dict[str, Any]) -> list[str]:
    """Changed recipe fields as command-line options of `mien train`."""
    words: list[str] = []
    for field, value in changes.items():
        flag = field.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return words
