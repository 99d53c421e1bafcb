"""YOLO's layout: images/ beside labels/, a text file of face boxes a picture, and data.yaml that names the classes."""

import os
import re
from collections import Counter
from collections.abc import Iterator

from mien.data.folder_tree import Folder
from mien.data.label_files import labelled, number_in, read_text
from mien.data.parts import part_of
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError


def find(root: Folder) -> Pictures | None:
    """images/ beside labels/: "class x y width height" a line of shares of the picture, and data.yaml that names
    classes.
    """
    places: list[tuple[Folder, Folder, str]] = []
    for folder in root.walk():
        images, labels = folder.child("images"), folder.child("labels")
        if (
            images is None
            or labels is None
            or not any(name.endswith(".txt") for f in labels.walk() for name in f.files)
        ):
            continue
        inner = [part for part in images.folders if part_of(part.name) and labels.child(part.name.lower())]
        if inner:
            places += [(part, labels.child(part.name.lower()) or labels, part_of(part.name) or "") for part in inner]
        else:
            places.append((images, labels, part_of(folder.name) or ""))
    if not places:
        return None
    names = _names(root)
    samples, left_out = [], Counter[str]()
    for images, labels, usage in places:
        for path in images.all_pictures():
            beside = os.path.relpath(os.path.splitext(path)[0], images.path) + ".txt"
            list_of_boxes = os.path.join(labels.path, beside)
            boxes = list(_boxes(list_of_boxes)) if os.path.isfile(list_of_boxes) else []
            left_out["no face box by its label file"] += not boxes
            samples += [
                Sample(path, names[number] if number in names else str(number), usage, box, relative=True)
                for number, box in boxes
            ]
    if not samples:
        raise MienError(
            f"{root.path} is laid out as YOLO's data (images/ and labels/) and has no face boxes; check labels/"
        )
    decisions = ["faces cut out of the pictures by YOLO's boxes"]
    if n := left_out["no face box by its label file"]:
        decisions.append(f"left out: {n:,} pictures without a box")
    pictures = labelled(root, "YOLO (images/ and labels/)", samples, "", decisions, left_out)
    pictures.unnamed = not names
    return pictures


def _boxes(path: str) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        values = [number_in(word) for word in words[:5]]
        if not words:
            continue
        if len(values) < 5 or None in values:
            raise MienError(
                f"{path} line {number} is not YOLO's: a class number and a box of four shares; correct or delete it"
            )
        kind, x, y, width, height = (value or 0.0 for value in values)
        yield int(kind), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _names(root: Folder) -> dict[int, str]:
    """The classes by number: from `names` in data.yaml (a list or a map), or the lines of classes.txt."""
    for folder in root.walk():
        for file in folder.files:
            path = os.path.join(folder.path, file)
            if file.lower().endswith((".yaml", ".yml")) and (names := _yaml_names(read_text(path))):
                return names
            if file.lower() in ("classes.txt", "obj.names", "labels.txt") and folder.name.lower() != "labels":
                return dict(enumerate(line.strip() for line in read_text(path).splitlines() if line.strip()))
    return {}


def _yaml_names(text: str) -> dict[int, str]:
    """`names:` of a yaml file: [a, b], or lines "- a", or lines "0: a"."""
    match = re.search(
        r"^names:[ \t]*(?P<list>[\[{][^\]}]*[\]}])?(?P<block>(?:\n[ \t]*(?:-|\d+:).*)*)", text, re.MULTILINE
    )
    if match is None:
        return {}
    items = (match["list"] or "").strip("[]{}").split(",") if match["list"] else match["block"].splitlines()
    names: dict[int, str] = {}
    for item in items:
        text_of = item.strip().removeprefix("-").split(" #")[0].strip()
        number, colon, name = text_of.partition(":")
        numbered = bool(colon) and number.strip().isdigit()
        text_of = (name if numbered else text_of).strip().strip("'\"")
        if text_of:
            names[int(number) if numbered else len(names)] = text_of
    return names
