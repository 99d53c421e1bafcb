"""mien data crop: find the faces in photos, cut them out, and say what became of each photo."""

import argparse
from pathlib import Path

from mien.errors import MienError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `mien data crop`."""
    parser.add_argument("photos", type=Path, help="a folder of photos, with one folder per class or a list of labels")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FACES", help="the folder for the faces")
    parser.add_argument("--all", action="store_true", help="crop all faces in a photo, not only the largest")
    parser.add_argument(
        "--min-score",
        type=float,
        help="minimum detection score, 0 to 1; a lower score finds more faces and more false ones",
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="the contact sheet (default: FACES-sheet.png)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--threads", type=int, default=1, help="number of photos processed in parallel (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Cut the faces out and say what became of the photos; 1 where some cannot be read or there is no face."""
    from mien.cli.progress import Busy, Progress
    from mien.cli.quiet import quiet_decoders
    from mien.data.photo_labels import carry_labels, labels_of
    from mien.inference import Reader
    from mien.inference.photo_crops import contact_sheet, crop_photos, faces_by_photo, find_photos, list_of

    if args.sheet and args.sheet.suffix.lower() != ".png":
        raise MienError(f"--sheet writes a PNG image; name it {args.sheet.with_suffix('.png')}")
    quiet_decoders()
    output = args.output
    photos = len(find_photos(args.photos, output))
    options = {} if args.min_score is None else {"min_score": args.min_score}
    reader = Reader(threads=args.threads, **options)
    progress = Progress(photos, "photos", alone=True, before="detecting faces")
    try:
        report = crop_photos(
            args.photos, output, reader, every_face=args.all, resume=args.resume, advance=progress.step
        )
    finally:
        progress.clear()
    print(f"{report.photos:,} photos, {len(report.files):,} faces cropped into {output}")
    for names, what in (
        (report.no_face, "no face found (left out)"),
        (
            report.several,
            "several faces" + (" (all cropped)" if args.all else " (only the largest cropped; --all crops all)"),
        ),
        (report.small, "face of fewer than 48 pixels (cropped)"),
        (report.unreadable, "cannot be read (left out)"),
    ):
        if names:
            print(f"  {len(names):>6,} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
    print(f"result for each photo: {list_of(output)}")
    if labels := carry_labels(labels_of(args.photos), faces_by_photo(output), output):
        print(f"labels of the faces: {labels}")
    if report.files:
        sheet = args.sheet or output.with_name(f"{output.name}-sheet.png")
        with Busy("drawing the contact sheet"):
            drawn = contact_sheet(output, report.files, sheet)
        print(f"contact sheet: {drawn}")
        print(f"next: check the contact sheet, delete crops that are not faces, then run: mien data info {output}")
    return 1 if report.unreadable or not report.files else 0
