"""Exports of annotation tools as rows of a list: picture, label or attributes, box.

Create ML, CVAT, Label Studio, VGG Image Annotator (VIA), FiftyOne and SageMaker Ground Truth keep all pictures in one
file; LabelMe and Supervisely write a file a picture. COCO and Pascal VOC have modules of their own.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from mien.data.parts import part_of
from mien.data.pictures import Box

BOX_NAMES = ("xmin", "ymin", "xmax", "ymax")
Table = tuple[list[str], list[list[str]]]
"""Names of columns, and rows."""


@dataclass(frozen=True)
class Annotated:
    """One picture of an export: what is said of all of it, and of regions of it. told: {attribute: value}; "label" is
    the tool's own class. regions: the same with a box."""

    picture: str
    told: dict[str, str] = field(default_factory=dict)
    regions: list[tuple[dict[str, str], Box]] = field(default_factory=list)


def rows_of(content: Any) -> Table | None:
    """The pictures, labels and boxes of a json file that a tool has written for all pictures; None for other json."""
    for form in (_create_ml, _label_studio, _via, _fiftyone):
        pictures = _tried(form, content)
        if pictures:
            return table_of(pictures)
    return None


def rows_of_manifest(records: list[Any]) -> Table | None:
    """The same of the lines of SageMaker Ground Truth's output.manifest; None for other lines."""
    pictures = _tried(_ground_truth, records)
    return table_of(pictures) if pictures else None


def rows_of_xml(text: str) -> Table | None:
    """The same of CVAT's annotations.xml ("CVAT for images"); None for other xml."""
    try:
        tree = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError:
        return None
    if tree.tag != "annotations":
        return None
    pictures = [_cvat_image(image) for image in tree.findall("image")]
    return table_of(pictures) if pictures else None


def rows_of_via_csv(header: list[str], lines: list[list[str]]) -> Table | None:
    """The same of VIA's csv file; None for other columns."""
    wanted = ("filename", "file_attributes", "region_shape_attributes", "region_attributes")
    if not set(wanted) <= set(header):
        return None
    at = [header.index(name) for name in wanted]
    found: dict[str, Annotated] = {}
    for line in lines:
        if len(line) < len(header):
            continue
        name, whole, shape, region = (line[i] for i in at)
        picture = found.setdefault(name, Annotated(name))
        try:
            picture.told.update(_attributes(json.loads(whole or "{}")))
            box = _via_box(json.loads(shape or "{}"))
            if box:
                picture.regions.append((_attributes(json.loads(region or "{}")), box))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
    return table_of(list(found.values()))


def annotated_by_file(text: str, stem: str, suffix: str) -> Annotated | None:
    """One picture as a file of its own tells it, which is called `stem`: json of LabelMe, Supervisely or plain values,
    WebDataset's .cls; None for other files."""
    if suffix == ".cls":
        return Annotated(stem, {"label": text.strip()})
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    try:
        if isinstance(content.get("shapes"), list) and "imagePath" in content:
            return _labelme(content, stem)
        if isinstance(content.get("objects"), list) and isinstance(content.get("size"), dict):
            return _supervisely(content, stem)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
    if content and all(isinstance(value, (str, int, float, type(None))) for value in content.values()):
        return Annotated(stem, {key.strip().lower(): _text(value) for key, value in content.items()})
    return None


def table_of(pictures: Iterable[Annotated]) -> Table:
    """A row a region, or a picture where there is none; what is said of a picture holds for its regions.

    The tool's own label is left out where it is the same for all and attributes tell them apart ("face"); a sole
    attribute is the label.
    """
    rows: list[tuple[str, dict[str, str], Box | None]] = []
    for each in pictures:
        rows += [(each.picture, each.told | told, box) for told, box in each.regions]
        if not each.regions:
            rows.append((each.picture, each.told, None))
    names = list(dict.fromkeys(name for _, told, _ in rows for name in told))
    values: dict[str, set[str]] = defaultdict(set)
    for _, told, _ in rows:
        for name, value in told.items():
            values[name].add(value)
    if len(values["label"]) == 1 and any(len(values[name] - {""}) > 1 for name in names if name != "label"):
        names = [name for name in names if name != "label"]
    telling = [name for name in names if len(values[name] - {""}) > 1 and name != "subset"]
    shown = ["label" if [name] == telling else name for name in names]
    boxed = any(box for _, _, box in rows)
    lines = [
        [picture, *(told.get(name, "") for name in names), *(map(repr, box) if box else [""] * 4 * boxed)]
        for picture, told, box in rows
    ]
    return ["file", *shown, *(BOX_NAMES if boxed else ())], lines


