"""What an output file holds already, so that a job killed half-way goes on where it stood."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mien.cli.records import csv_lines
from mien.errors import MienError

RECORD_START = b'{"source": '  # of every record


@dataclass(frozen=True)
class Finished:
    """Names of the sources that stand in the output, and how many of them could not be read."""

    names: frozenset[str] = frozenset()
    failed: int = 0


def finished(
    path: Path,
    kind: str,
    columns: Sequence[str],
    model: str,
    check: Callable[[frozenset[str]], None] = lambda names: None,
) -> Finished:
    """Read what `path` holds, and cut off what a killed writer left half-written at its end.

    Nothing is cut off that is not the beginning of a record; but where the last records are those of a film, that film
    may be half-read: they are cut off, and it is read again. columns: of CSV, as they should be. check: called with
    the names before anything is cut off; it may raise. Raises MienError where the file is of another kind, from another
    model, or damaged before its end.
    """
    if kind not in ("jsonl", "csv"):
        raise MienError("--resume needs an output that is written line by line; add -o FILE.jsonl or -o FILE.csv")
    if not os.path.lexists(path):
        return Finished()
    try:
        with open(path, "r+b") as file:
            found, end = _jsonl(file, path, model) if kind == "jsonl" else _csv(file, path, columns, model)
            check(found.names)
            file.truncate(end)
    except OSError as error:
        raise MienError(f"cannot continue {path}: {error.strerror}") from error
    return found


def _jsonl(file: BinaryIO, path: Path, model: str) -> tuple[Finished, int]:
    names, failed, end = set(), 0, 0
    film, film_start = "", 0  # the film whose records stand last, and where they begin
    for number, line in enumerate(file, 1):
        whole = line.endswith(b"\n")
        try:
            record = json.loads(line)
            name = str(record["source"])
        except (ValueError, KeyError, TypeError) as error:
            if whole or not _begins(line, RECORD_START):
                raise MienError(
                    f"line {number} of {path} is not a record written by mien; choose another -o"
                ) from error
            break
        if not whole:
            break
        if record.get("model") != model:
            raise MienError(f"{path} was written with the model {record.get('model')}, not {model}; choose another -o")
        if "frame" not in record:
            film = ""
        elif name != film:
            film, film_start = name, end
        names.add(name)
        failed += "error" in record
        end += len(line)
    return Finished(frozenset(names - {film}), failed), film_start if film else end


def _begins(tail: bytes, start: bytes) -> bool:
    """Whether a last line without its end may be one that mien was writing; a crash of the system leaves zeros."""
    return tail.startswith(start) or start.startswith(tail) or not tail.strip(b"\0")


def _csv(file: BinaryIO, path: Path, columns: Sequence[str], model: str) -> tuple[Finished, int]:
    head = file.readline()
    if not head.endswith(b"\n"):
        if not _begins(head, csv_lines([columns]).encode()):
            raise MienError(f"{path} was not written by mien; choose another -o")
        return Finished(), 0
    file.seek(0)
    names, failed, end = set(), 0, 0
    group, rows = ("", ""), 0  # the picture, or frame of a film, whose rows are being counted
    film, film_start = "", 0  # the film whose rows stand last, and where they begin
    for number, (record, length, whole) in enumerate(csv_records(file)):
        if number == 0:
            if record != list(columns):
                raise MienError(f"{path} {_other_columns(record, columns)}")
            end = length
            continue
        if not whole or len(record) != len(columns) or not record[columns.index("faces")].isdecimal():
            if _more(file):
                raise MienError(f"row {number} of {path} is not a record written by mien; choose another -o")
            break
        cells = dict(zip(columns, record, strict=True))
        if cells["model"] != model:
            raise MienError(f"{path} was written with the model {cells['model']}, not {model}; choose another -o")
        frame = (cells["source"], cells.get("frame", ""))
        rows = rows + 1 if frame == group and rows else 1
        group = frame
        # A picture counts when all rows of its faces are there.
        if rows >= int(cells["faces"]):
            if not frame[1]:
                film = ""
            elif film != frame[0]:
                film, film_start = frame[0], end
            names.add(frame[0])
            failed += bool(cells["error"])
            end, rows = length, 0
    return Finished(frozenset(names - {film}), failed), film_start if film else end


def _other_columns(found: Sequence[str], columns: Sequence[str]) -> str:
    """Why the columns of an output are not those of today, and what to do."""
    if "source" not in found or "faces" not in found:
        return "was not written by mien; choose another -o"
    changes, today = (any(name.startswith("change_") for name in names) for names in (found, columns))
    if {name for name in found if name.startswith("p_")} != {name for name in columns if name.startswith("p_")}:
        return "was written with a model with other classes; choose another -o, or that --model"
    if "width" not in found:
        return "contains a single video or camera, which --resume cannot continue; choose another -o"
    if ("time" in found) != ("time" in columns):
        then, now = ("videos", "none") if "time" in found else ("images only", "videos")
        return (
            f"was written for {then}, but now there are {now}; give the same inputs, or another -o (.jsonl takes both)"
        )
    if changes != today:
        return f"was written {'with' if changes else 'without'} --baseline; use the same setting, or choose another -o"
    return "has columns that this version of mien does not write; choose another -o"


def csv_records(file: BinaryIO) -> Iterator[tuple[list[str], int, bool]]:
    """Each CSV record, the length of the file up to its end, and whether its line is whole."""
    length, pending = 0, b""
    for line in file:
        length += len(line)
        pending += line
        if pending.count(b'"') % 2:  # a quoted name may hold a line break
            continue
        text = pending.decode("utf-8", "surrogateescape")
        try:
            cells = next(csv.reader([text]), [])
        except csv.Error:
            cells = []  # no record of mien
        yield cells, length, pending.endswith(b"\n")
        pending = b""
    if pending:
        yield [], length, False


def _more(file: BinaryIO) -> bool:
    here = file.tell()
    return here < file.seek(0, os.SEEK_END)
