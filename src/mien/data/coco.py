"""COCO's layout: a json file that lists pictures, boxes and categories."""

import json
import os
from collections import Counter
from typing import Any

from mien.data.annotated import around, attributes
from mien.data.class_names import is_missing
from mien.data.folder_tree import Folder
from mien.data.label_files import (
    PictureIndex,
    labeled,
    once_each,
    part_of_folder,
    read_text,
    tell_missing,
    tell_unnamed,
)
from mien.data.list_columns import labels_told
from mien.data.parts import part_of
from mien.data.pictures import Box, Pictures, Sample
from mien.errors import MienError

_NO_FACE = ("annotations without a box (keypoints or masks)", "rows without a label")
_OF_CVAT = {"occluded", "rotation", "track_id", "keyframe", "outside"}  # attributes that all of its exports have


def find(root: Folder) -> Pictures | None:
    """Faces cut out by the boxes of COCO's json files, such as Roboflow's _annotations.coco.json; None without such.

    Raises MienError for a json file whose lists are not whole.
    """
    samples: list[Sample] = []
    decisions, left_out = list[str](), Counter[str]()
    index: PictureIndex | None = None
    for folder in root.walk():
        for name in folder.files:
            path = os.path.join(folder.path, name)
            lists = _lists(path) if name.lower().endswith(".json") else None
            if lists is None:
                continue
            index = index or PictureIndex(root)
            usage = part_of(os.path.splitext(name)[0]) or part_of_folder(folder, root.path)
            before = len(samples)
            _read(lists, path, index, folder.path, usage, samples, left_out)
            shown = os.path.relpath(path, root.path)
            decisions.append(f"{len(samples) - before:,} faces cut out of the pictures by the boxes in {shown} (COCO)")
            tell_missing(left_out, decisions, path)
            decisions += [f"left out: {n:,} {reason} in {shown}" for reason in _NO_FACE if (n := left_out[reason])]
    if decisions:
        tell_unnamed(root, samples, left_out, decisions)
        samples = once_each(samples, left_out, decisions)
        return labeled(root, "COCO (a json file of boxes)", samples, "", decisions, left_out)
    return None


def _lists(path: str) -> dict[str, Any] | None:
    """The json of a file with pictures, annotations and categories; None where it is another."""
    try:
        content = json.loads(read_text(path))
    except ValueError:
        return None
    wanted = ("images", "annotations", "categories")
    return content if isinstance(content, dict) and all(isinstance(content.get(key), list) for key in wanted) else None


def _read(
    lists: dict[str, Any], path: str, index: PictureIndex, folder: str, usage: str, samples: list[Sample],
    left_out: Counter[str],
) -> None:  # fmt: skip
    found: list[tuple[str | None, dict[str, str], Box]] = []
    try:
        relative = _in_shares(lists["annotations"])
        names = {category["id"]: str(category["name"]) for category in lists["categories"]}
        files = {image["id"]: str(image.get("file_name") or image["coco_url"]) for image in lists["images"]}
        for annotation in lists["annotations"]:
            label, file = names[annotation["category_id"]], files[annotation["image_id"]]
            if box := _box(annotation):
                said = attributes(annotation.get("attributes") or {})
                told = {name: value for name, value in said.items() if name not in _OF_CVAT}
                found.append((index.find(file, folder, usage), {"label": label, **told}, box))
            else:
                left_out[_NO_FACE[0]] += 1
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MienError(
            f"{path} is not a whole COCO file: an annotation needs image_id, category_id and a bbox of four numbers, "
            "an image id and file_name, a category id and name; export it again"
        ) from error
    labels = labels_told([told for _, told, _ in found], path)
    for (picture, _, box), label in zip(found, labels, strict=True):
        if picture is None:
            left_out["rows whose picture is missing"] += 1
        elif is_missing(label):
            left_out[_NO_FACE[1]] += 1
        else:
            samples.append(Sample(picture, label, usage, box, relative))


def _box(annotation: dict[str, Any]) -> Box | None:
    """The box of an annotation, or that around its polygons; None for keypoints and masks alone."""
    if annotation.get("bbox"):
        x, y, width, height = (float(value) for value in annotation["bbox"])
        return x, y, x + width, y + height
    outlines = annotation.get("segmentation")
    if not isinstance(outlines, list) or not any(outlines):
        if {"keypoints", "segmentation", "bbox"} & annotation.keys():
            return None
        raise KeyError("bbox")
    return around([point for line in outlines for point in zip(line[::2], line[1::2], strict=True)])


def _in_shares(annotations: list[dict[str, Any]]) -> bool:
    """Whether boxes are in shares of the picture (0..1), not in pixels as COCO has them."""
    boxes = [box for annotation in annotations if isinstance(box := annotation.get("bbox"), list)]
    values = [value for box in boxes for value in box if isinstance(value, (int, float))]
    return bool(values) and max(values) <= 1
