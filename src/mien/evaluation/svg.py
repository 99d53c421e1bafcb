"""SVG charts for a page without scripts: lines, intervals, reliability diagrams, confusion tables. No matplotlib.

Colors are CSS variables of the page, so charts follow its light and dark themes. Sizes are in units of the view box,
which scales with the page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 26, 16, 40
Formatter = Callable[[float], str]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A series of points (x, y); color: a CSS color; non-finite points are skipped."""

    name: str
    points: Points
    color: str


def percent(value: float) -> str:
    """A share, 0..1, as a whole percentage."""
    return f"{100 * value:.0f} %"


def number(value: float) -> str:
    """A number with three digits."""
    return f"{value:.3g}"


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_format: str = "percent",
    x_format: str = "number",
    mark: tuple[float, str] | None = None,
) -> str:
    """Lines over a shared x axis, with a legend below. y_format, x_format: "percent" or "number". mark: an x position
    with a label."""  # fmt: skip
    shown = [(x, y) for line in lines for x, y in line.points if isfinite(x) and isfinite(y)]
    if not shown:
        return ""
    xs, ys = [x for x, _ in shown], [y for _, y in shown]
    plot = _Plot((min(xs), max(xs)), _padded(min(ys), max(ys)))
    parts = [plot.axes(x_label, _format(x_format), _format(y_format))]
    if mark is not None and plot.low_x <= mark[0] <= plot.high_x:
        at = plot.x(mark[0])
        anchor = "end" if at > WIDTH - 90 else "start"
        offset = -4 if anchor == "end" else 4
        parts.append(f'<path class="guide" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
                     f'<text x="{at + offset:.1f}" y="{TOP + 10}" '
                     f'text-anchor="{anchor}">{escape(mark[1])}</text>')  # fmt: skip
    for line in lines:
        points = [(x, y) for x, y in line.points if isfinite(x) and isfinite(y)]
        path = "L".join(f"{plot.x(x):.1f} {plot.y(y):.1f}" for x, y in _thinned(points))
        parts.append(f'<path class="line" d="M{path}" stroke="{line.color}"/>')
        if len(points) == 1:
            x, y = points[0]
            parts.append(f'<circle cx="{plot.x(x):.1f}" cy="{plot.y(y):.1f}" r="4" fill="{line.color}"/>')
    legend = "".join(
        f'<li><span class="key" style="background:{line.color}"></span>{escape(line.name)}</li>' for line in lines
    )
    return _figure(title, "".join(parts), f'<ul class="legend">{legend}</ul>' if len(lines) > 1 else "")


def reliability_chart(
    title: str, confidence: NDArray[np.float64], accuracy: NDArray[np.float64], count: NDArray[np.int64],
    edges: NDArray[np.float64],
) -> str:  # fmt: skip
    """Reliability diagram: accuracy per confidence bin as bars, with the diagonal; bins with under 20 images are
    pale."""
    plot = _Plot((0, 1), (0, 1))
    parts = [plot.axes("confidence", percent, percent)]
    for i in np.flatnonzero(count):
        left, right = plot.x(edges[i]) + 1, plot.x(edges[i + 1]) - 1
        top, promised = plot.y(accuracy[i]), plot.y(confidence[i])
        opacity = 0.3 if count[i] < 20 else 0.85
        tip = f"confidence {confidence[i]:.0%}, right {accuracy[i]:.0%}, {count[i]:,} images"
        parts.append(
            f'<g opacity="{opacity}"><title>{tip}</title>'
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{HEIGHT - BOTTOM - top:.1f}" '
            f'fill="var(--training)"/><path class="gap" d="M{(left + right) / 2:.1f} {top:.1f}V{promised:.1f}"/></g>'
        )
    parts.append(f'<path class="guide" d="M{plot.x(0):.1f} {plot.y(0):.1f}L{plot.x(1):.1f} {plot.y(1):.1f}"/>')
    return _figure(title, "".join(parts), "")


