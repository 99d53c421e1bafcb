"""The study's figures: accuracy and gap of each network, learning curves of all seeds, and a forest plot of effects."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import MienError
from mien.evaluation.report import SPLITS, StudyRow
from mien.evaluation.scaling import PowerLaw
from mien.evaluation.statistics import Difference, wilson
from mien.evaluation.style import GRID, INK, PAPER, SOFT, TRAIN, VALIDATION, canvas, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mien.evaluation.effects import Arm

TRAININGS = {"study": ("#c06c3e", "the study's way"), "modern": ("#00898b", "the modern way")}
OTHER_SHADES = ("#6a4c93", "#5b8c5a", "#8d99ae")


def study_table(
    rows: Sequence[StudyRow], path: str | Path, title: str = "Seven small networks on FER2013", drawn: bool = False
) -> Path:
    """Dumbbell plot of training and validation accuracy per network and training; the bar between them is the gap.

    rows: from report.study_rows; rows of one network are grouped, in order of appearance. Raises MienError if there are
    none.
    """
    if not rows:
        raise MienError("no row to draw: no network of the study has been trained; run mien study")
    networks = list(dict.fromkeys(row.network for row in rows))
    trainings = list(dict.fromkeys(row.training for row in rows))
    others = iter(OTHER_SHADES)
    shades = {name: TRAININGS[name][0] if name in TRAININGS else next(others, SOFT) for name in trainings}
    place, at = {}, 0.0
    for name in networks:
        for row in [row for row in rows if row.network == name]:
            place[id(row)] = at
            at += 0.62
        at += 0.55
    with canvas(path, 9.5, 2.2 + 0.5 * at, title, _how_to_read(rows), drawn) as figure:
        axis = figure.subplots()
        for row in rows:
            _dumbbell(axis, row, place[id(row)], shades[row.training])
        centers = [float(np.mean([place[id(row)] for row in rows if row.network == name])) for name in networks]
        sizes = {row.network: row.parameters for row in rows}
        axis.set_yticks(centers, [f"{name}\n{_count(sizes[name])} weights" for name in networks])
        for label in axis.get_yticklabels():
            label.set(color=INK, size=10.5)
        for above, below in pairwise(centers):
            axis.axhline((above + below) / 2, color=GRID, lw=0.9, zorder=0)
        shown = [v for row in rows for v in (row.train_accuracy, row.val_accuracy, row.logged_val) if v is not None]
        low = max(0.0, np.floor(10 * (min(shown) - 0.03)) / 10)
        axis.set(xlim=(low, min(1.0, max(shown) + 0.06) + 0.02), ylim=(at - 0.72, -0.6))
        axis.set_xlabel("share of faces named as they are labeled")
        axis.spines["left"].set_visible(False)
        percent(axis, "x")
        for training in trainings:
            words = f"trained {TRAININGS[training][1]}" if training in TRAININGS else training
            axis.plot([], [], color=shades[training], marker="o", lw=4, label=words)
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(trainings), borderaxespad=0)
    return Path(path)


def _how_to_read(rows: Sequence[StudyRow]) -> str:
    words = (
        "How many faces each network names as people labeled them. Filled dots: validation faces, with 95 % "
        "intervals. Open dots: training faces. A long bar between: much was learned by heart."
    )
    if any(row.logged_val is not None for row in rows):
        words += " Black ticks: validation accuracy in the earlier notebook study."
    if len({row.split for row in rows}) > 1:
        grounds = dict.fromkeys((row.training, row.split) for row in rows if row.training in TRAININGS and row.split)
        validation = [f"{SPLITS.get(split, split)} ({TRAININGS[training][1]})" for training, split in grounds]
        words += f" Validation faces: {', '.join(validation)}"
        shares = [row.n_copies / row.n_validation for row in rows if row.n_copies and row.n_validation]
        if shares:
            words += f"; {100 * min(shares):.0f} to {100 * max(shares):.0f}% of them are exact copies of training faces"
        words += "."
    return words


def _dumbbell(axis: "Axes", row: StudyRow, y: float, shade: str) -> None:
    train, val = row.train_accuracy, row.val_accuracy
    if train is not None:
        axis.plot([train, val], [y, y], color=shade, lw=5, alpha=0.28, solid_capstyle="butt", zorder=2)
        axis.plot(train, y, marker="o", ms=8.5, color=PAPER, mec=shade, mew=2, zorder=3)
    right = max(val, train if train is not None else val)
    if row.n_validation:
        low, high = wilson(round(val * row.n_validation), row.n_validation)
        axis.plot([low, high], [y, y], color=shade, lw=1.6, zorder=3)
        right = max(right, high)
    axis.plot(val, y, marker="o", ms=9.5, color=shade, zorder=4)
    if row.logged_val is not None:
        axis.plot(row.logged_val, y, marker="|", ms=17, mew=2, color=INK, zorder=5)
        right = max(right, row.logged_val)
    words = f"{val:.1%}" if train is None else f"{val:.1%}   gap {100 * (train - val):+.1f}"
    if len(row.seeds) > 1:
        words += f"   {len(row.seeds)} seeds"
    axis.annotate(words, (right, y), xytext=(11, 0), textcoords="offset points", va="center", size=9.5, color=shade)


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters >= 1e6 else f"{parameters / 1e3:.0f} k"


def study_curves(
    arms: Mapping[tuple[str, str], "Arm | None"], path: str | Path, title: str, drawn: bool = False
) -> Path:
    """Accuracy over the epochs, one small panel per network and training, one line per seed.

    arms: (network, training) -> its arm, None if not yet run; rows of panels are trainings, columns networks. Raises
    MienError if there are none.
    """
    if not any(arms.values()):
        raise MienError("no curve to draw: no network of the study has been trained; run mien study")
    networks, trainings = ([*dict.fromkeys(key[i] for key in arms)] for i in (0, 1))
    subtitle = (
        "Accuracy over the epochs, one line a seed. Blue: on the faces trained on, as measured while training. Red: on "
        "validation faces. A blue line that leaves the red one behind is overfitting."
    )
    width, height = max(6.0, 1.3 + 1.55 * len(networks)), 1.5 + 2.0 * len(trainings)
    with canvas(path, width, height, title, subtitle, drawn) as figure:
        panels = figure.subplots(len(trainings), len(networks), squeeze=False, sharey=True)
        for row, training in enumerate(trainings):
            for column, network in enumerate(networks):
                axis = panels[row, column]
                arm = arms.get((network, training))
                if row == 0:
                    axis.set_title(network, size=10.5, weight="bold", color=INK)
                if column == 0:
                    axis.set_ylabel(TRAININGS.get(training, ("", training))[1], color=INK, size=10)
                axis.set_ylim(0.2, 1.0)
                percent(axis)
                axis.grid(axis="x", visible=False)
                if arm is None:
                    axis.text(0.5, 0.5, "not yet run", transform=axis.transAxes, ha="center", color=SOFT, size=9)
                    axis.set_xticks([])
                    continue
                epochs = np.arange(1, arm.train.shape[1] + 1)
                axis.plot(epochs, arm.train.T, color=TRAIN, lw=1.4)
                axis.plot(epochs, arm.val.T, color=VALIDATION, lw=1.4)
                axis.set_xticks([1, len(epochs)])
                axis.tick_params(labelsize=8.5)
    return Path(path)


def scaling_curve(errors: Mapping[int, Sequence[float]], law: PowerLaw, path: str | Path, title: str) -> Path:
    """Validation error against the number of training images, log-log: one dot per seed, the law as a line.

    errors: number of training images -> error of each seed, 0..1.
    """
    from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter

    with canvas(path, 7.2, 4.6, title, law.sentence()) as figure:
        axis = figure.subplots()
        sizes = np.array(sorted(errors), dtype=np.float64)
        axis.plot(sizes, law.error(sizes), color=SOFT, lw=1.4, ls=(0, (4, 3)))
        for n, values in errors.items():
            axis.plot([n] * len(values), values, marker="o", ms=6, ls="", color=TRAIN, alpha=0.8)
        axis.set(xscale="log", yscale="log")
        axis.set_xticks(sizes, [f"{n:,.0f}" for n in sizes])
        for formatted, style in ((axis.xaxis, StrMethodFormatter("{x:,.0f}")), (axis.yaxis, PercentFormatter(1, 0))):
            formatted.set_major_formatter(style)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_minor_formatter(PercentFormatter(1, 0))
        axis.set_xlabel("training images")
        axis.set_ylabel("validation error")
        axis.grid(which="both", axis="y")
    return Path(path)


def forest(
    effects: Mapping[str, Sequence[tuple[str, Difference, Difference, int]]],
    path: str | Path,
    title: str,
    missing: int,
    drawn: bool = False,
) -> Path:
    """Forest plot of effects with 95 % intervals, on validation accuracy (left) and on the gap (right), grouped by
    heading.

    effects: heading -> (label, effect on validation accuracy, effect on the gap, seeds), at least one in total.
    missing: number of comparisons not yet run, for the subtitle. Raises MienError if there are none.
    """  # fmt: skip
    groups = {heading: rows for heading, rows in effects.items() if rows}
    if not groups:
        raise MienError("no effect to draw: no two trainings of the study can be compared yet; run mien study")
    subtitle = (
        "Points won or lost, with 95 % intervals from a bootstrap over seeds and images; full color where 0 is "
        "outside. Left, more is better; right, less is better."
    )
    if any(row[-1] == 1 for rows in groups.values() for row in rows):
        subtitle += " Open dots: one seed, whose interval is over images alone."
    if missing:
        subtitle += f" {missing} more comparisons are not yet run."
    lines = sum(len(rows) + 1.2 for rows in groups.values())
    with canvas(path, 9.5, 1.75 + 0.31 * lines, title, subtitle, drawn) as figure:
        axes = figure.subplots(1, 2, sharey=True)
        ticks, labels, y = [], [], 0.0
        for heading, rows in groups.items():
            axes[0].annotate(
                heading, (0, y), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                va="center", size=10, weight="bold", color=INK, zorder=5,
                bbox={"boxstyle": "square,pad=0.15", "fc": PAPER, "ec": "none"},
            )  # fmt: skip
            y += 1
            for label, validation, gap, seeds in rows:
                _interval(axes[0], y, validation, good=1, filled=seeds > 1)
                _interval(axes[1], y, gap, good=-1, filled=seeds > 1)
                ticks.append(y)
                labels.append(label)
                y += 1
            y += 0.2
        for axis, words in zip(axes, ("effect on validation accuracy", "effect on the gap"), strict=True):
            axis.axvline(0, color=SOFT, lw=1, zorder=1)
            axis.set_xlabel(f"{words}, points")
            axis.grid(axis="x")
            axis.spines["left"].set_visible(False)
        axes[0].set_yticks(ticks, labels)
        axes[0].set_ylim(y - 0.4, -0.7)
        for tick in axes[0].get_yticklabels():
            tick.set(color=INK, size=10)
    return Path(path)


def _interval(axis: "Axes", y: float, effect: Difference, good: int, filled: bool) -> None:
    shade = SOFT if not effect.significant else TRAIN if effect.estimate * good > 0 else VALIDATION
    low, high, middle = 100 * effect.low, 100 * effect.high, 100 * effect.estimate
    axis.plot([low, high], [y, y], color=shade, lw=1.8, zorder=2)
    axis.plot(middle, y, marker="o", ms=6.5, color=shade, mfc=shade if filled else PAPER, mew=1.5, zorder=3)
    axis.annotate(f"{middle:+.1f}", (max(high, middle), y), xytext=(6, 0), textcoords="offset points", va="center",
                  size=9, color=shade)  # fmt: skip
