"""Find the faces in pictures, film or a camera's view, and read their emotions.

    mien read photo.jpg                        a table
    mien read photos/ -o faces.csv             a folder, with all folders in it; --resume goes on after a break
    mien read photo.jpg --annotate out.jpg     the picture with boxes and bars; --explain adds heat maps
    mien read film.mp4 --timeline film         who showed what when: film.csv and film.png
    mien read camera:0                         live, in a window where there is a display
    mien read - < photo.jpg                    from standard input

Exit code: 0 all read, 1 some could not be read, 2 wrong usage or nothing could be written.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import MienError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from mien.inference.reader import Reader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="pictures, folders, a film, camera:0, or - for stdin"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--json", dest="kind", action="store_const", const="json", help="one JSON array of records")
    kind.add_argument("--jsonl", dest="kind", action="store_const", const="jsonl", help="a JSON record a line")
    kind.add_argument("--csv", dest="kind", action="store_const", const="csv", help="CSV, a row a face")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there; .json, .jsonl or .csv by its name"
    )
    parser.add_argument("--resume", action="store_true", help="go on with FILE: skip what stands in it")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--annotate", type=Path, metavar="OUT", help="write annotated copies: a folder, a picture or a film"
    )
    parser.add_argument("--explain", action="store_true", help="add heat maps of what spoke to annotated pictures")
    parser.add_argument("--whole", action="store_true", help="each picture is one face already cropped: look for none")
    parser.add_argument("--model", default="default", help="a shipped model or an exported .onnx file")
    parser.add_argument("--flip", action="store_true", help="average over the mirrored face: a little better, slower")
    parser.add_argument("--min-score", type=float, metavar="S", help="least score of a face, 0..1 (default 0.65)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="pictures worked on at a time (default 1)")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="faces classified together (default 64)")
    parser.add_argument("--max-pixels", default=None, metavar="N", help="refuse larger pictures (default 80M)")
    parser.add_argument(
        "--every", default=None, metavar="TIME", help="film: read a frame every 0.2s (the default), 200ms, ..."
    )
    parser.add_argument("--timeline", type=Path, metavar="NAME", help="film: write NAME.csv and NAME.png")
    parser.add_argument("--no-view", action="store_true", help="camera: open no window")
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary on standard error")


def run(args: argparse.Namespace) -> int:
    """Read what the arguments name. Returns the exit code."""
    from mien.cli.inputs import is_film
    from mien.cli.quiet import quiet_decoders

    if "" in args.inputs:
        raise MienError("an empty name stands among the inputs; give a picture, a folder, a film or camera:0")
    if args.explain and not args.annotate:
        raise MienError("--explain shows its heat maps in annotated pictures; give --annotate OUT too")
    if args.resume and args.overwrite:
        raise MienError("--resume goes on with FILE and --overwrite replaces it; leave one of them out")
    if args.resume and not args.output:
        raise MienError("--resume needs the output to go on with: -o FILE.jsonl or -o FILE.csv")
    quiet_decoders()
    film = [name for name in args.inputs if is_film(name)]
    if film and len(args.inputs) > 1:
        raise MienError(f"a film is read on its own: mien read {film[0]}")
    return _film(args) if film else _pictures(args)


def _pictures(args: argparse.Namespace) -> int:
    from mien.cli.inputs import count_inputs, films_in, find_inputs
    from mien.cli.progress import Progress, duration
    from mien.cli.read_images import read_pictures
    from mien.cli.records import open_writer
    from mien.cli.resume import Finished, finished
    from mien.cli.table import printable

    for name, given in (("--every", args.every), ("--timeline", args.timeline)):
        if given is not None:
            raise MienError(f"{name} is for films; these are pictures")
    kind = _kind(args)
    reader = _reader(args)
    classes = reader.model.classes
    annotated, single = _annotated(args)
    # Small jobs say nothing about progress; counting a large folder takes a moment, once.
    many = len(args.inputs) > 1 or (args.inputs[0] != "-" and os.path.isdir(args.inputs[0]))
    folder = None if single else annotated
    total = count_inputs(args.inputs, folder) if many else 1
    done = finished(args.output, kind, classes, reader.model.name) if args.resume else Finished()
    progress = Progress(total, "pictures", len(done.names), args.quiet or not many, alone=bool(args.output))
    with open_writer(args.output, kind, classes, resume=args.resume, overwrite=args.overwrite) as writer:
        outcome = read_pictures(
            reader,
            find_inputs(args.inputs, folder),
            writer,
            progress,
            lambda message: print(f"mien: {printable(message)}", file=sys.stderr),
            batch=args.batch,
            whole=args.whole,
            annotated=annotated,
            single=single,
            explained=args.explain,
            finished=done,
            overwrite=args.overwrite or args.resume,
        )
    if many and not args.quiet:
        rate = progress.rate()
        now = progress.done - progress.start_at
        parts = [f"{outcome.read:,} pictures read", f"{outcome.faces:,} faces"]
        parts += [f"{outcome.failed:,} not read"] if outcome.failed else []
        parts += [f"{outcome.skipped:,} were done before"] if outcome.skipped else []
        parts += [f"films passed over: {films:,} (read each on its own)"] if (films := films_in(args.inputs)) else []
        speed = f" ({rate:,.1f} pictures/s, {duration(now / rate)})" if rate > 0 else ""
        print(f"mien: {', '.join(parts)}{speed}", file=sys.stderr)
    return 1 if outcome.failed else 0


def _film(args: argparse.Namespace) -> int:
    from mien.cli.progress import Progress
    from mien.cli.read_video import read_film
    from mien.cli.records import open_writer
    from mien.cli.table import summary
    from mien.inference.video import open_film, parse_seconds

    for name, given in (("--resume", args.resume), ("--explain", args.explain), ("--whole", args.whole)):
        if given:
            raise MienError(f"{name} is for pictures; {args.inputs[0]} is a film or a camera")
    every = parse_seconds(args.every or "0.2s")
    timeline = args.timeline
    if timeline and timeline.suffix in (".csv", ".png"):
        timeline = timeline.with_suffix("")
    if timeline and not timeline.name:
        raise MienError(f"--timeline needs a name to write NAME.csv and NAME.png, not {args.timeline}")
    kind = _kind(args)
    reader = _reader(args)
    with ExitStack() as stack:
        try:
            film = stack.enter_context(open_film(args.inputs[0]))
        except MienError as error:
            print(f"mien: {error}", file=sys.stderr)
            return 1
        if args.annotate and os.path.exists(args.annotate) and args.annotate.samefile(args.inputs[0]):
            raise MienError(f"--annotate would write over {args.annotate}, the film itself; choose another name")
        show = None
        if film.live and not args.no_view:
            show = _view(stack, film.name)
        writer = stack.enter_context(
            open_writer(args.output, kind, reader.model.classes, film=True, overwrite=args.overwrite)
        )
        progress = Progress(film.length or None, "s of film", quiet=args.quiet or film.live, alone=True)
        rows, end = read_film(
            reader,
            film,
            writer,
            progress,
            every=every,
            annotated=args.annotate,
            timeline=timeline,
            show=show,
            overwrite=args.overwrite,
        )
        colored = sys.stdout.isatty()
        writer.say(f"{film.name}  {len(rows)} face{'s' if len(rows) != 1 else ''}\n{summary(rows, colored)}")
    if end == "stopped" and not film.live:
        print("mien: stopped; what was written ends there", file=sys.stderr)
        return 130
    return 1 if end == "cut short" else 0


def _kind(args: argparse.Namespace) -> str:
    """The format of the output: as asked for, else by the file's name, else a table."""
    from mien.cli.records import SUFFIX_FORMATS

    if args.kind or not args.output:
        return args.kind or "table"
    if args.output.suffix.lower() not in SUFFIX_FORMATS:
        raise MienError(f"cannot tell the format of {args.output}; name it .json, .jsonl or .csv, or add --jsonl")
    return SUFFIX_FORMATS[args.output.suffix.lower()]


