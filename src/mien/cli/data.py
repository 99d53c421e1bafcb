"""Inspect, audit, crop, pack, download or draw data.

mien data info data/                  counts, duplicates, contradicting labels
mien data info photos/ --sheet a.png  also write a contact sheet
mien data info photos/ --json         print the same as JSON
mien data audit data/ -o audit/       duplicates, non-faces and label errors, on a page for review
mien data crop photos/ -o faces/      crop the faces in photos
mien data pack photos/ -o faces.npz   write one memory-mapped file, for data larger than memory
mien data fetch                       download FER2013 from Kaggle into data/
mien data draw data/drawn             draw synthetic faces, for demonstrations
mien data cache --clear               delete the cached images
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cli import data_audit, data_crop
from mien.cli.options import as_options
from mien.cli.table import printable
from mien.errors import MienError

if TYPE_CHECKING:
    from mien.data import Dataset
    from mien.data.splits import Split


LOADING = ("classes", "skip_broken")  # parameters of mien.data.load

EXAMPLES = {
    "info": (
        "data/",
        "photos/ --sheet a.png       also write a contact sheet",
        "photos/ --json              print JSON",
    ),
    "crop": (
        "photos/ -o faces/",
        "photos/ -o faces/ --all           all faces in each photo, not only the largest",
        "photos/ -o faces/ --resume        continue an interrupted run",
    ),
    "fetch": ("", "elsewhere/"),
    "draw": ("data/drawn", "data/drawn --n 500 --seed 3"),
    "pack": ("photos/ -o faces.npz", "data/fer2013.csv -o faces.npz"),
    "cache": ("", "--clear"),
}


def add_loading_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every command that reads a data set; `loading_options` turns them into those of `load`."""
    parser.add_argument(
        "--classes", metavar="NAMES",
        help="meaning of labels: fer2013, rafdb, affectnet, ... or 1=surprise,2=fear for numbers; as-is keeps names",
    )  # fmt: skip
    parser.add_argument(
        "--skip-broken", action="store_true", help="leave out images that cannot be read, and count them"
    )


def load_dataset(path: Path, args: argparse.Namespace) -> "Dataset":
    """Load a data set by the options of `add_loading_arguments`, and say on standard error how it was read."""
    dataset = read_dataset(path, args)
    tell_decisions(dataset)
    return dataset


def read_dataset(path: str | Path, args: argparse.Namespace, cache: bool = True) -> "Dataset":
    """Load a data set by the options of `add_loading_arguments`; on a terminal a line tells of it."""
    from mien.cli.progress import Busy
    from mien.cli.quiet import quiet_decoders
    from mien.data import load

    quiet_decoders()
    with Busy(f"reading {path}"):
        return load(path, cache=cache, **loading_options(args))


def tell_decisions(dataset: "Dataset") -> None:
    """Say on standard error how a data set was read."""
    for line in dataset.decisions:
        print(f"mien: data: {printable(as_options(line, LOADING))}", file=sys.stderr)


