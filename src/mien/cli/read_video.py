"""Films and cameras on the command line: frames in; records, an annotated film and a timeline out."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from mien.cli.inputs import Input
from mien.cli.options import spoken
from mien.cli.progress import Progress
from mien.cli.records import Outcome, Writer, csv_columns, open_writer
from mien.cli.table import percent, printable, summary
from mien.cli.timeline import plot_timeline
from mien.errors import MienError
from mien.inference.annotate import annotate
from mien.inference.reader import Reader
from mien.inference.tracker import TrackedFace
from mien.inference.video import Video, open_video
from mien.inference.video_packets import fastest_rate
from mien.inference.video_reader import EVERY, VideoFrame, read_faces
from mien.inference.video_writer import WRITABLE, open_video_writer

End = Literal["whole", "stopped", "cut short"]


@dataclass(frozen=True)
class VideoOptions:
    """How films are read. every, baseline: seconds. show: is given annotated frames and says whether to go on.

    overwrite: replace files that exist; else they are an error.
    """

    every: float = EVERY
    baseline: float = 0.0
    show: Callable[[Image.Image], bool] | None = None
    overwrite: bool = True


@dataclass(frozen=True)
class Outputs:
    """What to write beside the records: an annotated film; NAME of a timeline, for NAME.csv and NAME.png."""

    annotated: Path | None = None
    timeline: Path | None = None

    def timeline_files(self) -> tuple[Path, ...]:
        """The table and the plot of the timeline, where one is asked for."""
        return tuple(_with(self.timeline, suffix) for suffix in (".csv", ".png")) if self.timeline else ()

    def targets(self) -> list[tuple[str, Path]]:
        """Each file to write, behind the option that asks for it."""
        annotated = [("--annotate", self.annotated)] if self.annotated else []
        return [*annotated, *(("--timeline", path) for path in self.timeline_files())]

    def in_folders(self, place: Path) -> "Outputs":
        """Those of one film of several, where both are folders. Names keep the film's suffix: no two are the same."""
        name = place if place.suffix.lower() in WRITABLE else place.with_name(f"{place.name}.mp4")
        return Outputs(self.annotated and self.annotated / name, self.timeline and self.timeline / place)


