"""Exports of annotation tools as rows of a list: picture, label or attributes, box.

Create ML, CVAT, Datumaro, Label Studio, VGG Image Annotator (VIA), FiftyOne and SageMaker Ground Truth keep all
pictures in one file; LabelMe and Supervisely write a file a picture. Label Studio, VIA, COCO and Pascal VOC have
modules of their own.
"""

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from mien.data import label_studio, via
from mien.data.annotated import UNNAMED, Annotated, Table, around, attributes, sole, table_of, text, turned
from mien.data.csv_columns import is_prediction
from mien.data.parts import part_of
from mien.data.pictures import Box
from mien.errors import MienError

_FAULTS = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    zlib.error,
    struct.error,
)  # of content that is of another form
_OF_FIFTYONE = {"id", "confidence", "index", "mask_path"}


def rows_of(content: Any) -> Table | None:
    """The pictures, labels and boxes of a json file that a tool has written for all pictures; None for other json."""
    for form in (_create_ml, label_studio.pictures_of, via.pictures_of, _fiftyone, _fiftyone_samples, _datumaro):
        if pictures := _tried(form, content):
            return table_of(pictures)
    return None


def rows_of_manifest(records: list[Any]) -> Table | None:
    """The same of the lines of SageMaker Ground Truth's output.manifest; None for other lines."""
    pictures = _tried(_ground_truth, records)
    return table_of(pictures) if pictures else None


def rows_of_csv(header: list[str], lines: list[list[str]]) -> Table | None:
    """The same of VIA's and Label Studio's csv files; None for other columns."""
    pictures = _tried(lambda rows: via.pictures_of_csv(header, rows), lines)
    pictures = pictures or _tried(label_studio.pictures_of, label_studio.tasks_of_csv(header, lines))
    return table_of(pictures) if pictures else None


def rows_of_xml(content: str, path: str) -> Table | None:
    """The same of CVAT's annotations.xml ("CVAT for images"); None for other xml. Raises MienError for its form for
    videos, and for an export that is cut off."""
    try:
        tree = ElementTree.fromstring(content.strip())
    except ElementTree.ParseError as error:
        if "<annotations>" in content[:200]:
            raise MienError(f"{path} is no whole xml ({error}); export it again") from error
        return None
    if tree.tag != "annotations":
        return None
    if tree.find("track") is not None:
        raise MienError(f"{path} is CVAT's export for videos; export it as 'CVAT for images 1.1'")
    pictures = _tried(lambda images: list(map(_cvat_image, images)), tree.findall("image"))
    return table_of(pictures) if pictures else None


def annotated_by_file(content: Any, stem: str) -> Annotated | None:
    """One picture as LabelMe or Supervisely tells it in a json file of its own, which is called `stem`; None for other
    content."""
    if not isinstance(content, dict):
        return None
    try:
        if isinstance(content.get("shapes"), list) and "imagePath" in content:
            return _labelme(content, stem)
        if isinstance(content.get("objects"), list) and isinstance(content.get("size"), dict):
            return _supervisely(content, stem)
    except _FAULTS:
        return None
    return None


def _tried(form: Callable[[Any], list[Annotated]], content: Any) -> list[Annotated]:
    """What a form reads; nothing where the content is not of that form."""
    try:
        return form(content)
    except _FAULTS:
        return []


