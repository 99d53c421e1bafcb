"""The runs in a folder, as the Studies tab shows them: recipe.json, history.csv and metrics.json, also while a training
runs. A run is asked for by a name that is looked up in the folder's listing; no path comes from a request."""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.diagnose import Verdict, diagnose
from mien.labels import EMOTIONS

FILES = ("recipe.json", "history.csv", "metrics.json")
DEEP = 3  # folders below the given one in which runs are looked for
MOST = 2000  # runs shown
QUIET = 900.0  # seconds without a new epoch after which an unfinished run counts as stopped
SPARKS = 48  # points of the small curve in the table
LARGEST = 50_000_000  # bytes of a file that is still read


def find_runs(folder: Path) -> dict[str, Path]:
    """Every run under a folder, by name: its path from there, with slashes. Empty where there is no folder."""
    found = {}
    for path in _run_folders(folder, DEEP):
        found[path.relative_to(folder).as_posix()] = path
        if len(found) == MOST:
            break
    return dict(sorted(found.items()))


def _run_folders(folder: Path, deep: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            inner = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
    except OSError:
        return
    for name in inner:
        path = folder / name
        if any((path / file).is_file() for file in FILES):
            yield path
        elif deep > 1:
            yield from _run_folders(path, deep - 1)


def summaries(folder: Path) -> list[dict[str, Any]]:
    """One row a run, for the table."""
    return [summary(name, path) for name, path in find_runs(folder).items()]


def summary(name: str, path: Path) -> dict[str, Any]:
    """What the table says of a run. Numbers that are not known are None."""
    recipe, rows, metrics, error = _files(path)
    verdict = _verdict(rows, metrics, recipe)
    last = rows[-1] if rows else {}
    best = max(rows, key=_val_accuracy, default={})
    single = _part(metrics, "validation", "single")
    test = _part(metrics, "test", "single")
    return {
        "name": name,
        "recipe": metrics.get("recipe", recipe.get("name")),
        "group": metrics.get("group", recipe.get("group")),
        "network": recipe.get("network"),
        "seed": recipe.get("seed"),
        "status": _status(path, rows, metrics),
        "epochs": len(rows),
        "planned_epochs": recipe.get("epochs"),
        "parameters": metrics.get("parameters"),
        "drawn": bool(metrics.get("drawn", _dict(recipe.get("data")).get("drawn", False))),
        "train_accuracy": last.get("train_accuracy"),
        "val_accuracy": last.get("val_accuracy"),
        "val_loss": last.get("val_loss"),
        "gap": last.get("generalisation_gap"),
        "best_val_accuracy": best.get("val_accuracy"),
        "best_epoch": best.get("epoch"),
        "accuracy": single.get("accuracy"),
        "accuracy_interval": single.get("accuracy_interval"),
        "macro_f1": single.get("macro_f1"),
        "ece": single.get("ece"),
        "test_accuracy": test.get("accuracy"),
        "verdict": verdict.kind if verdict else None,
        "verdict_title": verdict.title if verdict else None,
        "seconds": sum(row["seconds"] for row in rows if math.isfinite(row["seconds"])) or None,
        "updated": _iso(_newest(path)),
        "curve": _thinned([row["val_accuracy"] for row in rows], SPARKS),
        "error": error,
    }


def detail(name: str, path: Path) -> dict[str, Any]:
    """All that the Studies tab shows of one run: the summary, its history by column, evaluations, recipe, verdict."""
    recipe, rows, metrics, _ = _files(path)
    verdict = _verdict(rows, metrics, recipe)
    columns = {column: [row[column] for row in rows] for column in history.COLUMNS}
    return {
        **summary(name, path),
        "classes": recipe.get("classes") or list(EMOTIONS),
        "history": columns,
        "kept_epoch": metrics.get("kept_epoch"),
        "temperature": metrics.get("temperature"),
        "verdict_detail": {**verdict.to_dict(), "title": verdict.title} if verdict else None,
        "evaluations": _dict(metrics.get("evaluations")),
        "settings": {k: v for k, v in recipe.items() if not isinstance(v, (dict, list))},
        "data": {k: v for k, v in _dict(recipe.get("data")).items() if not isinstance(v, (dict, list))},
        "machine": _dict(recipe.get("machine")),
        "mien": recipe.get("mien"),
    }


def plain(value: Any) -> Any:
    """The value with None where JSON has no number: nan and the infinities."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _files(path: Path) -> tuple[dict[str, Any], list[dict[str, float]], dict[str, Any], str | None]:
    """recipe, history and metrics of a run, empty where missing, and what is wrong with them."""
    stamps = _stamps(path)
    recipe, first = _read_json(path / "recipe.json", stamps[0])
    rows, second = _read_history(path / "history.csv", stamps[1])
    metrics, third = _read_json(path / "metrics.json", stamps[2])
    return recipe, rows, metrics, first or second or third


def _stamps(path: Path) -> tuple[tuple[int, int], ...]:
    stamps = []
    for file in FILES:
        try:
            found = os.stat(path / file)
            stamps.append((found.st_mtime_ns, found.st_size))
        except OSError:
            stamps.append((0, -1))
    return tuple(stamps)


@lru_cache(maxsize=3 * MOST)
def _read_json(path: Path, stamp: tuple[int, int]) -> tuple[dict[str, Any], str | None]:
    if stamp[1] < 0:
        return {}, None
    try:
        if stamp[1] > LARGEST:
            raise ValueError("it is too large")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it holds no object")
        return value, None
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{path.name} cannot be read: {str(error)[:100]}"


@lru_cache(maxsize=MOST)
def _read_history(path: Path, stamp: tuple[int, int]) -> tuple[list[dict[str, float]], str | None]:
    if stamp[1] < 0:
        return [], None
    try:
        if stamp[1] > LARGEST:
            raise MienError(f"{path} is too large")
        return history.read(path), None
    except MienError as error:
        return [], str(error).replace(str(path), path.name)


def _verdict(
    rows: Sequence[Mapping[str, float]], metrics: Mapping[str, Any], recipe: Mapping[str, Any]
) -> Verdict | None:
    """As it was written down at the end of the training; before that, what the curves say so far."""
    written = metrics.get("verdict")
    if isinstance(written, dict) and metrics.get("epochs") == len(rows):
        try:
            return Verdict(written["kind"], written["epoch"], str(written["evidence"]), str(written["advice"]))
        except KeyError:
            pass
    if not rows:
        return None
    classes = recipe.get("classes") or EMOTIONS
    try:
        return diagnose(rows, chance=1 / len(classes))
    except (MienError, TypeError, ValueError):
        return None


def _status(path: Path, rows: Sequence[Mapping[str, float]], metrics: Mapping[str, Any]) -> str:
    """done, running, or stopped: unfinished, and nothing new for a while."""
    if metrics and metrics.get("epochs", len(rows)) == len(rows):  # metrics.json is written last; copies have any dates
        return "done"
    pace = max((row["seconds"] for row in rows if math.isfinite(row["seconds"])), default=0.0)
    return "running" if time.time() - _newest(path) < max(QUIET, 4 * pace) else "stopped"


def _newest(path: Path) -> float:
    """When the run last wrote anything, in seconds since 1970. The checkpoint is written more often than the history."""
    times = [stamp[0] / 1e9 for stamp in _stamps(path)]
    with suppress(OSError):
        times.append((path / "checkpoint.pt").stat().st_mtime)
    return max(times)


def _thinned(values: Sequence[float], most: int) -> list[float]:
    """At most so many of the values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _val_accuracy(row: Mapping[str, float]) -> float:
    value = row.get("val_accuracy", math.nan)
    return value if math.isfinite(value) else -1.0


def _part(metrics: Mapping[str, Any], part: str, view: str) -> dict[str, Any]:
    return _dict(_dict(_dict(metrics.get("evaluations")).get(part)).get(view))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
