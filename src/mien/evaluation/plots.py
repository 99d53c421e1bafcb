"""Figures of a training and its evaluation, styled by style.py. The study's figures are in study_figures.py, those with
faces in face_figures.py.

Every function writes a PNG to `path`, atomically, and returns the path. `drawn=True` marks it as made from mien's drawn
faces. No figure here shows a face.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import MienError
from mien.evaluation.calibration import Reliability
from mien.evaluation.diagnose import Verdict
from mien.evaluation.face_figures import class_averages, contact_sheet
from mien.evaluation.metrics import Evaluation, wilson
from mien.evaluation.style import ACCENT, INK, PAPER, SOFT, TRAIN, VALIDATION, canvas, deep, percent, separate
from mien.labels import color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "accuracy_by_coverage",
    "class_averages",
    "confusion",
    "contact_sheet",
    "learning_curves",
    "recall_bars",
    "reliability",
]


def learning_curves(
    history: Sequence[Mapping[str, float]],
    path: str | Path,
    title: str,
    verdict: Verdict | None = None,
    drawn: bool = False,
) -> Path:
    """Accuracy and loss over the epochs, training against validation, with the gap shaded and the verdict above.

    history: rows from history.read, at least one. Raises MienError for an empty history.
    """
    if not history:
        raise MienError("no epoch to draw: the history is empty; train at least one")
    subtitle = "" if verdict is None else f"{verdict.title.capitalize()}: {verdict.evidence}."
    epoch = np.array([row["epoch"] for row in history])
    with canvas(path, 9.5, 4.9, title, subtitle, drawn) as figure:
        axes = figure.subplots(1, 2)
        for axis, name in zip(axes, ("accuracy", "loss"), strict=True):
            train, val = (np.array([row[f"{part}_{name}"] for row in history]) for part in ("train", "val"))
            axis.set_title(name)
            _pair(axis, epoch, train, val, name)
            if verdict is not None and verdict.epoch is not None:
                axis.axvline(verdict.epoch, color=INK, lw=1.1, ls=(0, (4, 3)), zorder=1)
                axis.annotate(
                    f"epoch {verdict.epoch}", (verdict.epoch, 1), xycoords=("data", "axes fraction"),
                    xytext=(4, -1), textcoords="offset points", va="top", size=9, color=INK,
                )  # fmt: skip
    return Path(path)


def _pair(axis: "Axes", epoch: np.ndarray, train: np.ndarray, val: np.ndarray, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    share = name == "accuracy"
    axis.fill_between(epoch, train, val, color=SOFT, alpha=0.13, lw=0)
    marker = {"marker": "o", "ms": 4.5} if len(epoch) < 12 else {}
    axis.plot(epoch, train, color=TRAIN, **marker)  # type: ignore[arg-type]
    axis.plot(epoch, val, color=VALIDATION, **marker)  # type: ignore[arg-type]
    shown = np.concatenate([train, val])
    shown = shown[np.isfinite(shown)]
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 1.0)
    margin = 0.06 * max(high - low, 0.05)
    axis.set_ylim(max(0, low - margin), min(1, high + margin) if share else high + margin)
    axis.set_xlim(epoch[0] - 0.02 * len(epoch), epoch[-1] + 0.02 * len(epoch))
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    if share:
        percent(axis)
    else:
        axis.grid(axis="y")
    bottom, top = axis.get_ylim()
    ends = [float(series[-1]) for series in (train, val)]
    heights = separate(ends[0], ends[1], 0.13 * (top - bottom)) if np.isfinite(ends).all() else (top, bottom)
    for words, shade, end, height in zip(("training", "validation"), (TRAIN, VALIDATION), ends, heights, strict=True):
        number = f"{end:.1%}" if share else f"{end:.3f}"
        axis.annotate(
            f"{words}\n{number}", (1, height), xycoords=("axes fraction", "data"), xytext=(6, 0),
            textcoords="offset points", va="center", size=10, color=shade, weight="bold", linespacing=1.15,
        )  # fmt: skip


def confusion(matrix: np.ndarray, classes: Sequence[str], path: str | Path, title: str, drawn: bool = False) -> Path:
    """Confusion matrix, (C, C) int with true classes as rows: shares of each true class (rows sum to 100 %), and
    counts."""
    from matplotlib.colors import LinearSegmentedColormap

    matrix = np.asarray(matrix)
    n = len(classes)
    if matrix.shape != (n, n):
        raise MienError(f"confusion matrix has shape {matrix.shape}; {n} classes need ({n}, {n})")
    support = matrix.sum(axis=1)
    share = matrix / np.maximum(support, 1)[:, None]
    blues = LinearSegmentedColormap.from_list("mien", [PAPER, "#cfe0ec", "#7fa8c9", TRAIN, "#173a58"])
    side = max(5.4, 0.86 * n + 1.6)
    subtitle = f"{np.trace(matrix) / max(matrix.sum(), 1):.1%} of {matrix.sum():,} images right; shares of each row"
    with canvas(path, side + 1.1, side + 0.55, title, subtitle, drawn) as figure:
        axis = figure.subplots()
        axis.imshow(share, cmap=blues, vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(share):
            ink = PAPER if value > 0.57 else INK if value >= 0.005 else "#b9bdc9"
            bold = "bold" if i == j else "normal"
            style: Any = {"ha": "center", "va": "center", "color": ink}
            axis.text(j, i - 0.1, f"{value:.0%}", size=11.5, weight=bold, **style)
            axis.text(j, i + 0.2, f"{matrix[i, j]:,}", size=8, alpha=0.85, **style)
        axis.set_xticks(range(n), classes)
        axis.set_yticks(range(n), [f"{name}\n{count:,}" for name, count in zip(classes, support, strict=True)])
        axis.set_xticks(np.arange(n - 1) + 0.5, minor=True)
        axis.set_yticks(np.arange(n - 1) + 0.5, minor=True)
        axis.grid(which="minor", color=PAPER, lw=2)
        axis.tick_params(which="minor", length=0)
        axis.spines[:].set_visible(False)
        axis.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, pad=6)
        axis.xaxis.set_label_position("top")
        axis.set_xlabel("predicted", labelpad=8)
        axis.set_ylabel("true", labelpad=8)
        for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
            for i, label in enumerate(labels):
                label.set(color=deep(color(classes[i], i)), weight="bold")
    return Path(path)


def recall_bars(evaluation: Evaluation, path: str | Path, title: str, drawn: bool = False) -> Path:
    """Recall of each class with its 95 % interval, its precision, and the accuracy as a line."""
    n = len(evaluation.per_class)
    subtitle = (
        f"Bars: share of each class that is found (recall), with 95 % intervals. Diamonds: precision. "
        f"Accuracy {evaluation.accuracy:.1%}, macro-F1 {evaluation.macro_f1:.3f} on {evaluation.n:,} images."
    )
    with canvas(path, 9.5, 1.75 + 0.46 * n, title, subtitle, drawn) as figure:
        axis = figure.subplots()
        for i, score in enumerate(evaluation.per_class):
            shade = color(score.name, i)
            hits = int(evaluation.confusion[i, i])
            low, high = wilson(hits, score.support)
            axis.barh(i, score.recall, height=0.62, color=shade, alpha=0.9)
            if score.support:
                axis.plot([low, high], [i, i], color=INK, lw=1.3, alpha=0.75)
            axis.plot(score.precision, i, marker="D", ms=7, color=PAPER, mec=INK, mew=1.4)
            for x, words, shade, weight in (
                (1.09, f"{score.recall:.1%}", INK, "bold"),
                (1.19, f"{score.precision:.1%}", SOFT, "normal"),
                (1.27, f"{score.support:,}", SOFT, "normal"),
            ):
                axis.text(x, i, words, ha="right", va="center", color=shade, weight=weight, size=10.5)
        for x, words in ((1.09, "recall"), (1.19, "precision"), (1.27, "images")):
            axis.text(x, -0.78, words, ha="right", va="center", color=SOFT, size=9)
        axis.axvline(evaluation.accuracy, color=INK, lw=1, ls=(0, (4, 3)), zorder=0)
        axis.text(evaluation.accuracy, -0.78, "accuracy", ha="center", va="center", color=INK, size=9)
        axis.set(xlim=(0, 1), ylim=(n - 0.5, -0.6))
        axis.set_yticks(range(n), evaluation.classes)
        for i, label in enumerate(axis.get_yticklabels()):
            label.set(color=deep(color(evaluation.classes[i], i)), weight="bold", size=11)
        axis.spines["left"].set_visible(False)
        percent(axis, "x")
    return Path(path)


def reliability(curves: Mapping[str, Reliability], path: str | Path, title: str, drawn: bool = False) -> Path:
    """Reliability diagrams: accuracy against confidence, one panel per entry, with a histogram of the confidences
    below.

    curves: name -> calibration.reliability(...), such as {"T = 1": before, "T = 1.43": after}; at least one.
    """
    if not curves:
        raise MienError("no reliability curve to draw; give at least one")
    subtitle = (
        "Bars reach the accuracy at each confidence. Red: what confidence promises beyond it. "
        "Gold: what it leaves unsaid. Pale: under 20 images."
    )
    with canvas(path, max(5.6, 4.75 * len(curves)), 5.7, title, subtitle, drawn) as figure:
        axes = figure.subplots(2, len(curves), squeeze=False, sharex=True, height_ratios=[4, 1])
        for column, (name, curve) in enumerate(curves.items()):
            top, bottom = axes[:, column]
            width = np.diff(curve.edges)
            middle = curve.edges[:-1] + width / 2
            filled = curve.count > 0
            top.plot([0, 1], [0, 1], color=SOFT, lw=1.2, ls=(0, (4, 3)), zorder=3)
            for i in np.flatnonzero(filled):
                low, high = sorted((curve.accuracy[i], curve.confidence[i]))
                over = VALIDATION if curve.confidence[i] > curve.accuracy[i] else ACCENT
                pale = 1.0 if curve.count[i] >= 20 else 0.3
                top.bar(middle[i], low, width[i] * 0.92, color=TRAIN, alpha=pale)
                top.bar(middle[i], high - low, width[i] * 0.92, bottom=low, color=over, alpha=0.75 * pale)
            top.set(xlim=(0, 1), ylim=(0, 1))
            top.set_title(f"{name}    ECE {100 * curve.ece:.1f} points", weight="bold")
            bottom.bar(middle, curve.count / curve.count.sum(), width * 0.92, color=SOFT, alpha=0.6)
            bottom.set_xlabel("confidence")
            percent(top)
            percent(bottom)
            percent(bottom, "x")
            bottom.grid(axis="x", visible=False)
            bottom.tick_params(axis="x", pad=7)
            if column == 0:
                top.set_ylabel("accuracy")
                bottom.set_ylabel("images")
        shared = max(axis.get_ylim()[1] for axis in axes[1])
        for axis in axes[1]:
            axis.set_ylim(0, shared)
    return Path(path)


def accuracy_by_coverage(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], path: str | Path, title: str, drawn: bool = False
) -> Path:
    """Accuracy against coverage: accuracy on the most confident images, against their share.

    curves: name -> conformal.accuracy_by_coverage(...); at least one.
    """
    if not curves:
        raise MienError("no curve of accuracy against coverage to draw; give at least one")
    with canvas(
        path,
        7.2,
        4.8,
        title,
        "Images are answered in the order of their confidence; the others are left to people.",
        drawn,
    ) as figure:
        axis = figure.subplots()
        for number, (name, (coverage, accuracy)) in enumerate(curves.items()):
            start = min(len(coverage) - 1, max(20, len(coverage) // 50))  # the first few images are too noisy
            shade = (TRAIN, VALIDATION, ACCENT, SOFT)[number % 4]
            axis.plot(coverage[start:], accuracy[start:], color=shade, label=name)
        axis.set(xlim=(0, 1.01))
        axis.set_xlabel("share of images answered")
        axis.set_ylabel("accuracy")
        percent(axis)
        percent(axis, "x")
        if len(curves) > 1:
            axis.legend()
    return Path(path)
