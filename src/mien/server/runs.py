"""Training runs as JSON for the Studies tab, from recipe.json, history.csv and metrics.json, also while training.

A requested run is looked up by name in the folder's listing; no path comes from a request.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.evaluation import history, record, results
from mien.evaluation.diagnose import Verdict, diagnose
from mien.labels import EMOTIONS
from mien.server.run_files import MAX_RUNS, Run, find_runs, read_history, read_json

QUIET = 900.0  # seconds without a new epoch after which an unfinished run counts as stopped
SPARKS = 48  # points of the sparkline in the table
MAX_TEXT_LENGTH = 2000  # longest text that is shown, in characters
EXACT = 2**53  # JavaScript numbers represent integers exactly up to this


def summaries(folder: Path) -> list[dict[str, Any]]:
    """One row per run, for the table. A run that cannot be read is a row with its error."""
    return [summary(run) for run in find_runs(folder).values()]


def summary(run: Run) -> dict[str, Any]:
    """A run's row in the table. Unknown numbers are None."""
    stamps = run.stamps()
    row, done, pace = _cached_row(run, stamps)
    newest = max(stamp[0] / 1e9 for stamp in stamps)
    with suppress(OSError):  # the checkpoint is written more often than the history
        newest = max(newest, (run.path / "checkpoint.pt").lstat().st_mtime)
    fresh = time.time() - newest < max(QUIET, 4 * pace)
    status = "done" if done else "running" if fresh and not run.error else "stopped"
    return {**row, "status": status, "updated": _iso(newest)}


def detail(folder: Path, name: str) -> dict[str, Any] | None:
    """Everything the Studies tab shows about one run: summary, history by column, evaluations, recipe, verdict.

    None if there is no run of that name.
    """
    run = find_runs(folder).get(name)
    if run is None:
        return None
    recipe, rows, metrics, _ = _files(run)
    verdict = _verdict(rows, metrics)
    columns = tuple(rows[0]) if rows else history.COLUMNS
    return {
        **summary(run),
        "classes": _classes(recipe),
        "history": {column: [row.get(column) for row in rows] for column in columns},
        "kept_epoch": as_integer(metrics.get("kept_epoch")),
        "temperature": as_number(metrics.get("temperature")),
        "verdict_detail": {**verdict.to_dict(), "title": verdict.title} if verdict else None,
        "evaluations": _evaluations(metrics),
        "settings": _scalars(recipe),
        "data": _scalars(recipe.get("data")),
        "machine": as_object(recipe.get("machine")),
        "mien": recipe.get("mien"),
    }


