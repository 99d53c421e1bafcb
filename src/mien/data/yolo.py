"""YOLO's layout: images/ beside labels/, a text file of face boxes a picture, and data.yaml that names the classes."""

import os
import re
from collections import Counter
from collections.abc import Iterator

from mien.data.class_legends import yaml_names
from mien.data.folder_tree import Folder
from mien.data.label_files import labeled, number_in, part_of_folder, read_text
from mien.data.manifests import GivenParts, given_parts
from mien.data.parts import part_of
from mien.data.pictures import Pictures, Sample
from mien.data.yolo_parts import yaml_parts
from mien.errors import MienError
from mien.labels import emotion_of, emotions_of

_BOX_LINE = re.compile(r"\d+(\s+-?[\d.]+){4}")
_WITH_LANDMARKS = 15  # numbers in a line: class, box, and x and y of eyes, nose and corners of the mouth
_MAX_SHARE = 1.5  # a share in a box that is let pass: boxes reach over the edge


def find(root: Folder) -> Pictures | None:
    """images/ beside labels/, or both in one folder: "class x y width height" a line, in shares of the picture, and
    data.yaml or obj.names that names classes."""
    places: list[tuple[Folder, Folder, str]] = []
    for folder in root.walk():
        if _boxes_beside(folder):  # as Darknet has them
            places.append(
                (Folder(folder.path, folder.name, folder.pictures), folder, part_of_folder(folder, root.path))
            )
            continue
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
            places.append((images, labels, part_of_folder(folder, root.path)))
    names = _names(root) if places else {}
    # In a class folder the boxes beside the pictures are of something else, unless they are of emotions.
    places = [place for place in places if not emotion_of(place[0].name) or emotions_of(names.values())]
    if not places:
        return None
    samples, left_out = [], Counter[str]()
    listed = GivenParts()
    if not any(usage for *_, usage in places):
        listed = yaml_parts(root)
        listed = listed if listed.of else given_parts(root)
    for images, labels, usage in places:
        for path in images.all_pictures():
            beside = os.path.relpath(os.path.splitext(path)[0], images.path) + ".txt"
            list_of_boxes = os.path.join(labels.path, beside)
            boxes = list(_boxes(list_of_boxes)) if os.path.isfile(list_of_boxes) else []
            left_out["no face box by its label file"] += not boxes
            for number, box in boxes:
                if names and number not in names:
                    raise MienError(
                        f"{list_of_boxes} has the class number {number}, and the {len(names)} names of the classes end "
                        f"before it ({', '.join(names.values())}); correct one of the two"
                    )
                samples.append(
                    Sample(path, names.get(number, str(number)), usage or listed.of.get(path, ""), box, True)
                )
    if not samples:
        raise MienError(
            f"{root.path} is laid out as YOLO's data (images/ and labels/) and has no face boxes; check labels/"
        )
    decisions = ["faces cut out of the pictures by YOLO's boxes", *listed.decisions]
    if n := left_out["no face box by its label file"]:
        decisions.append(f"left out: {n:,} pictures without a box")
    elsewhere = root.count - sum(images.count for images, *_ in places)
    if elsewhere:
        left_out["pictures without labels/ beside their folder"] += elsewhere
        decisions.append(f"left out: {elsewhere:,} pictures in folders without labels/ beside them")
    pictures = labeled(root, "YOLO (images/ and labels/)", samples, "", decisions, left_out)
    pictures.unnamed = not names
    return pictures


def _boxes_beside(folder: Folder) -> bool:
    """Whether pictures have a text file of boxes each, of the same name, in their own folder."""
    texts = {name[:-4] for name in folder.files if name.endswith(".txt")}
    lists = [stem for name in folder.pictures if (stem := os.path.splitext(name)[0]) in texts]
    if not lists or len(lists) < len(folder.pictures) / 2:
        return False
    try:
        return any(True for stem in lists[:3] for _ in _boxes(os.path.join(folder.path, f"{stem}.txt")))
    except MienError:
        return False


def _boxes(path: str) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        values = [value for word in words if (value := number_in(word)) is not None]
        if not words:
            continue
        if len(values) < len(words) or len(words) < 5 or (len(words) > 6 and len(words) % 2 == 0):
            raise MienError(
                f"{path} line {number} is not YOLO's: a class number and a box of four shares, or the corners of a "
                "polygon; correct or delete it"
            )
        kind, *shares = values
        if len(words) > 6 and not (len(words) == _WITH_LANDMARKS and _around_landmarks(shares)):
            # segments and oriented boxes: x, y of each corner
            xs, ys = shares[::2], shares[1::2]
            box = min(xs), min(ys), max(xs), max(ys)
        else:  # the middle and the size, and perhaps a confidence or five landmarks
            x, y, width, height = shares[:4]
            box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        if max(shares) > _MAX_SHARE or min(shares) < 1 - _MAX_SHARE:
            raise MienError(
                f"{path} line {number} has {max(shares, key=abs):g} in a box, where YOLO has shares of the "
                "picture, 0 to 1; divide pixels by its width and height"
            )
        yield int(kind), box


def _around_landmarks(shares: list[float]) -> bool:
    """Whether numbers are a box and five landmarks within it, as face detectors have them, and no seven corners."""
    x, y, width, height, *points = shares
    return all(2 * abs(px - x) <= width for px in points[::2]) and all(2 * abs(py - y) <= height for py in points[1::2])


def _names(root: Folder) -> dict[int, str]:
    """The classes by number: from `names` in data.yaml (a list or a map), or the lines of classes.txt, also in labels/
    as labelImg writes it, or of a file such as obj.names.

    Of several yaml files the one that names parts, too, goes first: others hold what a training was run with.
    """
    found: list[tuple[bool, dict[int, str]]] = []
    for folder in root.walk():
        for file in folder.files:
            path = os.path.join(folder.path, file)
            if file.lower().endswith((".yaml", ".yml")):
                text = read_text(path)
                if names := yaml_names(text):
                    found.append((re.search(r"^(train|val|test|nc)\s*:", text, re.MULTILINE) is None, names))
            if file.lower() in ("classes.txt", "labels.txt") or file.lower().endswith(".names"):
                lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
                if not any(_BOX_LINE.match(line) for line in lines):  # those of a picture that is called classes.png
                    found.append((True, dict(enumerate(lines))))
    if not found:
        return {}
    best = min(other for other, _ in found)
    first, *rest = [names for other, names in found if other == best]
    for names in rest:
        if names != first:
            raise MienError(
                f"{root.path} holds several lists of class names ({', '.join(first.values())}; "
                f"{', '.join(names.values())}); delete the wrong one"
            )
    return first
