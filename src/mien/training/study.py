"""The plan of the study: its trainings, in six lines.

Lines: a, the seven networks, trained the study's way and the modern way; b, each regularizer added alone to the bare
hybrid and removed alone from the full one; c, five folds of the training images, for out-of-fold probabilities; d,
remedies for the overfitting of the deep network; e, the modern hybrid on growing shares of the images; f, the modern
hybrid on the training images that an audit keeps.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import require
from mien.evaluation import history
from mien.evaluation.record import FORMAT
from mien.training import recipes
from mien.training.recipes import OWN, Recipe, options

NETWORKS = ("normal", "baseline", "deep", "dropout", "dropout_heavy", "globalpool", "hybrid")
LINES = ("a", "b", "c", "d", "e", "f")
FOLDS = 5
FOLD_RECIPE = "champion"  # of line c: the most accurate recipe that trains from scratch

# Regularizers of line b, as changes to the bare hybrid, in the order they are run: those that the study's claims are
# about come first.
REGULARIZERS: dict[str, dict[str, Any]] = {
    "dropout-element": {"conv_drop": 0.25, "fc_drop": 0.5, "drop_kind": "element"},
    "dropout-channel": {"conv_drop": 0.25, "fc_drop": 0.5, "drop_kind": "channel"},
    "batch-norm": {"batch_norm": True},
    "global-pooling": {"head": "global_avg"},
    "rotate-5": {"rotate": 5.0},
    "rotate-10": {"rotate": 10.0},
    "flip": {"flip": True},
    "translate-scale": {"translate": 0.08, "scale": 0.12},
    "brightness": {"brightness_contrast": 0.25},
    "erasing": {"random_erasing": 0.25},
    "label-smoothing": {"label_smoothing": 0.05},
}
BARE: dict[str, Any] = {"conv_drop": 0.0, "fc_drop": 0.0, "batch_norm": False, "head": "dense"}
# The full network has all of them; of the two dropouts and the two rotations, one each.
FULL: dict[str, Any] = {
    key: value
    for name, changes in REGULARIZERS.items()
    if name not in ("dropout-element", "rotate-5")
    for key, value in changes.items()
}
# Values that replace a regularizer when it is removed.
WITHOUT: dict[str, dict[str, Any]] = {
    "dropout": {"conv_drop": 0.0, "fc_drop": 0.0},
    "batch-norm": {"batch_norm": False},
    "global-pooling": {"head": "dense"},
    "rotation": {"rotate": 0.0},
    "flip": {"flip": False},
    "translate-scale": {"translate": 0.0, "scale": 0.0},
    "brightness": {"brightness_contrast": 0.0},
    "erasing": {"random_erasing": 0.0},
    "label-smoothing": {"label_smoothing": 0.0},
}
INSTEAD: dict[str, dict[str, Any]] = {"dropout-element": {"drop_kind": "element"}, "rotate-5": {"rotate": 5.0}}
MENDS: dict[str, dict[str, Any]] = {
    "dropout-channel": {"conv_drop": 0.25, "drop_kind": "channel"},
    "batch-norm": {"batch_norm": True},
    "global-pooling": {"head": "global_avg"},
    "augmentation": {
        key: FULL[key] for key in ("flip", "rotate", "translate", "scale", "brightness_contrast", "random_erasing")
    },
}
FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)


@dataclass(frozen=True)
class StudyRun:
    """One training of the study.

    line: of the plan. training: "study", "modern", or the variation's name. base: name of the recipe on the command
    line; changes: the fields that differ from it. folder: the run folder. split_file: the audit's split file, in line
    f; None: the recipe's own split.
    """

    line: str
    training: str
    base: str
    changes: dict[str, Any]
    seed: int
    folder: Path
    split_file: Path | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe with its changes."""
        return recipes.recipe(self.base, **self.changes)

    @property
    def name(self) -> str:
        """The folder's name without the seed, shared by all seeds of one training."""
        return self.folder.name.removesuffix(f"-{self.seed}")

    @property
    def finished(self) -> bool:
        """Whether metrics.json exists."""
        return (self.folder / "metrics.json").is_file()

    @property
    def complete(self) -> bool:
        """Whether the run finished all its epochs, with a version of mien that writes records of format 2."""
        if not self.finished or json.loads((self.folder / "recipe.json").read_text()).get("format") != FORMAT:
            return False
        return len(history.read(self.folder / "history.csv")) == self.recipe.epochs

    def options(self) -> list[str]:
        """The changes as options of `mien train`."""
        return [*options(self.changes), *(["--split", str(self.split_file)] if self.split_file else [])]


