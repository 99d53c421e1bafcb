"""A file a picture: json of LabelMe, Supervisely or any other, and WebDataset's .cls, as one list."""

import json
import os
from collections import Counter
from dataclasses import replace
from typing import Any

from mien.data.annotated import Annotated, Table, table_of, with_label
from mien.data.annotation_tools import annotated_by_file
from mien.data.folder_tree import Folder
from mien.data.json_records import rows_of_records
from mien.data.label_files import PictureIndex, read_text

_SOME = 20  # files of a folder, from all over it, of which one must speak of a picture, or none does


def a_file_a_picture(folder: Folder, index: PictureIndex) -> tuple[str, Table] | None:
    """The json or .cls files of a folder that each speak of one picture: what they are called together, and their rows;
    None where they do not."""
    names = [name for name in folder.files if name.lower().endswith((".json", ".cls"))]
    beside = {*folder.pictures, *(os.path.splitext(name)[0] for name in folder.pictures)}
    if not any(_read(name, folder, index, beside) for name in names[:: max(len(names) // _SOME, 1)]):
        return None
    found = {name: _read(name, folder, index, beside) for name in names}
    pictures = {name: each for name, each in found.items() if isinstance(each, Annotated)}
    records = {name: each for name, each in found.items() if isinstance(each, dict)}
    used = list(pictures) if len(pictures) > 1 else list(records)
    if len(used) < 2:
        return None
    if len(pictures) > 1:
        table = table_of(pictures.values())
    else:
        table = rows_of_records(list(records.values()))
        if table.header[:1] == ["file"]:
            table = table._replace(header=with_label(table.header, table.rows))
    told = [f"{len(used):,} files speak of a picture each ({used[0]}, ...)"]
    if broken := [name for name, each in found.items() if each == ""]:
        told.append(f"left out: {', '.join(broken[:6])}, which is no whole json")
        table = table._replace(left_out=table.left_out + Counter({"files that are no whole json": len(broken)}))
    return os.path.join(folder.path, f"*{os.path.splitext(used[0])[1]}"), table._replace(
        decisions=(*told, *table.decisions)
    )


def _read(name: str, folder: Folder, index: PictureIndex, beside: set[str]) -> Annotated | dict[str, Any] | str | None:
    """What a file says of a picture: by a tool, or as a record; "" for json that is not whole, None for files that
    speak of no picture. beside: names of the pictures in its folder, also without suffix."""
    stem, suffix = os.path.splitext(name)
    text = read_text(os.path.join(folder.path, name)).strip()
    known = index.holds(stem, folder.path)
    if suffix.lower() == ".cls":
        return Annotated(stem, {"label": text}) if known else None
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "" if known else None
    each = annotated_by_file(content, stem)
    if each:
        # A file that was copied for the next picture still names the one before.
        named = os.path.splitext(os.path.basename(each.picture.replace("\\", "/")))[0]
        copied = stem in beside and named not in (stem, os.path.splitext(stem)[0])
        taken = copied or (known and not index.holds(each.picture, folder.path))
        return replace(each, picture=stem) if taken else each
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        content = {"faces": content}
    return {"file": stem, **content} if known and isinstance(content, dict) and content else None