def _create_ml(content: Any) -> list[Annotated]:
    """[{"image": ..., "annotations": [{"label": ..., "coordinates": {x and y of the middle, width, height}}]}], in old
    versions "imagefilename" and "annotation"; without coordinates for whole pictures."""
    pictures = []
    for record in content:
        each = Annotated(record["image"] if "image" in record else record["imagefilename"])
        for annotation in record["annotations"] if "annotations" in record else record["annotation"]:
            told = {"label": text(annotation["label"])}
            if place := annotation.get("coordinates"):
                x, y, w, h = (float(place[key]) for key in ("x", "y", "width", "height"))
                each.regions.append((told, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
            elif set(annotation) <= {"label"}:
                each.told.update(told)
            else:
                return []
        pictures.append(each)
    return [each for each in pictures if each.regions or each.told]


def _fiftyone(content: Any) -> list[Annotated]:
    """{"classes": [...], "labels": {"1": 0}}, or a list of {"label": 0, "bounding_box": [x, y, w, h]} for each."""
    classes, labels = content["classes"] or [], content["labels"]
    pictures = []
    for picture, value in labels.items():
        each = Annotated(picture)
        for found in value if isinstance(value, list) else [value] if isinstance(value, dict) else []:
            if isinstance(found["label"], int) and classes:
                if not 0 <= found["label"] < len(classes):
                    each.unread[UNNAMED] += 1
                    continue
                found = {**found, "label": classes[found["label"]]}
            _fiftyone_label(each, "label", found)
        if isinstance(value, int) and classes and not 0 <= value < len(classes):
            each.unread[UNNAMED] += 1
        elif isinstance(value, (str, int)):
            each.told["label"] = str(classes[value]) if isinstance(value, int) and classes else str(value)
        pictures.append(each)
    return pictures


def _fiftyone_samples(content: Any) -> list[Annotated]:
    """{"samples": [{"filepath": ..., "tags": ["train"], "ground_truth": {"_cls": "Detections", ...}}]}, whose fields of
    a model's answers are passed over."""
    pictures = []
    for sample in content["samples"]:
        each = Annotated(sample["filepath"])
        parts = [tag for tag in sample.get("tags") or () if part_of(tag)]
        if len(parts) == 1:
            each.told["subset"] = parts[0]
        for name, value in sample.items():
            if isinstance(value, dict) and "_cls" in value and not is_prediction(name):
                for found in value.get("detections", [value] if "label" in value else []):
                    _fiftyone_label(each, name.lower(), found)
        pictures.append(each)
    return pictures


def _fiftyone_label(each: Annotated, name: str, found: dict[str, Any]) -> None:
    plain = {key: value for key, value in found.items() if key[0] != "_" and isinstance(value, (str, bool, int))}
    told = attributes({key: value for key, value in plain.items() if key not in {"label", *_OF_FIFTYONE}})
    told |= attributes(found.get("attributes") or {})
    if box := found.get("bounding_box"):
        x, y, w, h = map(float, box)
        each.regions.append(({"label": text(found["label"]), **told}, (x, y, x + w, y + h)))
    else:
        each.told.update({name: text(found["label"])})


def _datumaro(content: Any) -> list[Annotated]:
    """{"categories": {"label": {"labels": [{"name": ...}]}}, "items": [{"id": ..., "annotations": [...]}]}"""
    classes = [label["name"] for label in content["categories"]["label"]["labels"]]
    pictures = []
    for item in content["items"]:
        each = Annotated((item.get("image") or item.get("media") or {}).get("path") or item["id"])
        for thing in item["annotations"]:
            number = thing.get("label_id")
            if number is None or not 0 <= number < len(classes):
                each.unread[UNNAMED] += 1
                continue
            told = {"label": classes[number], **attributes(thing.get("attributes") or {})}
            told = {name: value for name, value in told.items() if name not in ("occluded", "rotation")}
            if thing["type"] == "label":
                each.told.update(told)
            elif "bbox" in thing:
                x, y, w, h = map(float, thing["bbox"])
                turn = float((thing.get("attributes") or {}).get("rotation") or 0)
                each.regions.append((told, turned((x, y, x + w, y + h), turn, x + w / 2, y + h / 2)))
            elif thing["type"] == "polygon":
                each.regions.append((told, around(zip(thing["points"][::2], thing["points"][1::2], strict=True))))
            else:
                each.leave_out(thing["type"])
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
            key = name.removesuffix("-metadata")
            if key not in record:
                each.unread["pictures in which the labeling failed"] += 1
                continue
            answer, classes = record[key], about.get("class-map", {})
            if "class-name" in about:
                each.told[key.replace("-", "_").lower()] = str(about["class-name"])
            elif isinstance(answer, list):
                each.told[key.replace("-", "_").lower()] = sole([text(classes.get(str(number))) for number in answer])
            for box in answer["annotations"] if isinstance(answer, dict) else ():
                if (label := classes.get(str(box["class_id"]))) is None:
                    each.unread[UNNAMED] += 1
                    continue
                left, top = float(box["left"]), float(box["top"])
                each.regions.append(
                    ({"label": str(label)}, (left, top, left + float(box["width"]), top + float(box["height"])))
                )
        pictures.append(each)
    return pictures


def _cvat_image(image: ElementTree.Element) -> Annotated:
    each, subset = Annotated(image.get("name", "")), image.get("subset", "")
    if part_of(subset):
        each.told["subset"] = subset
    for thing in image:
        told = {"tag" if thing.tag == "tag" else "label": thing.get("label", "")}
        told |= {a.get("name", "").lower(): (a.text or "").strip() for a in thing.findall("attribute")}
        if thing.tag == "tag":
            each.told.update(told)
        elif box := _cvat_box(thing):
            each.regions.append((told, box))
        else:
            each.leave_out(thing.tag)
    return each


def _cvat_box(thing: ElementTree.Element) -> Box | None:
    """The box around a shape, which may be turned about its middle; None for points and lines."""

    def numbers(*names: str) -> list[float]:
        return [float(thing.get(name, "nan")) for name in names]

    if thing.tag == "polygon":
        return around([tuple(map(float, point.split(","))) for point in thing.get("points", "").split(";")])
    if thing.tag == "box":
        left, top, right, bottom = numbers("xtl", "ytl", "xbr", "ybr")
    elif thing.tag == "ellipse":
        x, y, rx, ry = numbers("cx", "cy", "rx", "ry")
        left, top, right, bottom = x - rx, y - ry, x + rx, y + ry
    elif thing.tag == "mask":
        left, top, width, height = numbers("left", "top", "width", "height")
        right, bottom = left + width, top + height
    else:
        return None
    turn = float(thing.get("rotation") or 0)
    return turned((left, top, right, bottom), turn, (left + right) / 2, (top + bottom) / 2)


def _labelme(content: dict[str, Any], stem: str) -> Annotated:
    each = Annotated(str(content["imagePath"] or stem), _flags(content.get("flags")))
    for shape in content["shapes"]:
        points, kind = shape["points"], shape.get("shape_type", "polygon")
        told = {"label": text(shape["label"]), **_flags(shape.get("flags"))}
        told |= attributes(shape.get("attributes") or {})
        if shape.get("description"):
            told["description"] = str(shape["description"])
        if kind == "circle":
            (x, y), (x2, y2) = points
            r = ((x - x2) ** 2 + (y - y2) ** 2) ** 0.5
            points = [[x - r, y - r], [x + r, y + r]]
        if kind in ("rectangle", "polygon", "circle", "mask", "rotation"):
            each.regions.append((told, around(points)))
        else:
            each.leave_out(str(kind))
    return each


def _flags(flags: Any) -> dict[str, str]:
    ticked = sole([name for name, on in (flags or {}).items() if on is True])
    return {"flag": ticked} if ticked else {}


def _supervisely(content: dict[str, Any], stem: str) -> Annotated:
    each = Annotated(f"../img/{stem}", _tags(content.get("tags")))
    for thing in content["objects"]:
        told = {"label": text(thing["classTitle"]), **_tags(thing.get("tags"))}
        points = (thing.get("points") or {}).get("exterior") or []
        kind = thing.get("geometryType") or ("polygon" if len(points) > 1 else "point")
        if kind in ("rectangle", "polygon"):
            each.regions.append((told, around(points)))
        elif kind == "bitmap":
            x, y = map(float, thing["bitmap"]["origin"])
            png = zlib.decompress(base64.b64decode(thing["bitmap"]["data"]))
            width, height = struct.unpack(">II", png[16:24])
            each.regions.append((told, (x, y, x + width, y + height)))
        else:
            each.leave_out(str(kind))
    return each


def _tags(tags: Any) -> dict[str, str]:
    """Tags with a value by their names; the sole one of those without as "tag"."""
    told = {tag["name"].lower(): text(tag["value"]) for tag in tags or () if tag.get("value") is not None}
    plain = sole([tag["name"] for tag in tags or () if tag.get("value") is None])
    return told | ({"tag": plain} if plain else {})
