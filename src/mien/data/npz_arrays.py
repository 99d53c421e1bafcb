"""What the arrays of an npz archive are, by their names: pictures, labels, parts, and the names of the classes."""

import re
from dataclasses import dataclass

from mien.data.csv_columns import EMOTION_NAMES, label_columns
from mien.data.dataset import USAGES
from mien.data.part_columns import USAGE_NAMES, flagged_part
from mien.data.parts import part_of, rank_of

PIXEL_NAMES = ("pixels", "image", "images", "img", "x", "data", "faces", "picture", "pixel_values", "img_bytes",
               "bytes")  # fmt: skip
LABEL_NAMES = (*EMOTION_NAMES, "emotions", "targets", "labels", "fer_code")
_CLASS_NAMES = ("class_names", "classes", "label_names", "labels_names", "emotion_names", "target_names", "categories",
                "names", "class_labels")  # fmt: skip


@dataclass(frozen=True)
class Arrays:
    """The names of arrays by their roles.

    pictures: by what stands beside "images" and its like, in the order of parts: "" (all of them), or what names a part
    (train, dev, public_test). labels: for each of these, the arrays that may hold the labels, the likeliest first.
    usages, class_names: those that may hold the part of each picture, and the names of the classes.
    """

    pictures: dict[str, str]
    labels: dict[str, list[str]]
    usages: list[str]
    class_names: list[str]


def arrays(names: list[str]) -> Arrays:
    """The roles of an archive's arrays by their names, in any case."""
    class_names = [name for wanted in _CLASS_NAMES for name in names if name.lower() == wanted]
    usages = [name for wanted in USAGE_NAMES for name in names if name.lower() == wanted]
    usages += [name for name in names if flagged_part(name)]
    free = [name for name in names if name not in class_names and name not in usages]
    pictures = {rest: found[0] for rest, found in _roles(free, PIXEL_NAMES).items()}
    free = [name for name in free if name not in pictures.values()]
    labels = _roles(free, LABEL_NAMES)
    if "" in pictures:
        known = {name for found in labels.values() for name in found}
        labels[""] = labels.get("", []) + [name for name in label_columns(free) if name not in known]
        if any(part_of(rest) == USAGES[0] for rest in pictures if rest):
            del pictures[""]  # all of them once more
    order = sorted(pictures, key=lambda rest: rank_of(part_of(rest) or ""))
    found = {}
    for rest in order:
        same = [other for other in labels if other and part_of(other) == part_of(rest)] if rest else []
        found[rest] = labels.get(rest) or (labels[same[0]] if same else [])
    return Arrays({rest: pictures[rest] for rest in order}, found, usages, class_names)


def _roles(names: list[str], roots: tuple[str, ...]) -> dict[str, list[str]]:
    """The arrays whose names hold one of the roots, by the rest of the name: in the order of the roots."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        match = _split(name.lower(), roots)
        if match:
            found.setdefault(match[1], []).append((roots.index(match[0]), name))
    return {rest: [name for _, name in sorted(each)] for rest, each in found.items()}


def _split(name: str, roots: tuple[str, ...]) -> tuple[str, str] | None:
    """A root and the rest beside it, "" or what names a part: x_train, train_x, xtrain, X_public_test."""
    if name in roots:
        return name, ""
    for root in sorted(roots, key=len, reverse=True):
        for rest in (name.removeprefix(root), name.removesuffix(root)):
            plain = re.sub(r"^[_\-. ]+|[_\-. ]+$", "", rest)
            if plain and len(rest) < len(name) and part_of(plain):
                return root, plain
    return None