def interval_chart(title: str, rows: Sequence[tuple[str, float, float, float, str]], zero: bool = False) -> str:
    """Values with intervals, one row each: (name, value, low, high, words). zero: draw a line at 0, for differences."""
    low, high = min(row[2] for row in rows), max(row[3] for row in rows)
    low, high = (min(low, 0), max(high, 0)) if zero else (max(0, low), min(1, high))
    margin = 0.08 * max(high - low, 0.02)
    low, high = (low - margin, high + margin) if zero else (max(0, low - margin), min(1, high + margin))
    left, height = 150, 34 + 30 * len(rows)

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH - left - 92)

    parts = []
    for tick in _ticks(low, high, 4):
        words = f"{100 * tick:+.3g}" if zero and abs(tick) > 1e-9 else "0" if zero else percent(tick)
        parts.append(f'<path class="grid" d="M{place(tick):.1f} 8V{height - 24}"/>'
                     f'<text x="{place(tick):.1f}" y="{height - 8}" text-anchor="middle">{words}</text>')  # fmt: skip
    if zero:
        parts.append(f'<path class="guide" d="M{place(0):.1f} 8V{height - 24}"/>')
    for i, (name, value, under, over, words) in enumerate(rows):
        y = 24 + 30 * i
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end" class="name">{escape(_short(name))}</text>'
            f'<path class="whisker" d="M{place(under):.1f} {y}H{place(over):.1f}"/>'
            f'<circle cx="{place(value):.1f}" cy="{y}" r="5" fill="var(--validation)"/>'
            f'<text x="{WIDTH - 4}" y="{y + 4}" text-anchor="end">{escape(words)}</text>'
        )
    return _figure(title, "".join(parts), "", height)


def confusion_table(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """The confusion matrix as an HTML table: shares of each true class, counts as tooltips, darker for larger
    shares."""
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)
    rows = []
    for name, counts in zip(classes, matrix, strict=True):
        total = sum(counts)
        cells = []
        for predicted, count in zip(classes, counts, strict=True):
            share = count / total if total else 0.0
            words = f"{share:.0%}" if total else "–"
            tip = f"{name} taken for {predicted}: {count:,} of {total:,}"
            level = "high" if share > 0.55 else "low"
            cells.append(f'<td class="{level}" style="--share:{share:.3f}" title="{escape(tip)}">{words}</td>')
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="confusion matrix"><table '
        f'class="confusion"><thead><tr>'
        f"<td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


class _Plot:
    """The plot area: maps data coordinates to those of the view box."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.low_x, self.high_x = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        self.low_y, self.high_y = y

    def x(self, value: float) -> float:
        return LEFT + (value - self.low_x) / (self.high_x - self.low_x) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low_y) / (self.high_y - self.low_y) * (HEIGHT - TOP - BOTTOM)

    def axes(self, x_label: str, x_format: Formatter, y_format: Formatter) -> str:
        parts = []
        for tick in _ticks(self.low_y, self.high_y, 7):
            parts.append(f'<path class="grid" d="M{LEFT} {self.y(tick):.1f}H{WIDTH - RIGHT}"/>'
                         f'<text x="{LEFT - 6}" y="{self.y(tick) + 4:.1f}" '
                         f'text-anchor="end">{y_format(tick)}</text>')  # fmt: skip
        for tick in _ticks(self.low_x, self.high_x, 6):
            parts.append(f'<text x="{self.x(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                         f'text-anchor="middle">{x_format(tick)}</text>')  # fmt: skip
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle" class="label">{escape(x_label)}</text>'
        )
        return "".join(parts)


def _figure(title: str, drawing: str, below: str, height: int = HEIGHT) -> str:
    label = escape(title, quote=True)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{label}">{drawing}</svg>{below}</figure>'
    )


def _format(kind: str) -> Formatter:
    return percent if kind == "percent" else number


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * max(high - low, 0.02)
    return low - margin, high + margin


def _ticks(low: float, high: float, about: int) -> list[float]:
    """About `about` round numbers within low..high."""
    raw = (high - low) / about
    unit = 10 ** floor(log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw)
    first = int(np.ceil(low / step - 1e-9))
    return [k * step for k in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _thinned(points: Points, most: int = 400) -> Points:
    if len(points) <= most:
        return points
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
