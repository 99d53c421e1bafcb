"""Bias report: accuracy, recall and calibration by group of people or image quality, with a permutation test of the
gap.

Groups come from a csv of the user (`read_groups`), or from the images themselves (`quality_groups`). docs/bias.md
explains what such a report can and cannot show.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset
from mien.data.dataset import SIZE
from mien.data.image import open_picture, to_square_gray
from mien.errors import MienError
from mien.evaluation import metrics
from mien.evaluation.statistics import holm, permutation_test, wilson
from mien.inference.quality import measure_quality

Groups = Mapping[str, NDArray[np.str_]]  # attribute -> group of every row, "" if unknown

SMALL = 100  # with fewer images a group's figures are flagged
MIN_GROUP_SIZE = 30  # with fewer images a group is excluded from the gap and its test
FILE_COLUMNS = ("file", "path", "image", "filename")
QUALITIES = ("brightness", "contrast", "sharpness")


@dataclass(frozen=True)
class GroupFigures:
    """One group: n images, accuracy with Wilson's 95 % interval, recall and number of images of each class, calibration
    error and its value by chance alone; small: too few images for firm conclusions."""

    name: str
    n: int
    accuracy: float
    interval: tuple[float, float]
    recall: Mapping[str, float]
    support: Mapping[str, int]
    ece: float
    ece_by_chance: float
    small: bool


@dataclass(frozen=True)
class GroupReport:
    """The groups of one attribute, worst first. gap: largest minus smallest accuracy among groups with MIN_GROUP_SIZE
    images or more. p: p value of the gap in a permutation test; adjusted: for the number of attributes (Holm). All
    three are None if fewer than two groups are large enough."""

    attribute: str
    groups: tuple[GroupFigures, ...]
    unknown: int
    gap: float | None
    p: float | None
    adjusted: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, lists and strings, worst group first."""
        groups = [
            {"name": g.name, "n": g.n, "accuracy": g.accuracy, "accuracy_interval": list(g.interval), "ece": g.ece,
             "ece_by_chance": g.ece_by_chance, "recall": dict(g.recall), "support": dict(g.support), "small": g.small}
            for g in self.groups
        ]  # fmt: skip
        return {"attribute": self.attribute, "gap": self.gap, "p": self.p, "p_adjusted": self.adjusted,
                "unknown": self.unknown, "groups": groups}  # fmt: skip


def read_groups(path: str | Path, dataset: Dataset) -> dict[str, NDArray[np.str_]]:
    """Groups of a data set's images from a csv, {attribute: (N,) str}, "" if unknown.

    path: a csv with a header and one column per attribute (age, skin, glasses, ...). A column `row` holds each image's
    number in the data set, from 0; or a column `file` its path, relative to the csv's folder or the data set's, matched
    by pixels (of several such columns the first counts, and none is an attribute); without either, the csv has one line
    per image, in order. Raises MienError, naming file and line, if that fails.
    """
    path = Path(path)
    (_, header), *lines = read_lines(path)
    names = [name.strip() for name in header]
    for number, line in lines:
        if len(line) != len(names):
            raise MienError(f"{path}, row {number}: {len(line)} values instead of {len(names)}", parameter="groups")
    if lines and "" in names:
        raise MienError(f"{path}: column {names.index('') + 1} has no name; give it one, or leave it out",
                        parameter="groups")  # fmt: skip
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise MienError(f"{path} has two columns {twice!r}; give each attribute one", parameter="groups")
    lower = [name.lower() for name in names]
    keys = [i for i, name in enumerate(lower) if name == "row" or name in FILE_COLUMNS]
    attributes = [i for i in range(len(names)) if i not in keys]
    if keys:
        lines = [(number, line) for number, line in lines if any(map(str.strip, line))]
    elif not any(cell.strip() for _, line in lines[len(dataset) :] for cell in line):
        lines = lines[: len(dataset)]
    if not attributes or not lines:
        raise MienError(
            f"{path} holds no groups; give a header with a column row or file and one an attribute, and a line an "
            f"image",
            parameter="groups",
        )
    if not keys:
        if len(lines) != len(dataset):
            raise MienError(
                f"{path} has {len(lines):,} lines for {len(dataset):,} images; give a line for each, or a column row "
                f"or file",
                parameter="groups",
            )
        places = [[i] for i in range(len(lines))]
    else:
        cells = [(number, line[keys[0]]) for number, line in lines]
        places = _by_row(cells, path, len(dataset)) if lower[keys[0]] == "row" else _by_file(cells, path, dataset)
    columns = {names[i]: np.full(len(dataset), "", dtype=object) for i in attributes}
    for (number, line), rows in zip(lines, places, strict=True):
        for i in attributes:
            column, group = columns[names[i]], line[i].strip()
            if group and column[rows[0]] not in ("", group):  # two files with the same pixels
                raise MienError(
                    f"{path}, row {number}: its picture is of the {names[i]} '{group}' here and '{column[rows[0]]}' in "
                    "a row before; use one group for identical images",
                    parameter="groups",
                )
            column[rows] = group or column[rows]
    return {name: column.astype(str) for name, column in columns.items()}


