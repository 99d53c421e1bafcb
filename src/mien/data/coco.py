"""COCO's layout: a json file that lists pictures, boxes and categories."""

import json
import os
from collections import Counter
from typing import Any

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
from mien.data.parts import part_of
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError


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
    try:
        relative = _in_shares(lists["annotations"])
        names = {category["id"]: str(category["name"]) for category in lists["categories"]}
        files = {image["id"]: str(image["file_name"]) for image in lists["images"]}
        for annotation in lists["annotations"]:
            picture = index.find(files[annotation["image_id"]], folder, usage)
            x, y, width, height = (float(value) for value in annotation["bbox"])
            if picture is None:
                left_out["rows whose picture is missing"] += 1
            else:
                box = (x, y, x + width, y + height)
                samples.append(Sample(picture, names[annotation["category_id"]], usage, box, relative))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MienError(
            f"{path} is not a whole COCO file: an annotation needs image_id, category_id and a bbox of four numbers, "
            "an image id and file_name, a category id and name; export it again"
        ) from error


def _in_shares(annotations: list[dict[str, Any]]) -> bool:
    """Whether boxes are in shares of the picture (0..1), not in pixels as COCO has them."""
    boxes = [box for annotation in annotations if isinstance(box := annotation.get("bbox"), list)]
    values = [value for box in boxes for value in box if isinstance(value, (int, float))]
    return bool(values) and max(values) <= 1
