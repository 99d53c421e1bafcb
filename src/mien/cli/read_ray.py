"""Reading very large collections with Ray Data: blocks of pictures and films go to workers, a parquet file a block
comes back.

OUT.parquet is a folder, which pandas, polars, DuckDB and Spark read as one table: block-00000000.parquet, ... Each has
the rows that `mien read` writes for its items, and the digest of what it was made of, so that `--resume` reads only
what is missing. A block whose worker dies is given to another; only whole blocks are written.
"""

import argparse
import hashlib
import io
import json
import logging
import os
import pickle
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

from mien.cli.collection import Block, blocks_of, is_film, local_film, open_item, pictures_in
from mien.cli.parquet import package, to_table
from mien.cli.progress import Progress
from mien.cli.read_video import frame_record
from mien.cli.records import Record, csv_columns, face_rows, to_record
from mien.errors import MienError
from mien.files import atomic_write, write_json
from mien.inference.model_file import WEIGHTS, shipped
from mien.inference.reader import Reader
from mien.inference.video import open_video
from mien.inference.video_reader import read_faces

BLOCK = 64  # items read together: what is read again where a worker dies
WAVE = 2000  # blocks that Ray is told of at a time, so that memory stays flat
RETRIES = 3  # of a block whose worker died
_NAME = re.compile(r"block-[0-9]{8}\.parquet")
_DIGEST = b"mien_block"
_ABOUT = "_collection.json"  # a name that readers of the folder pass over


class BlockReader:
    """A worker's reader of blocks. model: a name or path, or the file's bytes where the worker may be elsewhere.
    options: of Reader. columns: of the table."""

    def __init__(
        self, model: str | bytes, options: dict[str, Any], columns: list[str], every: float, baseline: float
    ) -> None:
        if isinstance(model, bytes):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                path.write_bytes(model)
                self.reader = Reader(path, **options)
        else:
            self.reader = Reader(model, **options)
        self.columns, self.every, self.baseline = columns, every, baseline
        warnings.simplefilter("ignore")

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Blocks, pickled, to their numbers, tables (parquet files as bytes), items and items that failed."""
        result: dict[str, list[Any]] = {"number": [], "table": [], "items": [], "failed": []}
        for pickled in batch["block"]:
            block: Block = pickle.loads(pickled)
            records = list(self.read(block))
            table = to_table([row for record in records for row in face_rows(record)], self.columns)
            table = table.replace_schema_metadata({_DIGEST: block.digest})
            file = io.BytesIO()
            package().write_table(table, file, compression="zstd")
            values = (block.number, file.getvalue(), len(block.items), sum("error" in record for record in records))
            for column, value in zip(result.values(), values, strict=True):
                column.append(value)
        return result

    def read(self, block: Block) -> Iterator[Record]:
        """The records of a block, in the order of its items."""
        name = self.reader.model.name
        stored = pictures_in(block) if block.table else [None] * len(block.items)
        for item, picture in zip(block.items, stored, strict=True):
            if item.error or (block.table and picture is None):
                yield {"source": item.name, "model": name, "error": item.error or f"{item.name} contains no image"}
            elif picture is None and is_film(item.name):
                yield from self._film(item.name)
            else:
                try:
                    source = picture or open_item(item.name)
                except MienError as error:
                    yield {"source": item.name, "model": name, "error": str(error)}
                    continue
                yield to_record(next(self.reader.stream([source])), item.name, name)

    def _film(self, name: str) -> Iterator[Record]:
        model = self.reader.model.name
        try:
            with local_film(name) as path:
                try:
                    with open_video(path, self.reader.max_pixels) as video:
                        for frame in read_faces(self.reader, video, self.every, self.baseline):
                            if frame.was_read:
                                yield frame_record(name, model, frame)
                        if (missing := video.missing()) is not None:
                            raise MienError(missing)
                except MienError as error:
                    raise MienError(str(error).replace(path, name)) from error
        except MienError as error:
            yield {"source": name, "model": model, "error": str(error)}


def check_arguments(args: argparse.Namespace) -> None:
    """Raise MienError for options of `mien read` that have no place here."""
    if len(args.inputs) > 1 or not args.output or args.output.suffix.lower() != ".parquet":
        raise MienError("--engine ray reads one collection into a folder of parquet files; add -o FOLDER.parquet")
    for option in ("kind", "annotate", "timeline", "cropped", "shard"):
        if getattr(args, option):
            raise MienError(f"--engine ray writes only records of faces, as parquet; remove --{option}")


def read_collection(args: argparse.Namespace, reader: Reader, every: float, baseline: float) -> int:
    """Read args.inputs[0] into the folder args.output. Returns the exit code: 0 all read, 1 some could not be.

    reader: as the workers' are. Raises MienError where there is nothing to read or the output is another's.
    """
    collection, output = args.inputs[0], args.output
    films = any(is_film(item.name) for block in blocks_of(collection, BLOCK) if not block.table for item in block.items)
    columns = csv_columns(reader.model.classes, videos=films, change=films and baseline > 0)
    model = reader.model.path.read_bytes()
    options = {"flip": args.flip, "max_pixels": reader.max_pixels}
    options |= {} if args.min_score is None else {"min_score": args.min_score}
    about = {
        "collection": collection, "model": reader.model.name, "model_sha256": hashlib.sha256(model).hexdigest(),
        "columns": columns, "block": BLOCK, "options": options, "every": every, "baseline": baseline,
    }  # fmt: skip
    _prepare(output, about, args.resume, args.overwrite)
    number = items = skipped = 0
    waiting = []
    for block in blocks_of(collection, BLOCK):
        number, items = number + 1, items + len(block.items)
        if _is_done(output, block):
            skipped += len(block.items)
        else:
            waiting.append(block.number)
    for path in output.iterdir():  # of a collection that has become smaller
        if _NAME.fullmatch(path.name) and int(path.stem.removeprefix("block-")) >= number:
            path.unlink()
    progress = Progress(items, "items", skipped, args.quiet, alone=True)
    elsewhere = bool(args.ray_address) and reader.model.path.parent != WEIGHTS
    own = model if elsewhere else os.path.abspath(reader.model.path) if args.model not in shipped() else args.model
    workers = {"model": own, "options": options, "columns": columns, "every": every, "baseline": baseline}
    if waiting:
        _run(args, (block for block in blocks_of(collection, BLOCK) if not _is_done(output, block)), workers, progress)
    progress.clear()
    missing = [block.number for block in blocks_of(collection, BLOCK) if not _is_done(output, block)]
    failed = _failures(output)
    if not args.quiet:
        rest = f", {skipped:,} skipped (already done)" if skipped else ""
        print(f"mien: {items:,} items in {number:,} blocks, {failed:,} not read{rest} ({progress.rate():,.1f}/s)",
              file=sys.stderr)  # fmt: skip
    if missing:
        print(f"mien: {len(missing):,} blocks are missing because their workers died; run again with --resume",
              file=sys.stderr)  # fmt: skip
    return 1 if failed or missing else 0


def _prepare(output: Path, about: dict[str, Any], resume: bool, overwrite: bool) -> None:
    """The folder for this collection. Raises MienError where it is another's, or exists and nothing says what to do."""
    if output.is_dir():
        ours = all(path.name == _ABOUT or _NAME.fullmatch(path.name) or path.name.startswith(".block-")
                   for path in output.iterdir())  # fmt: skip
        if not ours or not (resume or overwrite):
            what = (
                "exists; continue it with --resume or replace it with --overwrite"
                if ours
                else "contains other files; choose another -o"
            )
            raise MienError(f"{output} {what}")
        if resume and any(output.iterdir()):
            try:
                before = json.loads((output / _ABOUT).read_text())
            except (OSError, ValueError) as error:
                raise MienError(f"{output} is not the output of an earlier mien job; choose another -o") from error
            if before != json.loads(json.dumps(about)):
                raise MienError(
                    f"{output} was written from another collection, or with another model or option; choose another -o"
                )
        for path in output.iterdir():
            if overwrite or path.name.startswith("."):  # half a block of a killed job
                path.unlink()
    elif os.path.lexists(output):
        raise MienError(f"{output} is a file, but --engine ray writes a folder; choose another -o")
    write_json(output / _ABOUT, about)


