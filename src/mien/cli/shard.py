"""Shards: one collection read by several jobs, each of which takes the names that fall to it.

A name falls to a shard by its CRC-32, whatever else lies in the collection: jobs that start at different times never
read a picture twice, and none is left out.
"""

import argparse
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mien.errors import MienError
from mien.files import remove_abandoned

KINDS = ("csv", "jsonl", "parquet")
_PART = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{1,6})-of-(?P<of>[0-9]{1,6})(?P<unfinished>\.unfinished)?")


@dataclass(frozen=True)
class Shard:
    """One of `of` shards; number: from 1."""

    number: int
    of: int

    def owns(self, name: str) -> bool:
        """Whether a source of this name falls to this shard."""
        return zlib.crc32(os.fsencode(name)) % self.of == self.number - 1

    def part(self, output: Path, unfinished: bool = False) -> Path:
        """The file of this shard's records: faces-2-of-8.csv for faces.csv; while it is written, .unfinished.csv."""
        return output.with_name(
            f"{output.stem}-{self.number}-of-{self.of}{'.unfinished' if unfinished else ''}{output.suffix}"
        )


def parse_shard(text: str) -> Shard:
    """Turn "2/8" into a Shard. Raises MienError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise MienError(f"--shard must be I/N, such as 2/8 for the second of eight jobs, not {text!r}")
    return Shard(int(match[1]), int(match[2]))


def shard_of(path: Path) -> tuple[Shard, bool]:
    """The shard that a part is of, by its name, and whether it is finished. Raises MienError for another name."""
    match = _PART.fullmatch(path.stem)
    if not match or not 1 <= int(match["number"]) <= int(match["of"]):
        raise MienError(f"{path} is not named like a part (NAME-2-of-8{path.suffix}); give files written with --shard")
    return Shard(int(match["number"]), int(match["of"])), not match["unfinished"]


def read_part(args: argparse.Namespace, shard: Shard, kind: str, read: Callable[[], int]) -> int:
    """Let `read` write this shard's part to args.output, under another name until it is whole. Returns its exit code.

    Raises MienError where the part exists, unless args.overwrite replaces it; with args.resume it is done.
    """
    if not args.output or kind not in KINDS:
        raise MienError("--shard writes one part of a file; add -o FILE.csv, FILE.jsonl or FILE.parquet")
    if args.annotate or args.timeline:
        raise MienError("--shard writes only records; remove --annotate and --timeline")
    part = shard.part(args.output)
    if os.path.lexists(part):
        if args.resume:
            return 0
        if not args.overwrite:
            raise MienError(f"{part} exists; replace it with --overwrite")
    if kind == "parquet":  # appears when it is whole: there is nothing to go on with
        args.output, args.resume = part, False
        remove_abandoned(part)
    else:
        args.output = shard.part(args.output, unfinished=True)
    code = read()
    if code in (0, 1) and kind != "parquet":
        os.replace(args.output, part)
    return code
