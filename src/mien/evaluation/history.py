"""history.csv: the training history, one row per epoch, from which curves and verdicts are computed.

test_loss and test_accuracy repeat val_loss and val_accuracy under the names of the original study, whose "test" is the
part held out during training. Results on a third part are in metrics.json.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from mien.errors import MienError
from mien.files import atomic_write

COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "test_loss",
    "test_accuracy",
    "generalization_gap",  # train_accuracy - val_accuracy
    "learning_rate",
    "images_per_second",
    "seconds",
)
_COLUMNS_1 = (  # of mien 0.1
    "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "generalisation_gap", "learning_rate",
    "images_per_second", "seconds",
)  # fmt: skip


def write(rows: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Write a history to history.csv, atomically.

    rows: dicts with exactly the names in COLUMNS. Unknown numbers are written as nan. Raises MienError for a missing or
    unknown column.
    """
    for number, row in enumerate(rows, start=1):
        if set(row) != set(COLUMNS):
            wrong = sorted(set(row) ^ set(COLUMNS))
            raise MienError(f"history row {number}: missing or unknown column {', '.join(wrong)}")
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows([_text(row[name], name) for name in COLUMNS] for row in rows)


def read(path: str | Path) -> list[dict[str, float]]:
    """Read history.csv: a dict per epoch with the names in COLUMNS; `epoch` is an int, the others floats.

    Raises MienError, naming file and row, for an unexpected header, number or order of epochs.
    """
    path = Path(path)
    try:
        with open(path, newline="") as file:
            text = file.read()
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MienError(f"cannot read the history {path}: {error}; give a run's history.csv") from error
    columns = tuple(lines[0]) if lines else ()
    if columns not in (COLUMNS, _COLUMNS_1):
        raise MienError(f"{path}: header is not that of a history.csv ({','.join(COLUMNS)})")
    if not text.endswith("\n"):
        raise MienError(f"{path} is truncated in row {len(lines)}; remove the row, or resume the run to write it again")
    rows: list[dict[str, float]] = []
    for number, line in enumerate(lines[1:], start=2):
        where = f"{path}, row {number}"
        if len(line) != len(columns):
            raise MienError(f"{where}: {len(line)} values instead of {len(columns)}; remove or repair the row")
        row: dict[str, float] = {}
        for name, text in zip(columns, line, strict=True):
            try:
                row[name] = int(text) if name == "epoch" else float(text)
            except ValueError as error:
                raise MienError(f"{where}: {name} is {text!r}, not a number; remove or repair the row") from error
        if rows and row["epoch"] <= rows[-1]["epoch"]:
            raise MienError(f"{where}: epoch {row['epoch']} follows {rows[-1]['epoch']}; epochs must increase")
        if columns == _COLUMNS_1:
            row["generalization_gap"] = row.pop("generalisation_gap")
            row |= {"test_loss": row["val_loss"], "test_accuracy": row["val_accuracy"]}
        rows.append({name: row[name] for name in COLUMNS})
    return rows


def _text(value: float, name: str) -> str:
    # Nine digits represent a float32 exactly and keep the file readable.
    return str(int(value)) if name == "epoch" else format(value, ".9g")
