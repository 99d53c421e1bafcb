"""Classification metrics: accuracy with its interval, per-class scores, log-likelihood, calibration, confusion
matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import MienError
from mien.evaluation.calibration import reliability
from mien.evaluation.statistics import wilson
from mien.labels import EMOTIONS

__all__ = ["ClassScore", "Evaluation", "ece", "evaluate", "table", "wilson"]

BINS = 15  # bins of the expected calibration error, as in Guo et al. 2017


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class: precision, recall and F1 in 0..1 (0 if undefined), and the number of its images."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """All metrics on one set of labeled faces.

    accuracy, macro_f1, ece: 0..1. ece_by_chance: ECE of a perfectly calibrated model with as few images.
    accuracy_interval: Wilson's 95 % interval. nll: mean negative log-likelihood in nats. confusion: (C, C) int64, rows
    are true classes, columns predicted ones.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    nll: float
    ece: float
    ece_by_chance: float
    per_class: tuple[ClassScore, ...]
    confusion: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the confusion matrix."""
        return tuple(score.name for score in self.per_class)

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, lists and strings, as stored in metrics.json."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "macro_f1": self.macro_f1,
            "nll": self.nll,
            "ece": self.ece,
            "ece_by_chance": self.ece_by_chance,
            "per_class": [
                {
                    "name": s.name,
                    "precision": s.precision,
                    "recall": s.recall,
                    "f1": s.f1,
                    "support": s.support,
                }
                for s in self.per_class
            ],
            "confusion": self.confusion.tolist(),
        }


def evaluate(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str] = EMOTIONS) -> Evaluation:
    """Compute the metrics of predictions.

    probabilities: (N, C) float, rows sum to 1. labels: (N,) int, 0..C-1, all known. classes: C names. macro_f1 averages
    over the classes that occur in the labels or the predictions, as in scikit-learn. Raises MienError for mismatched
    shapes, rows that are not probabilities, unknown labels, and an empty set.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(labels)
    _check(probabilities, labels, len(classes))
    n, width = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(labels * width + predicted, minlength=width * width).reshape(width, width)
    hits, support, chosen = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision = hits / np.maximum(chosen, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + chosen, 1)
    likelihood = probabilities[np.arange(n), labels]
    bins = reliability(probabilities, labels, BINS)
    return Evaluation(
        n=n,
        accuracy=float(hits.sum() / n),
        accuracy_interval=wilson(int(hits.sum()), n),
        macro_f1=float(f1[(support + chosen) > 0].mean()),
        nll=float(-np.log(np.clip(likelihood, 1e-15, 1)).mean()),
        ece=bins.ece,
        ece_by_chance=bins.ece_by_chance,
        per_class=tuple(
            ClassScore(name, float(p), float(r), float(f), int(s))
            for name, p, r, f, s in zip(classes, precision, recall, f1, support, strict=True)
        ),
        confusion=confusion,
    )


def ece(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error with bins of equal width, 0..1 (Guo et al. 2017)."""
    return reliability(probabilities, labels, bins).ece


def table(evaluation: Evaluation) -> str:
    """The evaluation as lines for a terminal: a summary, then one row per class with its most frequent confusion."""
    low, high = evaluation.accuracy_interval
    lines = [
        f"accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}) on {evaluation.n:,} images",
        f"macro-F1 {evaluation.macro_f1:.3f}   NLL {evaluation.nll:.3f}   ECE {evaluation.ece:.3f} "
        f"({evaluation.ece_by_chance:.3f} by chance alone)",
        "",
    ]
    width = max(5, *(len(name) for name in evaluation.classes))
    lines.append(
        f"{'class':<{width}}  {'images':>7}  {'precision':>9}  {'recall':>7}  {'F1':>6}  most often mistaken for"
    )
    lines += [class_row(evaluation, i, width) for i in range(len(evaluation.classes))]
    return "\n".join(lines)


def class_row(evaluation: Evaluation, number: int, width: int) -> str:
    """One class as a table row: images, precision, recall, F1, and its most frequent confusion. width: of the name
    column."""
    score, row = evaluation.per_class[number], evaluation.confusion[number].copy()
    row[number] = 0
    taken = int(row.argmax())
    share = f"{evaluation.classes[taken]} {row[taken] / score.support:.0%}" if row[taken] else ""
    recall = f"{score.recall:.1%}" if score.support else "-"
    figures = f"{score.support:>7,}  {score.precision:>9.1%}  {recall:>7}  {score.f1:>6.3f}"
    return f"{score.name:<{width}}  {figures}  {share}".rstrip()


def _check(probabilities: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if probabilities.ndim != 2 or probabilities.shape[1] != classes:
        raise MienError(f"probabilities have shape {probabilities.shape}; {classes} classes need (N, {classes})")
    if len(probabilities) == 0:
        raise MienError("nothing to evaluate: this split has no labeled images; choose another split")
    if labels.shape != (len(probabilities),) or not np.issubdtype(labels.dtype, np.integer):
        raise MienError(f"labels have shape {labels.shape} and type {labels.dtype}; not {len(probabilities)} integers")
    if labels.min() < 0 or labels.max() >= classes:
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise MienError(f"label {labels[row]} in row {row} is not in 0..{classes - 1}; leave unlabeled images out")
    off = ~(np.abs(probabilities.sum(axis=1) - 1) < 1e-3) | (probabilities.min(axis=1) < 0)
    if off.any():
        row = int(np.flatnonzero(off)[0])
        raise MienError(
            f"row {row} of the probabilities does not sum to 1; apply mien.inference.model.softmax to logits"
        )
