"""Label Studio's exports: JSON with the annotations of each task, JSON-MIN and CSV with the controls' answers."""

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

from mien.data.annotated import Annotated, around, sole, text, turned
from mien.data.image import is_picture
from mien.data.pictures import Box
from mien.errors import MienError

# What JSON-MIN and CSV say of the work on a task.
_OF_THE_WORK = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "inner_id", "agreement"}
_SAME_FACE = 0.5  # overlap, as a share of both boxes together, from which boxes of two people are of one face


def pictures_of(tasks: Any) -> list[Annotated]:
    """Tasks with "data" and "annotations", or those of JSON-MIN with the controls' names; boxes in percent. Nothing for
    tasks without pictures."""
    pictures: list[Annotated] = []
    drawn: dict[str, list[Box]] = {}
    for task in tasks:
        data = task.get("data", task)
        picture = _picture(data)
        if not picture:
            return []
        answers = _answers(task) if "data" in task else [_of_task(task, picture)]
        for results, told in answers:
            each = Annotated(_uploaded_name(picture), told | ({} if data is task else _split(data)))
            for name, value, size in results:
                _read(each, name, value, size)
            _join(each, drawn.setdefault(picture, []))
            pictures.append(each)
    return pictures


def tasks_of_csv(header: list[str], lines: list[list[str]]) -> list[dict[str, Any]]:
    """The rows of CSV and TSV as those of JSON-MIN; nothing for other tables."""
    if not {"annotator", "lead_time"} <= set(header):
        return []
    tasks = []
    for line in lines:
        if len(line) == len(header):
            tasks.append({name: _parsed(cell) for name, cell in zip(header, line, strict=True)})
    return tasks


def _parsed(cell: str) -> Any:
    try:
        return json.loads(cell) if cell[:1] in ("[", "{") else cell
    except ValueError:
        return cell


Result = tuple[str, dict[str, Any], tuple[float, float]]
"""The name of the control, its answer, and the width and height of the picture."""


def _answers(task: dict[str, Any]) -> list[tuple[list[Result], dict[str, str]]]:
    """What each person has answered; tasks that were skipped have no answers."""
    answers = []
    for annotation in task["annotations"] if "annotations" in task else task["completions"]:  # of old versions
        results = [each for each in annotation["result"] if "value" in each and "from_name" in each]  # and no relations
        if any(each.get("image_rotation") for each in results):
            raise MienError(
                "an export of Label Studio has pictures that were turned in it, whose boxes do not fit the files; turn "
                "the pictures themselves, and mark them again"
            )
        if not annotation.get("was_cancelled"):
            answers.append(([(each["from_name"], each["value"], _size(each)) for each in results], dict[str, str]()))
    return answers


def _of_task(task: dict[str, Any], picture: str) -> tuple[list[Result], dict[str, str]]:
    """The same of JSON-MIN."""
    results: list[Result] = []
    told = {}
    for name, value in task.items():
        if name in _OF_THE_WORK:
            continue
        if isinstance(value, str) and value != picture:
            told[name.lower()] = value
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                results.append((name, inner, _size(inner)))
    return results, told


def _split(data: dict[str, Any]) -> dict[str, str]:
    return {name: value for name in ("split", "subset") if isinstance(value := data.get(name), str)}


def _size(result: dict[str, Any]) -> tuple[float, float]:
    return float(result.get("original_width") or 1), float(result.get("original_height") or 1)


def _picture(data: dict[str, Any]) -> str:
    """The address of the picture among the data of a task; "" where there is none."""
    values = [value for value in data.values() if isinstance(value, str)]
    named = [value for value in values if is_picture(value.split("?", 1)[0]) or is_picture(_uploaded_name(value))]
    uploaded = (v for v in values if "/" in v and "." in PurePath(_uploaded_name(v)).name and len(v.split()) == 1)
    return named[0] if named else next(uploaded, "")


def _uploaded_name(name: str) -> str:
    """The path of a picture within Label Studio's addresses: /data/local-files/?d=faces/1.jpg is faces/1.jpg."""
    return unquote(name.split("?d=", 1)[1]) if "/local-files/?d=" in name else name


def _read(each: Annotated, name: str, value: dict[str, Any], size: tuple[float, float]) -> None:
    """Add what one control says of a picture, or of a region, where others speak of the same region."""
    kind = next((key for key in value if key in ("choices", "taxonomy") or key.endswith("labels")), "")
    paths = [word[-1] if isinstance(word, list) and word else word for word in value.get(kind) or ()]
    word = sole([text(path) for path in paths])  # of several answers none
    box = _box(value, size)
    if box:
        told = {name.lower(): word} if kind else {}
        same = next((of for of, other in each.regions if other == box and told.keys().isdisjoint(of)), None)
        if same is None:
            each.regions.append((told, box))
        else:
            same.update(told)
    elif kind in ("choices", "taxonomy"):
        each.told[name.lower()] = word
    elif kind:
        each.leave_out(kind.removesuffix("labels"))


def _box(value: dict[str, Any], size: tuple[float, float]) -> Box | None:
    """The box of a region in shares of the picture; None for points and brushes."""
    width, height = size
    turn = float(value.get("rotation") or 0)
    if "points" in value:
        return _shares(around(value["points"]))
    if not {"x", "y"} <= value.keys():
        return None
    x, y = float(value["x"]) * width, float(value["y"]) * height
    if "radiusX" in value:
        rx, ry = float(value["radiusX"]) * width, float(value["radiusY"]) * height
        box = turned((x - rx, y - ry, x + rx, y + ry), turn, x, y)
    elif {"width", "height"} <= value.keys():
        box = turned((x, y, x + float(value["width"]) * width, y + float(value["height"]) * height), turn, x, y)
    else:
        return None
    return _shares((box[0] / width, box[1] / height, box[2] / width, box[3] / height))


def _shares(box: Box) -> Box:
    """A box in percent as one in shares, which ends where the picture does."""
    left, top, right, bottom = (min(max(side / 100, 0.0), 1.0) for side in box)
    return left, top, right, bottom


def _join(each: Annotated, drawn: list[Box]) -> None:
    """Let the boxes of a person be those that others have drawn around the same faces; add the others to these."""
    before = list(drawn)
    for i, (told, box) in enumerate(each.regions):
        same = max(before, key=lambda other, box=box: _overlap(box, other), default=None)  # type: ignore[misc]
        if same is not None and _overlap(box, same) >= _SAME_FACE:
            each.regions[i] = (told, same)
            before.remove(same)
        else:
            drawn.append(box)


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (one, other)]
    return shared / (sum(areas) - shared) if shared else 0.0
