"""Results on their way out: one record a picture, as a table for people or as JSON, JSON lines or CSV for programs.

A record is a dict: {"source", "model", "width", "height", "faces": [Face.to_dict(), ...]}, or with "error" (a string)
instead of width, height and faces. Records of a film's frames have "time" (seconds) and "frame" instead of width and
height; their faces have an "id", and with a baseline "change".
"""

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from mien.cli.table import picture_lines
from mien.data.image import describe
from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.reader import ReadResult

Record: TypeAlias = dict[str, Any]
FORMATS = ("table", "json", "jsonl", "csv", "parquet")
SUFFIX_FORMATS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Outcome:
    """What a job over pictures or films did. failed counts those, and folders, that could not be read; cut, those of
    the films read whose end is missing; skipped, those that stood in the output already. stopped: by Ctrl-C."""

    read: int = 0
    faces: int = 0
    failed: int = 0
    cut: int = 0
    skipped: int = 0
    stopped: bool = False


class Writer:
    """Writes records to standard output or a file, one after another; made by `open_writer`.

    kind: one of FORMATS. columns: of CSV. fresh: the file is empty. goes_on: where nobody reads standard output any
    more (`| head`), write on into nothing. When the disk is full, a file keeps its whole records.
    """

    def __init__(
        self, file: BinaryIO, name: str, kind: str, columns: Sequence[str], fresh: bool, *, goes_on: bool = False
    ) -> None:
        self.file, self.name, self.kind, self.columns = file, name, kind, columns
        self.goes_on = goes_on
        self.resumable = "error" in columns  # those of a single film or camera are not
        self.count = 0
        on_screen = name == "standard output"
        self.end = None if on_screen or kind == "json" else file.seek(0, os.SEEK_END)
        self.encoding = sys.stdout.encoding or "ascii" if on_screen and kind == "table" else "utf-8"
        if kind == "json":
            self._put("[\n")
        if kind == "csv" and fresh:
            self._put(csv_lines([self.columns]))

    def write(self, record: Record) -> None:
        """Write one record, whole."""
        if self.kind == "json":
            self._put((",\n" if self.count else "") + json.dumps(record))
        elif self.kind == "jsonl":
            self._put(json.dumps(record) + "\n")
        elif self.kind == "csv":
            self._put(csv_lines(csv_rows(record, self.columns)))
        else:
            self._put(picture_lines(record, sys.stdout.isatty()))
        self.count += 1

    def say(self, text: str) -> None:
        """Write text that is no record, where people read along."""
        if self.kind == "table":
            self._put(text)

    def finish(self) -> None:
        """Close what was opened: a JSON array is valid even after a failure."""
        if self.kind == "json":
            self._put("\n]\n" if self.count else "]\n")

    def _put(self, text: str) -> None:
        # A name that is not valid UTF-8 is written back as the bytes that it is.
        whole = text.encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "replace")
        data = memoryview(whole)
        try:
            while data:
                data = data[self.file.write(data) :]
            self.file.flush()
        except BrokenPipeError:
            if not self.goes_on:
                raise
            _discard_output()
        except OSError as error:
            if self.end is None:
                raise MienError(f"cannot write to {self.name}: {error.strerror}") from error
            self.file.truncate(self.end)  # half a record would spoil the file for whoever reads on
            resumed = "; continue with --resume" if self.resumable else ""
            raise MienError(
                f"cannot continue writing to {self.name}: {error.strerror}; the records so far are complete{resumed}"
            ) from error
        if self.end is not None:
            self.end += len(whole)


