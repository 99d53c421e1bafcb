"""A whole film or camera, as the command line gives it: frames in, records, an annotated film and a timeline out."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from mien.cli.progress import Progress
from mien.cli.records import Writer, open_writer
from mien.cli.table import percent
from mien.cli.timeline import plot_timeline
from mien.errors import MienError
from mien.inference.annotate import annotate
from mien.inference.reader import Reader
from mien.inference.tracker import FORGET, Seen, Tracker
from mien.inference.video import Film, frames, open_film_writer


def read_film(
    reader: Reader,
    film: Film,
    writer: Writer,
    progress: Progress,
    *,
    every: float = 0.2,
    annotated: Path | None = None,
    timeline: Path | None = None,
    show: Callable[[Image.Image], bool] | None = None,
    overwrite: bool = True,
) -> tuple[list[dict[str, Any]], Literal["whole", "stopped", "cut short"]]:
    """Read a film or a camera frame by frame, and write a record of each frame that is read.

    every: seconds between two of them. annotated: a film to write, with every frame and its faces marked.
    timeline: writes timeline.csv and the plot timeline.png, for this name. show: is given annotated frames and says
    whether to go on. overwrite: replace files of those names that exist; else they are an error. Ctrl-C ends the film there, and what was asked for is written up to it.
    Returns a row for each face, in the order in which they appeared: {"id", "first", "last", "seen" (seconds), "mean"
    (probabilities)}, and how it ended: "cut short" where the file has less than it says. Only those rows grow with the film.
    """
    tracker = Tracker()
    people: dict[int, dict[str, Any]] = {}
    end: Literal["whole", "stopped", "cut short"] = "whole"
    plot = timeline.with_name(timeline.name + ".png") if timeline else None
    for target in (annotated, plot):
        if target and os.path.lexists(target) and not overwrite:
            raise MienError(f"{target} exists; replace it with --overwrite")
    with ExitStack() as files:
        table = None
        if timeline:
            target = timeline.with_name(timeline.name + ".csv")
            table = files.enter_context(
                open_writer(target, "csv", reader.model.classes, film=True, overwrite=overwrite)
            )
        add = files.enter_context(open_film_writer(annotated, film.fps)) if annotated else None
        seen: list[Seen] = []
        told: tuple[tuple[int, str], ...] = ()
        before = 0.0
        try:
            for frame, due in frames(film, every, all_pictures=bool(add or show)):
                if due and frame.picture:
                    seen = tracker.update(reader.read(frame.picture), frame.time)
                    record = _film_record(film, frame.index, frame.time, reader.model.name, seen)
                    _count(people, seen, frame.time, every or 1 / film.fps)
                    if table:
                        table.write(record)
                    if writer.kind != "table":
                        writer.write(record)
                    elif film.live and told != (told := tuple((one.id, one.face.emotion) for one in seen)):
                        progress.clear()
                        writer.say(_live_line(frame.time, seen))
                if frame.picture and (add or show):
                    marked = _marked(frame.picture, seen)
                    if add:
                        add(marked)
                    if show and not show(marked):
                        end = "stopped"
                        break
                progress.step(frame.time - before, f", {len(seen)} faces now")
                before = frame.time
            else:
                end = "cut short" if film.cut_short(before) else "whole"
        except KeyboardInterrupt:
            end = "stopped"
        progress.clear()
    if timeline and plot:
        plot_timeline(timeline.with_name(timeline.name + ".csv"), plot, Path(film.name).name)
    rows = [{**row, "mean": _mean(row["mean"])} for row in people.values()]
    return rows, end


def _film_record(film: Film, index: int, time: float, model: str, seen: Sequence[Seen]) -> dict[str, Any]:
    faces = [{"id": one.id, **one.face.to_dict()} for one in seen]
    return {"source": film.name, "model": model, "time": round(time, 4), "frame": index, "faces": faces}


def _count(people: dict[int, dict[str, Any]], seen: Sequence[Seen], time: float, step: float) -> None:
    for one in seen:
        row = people.setdefault(one.id, {"id": one.id, "first": time, "last": time, "seen": 0.0, "mean": {}})
        gone = time - row["last"]
        row["seen"] += gone if 0 < gone <= FORGET else step
        row["last"] = time
        for name, share in one.face.probabilities.items():
            row["mean"][name] = row["mean"].get(name, 0.0) + share


def _mean(sums: dict[str, float]) -> dict[str, float]:
    total = sum(sums.values())  # each look adds probabilities that sum to 1
    return {name: value / total for name, value in sums.items()}


def _marked(picture: Image.Image, seen: Sequence[Seen]) -> Image.Image:
    order = sorted(seen, key=lambda one: -one.face.box[2] * one.face.box[3])
    return annotate(picture, [one.face for one in order], names=[f"#{one.id}" for one in order], column=False)


def _live_line(time: float, seen: Sequence[Seen]) -> str:
    faces = "  ".join(f"#{one.id} {one.face.emotion} {percent(one.face.confidence)}" for one in seen)
    return f"{time:8.1f} s  {faces or 'no face'}\n"
