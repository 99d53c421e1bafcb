"""The common style of all figures: a canvas with a left-aligned heading, quiet axes, and a mark for drawn faces.

matplotlib is imported when a figure is made, with the Agg renderer only: no window, no global state.
"""

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from mien.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID, PAPER = "#22223b", "#6b7080", "#e6e8ee", "#ffffff"
TRAIN, VALIDATION, ACCENT = "#30638e", "#d1495b", "#edae49"
DPI = 150  # for figures of 9 to 10 inches: sharp at twice the width of a README

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": GRID,
    "grid.linewidth": 0.9,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
}


@contextmanager
def canvas(
    path: str | Path, width: float, height: float, title: str, subtitle: str = "", drawn: bool = False
) -> Iterator["Figure"]:
    """Yield a Figure of width x height inches (heading included), then write it to `path` as PNG, atomically.

    drawn: mark it as made from drawn faces, so that its numbers are not mistaken for real results.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = textwrap.wrap(subtitle, int(width * 12.2))
    head = 0.52 + 0.21 * len(lines) + (0.08 if lines else 0)
    foot = 0.3 if drawn else 0.06
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
        FigureCanvasAgg(figure)
        room = (0.005, foot / height, 0.99, 1 - (head + foot) / height)
        figure.set_layout_engine("constrained", rect=room, w_pad=0.12, h_pad=0.06)
        figure.text(0.14 / width, 1 - 0.34 / height, title, size=15, weight="bold", va="baseline")
        for i, line in enumerate(lines):
            up = 1 - (0.62 + 0.21 * i) / height
            figure.text(0.14 / width, up, line, size=10.5, color=SOFT, va="baseline")
        if drawn:
            figure.text(
                1 - 0.14 / width, 0.12 / height, "drawn faces: demo only", size=10, weight="bold",
                color="#8a5a00", ha="right",
                bbox={"boxstyle": "round,pad=0.35", "fc": "#fff1cf", "ec": "none"},
            )  # fmt: skip
        yield figure
        drawing = io.BytesIO()
        figure.savefig(drawing, format="png")
        with atomic_write(path) as temporary, Image.open(drawing) as picture:
            # A palette saves two thirds of the bytes without a visible difference.
            few = picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            few.save(temporary, "PNG", optimize=True)


def deep(shade: str, share: float = 0.3) -> str:
    """A hex color darkened for text on white, where yellow would be illegible."""
    mixed = (round((1 - share) * int(shade[i : i + 2], 16) + share * int(INK[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{level:02x}" for level in mixed)


def percent(axis: "Axes", which: str = "y") -> None:
    """Format an axis of shares 0..1 as percentages, with grid lines."""
    from matplotlib.ticker import PercentFormatter

    (axis.yaxis if which == "y" else axis.xaxis).set_major_formatter(PercentFormatter(1, decimals=0))
    axis.grid(axis="y" if which == "y" else "x")


def separate(one: float, other: float, least: float) -> tuple[float, float]:
    """Two values, moved apart symmetrically if they are closer than `least`, to place two labels."""
    if abs(one - other) >= least:
        return one, other
    middle, half = (one + other) / 2, least / 2 if one >= other else -least / 2
    return middle + half, middle - half
