"""The subjects of a report: runs, studies and model files, with their curves, evaluations and predictions."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset
from mien.errors import MienError
from mien.evaluation import history, record, results
from mien.evaluation.classifier import typed
from mien.evaluation.diagnose import Verdict, diagnose_record
from mien.evaluation.evaluate import evaluate
from mien.evaluation.statistics import Difference, newcombe, paired_bootstrap
from mien.inference.model_file import read_info, resolve

DEEP = 3  # how many folder levels of a study are searched for runs


@dataclass(frozen=True)
class Subject:
    """A run or a model. evaluation: its record, format 2 (results.py). recipe: its recipe.json, format 2, {} for a
    model file. rows: its history, [] for a model file. predictions: columns of predictions-PART.csv, by part."""

    name: str
    evaluation: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, float]] = ()
    predictions: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def part(self) -> str:
        """The main part of the report: validation, if it was evaluated."""
        parts = list(self.evaluation["evaluations"])
        return "validation" if "validation" in parts else parts[0]

    @property
    def figures(self) -> Mapping[str, Any]:
        """Metrics on that part, single view or the first one available."""
        views = self.evaluation["evaluations"][self.part]
        figures: Mapping[str, Any] = views.get("single") or next(iter(views.values()))
        return figures

    @property
    def ground(self) -> tuple[Any, ...]:
        """What must be equal for two subjects to have been evaluated on the same images, as far as the files tell."""
        data = {**self.recipe.get("data", {}), **{k: v for k, v in self.evaluation["data"].items() if v}}
        return self.part, data.get("fingerprint"), self.figures["n"], self.recipe.get("split"), self.recipe.get("fold")


def read_subjects(
    sources: Sequence[str | Path],
    dataset: Dataset | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Subject]:
    """The runs and models of the sources: run folders, folders with runs in them, model files, shipped names.

    dataset: evaluate everything that has a model file now; without it, runs are reported from their files, and models
    are refused. Raises MienError if a source is none of these, holds nothing finished, or needs data.
    """
    subjects: list[Subject] = []
    for source, name in find_subjects(sources, dataset is not None):
        if name is None:
            subjects.append(_model(source, dataset, on_progress))
        else:
            subjects.append(_run(Path(source), name, dataset, on_progress))
    return subjects


def find_subjects(sources: Sequence[str | Path], with_data: bool) -> list[tuple[str | Path, str | None]]:
    """What the sources refer to, before any evaluation: (folder, name) for a run, (model, None) for a model.

    Raises MienError if a source is neither, or is a model and there are no data to evaluate it on.
    """
    found: list[tuple[str | Path, str | None]] = []
    for source in sources:
        path = Path(source)
        if not path.is_dir():
            resolve(source)
            if not with_data:
                raise MienError(
                    f"{source} is a model file, which contains no evaluation: give labeled images", parameter="dataset"
                )
            found.append((source, None))
        elif (path / "metrics.json").is_file():
            found.append((path, path.name))
        else:
            runs = _runs_below(path, DEEP)
            if not runs:
                raise MienError(
                    f"{path} holds no finished run: no metrics.json in it or in folders below; finish one with mien "
                    f"train",
                    parameter="sources",
                )
            found += [(run, run.relative_to(path).as_posix()) for run in runs]
    return found


def compare(first: Subject, other: Subject) -> Difference | str:
    """Accuracy of the other minus that of the first: paired if the predictions of both are available, otherwise for
    independent images. Or the reason why they cannot be compared."""
    a, b = first.predictions.get(first.part), other.predictions.get(other.part)
    if a is not None and b is not None and first.part == other.part:
        if not (np.array_equal(a["row"], b["row"]) and np.array_equal(a["label"], b["label"])):
            return "measured on other images"
        return paired_bootstrap(a["label"] == a["predicted"], b["label"] == b["predicted"])
    if first.ground != other.ground:
        return "measured on other images"
    hits = [round(subject.figures["accuracy"] * subject.figures["n"]) for subject in (first, other)]
    return newcombe(hits[0], first.figures["n"], hits[1], other.figures["n"])


def _model(source: str | Path, dataset: Dataset | None, on_progress: Callable[[int, int], None]) -> Subject:
    assert dataset is not None  # find_subjects has checked this
    result = evaluate(
        source, dataset, ("validation", "test") if _has_parts(dataset) else ("all",), on_progress=on_progress
    )
    evaluation = {**result.to_dict(), "parameters": read_info(source).parameters}
    return Subject(typed(source, result.model), evaluation, predictions=_predictions(result))


def _run(folder: Path, name: str, dataset: Dataset | None, on_progress: Callable[[int, int], None]) -> Subject:
    recipe = record.read_record(folder)
    evaluation = results.read_record(folder / "metrics.json")
    rows = history.read(folder / "history.csv")
    predictions = {}
    if dataset is not None and (folder / "model.onnx").is_file():
        result = evaluate(folder, dataset, ("validation", "test"), on_progress=on_progress)
        evaluation = {**evaluation, **result.to_dict()}
        predictions = _predictions(result)
    else:
        for part in evaluation["evaluations"]:
            path = results.stored_predictions(folder, part)
            if path:
                predictions[part] = results.read_predictions(path)
    verdict = diagnose_record(rows, evaluation) if rows else None
    return Subject(name, evaluation, recipe, rows, predictions, verdict)


def _predictions(result: results.EvaluationResult) -> dict[str, dict[str, NDArray[Any]]]:
    tables = {}
    for name, part in result.parts.items():
        probabilities = next(iter(part.probabilities.values()))
        tables[name] = {"row": part.rows, "label": part.labels, "predicted": probabilities.argmax(axis=1),
                        "confidence": probabilities.max(axis=1)}  # fmt: skip
    return tables


def _has_parts(dataset: Dataset) -> bool:
    return bool(((dataset.usage == "PublicTest") & (dataset.labels >= 0)).any())


def _runs_below(folder: Path, deep: int) -> list[Path]:
    runs: list[Path] = []
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name.startswith(".") or not path.is_dir() or path.is_symlink():
            continue
        if (path / "metrics.json").is_file():
            runs.append(path)
        elif deep > 1:
            runs += _runs_below(path, deep - 1)
    return runs