class People:
    """Who was seen when. A face that is read counts as seen until the next look at the film, or the film's end."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._rows: dict[int, dict[str, Any]] = {}
        self._last: tuple[float, Sequence[TrackedFace]] = (0.0, ())

    def look(self, frame: VideoFrame) -> None:
        """Take in a frame that was read."""
        self.end(frame.time)
        # One picture may stand on the screen for long.
        still_seconds = frame.duration if frame.duration > 1.5 * self._step else 0.0
        for face in frame.faces:
            row = self._rows.setdefault(
                face.id, {"id": face.id, "first": frame.time, "seen": 0.0, "weight": 0.0, "sums": {}, "changes": {}}
            )
            row["last"] = frame.time + still_seconds
        self._last = (frame.time, frame.faces)

    def end(self, time: float) -> None:
        """What was seen at the last look was seen until `time`."""
        before, faces = self._last
        for face in faces:
            row, seconds = self._rows[face.id], max(time - before, 0.0)
            row["seen"] += seconds
            for sums, values in ((row["sums"], face.probabilities), (row["changes"], face.change or {})):
                for name, value in values.items():
                    sums[name] = sums.get(name, 0.0) + value * max(seconds, 1e-6)
            row["weight"] += max(seconds, 1e-6) if face.change is not None else 0.0
        self._last = (time, ())

    def rows(self) -> list[dict[str, Any]]:
        """For each face, in the order of appearance: {"id", "first", "last", "seen" (seconds), "mean" (probabilities),
        "change" (the mean change against its baseline, or None)}."""
        rows = []
        for row in self._rows.values():
            total = sum(row["sums"].values()) or 1.0  # probabilities sum to 1 at each look
            change = {name: value / row["weight"] for name, value in row["changes"].items()} or None
            mean = {name: value / total for name, value in row["sums"].items()}
            rows.append({**{key: row[key] for key in ("id", "first", "last", "seen")}, "mean": mean, "change": change})
        return rows


def read_one(
    reader: Reader,
    video: Video,
    writer: Writer,
    progress: Progress,
    outputs: Outputs = Outputs(),
    options: VideoOptions = VideoOptions(),
) -> tuple[list[dict[str, Any]], End]:
    """Read an open film or camera, and write a record of each frame that is read.

    The annotated film has every frame, at its time, and the sound. Ctrl-C ends the film there, and what was asked for
    is written up to it. Returns the rows of People, and how it ended: "cut short" where the file has less than it says.
    Only those rows grow with the film.
    """
    people = People(options.every or 1 / video.fps)
    end: End = "stopped"
    table_path, plot = outputs.timeline_files() or (None, None)
    for target in (outputs.annotated, plot):
        if target and os.path.lexists(target) and not options.overwrite:
            raise MienError(f"{target} exists; replace it with --overwrite")
    columns = csv_columns(reader.model.classes, images=False, videos=True, change=bool(options.baseline))
    with ExitStack() as files:
        writers = [writer] if writer.kind != "table" else []
        if table_path:
            writers.append(files.enter_context(open_writer(table_path, "csv", columns, overwrite=options.overwrite)))
        film = None
        if outputs.annotated:
            sound = None if video.live else video
            avi = outputs.annotated.suffix.lower() == ".avi"  # one rate for all frames: none may be left out
            rate = fastest_rate(video.name, video.base_rate) if avi and sound else video.base_rate
            film = files.enter_context(open_video_writer(outputs.annotated, rate, sound))
        shown: tuple[tuple[int, str], ...] = ()
        time = 0.0
        try:
            drawn = film is not None or options.show is not None
            for frame in read_faces(reader, video, options.every, options.baseline, every_frame=drawn):
                if frame.was_read:
                    people.look(frame)
                    for each in writers:
                        each.write(frame_record(video.name, reader.model.name, frame))
                    labels = tuple((face.id, face.emotion) for face in frame.faces)
                    if video.live and writer.kind == "table" and labels != shown:
                        shown = labels
                        progress.clear()
                        writer.say(_live_line(frame))
                if drawn:
                    marked = annotate(frame.image, _largest_first(frame.faces), column=False)
                    if film:
                        film.write(marked, frame.time, frame.duration)
                    if options.show and not options.show(marked):
                        break
                now = frame.time + frame.duration
                progress.step(now - time, f", {len(frame.faces)} faces now")
                time = now
            else:
                end = "cut short" if video.missing() else "whole"
                if film:
                    film.keep_whole_sound()
        except KeyboardInterrupt:
            end = "stopped"
        last = time if end == "stopped" else max(time, video.tally.shown_until)
        people.end(last)
        progress.clear()
    if table_path and plot:
        plot_timeline(table_path, plot, Path(video.name).name, last)
    return people.rows(), end


def read_videos(
    reader: Reader,
    inputs: Sequence[Input],
    writer: Writer,
    complain: Callable[[str], None],
    outputs: Outputs,
    options: VideoOptions,
    *,
    done: frozenset[str] = frozenset(),
    quiet: bool = False,
) -> Outcome:
    """Read several films one after another. One that cannot be read is told to `complain`, gets a record with its
    error, is counted, and ends nothing; so does one that is cut short, behind the records of its frames. outputs:
    folders. done: names that stand in the output already."""
    read = faces = failed = cut = skipped = 0
    stopped = False
    for item in inputs:
        if item.name in done:
            skipped += 1
            continue
        with ExitStack() as stack:
            try:
                video = stack.enter_context(open_video(item.name, reader.max_pixels))
            except MienError as error:
                complain(spoken(error))
                failed += 1
                _write_error(writer, item.name, reader.model.name, str(error))
                continue
            targets = outputs.in_folders(item.place)
            refuse_overwriting(targets.annotated, item.name)
            progress = Progress(video.length or None, "s of video", quiet=quiet, alone=True)
            rows, end = read_one(reader, video, writer, progress, targets, options)
            if end == "cut short":
                cut += 1
                _write_error(writer, item.name, reader.model.name, video.missing() or "")
            say_people(writer, video, rows, options)
        read, faces = read + 1, faces + len(rows)
        if end == "stopped":
            stopped = True
            break
    return Outcome(read, faces, failed, cut, skipped, stopped)


def _write_error(writer: Writer, name: str, model: str, error: str) -> None:
    if writer.kind != "table":
        writer.write({"source": name, "model": model, "error": error})


def say_people(writer: Writer, video: Video, rows: Sequence[dict[str, Any]], options: VideoOptions) -> None:
    """The film's summary, where people read along."""
    import sys

    people = f"{len(rows)} face{'s' if len(rows) != 1 else ''}"
    writer.say(f"{printable(video.name)}  {people}\n{summary(rows, sys.stdout.isatty(), options.baseline)}")


def refuse_overwriting(annotated: Path | None, name: str) -> None:
    """Raise MienError where the annotated film would be written over the film itself."""
    if annotated and os.path.exists(annotated) and os.path.exists(name) and os.path.samefile(annotated, name):
        raise MienError(f"--annotate would overwrite the input video {annotated}; choose another name")


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def frame_record(name: str, model: str, frame: VideoFrame) -> dict[str, Any]:
    """A frame that was read as a record."""
    faces = [face.to_dict() for face in frame.faces]
    return {"source": name, "model": model, "time": round(frame.time, 4), "frame": frame.index, "faces": faces}


def _largest_first(faces: Sequence[TrackedFace]) -> list[TrackedFace]:
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


def _live_line(frame: VideoFrame) -> str:
    faces = "  ".join(f"#{face.id} {face.emotion} {percent(face.confidence)}" for face in frame.faces)
    return f"{frame.time:8.1f} s  {faces or 'no face'}\n"
