"""Records of json, an object a line or in a list, as rows: what is nested has columns, too, and each of several regions
a row."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mien.data.annotated import Table

_PRODIGY = {"answer", "_task_hash", "_input_hash", "_view_id"}
_Path = tuple[str, ...]


def rows_of_records(records: list[dict[str, Any]]) -> Table:
    """A row a record, or one for each object of the list that it holds, such as spans or boundingBoxAnnotations.

    A column has the name of its value, with that of what it lies in where two are called alike. Tasks of Prodigy that
    were not accepted are left out.
    """
    left_out = Counter[str]()
    flat = []
    for record in records:
        if len(_PRODIGY & record.keys()) > 1:
            if record.get("answer", "accept") != "accept":
                left_out["tasks that were rejected or passed over (Prodigy)"] += 1
                continue
            if "label" not in record and "accept" in record:
                record = {**record, "label": record["accept"]}
                del record["accept"]
        flat.append(dict(_leaves(record, ())))
    at = _listed(flat)
    rows: list[dict[_Path, Any]] = []
    for leaves in flat:
        inner = leaves.get(at) if at else None
        items = [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else []
        rest = {path: value for path, value in leaves.items() if path != at}
        number = {at: len(items)} if at else {}
        rows += [dict(_leaves(item, at)) | rest | number for item in items or [{}]]
    names = _names(rows, at)
    return Table(list(names.values()), [[_cell(row.get(path)) for path in names] for row in rows], left_out)


def _leaves(record: dict[str, Any], inside: _Path) -> Iterator[tuple[_Path, Any]]:
    """The values of a record and of the objects in it, with their names from the outermost on."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*inside, name))
        else:
            yield (*inside, name), value


def _listed(flat: list[dict[_Path, Any]]) -> _Path:
    """The list of objects that tells of regions: the outermost one, which is not the same in all records as options
    are; () where there is none, or where several lie equally far out."""
    seen: dict[_Path, list[Any]] = {}
    for leaves in flat:
        for path, value in leaves.items():
            if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                seen.setdefault(path, []).append(value)
    differing = [path for path, values in seen.items() if len(flat) == 1 or any(v != values[0] for v in values)]
    nearest = [path for path in differing if len(path) == min(map(len, differing))]
    return nearest[0] if len(nearest) == 1 else ()


def _names(rows: list[dict[_Path, Any]], at: _Path) -> dict[_Path, str]:
    """The name of the column of each value, in lower case. Those of regions go first: of two widths theirs is the
    box's; then the outermost. How many faces there are stays, by which answers of mien are known."""
    paths = list(dict.fromkeys(path for row in rows for path in row))
    order = sorted(paths, key=lambda path: (not at or path[: len(at)] != at, len(path)))
    groups: dict[_Path, list[_Path]] = {}
    for path in order:
        if path != at:
            groups.setdefault(path[:-1], []).append(path)
    names: dict[_Path, str] = {}
    for group, members in groups.items():
        plain = {path: path[-1].strip().lower() for path in members}
        if not set(plain.values()).isdisjoint(names.values()):
            before = group[-1].strip().lower() if group else "record"
            plain = {path: f"{before}_{name}" for path, name in plain.items()}
        names |= plain
    if at and at[-1] == "faces" and "faces" not in names.values():
        names[at] = "faces"
    return {path: names[path] for path in paths if path in names}


def _cell(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return "" if value is None else json.dumps(value) if isinstance(value, (dict, list)) else str(value)
