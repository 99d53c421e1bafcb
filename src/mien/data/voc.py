"""Pascal VOC's layout: an xml file a picture, with the class and the box of each object in it (Everingham et al.
2010)."""

import os
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

from mien.data.class_names import is_missing
from mien.data.folder_tree import Folder
from mien.data.label_files import (
    PictureIndex,
    labeled,
    number_in,
    once_each,
    part_of_folder,
    read_text,
    tell_missing,
    tell_unnamed,
)
from mien.data.list_columns import labels_told
from mien.data.manifests import given_parts
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def find(root: Folder) -> Pictures | None:
    """Faces cut out by the boxes of VOC's xml files, in the parts of ImageSets' lists; None without such files. Raises
    MienError for a file that is not whole."""
    files = [(folder, os.path.join(folder.path, name)) for folder in root.walk() for name in folder.files
             if name.lower().endswith(".xml")]  # fmt: skip
    if not any("<bndbox>" in read_text(path) for _, path in files):
        return None
    index, left_out = PictureIndex(root), Counter[str]()
    found = [each for folder, path in files for each in _objects(path, folder, index, left_out)]
    labels = labels_told([told for _, told in found], root.path)
    samples = [replace(sample, label=label) for (sample, _), label in zip(found, labels, strict=True)]
    left_out["rows without a label"] = len(samples)
    samples = [sample for sample in samples if not is_missing(sample.label)]
    left_out["rows without a label"] -= len(samples)
    decisions = [f"{len(samples):,} faces cut out of the pictures by the boxes in {len(files):,} xml files (VOC)"]
    tell_missing(left_out, decisions, "the xml files")
    if n := left_out["rows without a label"]:
        decisions.append(f"left out: {n:,} rows without a label")
    parts = given_parts(root)
    if parts.of:
        samples = [Sample(s.file, s.label, parts.of.get(s.file, ""), s.box) for s in samples]
        decisions += parts.decisions
    tell_unnamed(root, samples, left_out, decisions)
    samples = once_each(samples, left_out, decisions)
    return labeled(root, "Pascal VOC (an xml file a picture)", samples, "", decisions, left_out)


def _objects(
    path: str, folder: Folder, index: PictureIndex, left_out: Counter[str]
) -> list[tuple[Sample, dict[str, str]]]:
    """The boxes of one file, and what it says of each: its label, and its attributes as CVAT writes them."""
    try:
        tree = ElementTree.fromstring(read_text(path).strip())
    except ElementTree.ParseError as error:
        raise MienError(f"{path} is no whole xml ({error}); correct or delete it") from error
    objects = tree.findall("object")
    usage = part_of_folder(folder, index.root)
    name = (tree.findtext("filename") or "").strip()
    stem = os.path.splitext(os.path.basename(path))[0]
    picture = (index.find(name, folder.path, usage) if name else None) or index.find(stem, folder.path, usage)
    if picture is None:
        left_out["rows whose picture is missing"] += len(objects)
        return []
    found = []
    for thing in objects:
        label = (thing.findtext("name") or "").strip()
        sides = [number_in(thing.findtext(f"bndbox/{side}") or "") for side in _SIDES]
        left, top, right, bottom = sides
        if not label or left is None or top is None or right is None or bottom is None:
            raise MienError(
                f"{path} is not a whole VOC file: an object needs a name and a bndbox of {', '.join(_SIDES)}"
            )
        told = {(a.findtext("name") or "").lower(): (a.findtext("value") or "") for a in thing.iter("attribute")}
        told = {"label": label} | {name: value for name, value in told.items() if name not in ("occluded", "rotation")}
        found.append((Sample(picture, label, usage, (left, top, right, bottom)), told))
    return found
