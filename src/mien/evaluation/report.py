"""The study of the family: a row per network and training, beside what was logged, as table and figure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.metrics import wilson

# What the earlier notebook study logged: training, validation accuracy at the study/ recipes' protocol.
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
LARGE = 0.015  # a difference from the logged figure that wants an explanation


@dataclass(frozen=True)
class StudyRow:
    """One trained network.

    training: "study" for the study's own protocol, "modern", or the name of a variation. Accuracies are 0..1;
    train_accuracy is measured while training (dropout and augmentation on), as the study did. n_validation:
    images behind val_accuracy, for its interval. split: what it was validated on, a key of SPLITS.
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

    @property
    def gap(self) -> float | None:
        return None if self.train_accuracy is None else self.train_accuracy - self.val_accuracy

    @property
    def difference(self) -> float | None:
        """Validation accuracy minus the logged one."""
        return None if self.logged_val is None else self.val_accuracy - self.logged_val


def study_row(run: str | Path, training: str | None = None) -> StudyRow:
    """The row of a finished run folder: its recipe's name gives the network and, unless told, the training.

    The accuracies are those of the epoch that the run kept. Raises MienError where metrics.json,
    recipe.json or history.csv is missing or not as a run writes it.
    """
    run = Path(run)
    try:
        metrics = json.loads((run / "metrics.json").read_text())
        name, group, parameters = str(metrics["recipe"]), str(metrics["group"]), int(metrics["parameters"])
        kept = metrics.get("kept_epoch")
        judged = metrics.get("evaluations", {}).get("validation", {}).get("single", {}).get("n")
        split = str(json.loads((run / "recipe.json").read_text()).get("split", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MienError(f"{run}: no finished run ({error}); train it, or leave it out of the study") from error
    rows = history.read(run / "history.csv")
    if not rows:
        raise MienError(f"{run}: its history holds no epoch; train it, or leave it out of the study")
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
        val_accuracy=row["val_accuracy"],
        train_accuracy=row["train_accuracy"],
        epochs=len(rows),
        n_validation=judged,
        split=split,
        logged_train=logged[0],
        logged_val=logged[1],
    )


def study_rows(runs: Iterable[tuple[str | Path, str | None]]) -> list[StudyRow]:
    """Rows of several run folders, each with its training as in `study_row`, in the order of the study's story, its own
    protocol first."""
    rank = {name: i for i, name in enumerate(ORDER)}
    rows = [study_row(run, training) for run, training in runs]
    return sorted(rows, key=lambda r: (rank.get(r.network, len(rank)), r.network, r.training != "study"))


def study_markdown(rows: Sequence[StudyRow]) -> str:
    """The study as a Markdown table: a row per network and training, with the gap and the logged figures.

    Differences from the logged validation accuracy of over 1.5 points are in bold: they want an explanation.
    """
    lines = [
        "| network | group | parameters | training | epochs | train | validation (95 %) | on | gap "
        "| logged train / val | difference |",
        "|---|---|--:|---|--:|--:|--:|---|--:|--:|--:|",
    ]
    for row in rows:
        interval = ""
        if row.n_validation:
            low, high = wilson(round(row.val_accuracy * row.n_validation), row.n_validation)
            interval = f" ±{50 * (high - low):.1f}"
        logged = f"{_share(row.logged_train)} / {_share(row.logged_val)}" if row.logged_val is not None else "–"
        difference = _points(row.difference)
        if row.difference is not None and abs(row.difference) > LARGE:
            difference = f"**{difference}**"
        ground = SPLITS.get(row.split, "–")
        lines.append(
            f"| {row.network} | {row.group} | {row.parameters:,} | {row.training} | {row.epochs or '–'} "
            f"| {_share(row.train_accuracy)} | {_share(row.val_accuracy)}{interval} | {ground} "
            f"| {_points(row.gap)} | {logged} | {difference} |"
        )
    lines += [
        "",
        "Accuracies in percent, gap and difference in points. Training accuracy is measured while training, "
        "with dropout and augmentation on; validation accuracy without.",
    ]
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"
