"""The VGG Image Annotator's exports and projects, versions 1 to 3."""

import json
from typing import Any

from mien.data.annotated import Annotated, around, attributes, sole, text
from mien.data.pictures import Box

_OF_CSV = ("filename", "file_attributes", "region_shape_attributes", "region_attributes")
_OF_CSV_3 = ("file_list", "spatial_coordinates", "metadata")


def pictures_of(content: Any) -> list[Annotated]:
    """{"1.jpg4096": {"filename": ..., "regions": [...], "file_attributes": {...}}}, or a project that holds them."""
    if "metadata" in content and "view" in content:
        return _version_3(content)
    pictures = []
    for record in content.get("_via_img_metadata", content).values():
        regions = record["regions"]
        each = Annotated(record["filename"], attributes(record.get("file_attributes") or {}))
        for region in regions.values() if isinstance(regions, dict) else regions:
            _add(each, region["shape_attributes"], region["region_attributes"])
        pictures.append(each)
    return pictures


def pictures_of_csv(header: list[str], lines: list[list[str]]) -> list[Annotated]:
    """The same of VIA's csv file; nothing for other columns. Raises KeyError, ValueError, ... for other values."""
    found: dict[str, Annotated] = {}
    wanted = _OF_CSV if set(_OF_CSV) <= set(header) else _OF_CSV_3
    if not set(wanted) <= set(header):
        return []
    at = [header.index(name) for name in wanted]
    for line in lines:
        cells = [line[i] for i in at] if len(line) == len(header) else []
        if cells and wanted is _OF_CSV:
            each = found.setdefault(cells[0], Annotated(cells[0]))
            whole, shape, region = (json.loads(cell or "{}") for cell in cells[1:])
            each.told.update(attributes(whole))
            if shape:
                _add(each, shape, region)
        elif cells:
            files, shape, said = (json.loads(cell) for cell in cells)
            each = found.setdefault(files[0], Annotated(files[0]))
            _add_3(each, shape, {f"attribute {key}": text(value) for key, value in said.items()})
    return list(found.values())


def _add(each: Annotated, shape: dict[str, Any], said: dict[str, Any]) -> None:
    if box := _box(shape):
        each.regions.append((attributes(said), box))
    else:
        each.leave_out(str(shape["name"]))


def _box(shape: dict[str, Any]) -> Box | None:
    """The box around a shape; None for a point or a line."""
    if "all_points_x" in shape and shape["name"] == "polygon":
        return around(list(zip(shape["all_points_x"], shape["all_points_y"], strict=True)))
    if "width" in shape:
        x, y = float(shape["x"]), float(shape["y"])
        return x, y, x + float(shape["width"]), y + float(shape["height"])
    if "cx" in shape and ("r" in shape or "rx" in shape):
        x, y = float(shape["cx"]), float(shape["cy"])
        rx, ry = (float(shape[r if r in shape else "r"]) for r in ("rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry
    return None


def _version_3(content: dict[str, Any]) -> list[Annotated]:
    """Files, views of one file each, and metadata of a view: {"vid": "1", "xy": [2, x, y, w, h], "av": {"1": "0"}}."""
    names = {fid: file["fname"] for fid, file in content["file"].items()}
    pictures = {vid: Annotated(names[view["fid_list"][0]]) for vid, view in content["view"].items()}
    for record in content["metadata"].values():
        said = {}
        for key, value in record["av"].items():
            about = content["attribute"][key]
            words = [about.get("options", {}).get(word, word) for word in str(value).split(",")]
            said[about["aname"].strip().lower()] = sole(words)
        _add_3(pictures[record["vid"]], record["xy"], said)
    return list(pictures.values())


def _add_3(each: Annotated, shape: list[float], said: dict[str, str]) -> None:
    """A region by its number of a shape and its coordinates; without a shape, of all of the picture."""
    if not shape:
        each.told.update(said)
        return
    kind, *numbers = shape
    if kind == 2:
        x, y, width, height = numbers
        each.regions.append((said, (x, y, x + width, y + height)))
    elif kind in (3, 4):  # a circle, an ellipse
        x, y, rx, ry = (*numbers, numbers[-1])[:4]
        each.regions.append((said, (x - rx, y - ry, x + rx, y + ry)))
    elif kind == 7:
        each.regions.append((said, around(zip(numbers[::2], numbers[1::2], strict=True))))
    else:
        each.leave_out({1: "point", 5: "line", 6: "polyline"}.get(int(kind), f"shape {kind}"))
