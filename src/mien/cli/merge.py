"""Merge the parts written by `mien read --shard` into one file, with the same rows as a single job.

    mien read photos/ --shard 1/2 -o faces.csv      on one machine; writes faces-1-of-2.csv
    mien read photos/ --shard 2/2 -o faces.csv      on another; writes faces-2-of-2.csv
    mien merge faces-*-of-2.csv -o faces.csv        rows in the order of a single job
    mien merge parts/*.parquet -o faces.parquet

The parts are csv, jsonl or parquet, in the same format as the output. Nothing is written if a part is missing,
unfinished, given twice, truncated or from another model.
"""

import argparse
import csv
import heapq
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from mien.cli.records import SUFFIX_FORMATS, csv_lines
from mien.cli.shard import KINDS, Shard, shard_of
from mien.errors import MienError
from mien.files import atomic_write

Key = tuple[bool, list[str]]


@dataclass(frozen=True)
class Row:
    """A row of a part. source, model: as in it. film: whether it is of a frame. content: the row itself."""

    source: str
    model: str
    film: bool
    content: Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("parts", nargs="+", type=Path, metavar="PART", help="all parts written by `mien read --shard`")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="the file to write (.csv, .jsonl or .parquet)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def run(args: argparse.Namespace) -> int:
    """Merge; say how much there was. Returns the exit code."""
    sources, rows = merge(args.parts, args.output, args.overwrite)
    print(f"{args.output}: {sources:,} sources, {rows:,} rows from {len(args.parts):,} parts")
    return 0


def merge(parts: Sequence[Path], output: Path, overwrite: bool = False) -> tuple[int, int]:
    """Write one file of all parts, atomically. Returns how many sources and rows it has.

    One source of each part is in memory at a time. Raises MienError where the parts are not all of one collection.
    """
    kind = SUFFIX_FORMATS.get(output.suffix.lower(), "")
    if kind not in KINDS:
        raise MienError(f"unknown format {output}; use the format of the parts: .csv, .jsonl or .parquet")
    if os.path.lexists(output) and not overwrite:
        raise MienError(f"{output} exists; replace it with --overwrite")
    shards = _check(parts, kind)
    columns = _columns(parts, kind)
    model = ""
    count = [0, 0]

    def merged() -> Iterator[Any]:
        nonlocal model
        streams = [_sources(path, shard, kind) for path, shard in zip(parts, shards, strict=True)]
        for _, rows in heapq.merge(*streams, key=lambda item: item[0]):
            model = model or rows[0].model
            if rows[0].model != model:
                raise MienError(
                    f"the parts were read with the models {model} and {rows[0].model}; read all of them with one model"
                )
            count[0] += 1
            count[1] += len(rows)
            yield from (row.content for row in rows)

    if kind == "parquet":
        from mien.cli.parquet import open_parquet

        with open_parquet(output, columns) as writer:
            for row in merged():
                writer.add([row])
    else:
        with atomic_write(output) as temporary, open(temporary, "wb") as file:
            if kind == "csv":
                file.write(_encoded(csv_lines([columns])))
            for row in merged():
                file.write(_encoded(csv_lines([row])) if kind == "csv" else row)
    return count[0], count[1]


def _check(parts: Sequence[Path], kind: str) -> list[Shard]:
    """The shards of the parts. Raises MienError unless each is there, once and finished."""
    shards = []
    for path in parts:
        shard, finished = shard_of(path)
        if not path.is_file():
            raise MienError(f"there is no part {path}")
        if not finished:
            raise MienError(f"{path} is not finished; resume it: mien read ... --shard {shard.number}/{shard.of} "
                            "--resume")  # fmt: skip
        if SUFFIX_FORMATS.get(path.suffix.lower()) != kind:
            raise MienError(f"{path} is not {kind} like the output; use the same format for parts and output")
        shards.append(shard)
    of = shards[0].of
    for path, shard in zip(parts, shards, strict=True):
        if shard.of != of:
            raise MienError(f"{parts[0]} is one of {of} parts and {path} one of {shard.of}; give the parts of one job")
        if shards.count(shard) > 1:
            raise MienError(f"part {shard.number} of {of} is given more than once ({path}); remove one")
    missing = [str(n) for n in range(1, of + 1) if Shard(n, of) not in shards]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise MienError(f"{len(missing)} of {of} parts are missing: {shown}; read them with --shard, or add them")
    return shards


def _columns(parts: Sequence[Path], kind: str) -> list[str]:
    """The columns of the parts, none of jsonl. Raises MienError where they differ."""
    if kind == "jsonl":
        return []
    headers = [_header(path, kind) for path in parts]
    for path, header in zip(parts, headers, strict=True):
        if header != headers[0] or "source" not in header or "model" not in header:
            raise MienError(
                f"{path} and {parts[0]} have different columns; read all parts with the same model and options"
            )
    return headers[0]


def _header(path: Path, kind: str) -> list[str]:
    if kind == "parquet":
        from mien.cli.parquet import column_names

        return column_names(path)
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return next(csv.reader(file), [])


def _sources(path: Path, shard: Shard, kind: str) -> Iterator[tuple[Key, list[Row]]]:
    """The rows of each source of a part, with what it is sorted by. Raises MienError for what is not the shard's."""
    reader = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[kind]
    for source, rows in groupby(reader(path), key=lambda row: row.source):
        if not shard.owns(source) and "\\x" not in source:  # parquet has odd bytes as escapes
            raise MienError(f"{path} contains {source}, which does not belong to part {shard.number} of {shard.of}")
        of_source = list(rows)
        film = of_source[0].film or _is_film(source)
        yield (film, source.split(os.sep)), of_source


def _is_film(source: str) -> bool:
    from mien.inference.video_source import AMBIGUOUS, SUFFIXES

    return os.path.splitext(source)[1].lower() in SUFFIXES - AMBIGUOUS


def _csv(path: Path) -> Iterator[Row]:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        columns = next(rows, [])
        at = {name: columns.index(name) for name in ("source", "model")}
        frame = columns.index("frame") if "frame" in columns else None
        for number, row in enumerate(rows, 1):
            if len(row) != len(columns) or not row[at["model"]]:
                raise MienError(f"{path} is damaged or truncated at row {number}; read this part again")
            yield Row(row[at["source"]], row[at["model"]], frame is not None and bool(row[frame]), row)


def _jsonl(path: Path) -> Iterator[Row]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
                if not line.endswith(b"\n"):
                    raise ValueError("no end of line")
                yield Row(str(record["source"]), str(record["model"]), "frame" in record, line)
            except (ValueError, KeyError, TypeError) as error:
                raise MienError(f"{path} is damaged or truncated at line {number}; read this part again") from error


def _parquet(path: Path) -> Iterator[Row]:
    from mien.cli.parquet import read_rows

    for row in read_rows(path):
        yield Row(str(row["source"]), str(row["model"]), row.get("frame") is not None, row)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
