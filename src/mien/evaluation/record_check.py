"""Validate the structure of an evaluation record when it is read, so that a damaged file gives an error, not a wrong
report."""

import math
from collections.abc import Mapping
from typing import Any

MAX_COUNT = 2**53  # largest count
_NESTED = ("without_duplicates", "logit_adjusted")


def fault(record: Mapping[str, Any]) -> str:
    """What is invalid in a record of format 2 (results.read_record); "" if nothing is."""
    evaluations = record.get("evaluations")
    if not isinstance(evaluations, Mapping) or not evaluations:
        return "it evaluates no part"
    for part, views in evaluations.items():
        if not isinstance(views, Mapping) or not views:
            return f"part {part} has no evaluation"
        for view, figures in views.items():
            if wrong := _figures_fault(figures):
                return f"{part}, {view}: {wrong}"
    for name, kind in (("data", Mapping), ("left_out", Mapping), ("classes", list), ("verdict", Mapping)):
        if name in record and not isinstance(record[name], kind):
            return f"its {name} are of another type"
    if not all(isinstance(value, (str, bool, int, float, type(None))) for value in record.get("data", {}).values()):
        return "its data are of another type"
    if not all(isinstance(name, str) for name in record.get("classes", [])):
        return "its classes are no names"
    temperature, parameters = record.get("temperature"), record.get("parameters")
    if temperature is not None and not (_number(temperature) and temperature > 0):
        return f"its temperature is {str(temperature)[:40]}"
    if parameters is not None and not _count(parameters):
        return f"its parameters are {str(parameters)[:40]}"
    return ""


def _figures_fault(figures: Any) -> str:
    if not isinstance(figures, Mapping):
        return "no figures"
    if not _count(figures.get("n")) or figures["n"] == 0:
        return f"n is {str(figures.get('n'))[:40]}"
    for name in ("accuracy", "macro_f1"):
        if not _share(figures.get(name)):
            return f"{name} is {str(figures.get(name))[:40]}"
    if not _number(figures.get("ece")) or not isinstance(figures.get("nll"), (int, float)):
        return "ece or nll is no number"
    for name in ("calibrated_ece", "ece_as_read"):
        if figures.get(name) is not None and not _number(figures[name]):
            return f"{name} is no number"
    interval = figures.get("accuracy_interval")
    if not isinstance(interval, list) or len(interval) != 2 or not all(map(_share, interval)):
        return "accuracy_interval is no pair of shares"
    if wrong := _classes_fault(figures.get("per_class"), figures.get("confusion"), figures["n"]):
        return wrong
    nested = [figures[name] for name in _NESTED if name in figures]
    return next((wrong for inner in nested if (wrong := _figures_fault(inner))), "")


def _classes_fault(scores: Any, confusion: Any, n: int) -> str:
    if not isinstance(scores, list) or len(scores) < 2:
        return "per_class is no list of classes"
    for score in scores:
        if not isinstance(score, Mapping) or not isinstance(score.get("name"), str) or not _count(score.get("support")):
            return "a class lacks its name or support"
        if not all(_share(score.get(name)) for name in ("precision", "recall", "f1")):
            return f"class {score['name'][:40]}: precision, recall or f1 is no share"
    square = isinstance(confusion, list) and len(confusion) == len(scores)
    if not square or not all(isinstance(row, list) and len(row) == len(scores) for row in confusion):
        return "confusion is no square of as many classes"
    if not all(_count(value) for row in confusion for value in row):
        return "confusion holds what is no count"
    if sum(map(sum, confusion)) != n or any(
        sum(row) != score["support"] for row, score in zip(confusion, scores, strict=True)
    ):
        return "confusion does not add up to n"
    return ""


def _number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < MAX_COUNT
        and math.isfinite(value)
    )


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT
