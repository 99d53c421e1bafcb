"""A whole job over pictures, as the command line gives it: inputs in, records and annotated copies out."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from mien.cli.inputs import Input
from mien.cli.options import spoken
from mien.cli.progress import Progress
from mien.cli.records import Outcome, Writer, to_record
from mien.cli.resume import Finished
from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.reader import Reader, ReadResult

EXPLAINED = 12  # faces of one picture that get a heat map: its largest
WRITABLE = frozenset((".jpg", ".jpeg", ".png", ".webp"))


def read_pictures(
    reader: Reader,
    inputs: Iterable[Input],
    writer: Writer,
    progress: Progress,
    complain: Callable[[str], None],
    *,
    batch: int = 64,
    already_cropped: bool = False,
    annotated: Path | None = None,
    single: bool = False,
    explained: bool = False,
    finished: Finished | None = None,
    overwrite: bool = True,
) -> Outcome:
    """Read every input, in order, and write a record of each. What cannot be read is told to `complain`, and counted.

    annotated: the folder for annotated copies, or with `single` the file. explained: with heat maps in them.
    finished: what the output holds already, and is skipped. overwrite: replace annotated copies that exist; else one
    that exists is an error. Memory does not grow with the number of inputs.
    """
    finished = finished or Finished()
    outcome = Outcome(failed=finished.failed)
    ahead: deque[Input] = deque()  # taken from `inputs`, not yet read; those with an error wait here for their turn

    def sources() -> Iterator[Path | BinaryIO]:
        nonlocal outcome
        for item in inputs:
            if item.name in finished.names:
                outcome = replace(outcome, skipped=outcome.skipped + 1)
                continue
            ahead.append(item)
            if item.source is not None:
                yield item.source

    def settle(item: Input, reading: ReadResult[Any]) -> None:
        nonlocal outcome
        if reading.error:
            outcome = replace(outcome, failed=outcome.failed + 1)
            progress.clear()
            complain(spoken(reading.error))
        else:
            outcome = replace(outcome, read=outcome.read + 1, faces=outcome.faces + len(reading.faces))
        if annotated and reading.picture:
            path = annotated if single else annotated / _annotated_name(item.place)
            _write_annotated(reader, reading, item, path, explained, overwrite)
        progress.clear()
        writer.write(to_record(reading, item.name, reader.model.name))
        bad = f", {outcome.failed:,} not read" if outcome.failed else ""
        progress.step(1, f", {outcome.faces:,} faces{bad}")

    for reading in reader.stream(sources(), batch, already_cropped, keep=annotated is not None):
        while ahead[0].error:
            item = ahead.popleft()
            settle(item, ReadResult(item.name, error=item.error))
        settle(ahead.popleft(), reading)
    for item in ahead:
        settle(item, ReadResult(item.name, error=item.error))
    progress.clear()
    return outcome


def save_picture(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix (.jpg, .png, .webp), whole or not at all. Raises MienError."""
    if path.suffix.lower() not in WRITABLE:
        raise MienError(f"cannot write an image as {path}; name it .jpg, .png or .webp")
    most = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}.get(path.suffix.lower())
    if most and max(image.size) > most:
        size = f"{image.width}x{image.height}"
        raise MienError(f"cannot write {path}: {size} pixels are too many for this format; name it .png")
    with atomic_write(path) as temporary:
        try:
            image.save(temporary, quality=92)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MienError(f"cannot write {path}: {reason}") from error


def _annotated_name(place: Path) -> Path:
    return place if place.suffix.lower() in WRITABLE else place.with_name(place.name + ".png")


def _write_annotated(
    reader: Reader, reading: ReadResult[Any], item: Input, path: Path, explained: bool, overwrite: bool
) -> None:
    there = os.path.exists(path)
    if isinstance(item.source, Path) and there and os.path.samefile(path, item.source):
        raise MienError(f"--annotate would overwrite the input image {path}; choose another folder")
    if there and not overwrite:
        raise MienError(f"{path} exists; replace it with --overwrite")
    from mien.inference.annotate import annotate  # fonts and drawing: nobody else waits for their import

    explanations = [reader.explain(face) for face in reading.faces[:EXPLAINED]] if explained else []
    assert reading.picture is not None
    save_picture(annotate(reading.picture, reading.faces, explanations), path)