def loading_options(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `mien.data.load` by the options of `add_loading_arguments`."""
    return {name: getattr(args, name) for name in LOADING}


def loading_words(args: argparse.Namespace) -> list[str]:
    """The options of `add_loading_arguments` as they were given, for a command that runs others."""
    return [*(["--classes", args.classes] if args.classes else []), *(["--skip-broken"] if args.skip_broken else [])]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="{info,crop,audit,pack,fetch,draw,cache}")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        lines = [f"  mien data {name} {line}".rstrip() for line in EXAMPLES[name]]
        description = f"{text[0].upper()}{text[1:]}."
        made: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=description, epilog="\n".join(["examples:", *lines])
        )
        return made

    info = add("info", "show what a data set contains and how mien reads it; duplicates, contradicting labels")
    info.add_argument("path", help="a csv, parquet or npz file, a folder of such files, or a folder of images")
    info.add_argument(
        "--json", action="store_true", help="print classes, parts, decisions and what was left out as JSON"
    )
    info.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet with some images of each class")
    info.add_argument(
        "--votes", metavar="CSV", help="FER+'s fer2013new.csv: also count the images that annotators marked as no face"
    )
    info.add_argument("--no-cache", action="store_true", help="do not use or write the cache")
    add_loading_arguments(info)
    data_audit.add_arguments(commands.add_parser("audit", help="find duplicates, non-faces and label errors"))
    pack = add("pack", "write a data set as one memory-mapped file, for data larger than memory")
    pack.add_argument(
        "path", type=Path, help="a csv, parquet or npz file, a folder of such files, or a folder of images"
    )
    pack.add_argument("-o", "--output", type=Path, required=True, metavar="FACES.npz", help="the file to write")
    pack.add_argument("--overwrite", action="store_true", help="replace FACES.npz if it exists")
    add_loading_arguments(pack)
    fetch = add("fetch", "download FER2013 from Kaggle (needs a token)")
    fetch.add_argument("directory", nargs="?", default="data", help="the folder for the files (default: data)")
    draw = add("draw", "draw synthetic faces for demonstrations, in the format of Kaggle's files")
    draw.add_argument("directory", help="the folder for train.csv, test.csv and icml_face_data.csv")
    draw.add_argument("--n", type=int, default=6000, help="number of faces (default: 6000)")
    draw.add_argument("--seed", type=int, default=0, help="random seed; another seed draws other faces (default: 0)")
    data_crop.add_arguments(
        add("crop", "detect and crop the faces in photos; keeps class folders or the labels of a list")
    )
    cache = add("cache", "show the cache of decoded images and its size; --clear deletes it")
    cache.add_argument("--clear", action="store_true", help="delete the cache")


def run(args: argparse.Namespace) -> int:
    commands: dict[str, Callable[[argparse.Namespace], int | None]] = {
        "info": _info, "crop": data_crop.run, "audit": data_audit.run, "pack": _pack, "fetch": _fetch, "draw": _draw,
        "cache": _cache,
    }  # fmt: skip
    return commands[args.what](args) or 0


def _info(args: argparse.Namespace) -> None:
    from mien.cli.progress import Busy
    from mien.data.fer2013 import recognized
    from mien.data.sources import find
    from mien.data.splits import parts_of
    from mien.evaluation.audit import audit

    if args.sheet and Path(args.sheet).suffix.lower() != ".png":
        raise MienError(f"--sheet writes a PNG image; name it {Path(args.sheet).with_suffix('.png')}")
    dataset = read_dataset(args.path, args, cache=not args.no_cache)
    parts, how = parts_of(dataset)
    if args.json:
        print(json.dumps(_summary(dataset, parts, how), indent=2, ensure_ascii=False))
        return
    print(f"path         {printable(str(args.path))}")
    print(f"layout       {printable(str(find(Path(args.path), args.classes)))}")
    print(f"images       {len(dataset):,} of 48x48 gray, {int((dataset.labels < 0).sum()):,} of them without a label")
    print(f"fingerprint  {dataset.fingerprint}")
    if dataset.drawn:
        print("synthetic    drawn by mien, for demonstrations only; results on them say nothing about people")
    known = recognized(dataset)
    if known and not any(known.values()):
        print(f"known as     FER2013: {', '.join(known)} with exactly the published class counts")
    print("\n" + _table(dataset))
    print("\ndecisions")
    for line in (*dataset.decisions, how):
        print(f"  {printable(as_options(line, LOADING))}")
    if dataset.left_out:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in dataset.left_out.items())
        print(f"  left out in total: {printable(reasons)}")
    with Busy("looking for duplicates"):
        text = str(audit(dataset, args.votes))
    print(f"\n{text}")
    if args.sheet:
        from mien.evaluation.face_figures import contact_sheet

        title = Path(args.path).resolve().name
        contact_sheet(dataset.images, dataset.labels, dataset.classes, args.sheet, title, drawn=dataset.drawn)
        print(f"\ncontact sheet: {args.sheet}")
    _tell_cache(args.no_cache)


def _summary(dataset: "Dataset", parts: "Split", how: str) -> dict[str, Any]:
    """What `--json` prints: classes, parts as training uses them and as given, decisions, and what was left out."""
    rows = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    return {
        "path": dataset.source,
        "classes": list(dataset.classes),
        "n": len(dataset),
        "parts": {name: {"n": len(part), "by_class": dataset.subset(part).counts()} for name, part in rows.items()},
        "split": parts.name,
        "given": {
            name: int((dataset.usage == usage).sum())
            for name, usage in (
                ("train", "Training"),
                ("validation", "PublicTest"),
                ("test", "PrivateTest"),
                ("no part", ""),
            )
        },
        "unlabeled": int((dataset.labels < 0).sum()),
        "decisions": [as_options(line, LOADING) for line in (*dataset.decisions, how)],
        "left_out": dict(dataset.left_out),
        "drawn": dataset.drawn,
        "fingerprint": dataset.fingerprint,
    }


def _tell_cache(unused: bool) -> None:
    """Say what stays on the disk."""
    from mien.data import cache

    kept = [] if unused else cache.files()
    if kept:
        size = sum(file.stat().st_size for file in kept)
        print(
            f"\ncached for the next time in {cache.folder()} ({size / 1e6:,.1f} MB; mien data cache --clear deletes it)"
        )


def _cache(args: argparse.Namespace) -> None:
    from mien.data import cache

    place = cache.folder()
    if place is None:
        raise MienError("there is no home folder, so there is no cache; set MIEN_CACHE to a folder for the cache")
    if args.clear:
        number, size = cache.clear()
        print(f"deleted {number:,} files ({size / 1e6:,.1f} MB) from {place}")
        return
    files = cache.files()
    print(f"place  {place}")
    print(f"size   {sum(file.stat().st_size for file in files) / 1e6:,.1f} MB in {len(files):,} files")
    print("decoded faces of the data sets that were read, and compiled code; to delete them: mien data cache --clear")
    if place.is_dir() and cache.own_folder() is None:
        print("not used: the folder belongs to another user, or others may write to it")


def _table(dataset: "Dataset") -> str:
    """Images by usage and class."""
    from mien.data.dataset import USAGES

    rows = [("", *map(printable, dataset.classes), "unlabeled", "all")]
    for usage in ("", *USAGES):
        here = dataset.usage == usage
        if here.any():
            counts = dataset.counts(usage).values()
            unknown = int((here & (dataset.labels < 0)).sum())
            rows.append((usage or "no usage", *(f"{n:,}" for n in counts), f"{unknown:,}", f"{int(here.sum()):,}"))
    if len(rows) > 2:
        unknown = int((dataset.labels < 0).sum())
        rows.append(("all", *(f"{n:,}" for n in dataset.counts().values()), f"{unknown:,}", f"{len(dataset):,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _pack(args: argparse.Namespace) -> None:
    from mien.cli.progress import Busy
    from mien.data.packed import check_output, pack

    check_output(args.output, args.overwrite)  # before the data are read
    dataset = load_dataset(args.path, args)
    with Busy(f"writing {args.output}"):
        pack(dataset, args.output, args.overwrite)
    print(f"{len(dataset):,} faces in {args.output} ({args.output.stat().st_size / 1e6:,.1f} MB), fingerprint "
          f"{dataset.fingerprint}")  # fmt: skip
    print(f"next: mien train hybrid --data {args.output}")


def _fetch(args: argparse.Namespace) -> None:
    from mien.cli.progress import Busy
    from mien.data.fetch import HOW, fetch

    def asking() -> None:  # from here on kagglehub tells what it does
        busy.end()
        if busy.shown:
            print("asking Kaggle for the competition's files", file=sys.stderr)

    try:
        with Busy("preparing") as busy:
            files = fetch(args.directory, asking)
    except MienError:
        print(HOW, file=sys.stderr)
        raise
    for file in files:
        print(file)
    print(f"next: mien data info {args.directory}")


def _draw(args: argparse.Namespace) -> None:
    from mien.cli.progress import Busy
    from mien.data import draw_files

    with Busy(f"drawing {args.n:,} faces"):
        dataset = draw_files(args.directory, args.n, args.seed)
    print(
        f"{len(dataset):,} faces drawn by mien (seed {args.seed}) in {args.directory}: "
        "train.csv, test.csv, icml_face_data.csv"
    )
    print(f"for demonstrations only; next: mien data info {args.directory}")
