"""What abstaining wins, and what small, blurred, dark, tilted and cut faces cost: accuracy on FER2013's PublicTest.

    python benchmarks/quality.py --data data/ -o results/benchmarks

coverage.md, coverage.png   accuracy on the faces that a model is surest of, against their share
quality.md, quality.png     accuracy of the default model on the same faces made worse in one way at a time, each as it
                            would come out of a picture (mien's own crop), with what face.quality then says of them; and
                            on the faces as they are, in fifths of each measure
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mien.data import load
from mien.evaluation import conformal, plots, style
from mien.evaluation.statistics import wilson
from mien.files import atomic_write
from mien.inference.crop import crop_face
from mien.inference.model import Model, open_model
from mien.inference.model_file import DEFAULT
from mien.inference.quality import Quality, measure_quality

MODELS = (DEFAULT, "hybrid", "nano")
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.25)
SIDE = 48
EYES = np.array([[16.0, 20.0], [32.0, 20.0]])  # about where FER2013's faces have them
Cut = tuple[NDArray[np.uint8], Quality]


def worse(face: NDArray[np.uint8], side: int = SIDE, blur: float = 0, light: float = 1, tilt: float = 0,
          cut: float = 0) -> Cut:  # fmt: skip
    """A face as it comes out of a picture in which it is `side` pixels large, blurred (radius in pixels), relit, tilted
    (degrees, clockwise) or with a share of its right side beyond the border; and its quality."""
    picture = Image.fromarray(face)
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    if light != 1:
        table = np.clip(np.rint(np.arange(256) * light), 0, 255)
        picture = Image.fromarray(table.astype(np.uint8)[np.asarray(picture)])
    if tilt:
        padded = Image.fromarray(np.pad(np.asarray(picture), SIDE // 2, mode="edge"))
        turned = padded.rotate(-tilt, Image.Resampling.BILINEAR)
        picture = turned.crop((SIDE // 2, SIDE // 2, SIDE // 2 + SIDE, SIDE // 2 + SIDE))
    if side != SIDE:
        picture = picture.resize((side, side), Image.Resampling.BOX if SIDE % side == 0 else Image.Resampling.BILINEAR)
    if cut:
        picture = picture.crop((0, 0, round(side * (1 - cut)), side))
    box = np.array([0.0, 0.0, side, side])
    angle = np.radians(tilt)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    landmarks = np.full((5, 2), np.nan)
    landmarks[:2] = (EYES - SIDE / 2) @ rotation + SIDE / 2
    crop = crop_face(picture, box, SIDE, margin=1.0)
    return crop, measure_quality(crop, box, landmarks, 0, picture.width, picture.height)


# What is done, by the measure that it moves: label, options of `worse`.
CHANGES: dict[str, list[tuple[str, dict[str, float]]]] = {
    "size": [(f"{side} pixels", {"side": side}) for side in (48, 32, 24, 16, 12, 8)],
    "sharpness": [
        (f"radius {radius}" if radius else "as it is", {"blur": radius}) for radius in (0, 0.5, 1, 1.5, 2, 3)
    ],
    "brightness": [(f"x{light}", {"light": light}) for light in (0.1, 0.25, 0.5, 1, 1.5, 2)],
    "tilt": [(f"{angle}°", {"tilt": angle}) for angle in (0, 10, 20, 30, 45, 60)],
    "cut": [(f"{share:.0%}", {"cut": share}) for share in (0, 0.1, 0.2, 0.3, 0.4, 0.5)],
}  # fmt: skip
MEASURES: dict[str, Callable[[Quality], float]] = {
    "size": lambda q: q.size, "sharpness": lambda q: q.sharpness, "brightness": lambda q: q.brightness,
    "contrast": lambda q: q.contrast, "tilt": lambda q: abs(q.tilt or 0.0), "cut": lambda q: q.cut,
}  # fmt: skip
FLAGS = {"size": ("small",), "sharpness": ("blurred",), "brightness": ("dark", "bright"), "tilt": ("tilted",),
         "cut": ("cut",)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="FER2013, as mien.load_dataset takes it")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/benchmarks"))
    args = parser.parse_args()
    dataset = load(args.data)
    rows = (dataset.usage == "PublicTest") & (dataset.labels >= 0)
    faces, labels = dataset.images[rows], dataset.labels[rows]
    coverage(faces, labels, args.output, dataset.drawn)
    quality(faces, labels, args.output, dataset.drawn)


def coverage(faces: NDArray[np.uint8], labels: NDArray[np.int64], output: Path, drawn: bool) -> None:
    curves = {name: conformal.accuracy_by_coverage(open_model(name).classify(faces), labels) for name in MODELS}
    plots.accuracy_by_coverage(curves, output / "coverage.png", "What abstaining wins, on PublicTest", drawn)
    lines = [
        f"PublicTest, {len(faces):,} images, single view. Columns: the share of faces that is answered, the surest "
        "first; the others are left to people.\n",
        f"| model | {' | '.join(f'{share:.0%}' for share in SHARES)} |", f"|---|{'--:|' * len(SHARES)}",
    ]  # fmt: skip
    for name, (_, accuracy) in curves.items():
        cells = [f"{accuracy[max(1, round(share * len(faces))) - 1]:.1%}" for share in SHARES]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    write(output / "coverage.md", lines)


def quality(faces: NDArray[np.uint8], labels: NDArray[np.int64], output: Path, drawn: bool) -> None:
    model = open_model(DEFAULT)
    lines = [
        f"`{DEFAULT}` on PublicTest, {len(faces):,} images, single view: the same faces made worse in one way at a "
        "time. Measured: the median of what face.quality says of them; flagged: the share whose flag goes up.\n",
        "| what is done | measured | flagged | accuracy (95 %) |", "|---|--:|--:|--:|",
    ]  # fmt: skip
    panels: dict[str, list[tuple[str, int]]] = {}
    for measure, changes in CHANGES.items():
        for label, options in changes:
            cut = [worse(face, **options) for face in faces]  # type: ignore[arg-type]
            right = hits(model, np.array([crop for crop, _ in cut]), labels)
            values = [MEASURES[measure](found) for _, found in cut]
            flags = {
                "size": "small",
                "sharpness": "blurred",
                "brightness": "dark bright",
                "tilt": "tilted",
                "cut": "cut",
            }
            raised = np.mean([any(flag in flags[measure].split() for flag in found.flags) for _, found in cut])
            low, high = wilson(int(right.sum()), len(labels))
            lines.append(f"| {measure}: {label} | {np.median(values):.3g} | {raised:.0%} | {right.mean():.1%} "
                         f"({low:.1%} to {high:.1%}) |")  # fmt: skip
            panels.setdefault(measure, []).append((label, int(right.sum())))
            print(lines[-1], flush=True)
    lines += ["", "The same faces as they are, in fifths of each measure, the lowest first:\n",
              "| measure | 1st | 2nd | 3rd | 4th | 5th |", "|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    right = hits(model, faces, labels)
    found = [worse(face)[1] for face in faces]
    for measure in ("sharpness", "brightness", "contrast"):
        values = np.array([MEASURES[measure](each) for each in found])
        fifths = np.array_split(np.argsort(values, kind="stable"), 5)
        cells = [f"{right[rows].mean():.1%} ({values[rows].min():.2f} to {values[rows].max():.2f})" for rows in fifths]
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    write(output / "quality.md", lines)
    figure(panels, len(labels), output / "quality.png", drawn)


def hits(model: Model, faces: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = model.classify(faces).argmax(axis=1) == labels
    return right


def figure(panels: dict[str, list[tuple[str, int]]], n: int, path: Path, drawn: bool) -> None:
    subtitle = (
        "Accuracy of the default model on PublicTest, the same faces made worse in one way at a time, with 95 % "
        "intervals."
    )
    with style.canvas(path, 11, 3.9, "What bad pictures cost", subtitle, drawn) as canvas:
        axes = canvas.subplots(1, len(panels), sharey=True)
        for axis, (measure, points) in zip(axes, panels.items(), strict=True):
            shares = np.array([right / n for _, right in points])
            low, high = np.array([wilson(right, n) for _, right in points]).T
            axis.fill_between(range(len(points)), low, high, color=style.TRAIN, alpha=0.15, lw=0)
            axis.plot(range(len(points)), shares, color=style.TRAIN, marker="o", ms=4.5)
            axis.set_title(measure, weight="bold")
            axis.set_xticks(range(len(points)), [label for label, _ in points], rotation=50, ha="right", size=9)
            axis.set_ylim(0, 0.8)
            style.percent(axis)


def write(path: Path, lines: list[str]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(
            "\n".join(
                [*lines, "", "`python benchmarks/quality.py --data data/ -o results/benchmarks` makes this table."]
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