def _path(output: Path, number: int) -> Path:
    return output / f"block-{number:08}.parquet"


def _is_done(output: Path, block: Block) -> bool:
    """Whether the file of a block is there, whole and of these items."""
    import pyarrow

    try:
        metadata = package().read_schema(_path(output, block.number)).metadata or {}
    except (OSError, pyarrow.ArrowException):
        return False
    return bool(metadata.get(_DIGEST) == block.digest.encode())


def _failures(output: Path) -> int:
    """Items that could not be read, over all blocks."""
    import pyarrow.compute as compute

    files = (path for path in output.iterdir() if _NAME.fullmatch(path.name))
    columns = (package().read_table(path, columns=["error"]).column("error") for path in files)
    return sum(len(column) - int(compute.sum(compute.is_null(column)).as_py() or 0) for column in columns)


def _run(args: argparse.Namespace, blocks: Iterator[Block], workers: dict[str, Any], progress: Progress) -> None:
    """Give the blocks to Ray's workers, a wave at a time, and write each as it comes."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)  # mien tells how far it is
    try:
        local = {} if args.ray_address else {"num_cpus": args.threads, "include_dashboard": False}
        ray.init(address=args.ray_address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise MienError(f"cannot connect to a Ray cluster at {args.ray_address or 'this machine'}: {reason}") from error
    try:
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # a block that kills its workers does not end the others
        size = args.threads or max(1, int(cast(Any, ray).cluster_resources().get("CPU", 1)))
        while wave := list(islice(blocks, WAVE)):
            rows = [{"block": pickle.dumps(block)} for block in wave]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Ray is about to give these options other names
                dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                    BlockReader, fn_constructor_kwargs=workers, batch_size=1, compute=ActorPoolStrategy(size=size),
                    num_cpus=1, max_restarts=RETRIES * size, max_task_retries=RETRIES,
                )  # fmt: skip
            failed = 0
            for row in dataset.iter_rows():
                failed += row["failed"]
                with atomic_write(_path(args.output, row["number"])) as temporary:
                    temporary.write_bytes(row["table"])
                progress.step(row["items"], f", {failed:,} not read" if failed else "")
    finally:
        ray.shutdown()