def read_lines(path: str | Path) -> list[tuple[int, list[str]]]:
    """The lines of a csv with groups and their numbers, its header first, without empty lines. Raises MienError if it
    cannot be read."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            return [(lines.line_num, line) for line in lines if line] or [(1, [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise MienError(
            f"cannot read the groups {path}: {reason}; give a csv with a header", parameter="groups"
        ) from error


def quality_groups(images: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
    """Groups of the images (N, S, S) uint8 by image quality (mien.inference.quality), which need no labels of people.

    brightness, contrast, sharpness: terciles of the images, "low", "middle", "high". quality: "clear", or "flagged" if
    one of `face.quality.flags` dark, bright, low contrast or blurred is raised; only if both groups occur.
    """
    side = images.shape[1]
    box, unknown = np.array([0.0, 0.0, side, side]), np.full((5, 2), np.nan)
    measured = [measure_quality(image, box, unknown, 0, side, side) for image in images]
    result = {}
    for name in QUALITIES:
        values = np.array([getattr(quality, name) for quality in measured])
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        result[name] = np.where(values <= low, "low", np.where(values <= high, "middle", "high"))
    flagged = np.array([bool(set(quality.flags) - {"small"}) for quality in measured])
    if flagged.any() and not flagged.all():
        result["quality"] = np.where(flagged, "flagged", "clear")
    return result


def evaluate_groups(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    groups: Groups,
    samples: int = 2000,
) -> list[GroupReport]:
    """One report per attribute, sorted by p value; those without a gap last.

    probabilities: (N, C), calibrated for a meaningful calibration error. labels: (N,) int. groups: {attribute: (N,)
    str}. Images with group "" are counted but not evaluated. Raises MienError if an attribute has fewer than two
    groups.
    """
    reports = []
    correct = probabilities.argmax(axis=1) == labels
    for attribute, names in groups.items():
        present = sorted(set(names[names != ""].tolist()))
        if len(present) < 2:
            raise MienError(
                f"the attribute '{attribute}' has {len(present)} group{'s' * (len(present) != 1)} among the "
                f"{len(labels):,} images; a comparison needs two or more",
                parameter="groups",
            )
        figures = [_figures(name, probabilities[names == name], labels[names == name], classes) for name in present]
        figures.sort(key=lambda group: (group.accuracy, group.name))
        large = [group for group in figures if group.n >= MIN_GROUP_SIZE]
        gap = p = None
        if len(large) >= 2:
            gap = large[-1].accuracy - large[0].accuracy
            numbers = {group.name: i for i, group in enumerate(large)}
            keep = np.array([name in numbers for name in names.tolist()])
            p = permutation_test(correct[keep], np.array([numbers[name] for name in names[keep].tolist()]), samples)
        reports.append(GroupReport(attribute, tuple(figures), int((names == "").sum()), gap, p))
    tested = [report for report in reports if report.p is not None]
    adjusted = holm([report.p for report in tested if report.p is not None])
    results = [replace(report, adjusted=p) for report, p in zip(tested, adjusted, strict=True)]
    results.sort(key=lambda report: (report.p, -(report.gap or 0.0)))
    return results + [report for report in reports if report.p is None]


def table(reports: Sequence[GroupReport]) -> str:
    """The reports as lines for a terminal, the worst group of each attribute first."""
    lines: list[str] = []
    for report in reports:
        lines += ["", f"{report.attribute}: {_gap_in_words(report)}"]
        width = max(5, *(len(group.name) for group in report.groups))
        lines.append(
            f"{'group':<{width}}  {'images':>7}  {'accuracy':>8}  {'95 % interval':>15}  {'ECE':>6}  {'by chance':>9}  "
            "lowest recall"
        )
        for group in report.groups:
            low, high = group.interval
            recalls = {name: value for name, value in group.recall.items() if group.support[name]}
            worst = min(recalls, key=lambda name: recalls[name])
            note = f"{worst} {recalls[worst]:.0%} of {group.support[worst]:,}" + ("; few images" if group.small else "")
            lines.append(f"{group.name:<{width}}  {group.n:>7,}  {group.accuracy:>8.1%}  "
                         f"{f'{low:.1%} to {high:.1%}':>15}  "
                         f"{group.ece:>6.3f}  {group.ece_by_chance:>9.3f}  {note}")  # fmt: skip
        if report.unknown:
            lines.append(f"left out: {report.unknown:,} images without a group")
    return "\n".join(lines).lstrip("\n")


def _gap_in_words(report: GroupReport) -> str:
    if report.gap is None or report.adjusted is None:
        return f"no gap: there are fewer than two groups of {MIN_GROUP_SIZE} images"
    verdict = "more than chance explains" if report.adjusted < 0.05 else "chance alone may explain it"
    return (
        f"gap {100 * report.gap:.1f} points between groups of {MIN_GROUP_SIZE} images or more, {verdict} "
        f"(p = {report.adjusted:.3f}, Holm)"
    )


def _figures(
    name: str, probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str]
) -> GroupFigures:
    evaluation = metrics.evaluate(probabilities, labels, classes)
    return GroupFigures(
        name,
        evaluation.n,
        evaluation.accuracy,
        wilson(int(np.trace(evaluation.confusion)), evaluation.n),
        {score.name: score.recall for score in evaluation.per_class},
        {score.name: score.support for score in evaluation.per_class},
        evaluation.ece,
        evaluation.ece_by_chance,
        evaluation.n < SMALL,
    )


def _by_row(cells: Sequence[tuple[int, str]], path: Path, n: int) -> list[list[int]]:
    first: dict[int, int] = {}
    for number, text in cells:
        row = _row(text, number, path, n)
        if first.setdefault(row, number) != number:
            raise MienError(f"{path}, row {number}: image {row} has its groups in row {first[row]} already; "
                            "use one row per image", parameter="groups")  # fmt: skip
    return [[row] for row in first]


def _row(text: str, number: int, path: Path, n: int) -> int:
    if not text.strip().isdecimal() or int(text) >= n:
        raise MienError(f"{path}, row {number}: '{text[:40]}' is no image; rows are 0 to {n - 1:,}", parameter="groups")
    return int(text)


def _by_file(cells: Sequence[tuple[int, str]], path: Path, dataset: Dataset) -> list[list[int]]:
    """Rows of the data set with the pixels of each file; exact copies get the same group."""
    rows: dict[bytes, list[int]] = {}
    for i in range(len(dataset)):
        rows.setdefault(dataset.images[i].tobytes(), []).append(i)
    places = []
    for number, name in cells:
        candidates = [folder / name.strip() for folder in (path.parent, Path(dataset.source))]
        picture = next((candidate for candidate in candidates if candidate.is_file()), None)
        if picture is None:
            raise MienError(f"{path}, row {number}: there is no file {name.strip()[:80]}", parameter="groups")
        matches = rows.get(to_square_gray(open_picture(picture), SIZE).tobytes())
        if matches is None:
            raise MienError(
                f"{path}, row {number}: {picture} is not one of the images of {dataset.source}", parameter="groups"
            )
        places.append(matches)
    return places