def _reader(args: argparse.Namespace) -> "Reader":
    from mien.data.image import MAX_PIXELS
    from mien.inference.detector import MIN_SCORE
    from mien.inference.reader import Reader

    min_score = MIN_SCORE if args.min_score is None else args.min_score
    if not 0 <= min_score <= 1:
        raise MienError(f"--min-score is a number from 0 to 1, not {min_score:g}")
    max_pixels = MAX_PIXELS if args.max_pixels is None else _count(args.max_pixels)
    return Reader(args.model, threads=args.threads, flip=args.flip, max_pixels=max_pixels, min_score=min_score)


def _annotated(args: argparse.Namespace) -> tuple[Path | None, bool]:
    """Where annotated pictures go, and whether that is the file of a single one."""
    from mien.cli.read_images import WRITABLE

    out = args.annotate
    if out is None:
        return None, False
    one = len(args.inputs) == 1 and not os.path.isdir(args.inputs[0])
    there = os.path.isdir(out)
    if one and out.suffix.lower() in WRITABLE and not there:
        return out, True
    if out.suffix and not there and one:
        raise MienError(f"cannot write a picture as {out}; name it .jpg, .png or .webp, or give a folder")
    if out.suffix.lower() in WRITABLE and not there:
        raise MienError(f"--annotate {out} names one picture, and more than one may be read; give a folder")
    if any(os.path.isdir(name) and out.resolve() == Path(name).resolve() for name in args.inputs):
        raise MienError(f"--annotate {out} would write over the pictures that are read; choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"cannot make the folder {out}: {error.strerror}") from error
    return out, False


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
        raise MienError(f"--max-pixels is a number of pixels such as 120M or 120000000, not {text!r}")
    return count


def _view(stack: ExitStack, name: str) -> "Callable[[Image], bool] | None":
    """The window of a camera, or None, with a line that says why."""
    from mien.cli.window import View

    try:
        view = View(f"mien {name}")
    except MienError as error:
        print(f"mien: {error}; going on without a window, Ctrl-C ends", file=sys.stderr)
        return None
    stack.callback(view.close)
    return view.show
