"""Figures with faces: the average face of each class, and contact sheets.

Averages over many people show no individual and may be published; contact sheets show faces and may be published only
if their rights allow it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation.style import SOFT, canvas, deep
from mien.labels import color

MIN_AVERAGED = 20  # with fewer images an average may still show a person, and is not drawn


def class_averages(dataset: Dataset, path: str | Path, title: str = "The average face of each class") -> Path:
    """Draw the mean face of each class, and below it the difference from the mean over classes.

    Only classes with at least 20 labeled images are drawn, so that no individual is recognizable. Marked as drawn if
    the data set is. Raises MienError if no class has enough images.
    """
    names, means, counts = [], [], []
    for i, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.labels == i)
        if len(rows) >= MIN_AVERAGED:
            names.append((i, name))
            means.append(dataset.images[rows].mean(axis=0, dtype=np.float64))
            counts.append(len(rows))
    if not means:
        raise MienError(f"no class of {dataset.source or 'the data'} has {MIN_AVERAGED} labeled images to average")
    # Remove brightness, which depends on lighting. Each class has the same weight in the overall mean.
    faces = np.stack(means)
    faces -= faces.mean(axis=(1, 2), keepdims=True)
    differences = faces - faces.mean(axis=0)
    reach = max(float(np.percentile(np.abs(differences), 99.7)), 1.0)
    low, high = np.percentile(faces, [0.5, 99.5])
    subtitle = (
        "Above: the mean of all images of a class, at equal brightness. Below: its difference from the "
        f"mean of the classes, red brighter, blue darker (full color at {reach:.0f} of 255 levels)."
    )
    with canvas(path, max(6.0, 1.42 * len(means)), 4.25, title, subtitle, dataset.drawn) as figure:
        axes = figure.subplots(2, len(means), squeeze=False)
        for k, (i, name) in enumerate(names):
            axes[0, k].imshow(faces[k], cmap="gray", vmin=low, vmax=high, interpolation="bicubic")
            axes[1, k].imshow(differences[k], cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="bicubic")
            axes[0, k].set_title(name, loc="center", color=deep(color(name, i)), weight="bold", size=11.5, pad=6)
            axes[1, k].set_xlabel(f"{counts[k]:,} images", size=9, color=SOFT)
            for axis in axes[:, k]:
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
    return Path(path)


def contact_sheet(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    path: str | Path,
    title: str = "Contact sheet",
    columns: int = 12,
    drawn: bool = False,
) -> Path:
    """Draw one row of images per class, evenly spaced in the data; unlabeled ones (-1) in a row of their own.

    images: (N, H, W) uint8. labels: (N,) int. At most `columns` images per class. Raises MienError if there are no
    images.
    """
    if len(images) == 0:
        raise MienError("no images for a contact sheet; check the data")
    labels = np.asarray(labels)
    rows = [(name, deep(color(name, i)), np.flatnonzero(labels == i)) for i, name in enumerate(classes)]
    rows.append(("unlabeled", SOFT, np.flatnonzero(labels < 0)))
    rows = [row for row in rows if len(row[2])]
    subtitle = f"{len(images):,} images; {columns} of each class, spread evenly over the data."
    side, gap = images.shape[1], max(1, images.shape[1] // 24)
    with canvas(path, 1.3 + 0.68 * columns, 0.92 + 0.68 * len(rows), title, subtitle, drawn) as figure:
        axis = figure.subplots()
        step = side + gap
        sheet = np.full((step * len(rows) - gap, step * columns - gap), 255, dtype=np.uint8)
        for i, (_, _, members) in enumerate(rows):
            chosen = members[np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int)]
            for j, row in enumerate(chosen):
                sheet[i * step : i * step + side, j * step : j * step + side] = images[row]
        axis.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
        axis.set_xticks([])
        axis.set_yticks([i * step + side / 2 for i in range(len(rows))])
        axis.set_yticklabels([f"{name}\n{len(members):,}" for name, _, members in rows])
        for label, (_, shade, _) in zip(axis.get_yticklabels(), rows, strict=True):
            label.set(color=shade, weight="bold")
        axis.spines[:].set_visible(False)
    return Path(path)
