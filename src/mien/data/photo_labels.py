"""The labels that lie beside photographs, carried over to the faces that were cut out of them."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mien.data.pictures import PART_NAMES
from mien.data.sources import find
from mien.errors import MienError
from mien.files import atomic_write

LIST = "labels.csv"  # in the folder of the faces


def labels_of(photos: Path) -> dict[str, tuple[str, str]]:
    """Class and part ("" where none is given) of each labeled picture of a folder, by its path relative to it.

    Empty where nothing labels the pictures, and where boxes do: those are cut as they stand when the data are loaded.
    Pictures with several labels are left out.
    """
    try:
        pictures = find(photos).pictures
    except MienError:
        return {}
    if pictures is None or pictures.naming is None or any(sample.box for sample in pictures.samples):
        return {}
    labels: dict[str, tuple[str, str]] = {}
    several = set()
    for sample in pictures.samples:
        name = os.path.relpath(sample.file, photos)
        told = pictures.naming.classes[pictures.naming.index[sample.label]], PART_NAMES.get(sample.usage, "")
        if labels.setdefault(name, told) != told:
            several.add(name)
    return {name: told for name, told in labels.items() if name not in several}


def carry_labels(
    labels: Mapping[str, tuple[str, str]], faces: Mapping[str, Sequence[str]], output: Path
) -> Path | None:
    """Write labels.csv among the faces (image, label, and split where parts are given), unless the faces' own folders
    or names say the same; returns its path then.

    labels: of the photos, as `labels_of` has them. faces: the files cut out of each photo, relative to `output`.
    """
    rows = {file: labels[photo] for photo, files in faces.items() if photo in labels for file in files}
    path = output / LIST
    if not rows or (not path.exists() and labels_of(output) == rows):
        return None
    parts = any(part for _, part in rows.values())
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", *(["split"] if parts else [])])
        writer.writerows([name, label, *([part] if parts else [])] for name, (label, part) in sorted(rows.items()))
    return path