def plain(value: Any) -> Any:
    """The value as JSON and JavaScript can represent it: None for nan, infinities and integers that are not exact."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) <= EXACT else None
    if isinstance(value, str):
        return value[:MAX_TEXT_LENGTH]
    if isinstance(value, Mapping):
        return {str(key)[:MAX_TEXT_LENGTH]: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None


@lru_cache(maxsize=MAX_RUNS)
def _cached_row(run: Run, stamps: tuple[tuple[int, int], ...]) -> tuple[dict[str, Any], bool, float]:
    """The row of a run, cached until its files change; whether it is done; its slowest epoch in seconds."""
    recipe, rows, metrics, error = _files(run)
    verdict = _verdict(rows, metrics)
    last = rows[-1] if rows else {}
    best = max(rows, key=_val_accuracy, default={})
    single = figures_of(metrics, "validation")
    seconds = [row["seconds"] for row in rows if math.isfinite(row["seconds"])]
    row = {
        "name": run.name,
        "recipe": as_text(metrics.get("recipe")) or as_text(recipe.get("name")),
        "group": as_text(metrics.get("group")) or as_text(recipe.get("group")),
        "network": as_text(recipe.get("network")),
        "seed": as_integer(recipe.get("seed")),
        "epochs": len(rows),
        "planned_epochs": as_integer(recipe.get("epochs")),
        "parameters": as_integer(metrics.get("parameters")),
        "drawn": (metrics.get("drawn", as_object(recipe.get("data")).get("drawn"))) is True,
        "train_accuracy": last.get("train_accuracy"),
        "val_accuracy": last.get("val_accuracy"),
        "val_loss": last.get("val_loss"),
        "gap": last.get("generalization_gap"),
        "best_val_accuracy": best.get("val_accuracy"),
        "best_epoch": best.get("epoch"),
        "accuracy": as_number(single.get("accuracy")),
        "accuracy_interval": as_interval(single.get("accuracy_interval")),
        "macro_f1": as_number(single.get("macro_f1")),
        "ece": as_number(single.get("ece")),
        "test_accuracy": as_number(figures_of(metrics, "test").get("accuracy")),
        "verdict": verdict.kind if verdict else None,
        "verdict_title": verdict.title if verdict else None,
        "seconds": sum(seconds) or None,
        "curve": _thinned([row["val_accuracy"] for row in rows], SPARKS),
        "error": error,
    }
    # metrics.json is written last; file dates of copied runs are not reliable.
    done = bool(metrics) and metrics.get("epochs", len(rows)) == len(rows)
    return row, done, max(seconds, default=0.0)


def _files(run: Run) -> tuple[dict[str, Any], list[dict[str, float]], dict[str, Any], str | None]:
    """recipe, history and metrics of a run, empty if missing, and the error, if any."""
    if run.error:
        return {}, [], {}, run.error
    recipe, first = read_json(run, "recipe.json")
    rows, second = read_history(run)
    metrics, third = read_json(run, "metrics.json")
    error = first or second or third or _wrong_types(recipe, metrics)
    try:
        recipe = record.upgrade(recipe, "recipe.json") if recipe else recipe
        metrics = results.upgrade(metrics) if "evaluations" in metrics else metrics
    except (MienError, TypeError, AttributeError, KeyError, ValueError) as fault:
        error = error or str(fault)[:160]  # of unexpected types, or of a later format
    return recipe, rows, metrics, error


def _wrong_types(recipe: Mapping[str, Any], metrics: Mapping[str, Any]) -> str | None:
    """Which values in the table do not have the type that mien writes."""
    single = figures_of(metrics, "validation")
    for file, values, names, check in (
        ("recipe.json", recipe, ("seed", "epochs"), as_integer),
        ("recipe.json", recipe, ("name", "group", "network"), as_text),
        ("metrics.json", metrics, ("epochs", "parameters", "kept_epoch"), as_integer),
        ("metrics.json", metrics, ("temperature",), as_number),
        ("metrics.json", metrics, ("recipe", "group"), as_text),
        ("metrics.json", single, ("accuracy", "macro_f1", "ece"), as_number),
        ("metrics.json", single, ("accuracy_interval",), as_interval),
    ):
        for name in names:
            if values.get(name) is not None and check(values[name]) is None:
                return f"{file}: {name} is not of the right type"
    evaluations = metrics.get("evaluations", {})
    parts = evaluations.values() if isinstance(evaluations, dict) else [evaluations]
    views = [view for part in parts for view in (part.values() if isinstance(part, dict) else [part])]
    if not all(isinstance(view, dict) for view in views):
        return "metrics.json: evaluations is not of the right type"
    return None


def _verdict(rows: Sequence[Mapping[str, float]], metrics: Mapping[str, Any]) -> Verdict | None:
    """The stored verdict of a finished run; before that, a verdict on the curves so far."""
    written = metrics.get("verdict")
    if isinstance(written, dict) and metrics.get("epochs") == len(rows):
        kind, epoch = as_text(written.get("kind")), as_integer(written.get("epoch"))
        if kind:
            evidence, advice = (str(written.get(name, "")) for name in ("evidence", "advice"))
            return Verdict(kind, epoch, evidence, advice)  # type: ignore[arg-type]
    if not rows:
        return None
    try:
        return diagnose(rows)
    except (MienError, TypeError, ValueError):
        return None


def _classes(recipe: Mapping[str, Any]) -> list[str]:
    classes = recipe.get("classes")
    if isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes):
        return classes
    return list(EMOTIONS)


def _evaluations(metrics: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures by part and view; invalid entries are left out."""
    return {
        part: {view: figures for view, figures in views.items() if isinstance(figures, dict)}
        for part, views in as_object(metrics.get("evaluations")).items()
        if isinstance(views, dict)
    }


def figures_of(metrics: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The single-view figures of one part of the data; empty if there are none."""
    return as_object(as_object(as_object(metrics.get("evaluations")).get(part)).get("single"))


def _thinned(values: Sequence[float], most: int) -> list[float]:
    """At most `most` of the values, evenly spaced, including the first and the last."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # file dates may be out of range
        return "1970-01-01T00:00:00Z"


def _val_accuracy(row: Mapping[str, float]) -> float:
    value = row.get("val_accuracy", math.nan)
    return value if math.isfinite(value) else -1.0


def as_number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 else None


def as_integer(value: Any) -> int | None:
    """The value if it is an integer that JavaScript represents exactly, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= EXACT else None


def as_text(value: Any) -> str | None:
    """The value if it is a string, truncated, else None."""
    return value[:MAX_TEXT_LENGTH] if isinstance(value, str) else None


def as_interval(value: Any) -> list[float] | None:
    """The value if it is a list of two numbers, else None."""
    if isinstance(value, list) and len(value) == 2 and all(as_number(each) is not None for each in value):
        return value
    return None


def _scalars(value: Any) -> dict[str, Any]:
    return {name: item for name, item in as_object(value).items() if not isinstance(item, (dict, list))}


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
