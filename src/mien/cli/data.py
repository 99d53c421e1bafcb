"""Look at data, get it, or draw it.

mien data info data/                  what is there: counts, copies, contradictions
mien data info photos/ --sheet a.png  and a contact sheet
mien data fetch                       FER2013 from Kaggle into data/
mien data draw data/drawn             faces drawn by mien, for demonstrations
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import MienError

if TYPE_CHECKING:
    from mien.data import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="{info,fetch,draw}")
    info = commands.add_parser("info", help="layout, counts, copies within and across splits, contradicting labels")
    info.add_argument("path", help="a csv file, a folder of csv files, or a folder of pictures")
    info.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet: some images of each class")
    info.add_argument("--votes", metavar="CSV", help="FER+'s fer2013new.csv: also count what taggers call no face")
    info.add_argument("--no-cache", action="store_true", help="read the source itself, and keep nothing")
    fetch = commands.add_parser("fetch", help="download FER2013 from Kaggle (needs a token)")
    fetch.add_argument("directory", nargs="?", default="data", help="where to put the files (default: data)")
    draw = commands.add_parser("draw", help="draw faces for demonstrations, as Kaggle's files")
    draw.add_argument("directory", help="where to put train.csv, test.csv and icml_face_data.csv")
    draw.add_argument("--n", type=int, default=6000, help="how many faces (default: 6000)")
    draw.add_argument("--seed", type=int, default=0, help="another seed draws other people (default: 0)")


def run(args: argparse.Namespace) -> None:
    {"info": _info, "fetch": _fetch, "draw": _draw}[args.what](args)


def _info(args: argparse.Namespace) -> None:
    from mien.data import load
    from mien.data.fer2013 import recognised
    from mien.data.sources import find
    from mien.evaluation.audit import audit

    if args.sheet and Path(args.sheet).suffix.lower() != ".png":
        raise MienError(f"--sheet writes a PNG picture; name it {Path(args.sheet).with_suffix('.png')}")
    dataset = load(args.path, cache=not args.no_cache)
    print(f"path         {args.path}")
    print(f"layout       {find(Path(args.path))}")
    print(f"images       {len(dataset):,} of 48x48 gray, {int((dataset.labels < 0).sum()):,} of them without label")
    print(f"fingerprint  {dataset.fingerprint}")
    if dataset.drawn:
        print("drawn        by mien: for demonstrations only, no number measured on them speaks of people")
    known = recognised(dataset)
    if known and not any(known.values()):
        print(f"known as     FER2013: {', '.join(known)} with exactly the published class counts")
    print("\n" + _table(dataset))
    print(f"\n{audit(dataset, args.votes)}")
    if args.sheet:
        from mien.evaluation.face_figures import contact_sheet

        title = Path(args.path).resolve().name
        contact_sheet(dataset.images, dataset.labels, dataset.classes, args.sheet, title, drawn=dataset.drawn)
        print(f"\ncontact sheet: {args.sheet}")


def _table(dataset: "Dataset") -> str:
    """Images by usage and class."""
    from mien.data.dataset import USAGES

    rows = [("", *dataset.classes, "unlabelled", "all")]
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


def _fetch(args: argparse.Namespace) -> None:
    from mien.data.fetch import HOW, fetch

    try:
        files = fetch(args.directory)
    except MienError:
        print(HOW, file=sys.stderr)
        raise
    for file in files:
        print(file)
    print(f"next: mien data info {args.directory}")


def _draw(args: argparse.Namespace) -> None:
    from mien.data import draw_files

    dataset = draw_files(args.directory, args.n, args.seed)
    print(
        f"{len(dataset):,} faces drawn by mien (seed {args.seed}) in {args.directory}: train.csv, test.csv, icml_face_data.csv"
    )
    print(f"for demonstrations only; next: mien data info {args.directory}")
