"""Csv and jsonl files that name pictures, with a label each, as Kaggle's of RAF-DB and Hugging Face's metadata."""

import csv
import io
import json
import os
from collections import Counter
from pathlib import Path

from mien.data.class_names import PRESETS
from mien.data.csv_columns import EMOTION_NAMES, USAGE_NAMES
from mien.data.folder_tree import Folder
from mien.data.label_files import PictureIndex, labelled, number_in, read_text, tell_missing
from mien.data.parts import part_of
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError

_FILE_NAMES = ("image", "file_name", "filename", "file", "path", "pth", "filepath", "file_path", "image_path", "img",
               "image_name", "img_path", "img_name", "imagename", "subdirectory_filepath", "name", "picture", "photo",
               "image_id", "id")  # fmt: skip


def find(root: Folder) -> Pictures | None:
    """Pictures that a csv file names, with a label each: columns such as image and label, and split where it has
    one.
    """
    samples: list[Sample] = []
    left_out, decisions = Counter[str](), list[str]()
    index: PictureIndex | None = None
    numbers = ""
    for folder in root.walk():
        for file in folder.files:
            if not file.lower().endswith((".csv", ".tsv", ".jsonl")):
                continue
            path = os.path.join(folder.path, file)
            rows = _manifest(path)
            if rows is None:
                continue
            index = index or PictureIndex(root)
            affectnet = "subdirectory_filepath" in rows[0] if rows else False
            numbers = "affectnet" if affectnet else numbers
            usage_of_file = part_of(Path(file).stem) or part_of(folder.name) or ""
            n = len(samples)
            for row in rows:
                picture = index.find(row["\0file"], folder.path)
                label = _label(row["\0label"])
                if affectnet and label not in {str(number) for number in PRESETS["affectnet"]}:
                    left_out["no emotion by its annotation"] += 1
                elif picture is None:
                    left_out["rows whose picture is missing"] += 1
                elif label:
                    usage = part_of(row["\0usage"]) if row["\0usage"] else None
                    samples.append(Sample(picture, label, usage or usage_of_file, _face_box(row)))
            decisions.append(f"{os.path.relpath(path, root.path)} names {len(samples) - n:,} pictures and their labels")
            tell_missing(left_out, decisions, path)
    return labelled(root, "pictures named by a csv file", samples, numbers, decisions, left_out) if samples else None


def names_pictures(path: Path) -> bool:
    """Whether a csv file names pictures and their labels. Raises MienError where it cannot be read."""
    return _manifest(str(path)) is not None


def _manifest(path: str) -> list[dict[str, str]] | None:
    """The rows of a csv file that names pictures and labels, or None where it is none."""
    text = read_text(path)
    if path.lower().endswith(".jsonl"):
        text = _as_csv(text)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        at = {role: _column(header, names) for role, names in (
            ("\0file", _FILE_NAMES), ("\0label", EMOTION_NAMES), ("\0usage", USAGE_NAMES))}  # fmt: skip
        if at["\0file"] is None or at["\0label"] is None:
            return None
        rows = []
        for row in reader:
            if len(row) < len(header):
                continue
            fields = dict(zip(header, row, strict=False))
            rows.append(fields | {role: row[i] if i is not None else "" for role, i in at.items()})
    except csv.Error as error:
        raise MienError(f"{path} cannot be read as csv ({error}); correct or delete it") from error
    return rows


def _as_csv(text: str) -> str:
    """A json object a line, as Hugging Face's metadata.jsonl, as csv; empty where it is none."""
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        names = list(rows[0])
    except (ValueError, IndexError, TypeError):
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row for row in rows if isinstance(row, dict))
    return stream.getvalue()


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _face_box(row: dict[str, str]) -> tuple[float, float, float, float] | None:
    """AffectNet's face_x, face_y, face_width, face_height as left, top, right, bottom."""
    values = [number_in(row.get(f"face_{side}", "")) for side in ("x", "y", "width", "height")]
    if any(value is None for value in values):
        return None
    x, y, width, height = (value or 0.0 for value in values)
    return x, y, x + width, y + height


def _label(text: str) -> str:
    value = number_in(text)
    return str(int(value)) if value is not None and value == int(value) else text.strip()