def plan(
    runs: Path, lines: Sequence[str] = LINES, seeds: Sequence[int] = (1, 2, 3), networks: Sequence[str] = NETWORKS
) -> list[StudyRun]:
    """The trainings of the given lines, in the order they are run. Raises MienError for an unknown line or network."""
    for network in networks:
        require(network in OWN, "networks", network, f"one of {', '.join(NETWORKS)}")
    for line in lines:
        require(line in LINES, "lines", line, f"one of {', '.join(LINES)}")
    planned: list[StudyRun] = []
    for line in lines:
        for seed in seeds[:1] if line == "c" else seeds:
            for name, training, base, changes in _line(line, networks):
                cleaned = audit_folder(runs) / "split.csv" if line == "f" else None
                planned.append(StudyRun(line, training, base, changes, seed, runs / f"{name}-{seed}", cleaned))
    return planned


def audit_folder(runs: Path) -> Path:
    """Folder of the audit whose split file line f uses."""
    return runs / "audit"


def _line(line: str, networks: Sequence[str]) -> Iterable[tuple[str, str, str, dict[str, Any]]]:
    """Folder name, training, base recipe and changes of each training of a line."""
    if line == "a":
        for network in networks:
            yield f"study-{network}", "study", f"study/{network}", {}
            yield network, "modern", network, {}
        if "hybrid" in networks:
            yield "study-hybrid-element", "dropout by element", "study/hybrid", {"drop_kind": "element"}
    if line == "b" and "hybrid" in networks:
        yield "ablation-bare", "bare", "study/hybrid", BARE
        yield "ablation-full", "full", "study/hybrid", FULL
        removed = {f"no-{name}": (f"full - {name}", changes) for name, changes in WITHOUT.items()}
        removed |= {name: (f"full, {name}", changes) for name, changes in INSTEAD.items()}
        for name, changes in REGULARIZERS.items():
            yield f"ablation-bare-{name}", f"bare + {name}", "study/hybrid", {**BARE, **changes}
            for other, (training, without) in list(removed.items()):
                if without.keys() <= changes.keys():  # the same regularizer
                    yield f"ablation-full-{other}", training, "study/hybrid", {**FULL, **without}
                    del removed[other]
    if line == "c":
        for fold in range(FOLDS):
            changes = {"split": "kfold", "fold": fold, "duplicates": "group"}
            yield f"fold-{fold}", f"fold {fold}", FOLD_RECIPE, changes
    if line == "d" and "deep" in networks:
        for name, changes in MENDS.items():
            yield f"deep-{name}", f"deep + {name}", "study/deep", changes
    if line == "e" and "hybrid" in networks:
        for fraction in FRACTIONS:
            yield (
                f"hybrid-1-of-{round(1 / fraction)}",
                f"1/{round(1 / fraction)}",
                "hybrid",
                {"train_fraction": fraction},
            )
    if line == "f" and "hybrid" in networks:
        yield "hybrid-cleaned", "cleaned", "hybrid", {}


def lines_in_order() -> tuple[str, ...]:
    """All lines, in the order to run them; with a GPU, line b first, which has many small trainings."""
    import torch

    return ("b", *(line for line in LINES if line != "b")) if torch.cuda.is_available() else LINES


def with_epochs(planned: Sequence[StudyRun], epochs: int) -> list[StudyRun]:
    """The same trainings cut to this number of epochs, for a trial run."""
    return [dataclasses.replace(run, changes={**run.changes, "epochs": epochs}) for run in planned]
