"""Write a static web page that reads faces in the visitor's browser. Any web server can serve the folder.

    mien page -o site
    mien page -o site --model mine.onnx
    python -m http.server --directory site

onnxruntime-web reads photos and the camera on the visitor's device. No image leaves it: the page's content security
policy forbids that. After the first visit, the page works offline. When it builds the page, mien downloads
onnxruntime-web with npm, or takes it from the folder --runtime.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "-o",
        "--out",
        default="site",
        metavar="DIR",
        help="the folder to write: new, empty or with an earlier page (default site)",
    )
    add(
        "--model",
        action="append",
        default=[],
        help="a shipped model, a run folder or an exported .onnx file; repeat it to let visitors choose (default nano, "
        "champion)",
    )
    add("--runtime", metavar="FOLDER", help="a folder with onnxruntime-web (default: download it with npm)")


def run(args: argparse.Namespace) -> None:
    """Build the page."""
    from mien.cli.progress import Busy
    from mien.page.build import build_site

    with Busy("building the page"):
        site = build_site(args.out, args.model, args.runtime)
    size = f"{site.bytes_to_first_face / 1e6:.1f} MB to load before the first face is read"
    print(f"{site.folder}: a page that reads with {', '.join(site.models)}; {size}")
    print(f"open it with: python -m http.server --directory {site.folder}")