@contextmanager
def open_writer(
    path: Path | None,
    kind: str,
    columns: Sequence[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    goes_on: bool = False,
) -> Iterator[Writer]:
    """A Writer to a file, or to standard output where path is None.

    columns: of tables, by csv_columns. resume: go on with the file as `finished` left it. overwrite: replace a file
    that exists; without either, such a file is an error, for it may be a day's work. goes_on: other files are written
    beside, which are wanted although nobody reads standard output any more. A JSON or parquet file appears when it is
    complete; others grow line by line.
    """
    if path is None:
        with _standard_output() as out:
            writer = Writer(out, "standard output", kind, columns, True, goes_on=goes_on)
            try:
                yield writer
            finally:
                writer.finish()
        return
    there = os.path.lexists(path)
    if there and not os.path.isfile(path):
        raise MienError(f"cannot write {path}: it is not a regular file; without -o, records go to standard output")
    if there and not (resume or overwrite):
        grows = "continue it with --resume or " if kind in ("csv", "jsonl") else ""
        raise MienError(f"{path} exists; {grows}replace it with --overwrite")
    if kind == "parquet":
        from mien.cli.parquet import open_parquet

        with open_parquet(path, columns) as table:
            yield table
        return
    if kind == "json":
        with atomic_write(path) as temporary, open(temporary, "wb", buffering=0) as file:
            writer = Writer(file, str(path), kind, columns, True)
            yield writer
            writer.finish()
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "r+b" if resume and there else "w+b", buffering=0)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise MienError(f"cannot write {path}: {error.strerror}; choose a file you may write to") from error
    with file:
        fresh = os.fstat(file.fileno()).st_size == 0
        yield Writer(file, str(path), kind, columns, fresh)


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise MienError("standard output is closed; write to a file with -o FILE")
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is not None:
        try:
            yield buffer
        except (MienError, BrokenPipeError):
            # What is still buffered cannot be written either: let the interpreter's last flush go nowhere.
            try:
                buffer.flush()
            except OSError:
                _discard_output()
            raise
        return
    collected = io.BytesIO()  # standard output is an object of text only (a notebook, a test)
    yield collected
    sys.stdout.write(collected.getvalue().decode("utf-8", "replace"))


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def to_record(reading: ReadResult[Any], name: str, model: str) -> Record:
    """A ReadResult as a record."""
    if reading.error:
        return {"source": name, "model": model, "error": str(reading.error)}
    return {
        "source": name or describe(reading.source),
        "model": model,
        "width": reading.width,
        "height": reading.height,
        "faces": [face.to_dict() for face in reading.faces],
    }


def csv_columns(classes: Sequence[str], images: bool = True, videos: bool = False, change: bool = False) -> list[str]:
    """The header of CSV: a row a face; `faces` says how many there are; a picture or frame without any has one row.

    images, videos: what is read; both have a column for errors where there is more than one film. change: with a
    baseline.
    """
    start = ["source", *(["error", "width", "height"] if images else []), *(["time", "frame"] if videos else [])]
    face = ["faces", "face", *(["id"] if videos else []), "emotion", "confidence"]
    changes = [f"change_{name}" for name in classes] if change else []
    return [*start, *face, *(f"p_{name}" for name in classes), *changes, "x", "y", "w", "h", "score", "model"]


def face_rows(record: Record) -> list[dict[str, Any]]:
    """A record as rows of columns as csv_columns names them, a row a face."""
    faces = record.get("faces", [])
    whole = {**record, "faces": len(faces)}
    rows = []
    for number, face in enumerate(faces or [{}], 1):
        cells = {**whole, **face, "face": number if faces else None}
        cells |= {f"p_{name}": share for name, share in face.get("probabilities", {}).items()}
        cells |= {f"change_{name}": change for name, change in face.get("change", {}).items()}
        cells |= dict(zip("xywh", face.get("box", ()), strict=False))
        rows.append(cells)
    return rows


def csv_rows(record: Record, columns: Sequence[str]) -> list[list[str]]:
    """A record as rows of text under `columns`."""
    return [["" if row.get(name) is None else str(row[name]) for name in columns] for row in face_rows(record)]


def csv_lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows as CSV text."""
    text = io.StringIO()
    plain, quoted = (csv.writer(text, lineterminator="\n", quoting=q) for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    for row in rows:
        (quoted if any("\r" in cell for cell in row) else plain).writerow(row)
    return text.getvalue()
