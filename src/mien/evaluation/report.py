"""The study's results as a table: one row per network and training, averaged over seeds, beside the notebooks' logged
values."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.metrics import wilson
from mien.files import atomic_write

# Logged by the earlier notebook study: training and validation accuracy with the protocol of the study/ recipes.
LOGGED: dict[str, tuple[float | None, float | None]] = {
    "normal": (None, 0.524),
    "baseline": (0.626, 0.475),
    "deep": (0.990, 0.524),
    "dropout": (0.626, 0.528),
    "globalpool": (0.617, 0.533),
    "hybrid": (0.6497, 0.6031),
}
ORDER = ("normal", "baseline", "deep", "dropout", "dropout_heavy", "globalpool", "hybrid")
SPLITS = {"official": "PublicTest", "study": "15 % of train.csv", "kfold": "one fold of five"}
LARGE = 0.015  # a difference from the logged value that needs an explanation


@dataclass(frozen=True)
class StudyRow:
    """One trained network.

    training: "study" for the study's own protocol, "modern", or the name of a variation. Accuracies are 0..1;
    train_accuracy is measured during training (with dropout and augmentation), as in the study. n_validation: number of
    images of val_accuracy, for its interval; without_copies: accuracy on those without an exact copy in the training
    set, n_copies: number of images with one. split: the validation split, a key of SPLITS. seeds: the seeds averaged
    over; spread: lowest and highest validation accuracy among them. version: of mien, from the format of its records.
    """

    network: str
    group: str
    parameters: int
    training: str
    val_accuracy: float
    train_accuracy: float | None = None
    epochs: int | None = None
    n_validation: int | None = None
    split: str = ""
    logged_train: float | None = None
    logged_val: float | None = None
    seeds: tuple[int, ...] = ()
    spread: tuple[float, float] | None = None
    version: str = "0.2"
    without_copies: float | None = None
    n_copies: int | None = None

    @property
    def gap(self) -> float | None:
        """Training minus validation accuracy, -1..1; None if the former is unknown."""
        return None if self.train_accuracy is None else self.train_accuracy - self.val_accuracy

    @property
    def difference(self) -> float | None:
        """Validation accuracy minus the logged one."""
        return None if self.logged_val is None else self.val_accuracy - self.logged_val


def study_row(run: str | Path, training: str | None = None) -> StudyRow:
    """The row of a finished run folder: network and, by default, training come from the recipe's name.

    Training accuracy is that of the kept epoch; validation accuracy that of the finished model, single view, from
    metrics.json (for a record without evaluations, the epoch's). Raises MienError if metrics.json, recipe.json or
    history.csv is missing or invalid.
    """
    run = Path(run)
    try:
        metrics = json.loads((run / "metrics.json").read_text())
        name, group, parameters = str(metrics["recipe"]), str(metrics["group"]), int(metrics["parameters"])
        kept = metrics.get("kept_epoch")
        judged, accuracy = final_validation(metrics)
        unique, without_copies = final_validation(metrics, without_copies=True)
        record = json.loads((run / "recipe.json").read_text())
        if not isinstance(record, dict):
            raise ValueError("recipe.json holds no object")
        seeds = (int(record["seed"]),) if "seed" in record else ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise MienError(f"{run}: no finished run ({error}); train it, or leave it out of the study") from error
    rows = history.read(run / "history.csv")
    if not rows:
        raise MienError(f"{run}: its history has no epochs; train it, or leave it out of the study")
    row = next((row for row in rows if row["epoch"] == kept), rows[-1])
    part, _, network = name.rpartition("/")
    network = network or name
    training = training or part or "modern"
    logged = LOGGED.get(network, (None, None)) if training == "study" else (None, None)
    return StudyRow(
        network=network,
        group=group,
        parameters=parameters,
        training=training,
        val_accuracy=row["val_accuracy"] if accuracy is None else accuracy,
        train_accuracy=row["train_accuracy"],
        epochs=len(rows),
        n_validation=judged,
        split=str(record.get("split", "")),
        logged_train=logged[0],
        logged_val=logged[1],
        seeds=seeds,
        version="0.1" if record.get("format", 1) == 1 else "0.2",
        without_copies=without_copies,
        n_copies=None if judged is None or unique is None else judged - unique,
    )


def final_validation(metrics: Mapping[str, Any], without_copies: bool = False) -> tuple[int | None, float | None]:
    """Number of images and accuracy of a run's finished model on the validation part, single view, from its
    metrics.json, optionally only on images without an exact copy in the training set; None if it has no such
    evaluation. Raises ValueError for values that are not numbers."""
    figures = metrics.get("evaluations", {}).get("validation", {}).get("single", {})
    if without_copies:
        figures = figures.get("without_duplicates") or {}
    n, accuracy = figures.get("n"), figures.get("accuracy")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int)):
        raise ValueError(f"n is {str(n)[:40]}")
    if accuracy is not None and not (isinstance(accuracy, float | int) and 0 <= accuracy <= 1):
        raise ValueError(f"accuracy is {str(accuracy)[:40]}")
    return n, accuracy


def study_rows(runs: Iterable[tuple[str | Path, str | None]]) -> list[StudyRow]:
    """Rows of several run folders, each with its training as in `study_row`, in the order of the study, its own
    protocol first. Seeds of one training are averaged into one row; seeds of mien 0.1 count only if there are no
    others."""
    rank = {name: i for i, name in enumerate(ORDER)}
    groups: dict[tuple[str, str], list[StudyRow]] = {}
    for run, training in runs:
        row = study_row(run, training)
        groups.setdefault((row.network, row.training), []).append(row)
    rows = [_mean_over_seeds(rows) for rows in groups.values()]
    return sorted(rows, key=lambda r: (rank.get(r.network, len(rank)), r.network, r.training != "study"))


def _mean_over_seeds(rows: Sequence[StudyRow]) -> StudyRow:
    newest = max(row.version for row in rows)
    rows = [row for row in rows if row.version == newest]
    if len(rows) == 1:
        return rows[0]
    val = [row.val_accuracy for row in rows]
    train = [row.train_accuracy for row in rows if row.train_accuracy is not None]
    unique = [row.without_copies for row in rows if row.without_copies is not None]
    return replace(
        rows[0],
        val_accuracy=fmean(val),
        train_accuracy=fmean(train) if len(train) == len(rows) else None,
        without_copies=fmean(unique) if len(unique) == len(rows) else None,
        seeds=tuple(seed for row in rows for seed in row.seeds),
        spread=(min(val), max(val)),
    )


def study_markdown(rows: Sequence[StudyRow], missing: Sequence[str] = ()) -> str:
    """The study as a Markdown table: one row per network and training, with the gap and the logged values.

    missing: planned trainings that are not finished, for the line below. Differences of more than 1.5 points from the
    logged validation accuracy are bold.
    """
    lines = [
        "| network | parameters | trained | epochs | seeds | train | validation (95 %) | on | copies excluded | gap "
        "| logged train / val | difference |",
        "|---|--:|---|--:|---|--:|--:|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        interval = ""
        if row.n_validation:
            low, high = wilson(round(row.val_accuracy * row.n_validation), row.n_validation)
            interval = f" ±{50 * (high - low):.1f}"
        if row.spread is not None:
            interval += f", seeds {_share(row.spread[0])} to {_share(row.spread[1])}"
        logged = f"{_share(row.logged_train)} / {_share(row.logged_val)}" if row.logged_val is not None else "–"
        difference = _points(row.difference)
        if row.difference is not None and abs(row.difference) > LARGE:
            difference = f"**{difference}**"
        seeds = ", ".join(map(str, row.seeds)) or "–"
        if row.version == "0.1":
            seeds += " (0.1)"
        lines.append(
            f"| {row.network} | {row.parameters:,} | {row.training} | {row.epochs or '–'} | {seeds} "
            f"| {_share(row.train_accuracy)} | {_share(row.val_accuracy)}{interval} | {SPLITS.get(row.split, '–')} "
            f"| {_share(row.without_copies)} | {_points(row.gap)} | {logged} | {difference} |"
        )
    lines += [
        "",
        "Accuracies in percent, gap and difference in points. Training accuracy is measured while training, "
        "with dropout and augmentation on; validation accuracy without, by the finished model, single view, as "
        "`mien train --list` has it. ± is half of Wilson's 95 % interval, over images alone; what seeds "
        "change stands beside it.",
    ]
    parts = {row.split: row for row in rows if row.n_copies and row.n_validation}
    copies = [
        f"{row.n_copies:,} of {row.n_validation:,} validation images ({SPLITS.get(split, split)})"
        for split, row in parts.items()
    ]
    if copies:
        lines[-1] += f" *Copies excluded* leaves out exact copies of training images: {', '.join(copies)}."
    if any(row.version == "0.1" for row in rows):
        lines[-1] += " Rows marked (0.1) are version 0.1's and stand until their training by this version is in."
    if missing:
        lines[-1] += f" Not yet run at full length: {', '.join(missing)}."
    return "\n".join(lines) + "\n"


def write_study_csv(rows: Sequence[StudyRow], path: Path) -> None:
    """The same rows as csv: accuracies 0..1, seeds separated by spaces."""
    names = ("network", "training", "parameters", "epochs", "train_accuracy", "val_accuracy", "n_validation", "split",
             "without_copies", "n_copies", "logged_train", "logged_val", "version")  # fmt: skip
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*names, "seeds"])
        for row in rows:
            values = [getattr(row, name) for name in names]
            out.writerow(["" if value is None else value for value in values] + [" ".join(map(str, row.seeds))])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"