def _tried(form: Callable[[Any], list[Annotated]], content: Any) -> list[Annotated]:
    """What a form reads; nothing where the content is not of that form."""
    try:
        return form(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return []


def _create_ml(content: Any) -> list[Annotated]:
    """[{"image": ..., "annotations": [{"label": ..., "coordinates": {x and y of the middle, width, height}}]}]"""
    pictures = []
    for record in content:
        regions = []
        for annotation in record["annotations"]:
            x, y, w, h = (float(annotation["coordinates"][key]) for key in ("x", "y", "width", "height"))
            regions.append(({"label": _text(annotation["label"])}, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
        pictures.append(Annotated(record["image"], {}, regions))
    return [each for each in pictures if each.regions]


def _label_studio(content: Any) -> list[Annotated]:
    """Tasks with "data" and "annotations", or those of JSON-MIN with the controls' names; boxes in percent."""
    pictures = []
    for task in content:
        data = task.get("data", task)
        picture = next((value for value in data.values() if isinstance(value, str) and _is_uploaded(value)), "")
        if not picture:
            return []
        if "data" in task:
            annotations = task["annotations"] if "annotations" in task else task["completions"]  # of old versions
            for annotation in annotations:  # of several people
                each = Annotated(_uploaded_name(picture))
                for result in () if annotation.get("was_cancelled") else annotation["result"]:
                    _label_studio_value(each, result["from_name"], result["value"])
                pictures.append(each)
        else:
            each = Annotated(_uploaded_name(picture))
            for name, value in task.items():
                for inner in value if isinstance(value, list) else ():
                    _label_studio_value(each, name, inner)
            each.told.update({k: v for k, v in task.items() if isinstance(v, str) and v != picture})
            pictures.append(each)
    return pictures


def _label_studio_value(each: Annotated, name: str, value: dict[str, Any]) -> None:
    words: list[Any] = next(
        (value[key] for key in ("choices", "rectanglelabels", "polygonlabels", "taxonomy") if key in value), []
    )
    if len(words) != 1 or not isinstance(words[0], str):
        return  # several answers are none
    if {"x", "y", "width", "height"} <= value.keys():
        x, y, w, h = (float(value[key]) / 100 for key in ("x", "y", "width", "height"))
        each.regions.append(({name.lower(): words[0]}, (x, y, min(x + w, 1), min(y + h, 1))))
    elif "points" in value:
        each.regions.append(({name.lower(): words[0]}, _around([[x / 100, y / 100] for x, y in value["points"]])))
    else:
        each.told[name.lower()] = words[0]


def _is_uploaded(value: str) -> bool:
    return "/" in value and "." in PurePath(_uploaded_name(value)).name


def _uploaded_name(name: str) -> str:
    """The path of a picture within Label Studio's addresses: /data/local-files/?d=faces/1.jpg is faces/1.jpg."""
    return unquote(name.split("?d=", 1)[1]) if "/local-files/?d=" in name else name


def _via(content: Any) -> list[Annotated]:
    """{"1.jpg4096": {"filename": ..., "regions": [...], "file_attributes": {...}}}, or a project that holds them."""
    pictures = []
    for record in content.get("_via_img_metadata", content).values():
        regions = record["regions"]
        pictures.append(
            Annotated(
                record["filename"],
                _attributes(record.get("file_attributes") or {}),
                [
                    (_attributes(region["region_attributes"]), box)
                    for region in (regions.values() if isinstance(regions, dict) else regions)
                    if (box := _via_box(region["shape_attributes"]))
                ],
            )
        )
    return pictures


def _via_box(shape: dict[str, Any]) -> Box | None:
    """The box around a shape of VIA's; None for a point or a line."""
    if "all_points_x" in shape and shape["name"] == "polygon":
        return _around(list(zip(shape["all_points_x"], shape["all_points_y"], strict=True)))
    if "width" in shape:
        x, y = float(shape["x"]), float(shape["y"])
        return x, y, x + float(shape["width"]), y + float(shape["height"])
    if "cx" in shape and ("r" in shape or "rx" in shape):
        x, y = float(shape["cx"]), float(shape["cy"])
        rx, ry = (float(shape[r if r in shape else "r"]) for r in ("rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry
    return None


def _attributes(values: dict[str, Any]) -> dict[str, str]:
    """Attributes as text; of check boxes, the one that is ticked."""
    told = {}
    for name, value in values.items():
        if isinstance(value, dict):
            ticked = [key for key, on in value.items() if on is True]
            value = ticked[0] if len(ticked) == 1 else ""
        told[name.strip().lower()] = _text(value)
    return told


def _fiftyone(content: Any) -> list[Annotated]:
    """{"classes": [...], "labels": {"1": 0}}, or a list of {"label": 0, "bounding_box": [x, y, w, h]} for each."""
    classes, labels = content["classes"] or [], content["labels"]

    def named(label: Any) -> str:
        return str(classes[label]) if isinstance(label, int) and classes else _text(label)

    pictures = []
    for picture, value in labels.items():
        each = Annotated(picture)
        if isinstance(value, list):
            for found in value:
                x, y, w, h = map(float, found["bounding_box"])
                each.regions.append(({"label": named(found["label"])}, (x, y, x + w, y + h)))
        elif value is not None:
            each.told["label"] = named(value)
        pictures.append(each)
    return pictures


def _ground_truth(records: list[Any]) -> list[Annotated]:
    """{"source-ref": "s3://...", "emotion": 1, "emotion-metadata": {"class-name": "happy"}} a line, or with boxes."""
    pictures = []
    for record in records:
        each = Annotated(record["source-ref"])
        for name, about in record.items():
            if not name.endswith("-metadata"):
                continue
            answer, name = record[name.removesuffix("-metadata")], name.removesuffix("-metadata").replace("-", "_")
            if "class-name" in about:
                each.told[name.lower()] = str(about["class-name"])
            for box in answer["annotations"] if isinstance(answer, dict) else ():
                left, top = float(box["left"]), float(box["top"])
                label = str(about["class-map"][str(box["class_id"])])
                around = (left, top, left + float(box["width"]), top + float(box["height"]))
                each.regions.append(({"label": label}, around))
        pictures.append(each)
    return pictures


def _cvat_image(image: ElementTree.Element) -> Annotated:
    each, subset = Annotated(image.get("name", "")), image.get("subset", "")
    if part_of(subset):
        each.told["subset"] = subset
    for thing in image:
        told = {a.get("name", "").lower(): a.text or "" for a in thing.findall("attribute")}
        told["tag" if thing.tag == "tag" else "label"] = thing.get("label", "")
        if thing.tag == "tag":
            each.told.update(told)
        elif thing.tag == "box":
            left, top, right, bottom = (float(thing.get(side, "nan")) for side in ("xtl", "ytl", "xbr", "ybr"))
            each.regions.append((told, (left, top, right, bottom)))
        elif thing.tag == "polygon":
            points = [list(map(float, point.split(","))) for point in thing.get("points", "").split(";")]
            each.regions.append((told, _around(points)))
    return each


def _labelme(content: dict[str, Any], stem: str) -> Annotated:
    path = str(content["imagePath"] or stem)
    each = Annotated(path, _flags(content.get("flags")))
    for shape in content["shapes"]:
        points = shape["points"]
        told = {**_flags(shape.get("flags")), **_attributes(shape.get("attributes") or {}), "label": shape["label"]}
        if shape.get("shape_type") == "circle":
            (x, y), (x2, y2) = points
            r = ((x - x2) ** 2 + (y - y2) ** 2) ** 0.5
            points = [[x - r, y - r], [x + r, y + r]]
        elif shape.get("shape_type", "polygon") not in ("rectangle", "polygon"):
            continue
        each.regions.append((told, _around(points)))
    return each


def _flags(flags: Any) -> dict[str, str]:
    ticked = [name for name, on in (flags or {}).items() if on is True]
    return {"flag": ticked[0]} if len(ticked) == 1 else {}


def _supervisely(content: dict[str, Any], stem: str) -> Annotated:
    each = Annotated(f"../img/{stem}", _tags(content.get("tags")))
    for thing in content["objects"]:
        if thing.get("geometryType") in ("rectangle", "polygon"):
            told = {**_tags(thing.get("tags")), "label": thing["classTitle"]}
            each.regions.append((told, _around(thing["points"]["exterior"])))
    return each


def _tags(tags: Any) -> dict[str, str]:
    """Tags with a value by their names; the sole one of those without as "tag"."""
    told = {tag["name"].lower(): _text(tag["value"]) for tag in tags or () if tag.get("value") is not None}
    plain = [tag["name"] for tag in tags or () if tag.get("value") is None]
    return told | ({"tag": plain[0]} if len(plain) == 1 else {})


def _around(points: Iterable[Any]) -> Box:
    """The box around points (x, y)."""
    xs, ys = zip(*points, strict=True)
    return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
