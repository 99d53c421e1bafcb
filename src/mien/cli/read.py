"""Detect faces in images, videos or a camera stream, and read their emotions.

    mien read photo.jpg                        print a table
    mien read photos/ -o faces.csv             a folder and its subfolders; add --resume to continue after a stop
    mien read photo.jpg --annotate out.jpg     draw boxes and bars on a copy; --explain adds heat maps
    mien read film.mp4 --timeline film         write each face's emotions over time: film.csv and film.png
    mien read film.mp4 --baseline 10s          show each face's change from its first ten seconds
    mien read films/ -o faces.jsonl            all images and videos in a folder
    mien read camera:0                         live, in a window if there is a display
    mien read - < photo.jpg                    read from standard input

Exit codes: 0 everything was read, 1 some files could not be read, 2 wrong usage or an output that cannot be written.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import MienError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from mien.cli.read_video import Outputs, VideoOptions
    from mien.inference.reader import Reader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="images, videos, folders of them, camera:0, or - for stdin")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--json", dest="kind", action="store_const", const="json", help="print one JSON array of records")
    kind.add_argument(
        "--jsonl", dest="kind", action="store_const", const="jsonl", help="print one JSON record per line"
    )
    kind.add_argument("--csv", dest="kind", action="store_const", const="csv", help="print CSV, one row per face")
    add("-o", "--output", type=Path, metavar="FILE", help="write to FILE (.json, .jsonl, .csv or .parquet)")
    add("--resume", action="store_true", help="continue FILE: skip inputs that it already contains")
    add("--shard", metavar="I/N", help="read only part I of N, into FILE-I-of-N; `mien merge` merges the parts")
    add("--overwrite", action="store_true", help="replace FILE if it exists")
    add("--annotate", type=Path, metavar="OUT", help="write annotated copies to OUT, a folder, an image or a video")
    add("--explain", action="store_true", help="add heat maps to annotated images: which regions speak for the emotion")
    add("--cropped", action="store_true", help="treat each image as one cropped face; do not detect faces")
    add("--whole", action="store_true", help=argparse.SUPPRESS)  # the name in 0.1
    add("--model", default="default", help="a shipped model, a run folder or an exported .onnx file")
    add(
        "--flip",
        action="store_true",
        help="average over the face and its mirror image: twice the work, slightly more accurate",
    )
    add("--min-score", type=float, metavar="S", help="minimum detection score, 0 to 1 (default 0.65)")
    add(
        "--threads", type=int, metavar="N", help="number of images read in parallel (default 1; with Ray, all its CPUs)"
    )
    add("--batch", type=int, default=64, metavar="N", help="number of faces classified together (default 64)")
    add("--max-pixels", default=None, metavar="N", help="refuse images with more pixels (default 80M)")
    add(
        "--every",
        default=None,
        metavar="TIME",
        help="videos: time between frames that are read, such as 200ms (default 0.2s)",
    )
    add(
        "--timeline",
        type=Path,
        metavar="NAME",
        help="videos: write NAME.csv and NAME.png; for several videos, a folder",
    )
    add(
        "--baseline",
        default=None,
        metavar="TIME",
        help="videos: report each face's change from its first TIME, such as 10s",
    )
    add(
        "--engine", choices=("local", "ray"), default="local",
        help="ray: read a very large collection (folder, list, parquet file, s3://...) into the folder FILE.parquet",
    )  # fmt: skip
    add("--ray-address", metavar="ADDRESS", help="address of a Ray cluster (default: start one on this machine)")
    add("--no-view", action="store_true", help="cameras: do not open a window")
    add("--quiet", action="store_true", help="do not print progress and a summary to standard error")


def run(args: argparse.Namespace) -> int:
    """Read what the arguments name. Returns the exit code."""
    from mien.cli.read_targets import stopped_by_signals

    with stopped_by_signals():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from mien.cli.quiet import quiet_decoders
    from mien.files import refuse_address
    from mien.inference.video_source import CAMERA, is_video

    if "" in args.inputs:
        raise MienError("one of the inputs is an empty name; give an image, a folder, a video or camera:0")
    if args.batch < 1:
        raise MienError(f"--batch must be a number of faces, 1 or more, not {args.batch}")
    if args.explain and not args.annotate:
        raise MienError("--explain draws heat maps in annotated images; add --annotate OUT")
    if args.resume and args.overwrite:
        raise MienError("--resume continues FILE and --overwrite replaces it; use only one of them")
    _refuse_unused(args)
    if args.engine == "ray":
        return _with_ray(args)
    if args.resume and not args.output:
        raise MienError("--resume needs the output to continue: add -o FILE.jsonl or -o FILE.csv")
    quiet_decoders()
    for name in args.inputs:
        refuse_address(name)
        if name.startswith(CAMERA) and len(args.inputs) > 1:
            raise MienError(f"a camera cannot be read together with other inputs; run: mien read {name}")
    videos = [name for name in args.inputs if is_video(name)]
    if args.whole:
        print("mien: --whole is now called --cropped", file=sys.stderr)
        args.cropped = True
    for option, given in (("--explain", args.explain), ("--cropped", args.cropped)):
        if given and videos:
            raise MienError(f"{option} is for images; {videos[0]} is a video or a camera")
    if args.shard is not None:
        from mien.cli.shard import parse_shard, read_part

        args.shard = parse_shard(args.shard)
        if len(args.inputs) == 1 and not os.path.isdir(args.inputs[0]):
            raise MienError(
                f"--shard reads a part of a folder or of a list of files; {args.inputs[0]} is a single file"
            )
        return read_part(args, args.shard, _kind(args), lambda: _many(args))
    return _one_video(args) if videos and len(args.inputs) == 1 else _many(args)


def _refuse_unused(args: argparse.Namespace) -> None:
    """Raise MienError for options that would do nothing."""
    from mien.inference.video_source import CAMERA

    if args.ray_address and args.engine != "ray":
        raise MienError("--ray-address needs --engine ray; add it, or remove --ray-address")
    if args.no_view and not args.inputs[0].startswith(CAMERA):
        raise MienError(f"--no-view is for cameras; {args.inputs[0]} is not a camera")
    if args.overwrite and not (args.output or args.annotate or args.timeline):
        raise MienError("--overwrite replaces the file of -o, --annotate or --timeline; add one of them")


def _with_ray(args: argparse.Namespace) -> int:
    from mien.cli.read_ray import check_arguments, read_collection

    check_arguments(args)
    options = _video_options(args, None, None)[1]
    return read_collection(args, _reader(args), options.every, options.baseline)


def _many(args: argparse.Namespace) -> int:
    from mien.cli.inputs import count_images, count_videos, find_images, find_videos
    from mien.cli.outcome import say_outcome
    from mien.cli.progress import Progress
    from mien.cli.read_images import read_pictures
    from mien.cli.read_targets import annotated_target, check_outputs, refuse_inputs
    from mien.cli.read_video import read_videos
    from mien.cli.records import Outcome, csv_columns, open_writer
    from mien.cli.resume import Finished, finished
    from mien.cli.resume_check import check_settings
    from mien.cli.table import printable

    many = len(args.inputs) > 1 or (args.inputs[0] != "-" and os.path.isdir(args.inputs[0]))
    videos = count_videos(args.inputs) if many else 0
    for name, given in (("--every", args.every), ("--timeline", args.timeline), ("--baseline", args.baseline)):
        if given is not None and not videos:
            raise MienError(f"{name} is for videos; the inputs are images")
    kind = _kind(args)
    reader = _reader(args)
    annotated, single = annotated_target(args.annotate, args.inputs)
    # Small jobs say nothing about progress; counting a large folder takes a moment, once.
    folder = None if single else annotated
    total = count_images(args.inputs, folder) if many else 1
    owns = args.shard.owns if args.shard else lambda name: True
    total = total if not args.shard else -(-total // args.shard.of)
    left_out = "--cropped" if args.cropped else ""  # films in folders, which have no pictures of one face
    films = [] if left_out or not videos else list(find_videos(args.inputs, folder))
    columns = csv_columns(reader.model.classes, videos=bool(films), change=bool(films and args.baseline))
    films = [film for film in films if owns(film.name)]
    outputs, options = _video_options(args, annotated, args.timeline)
    targets = [("-o", args.output)] if args.output else []
    targets += [("--annotate", annotated)] if annotated and single else []
    targets += [target for film in films for target in outputs.in_folders(film.place).targets()]
    refuse_inputs(targets, args.inputs)
    check_outputs(targets, args.overwrite or args.resume)
    check = partial(check_settings, args.output, kind, reader, options, args.cropped)
    done = finished(args.output, kind, columns, reader.model.name, check) if args.resume else Finished()
    progress = Progress(total, "images", len(done.names), args.quiet or not many, alone=bool(args.output))

    def complain(message: str) -> None:
        print(f"mien: {printable(message)}", file=sys.stderr)

    goes_on = bool(args.annotate or args.timeline)
    with open_writer(
        args.output, kind, columns, resume=args.resume, overwrite=args.overwrite, goes_on=goes_on
    ) as writer:
        outcome = read_pictures(
            reader,
            (item for item in find_images(args.inputs, folder) if owns(item.name)),
            writer,
            progress,
            complain,
            batch=args.batch,
            already_cropped=args.cropped,
            annotated=annotated,
            single=single,
            explained=args.explain,
            finished=done,
            overwrite=args.overwrite or args.resume,
        )
        film_outcome = Outcome()
        if films:
            film_outcome = read_videos(
                reader, films, writer, complain, outputs, options, done=done.names, quiet=args.quiet
            )
    if many and not args.quiet:
        note = f"videos skipped: {videos:,} ({left_out} is for images)" if left_out and videos else ""
        say_outcome(outcome, film_outcome, progress, note, pictures=bool(total))
    if film_outcome.stopped:
        print("mien: stopped; the output contains everything up to this point", file=sys.stderr)
        return 130
    return 1 if outcome.failed or film_outcome.failed or film_outcome.cut else 0


def _one_video(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from mien.cli.options import spoken
    from mien.cli.progress import Progress
    from mien.cli.read_targets import annotated_film, check_outputs, refuse_inputs
    from mien.cli.read_video import read_one, refuse_overwriting, say_people
    from mien.cli.records import csv_columns, open_writer
    from mien.cli.table import printable
    from mien.inference.video import open_video

    if args.resume:
        raise MienError(f"--resume continues a list or a folder; {args.inputs[0]} is a single video or camera")
    timeline = args.timeline
    if timeline and timeline.suffix in (".csv", ".png"):
        timeline = timeline.with_suffix("")
    if timeline and not timeline.name:
        raise MienError(f"--timeline needs a NAME for NAME.csv and NAME.png, not {args.timeline}")
    outputs, options = _video_options(args, annotated_film(args.annotate, args.inputs[0]), timeline)
    targets = [*([("-o", args.output)] if args.output else []), *outputs.targets()]
    refuse_inputs(targets, args.inputs)
    check_outputs(targets, args.overwrite)
    kind = _kind(args)
    reader = _reader(args)
    with ExitStack() as stack:
        try:
            video = stack.enter_context(open_video(args.inputs[0], reader.max_pixels))
        except MienError as error:
            print(f"mien: {printable(spoken(error))}", file=sys.stderr)
            if kind != "table":
                columns = csv_columns(reader.model.classes, videos=True, change=bool(options.baseline))
                with open_writer(args.output, kind, columns, overwrite=args.overwrite) as writer:
                    writer.write({"source": args.inputs[0], "model": reader.model.name, "error": str(error)})
            return 1
        refuse_overwriting(outputs.annotated, args.inputs[0])
        if video.live and not args.no_view:
            options = replace(options, show=_window(stack, video.name))
        columns = csv_columns(reader.model.classes, images=False, videos=True, change=bool(options.baseline))
        goes_on = bool(outputs.annotated or outputs.timeline)
        writer = stack.enter_context(open_writer(args.output, kind, columns, overwrite=args.overwrite, goes_on=goes_on))
        progress = Progress(video.length or None, "s of video", quiet=args.quiet or video.live, alone=True)
        rows, end = read_one(reader, video, writer, progress, outputs, options)
        say_people(writer, video, rows, options)
    if end == "stopped" and not video.live:
        print("mien: stopped; the output contains everything up to this point", file=sys.stderr)
        return 130
    return 1 if end == "cut short" else 0


def _video_options(
    args: argparse.Namespace, annotated: Path | None, timeline: Path | None
) -> "tuple[Outputs, VideoOptions]":
    from mien.cli.inputs import parse_seconds
    from mien.cli.read_video import Outputs, VideoOptions

    every, baseline = parse_seconds("0.2s" if args.every is None else args.every), parse_seconds(args.baseline or "0")
    if args.baseline is not None and not baseline:
        raise MienError("--baseline must be longer than 0 s; give a time such as 10s")
    return Outputs(annotated, timeline), VideoOptions(every, baseline, overwrite=args.overwrite or args.resume)


def _kind(args: argparse.Namespace) -> str:
    """The format of the output: as asked for, else by the file's name, else a table."""
    from mien.cli.records import SUFFIX_FORMATS

    if args.kind or not args.output:
        return args.kind or "table"
    if args.output.suffix.lower() not in SUFFIX_FORMATS:
        raise MienError(
            f"cannot tell the format of {args.output}; name it .json, .jsonl, .csv or .parquet, or add --jsonl"
        )
    return SUFFIX_FORMATS[args.output.suffix.lower()]


def _reader(args: argparse.Namespace) -> "Reader":
    from mien.data.image import MAX_PIXELS
    from mien.inference.reader import Reader

    max_pixels = MAX_PIXELS if args.max_pixels is None else _count(args.max_pixels)
    threads = 1 if args.threads is None else args.threads
    return Reader(args.model, threads=threads, flip=args.flip, max_pixels=max_pixels, min_score=args.min_score)


def _count(text: str) -> int:
    """Turn "120M" into 120,000,000."""
    factors = {"k": 10**3, "m": 10**6, "g": 10**9}
    factor = factors.get(text[-1:].lower(), 1)
    number = text[:-1] if factor > 1 else text
    try:
        count = int(float(number) * factor)
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        raise MienError(f"--max-pixels must be a number of pixels such as 120M or 120000000, not {text!r}")
    return count


def _window(stack: ExitStack, name: str) -> "Callable[[Image], bool] | None":
    """The window of a camera, or None, with a line that says why."""
    from mien.cli.window import Window

    try:
        window = Window(f"mien {name}")
    except MienError as error:
        print(f"mien: {error}; continuing without a window, press Ctrl-C to stop", file=sys.stderr)
        return None
    stack.callback(window.close)
    return window.show
