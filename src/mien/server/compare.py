"""Compare runs: differences in validation accuracy with intervals and tests, if they were evaluated on the same images.

If both runs have stored predictions, the comparison is paired: a bootstrap over the images (Efron & Tibshirani 1993)
and McNemar's exact test (McNemar 1947). Otherwise the interval is for two independent proportions (Newcombe 1998).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.evaluation import results, statistics
from mien.server.run_files import MAX_FILE_BYTES, Run, check_file, find_runs, read_json
from mien.server.runs import as_integer, as_object, figures_of, summary

PART, VIEW = "validation", "single"
SAMPLES = 2000  # bootstrap samples


@dataclass(frozen=True)
class _Evaluated:
    """A run and the data it was evaluated on. data: must be equal for two runs to be comparable.

    predictions: columns of predictions-validation.csv(.xz), sorted by row; None if there are none.
    """

    row: Mapping[str, Any]
    figures: Mapping[str, Any]
    data: Mapping[str, Any]
    predictions: Mapping[str, NDArray[Any]] | None

    @property
    def n(self) -> int | None:
        return as_integer(self.figures.get("n"))

    @property
    def right(self) -> NDArray[np.bool_]:
        assert self.predictions is not None
        right: NDArray[np.bool_] = self.predictions["label"] == self.predictions["predicted"]
        return right


def compare_runs(folder: Path, names: Sequence[str]) -> dict[str, Any] | None:
    """The answer of /v1/compare: each run, and its difference from the first. None if a run does not exist."""
    all_runs = find_runs(folder)
    if not all(name in all_runs for name in names):
        return None
    runs = [_evaluated(all_runs[name]) for name in dict.fromkeys(names)]
    return {"part": PART, "view": VIEW, "runs": [_compared(runs[0], run) for run in runs]}


def _evaluated(run: Run) -> _Evaluated:
    recipe, _ = read_json(run, "recipe.json")
    metrics, _ = read_json(run, "metrics.json")
    data = as_object(recipe.get("data")) | as_object(metrics.get("data"))
    return _Evaluated(
        row=summary(run),
        figures=figures_of(metrics, PART),
        data={"fingerprint": data.get("fingerprint"), "split": recipe.get("split"), "fold": recipe.get("fold")},
        predictions=_predictions(run),
    )


def _predictions(run: Run) -> dict[str, NDArray[Any]] | None:
    try:
        path = results.stored_predictions(run.path, PART)
        if path is None or not check_file(run, path.name):
            return None
        columns = results.read_predictions(path, most_bytes=MAX_FILE_BYTES)
    except (MienError, OSError, OverflowError):
        return None
    order = np.argsort(columns["row"], kind="stable")
    return {name: values[order] for name, values in columns.items()}


def _compared(first: _Evaluated, run: _Evaluated) -> dict[str, Any]:
    reason = None if run is first else _reason(first, run)
    difference = None if run is first or reason else _difference(first, run)
    kept = ("name", "accuracy", "accuracy_interval", "macro_f1")
    return {**{key: run.row[key] for key in kept}, "n": run.n, "reason": reason, "difference": difference}


def _reason(first: _Evaluated, run: _Evaluated) -> str | None:
    """Why two runs are not comparable; None if they are."""
    for each in (first, run):
        if not each.n or each.row["accuracy"] is None:
            return f"{each.row['name']} has not been evaluated on its {PART} part"
        if not each.data["fingerprint"]:
            return f"{each.row['name']} does not say which data it was evaluated on"
    a, b = first.row["name"], run.row["name"]
    if first.data["fingerprint"] != run.data["fingerprint"]:
        return f"{a} and {b} were evaluated on different data"
    same_rows = _same_images(first, run)
    if same_rows is False or (same_rows is None and (first.data != run.data or first.n != run.n)):
        return f"{a} and {b} were evaluated on different parts of the data"
    return None


def _same_images(first: _Evaluated, run: _Evaluated) -> bool | None:
    """Whether the stored predictions are of the same images; None unless both are stored."""
    a, b = first.predictions, run.predictions
    if a is None or b is None:
        return None
    return all(np.array_equal(a[name], b[name]) for name in ("row", "label"))


def _difference(first: _Evaluated, run: _Evaluated) -> dict[str, Any]:
    if _same_images(first, run):
        only_first = int((first.right & ~run.right).sum())
        only_this = int((run.right & ~first.right).sum())
        difference = _paired(only_first, only_this, len(run.right))
        paired = {"method": "paired bootstrap", "p_value": difference.p,
                  "only_first": only_first, "only_this": only_this}  # fmt: skip
    else:
        n, other_n = first.n or 1, run.n or 1
        hits, other_hits = round(first.row["accuracy"] * n), round(run.row["accuracy"] * other_n)
        difference = statistics.newcombe(hits, n, other_hits, other_n)
        paired = {"method": "Newcombe, unpaired", "p_value": None, "only_first": None, "only_this": None}
    verdict = "better" if difference.low > 0 else "worse" if difference.high < 0 else "undecided"
    return {
        "accuracy": difference.estimate,
        "interval": [difference.low, difference.high],
        **paired,
        "verdict": verdict,
    }


@lru_cache(maxsize=1000)
def _paired(only_first: int, only_this: int, n: int) -> statistics.Difference:
    """The paired difference on n images, from the numbers that only one of the two classifies correctly."""
    first, this = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    first[:only_first] = True
    this[only_first : only_first + only_this] = True
    return statistics.paired_bootstrap(first, this, samples=SAMPLES)
