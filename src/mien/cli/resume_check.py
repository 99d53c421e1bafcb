"""Whether an output was written with the settings of today: a few of its sources are read again and compared.

Records do not say the settings that they were made with; what these do to a record says it, and so a model file that
was changed under its old name is noticed, too.
"""

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from mien.cli.read_video import VideoOptions, frame_record
from mien.cli.records import csv_columns, face_rows, to_record
from mien.cli.resume import csv_records
from mien.errors import MienError, MienWarning
from mien.inference.reader import Reader
from mien.inference.video import open_video
from mien.inference.video_reader import read_faces

SOURCES = 1000  # of the output that are looked at for some to read again
AGAIN = {"with faces": 3, "without": 1, "film": 1}  # how many are read again
NEAR = {**dict.fromkeys("xywh", 1.0), "time": 1e-3, "score": 0.01}  # differences that processors make
NEAR_SHARE = 1e-3  # of a probability; the mirrored face moves one of them further

Row = dict[str, Any]


def check_settings(
    path: Path, kind: str, reader: Reader, options: VideoOptions, already_cropped: bool, names: frozenset[str]
) -> None:
    """Raise MienError where what `path` holds is not what `reader` and these settings give for the same sources.

    kind: jsonl or csv. names: of the sources that are finished in it; those that are gone, or could not be read, are
    passed over.
    """
    columns = csv_columns(reader.model.classes, videos=True, change=True)
    left = dict(AGAIN)
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", MienWarning)  # what they had to say was said when they were read
        rows = _jsonl_rows(file) if kind == "jsonl" else _csv_rows(file)
        for name, group in islice(groupby(rows, lambda row: row["source"]), SOURCES):
            first = next(group)
            if name not in names or first.get("error") or not os.path.isfile(name):
                continue
            film = first.get("frame") is not None
            what = "film" if film else "with faces" if int(first["faces"]) else "without"
            below = float(first.get("score") or 1) < (reader.min_score or 0)  # today it would not be found
            if left[what] <= 0 and not below:
                continue
            try:
                now = _film_rows(reader, name, options) if film else _picture_rows(reader, name, already_cropped)
            except MienError:  # changed since, or damaged
                continue
            left[what] -= 1
            fault = _difference([first, *islice(group, len(now) - 1)], now, columns)
            if not fault and film and not options.baseline and any(_has_change(row) for row in group):
                fault = "has changes from a baseline in the file, but not now"
            if fault:
                raise MienError(
                    f"{path} was written with other settings or another version of the model: {name} {fault}; "
                    "choose another -o, or use the earlier settings"
                )


def _picture_rows(reader: Reader, name: str, already_cropped: bool) -> list[Row]:
    (reading,) = reader.stream([Path(name)], already_cropped=already_cropped)
    if reading.error:
        raise reading.error
    return face_rows(to_record(reading, name, reader.model.name))


def _film_rows(reader: Reader, name: str, options: VideoOptions) -> list[Row]:
    """Of the first two frames that are read, and with a baseline of those until it has passed."""
    rows: list[Row] = []
    with open_video(name, reader.max_pixels) as video:
        for number, frame in enumerate(read_faces(reader, video, options.every, options.baseline)):
            rows += face_rows(frame_record(name, reader.model.name, frame))
            if number and frame.time > options.baseline + options.every:
                break
    return rows


def _difference(before: Sequence[Row], now: Sequence[Row], columns: Iterable[str]) -> str:
    """What differs first, in words; empty where nothing does."""
    by_weight = sorted(columns, key=lambda name: name not in ("time", "faces"))
    for then, today in zip(before, now, strict=False):
        for name in by_weight:
            a, b = then.get(name), today.get(name)
            if name in ("source", "error", "model", "emotion", "face") or (a is None and b is None):
                continue
            if a is None or b is None or abs(float(a) - float(b)) > NEAR.get(name, NEAR_SHARE):
                a, b = ("nothing" if value is None else value for value in (a, b))
                return f"has {name} {a} in the file, but {b} now"
    return "" if len(before) == len(now) else "has fewer rows in the file than now"


def _has_change(row: Row) -> bool:
    return any(name.startswith("change_") and value is not None for name, value in row.items())


def _jsonl_rows(file: Iterable[bytes]) -> Iterator[Row]:
    for line in file:
        if line.endswith(b"\n"):
            yield from face_rows(json.loads(line))


def _csv_rows(file: Any) -> Iterator[Row]:
    columns: list[str] = []
    for cells, _, whole in csv_records(file):
        if columns and whole and len(cells) == len(columns):  # the last one may be half a row
            yield {name: cell or None for name, cell in zip(columns, cells, strict=True)}
        columns = columns or cells
