"""A page without a server: a folder that any web server can hand out, and that reads faces in the visitor's browser.

    mien page -o site
    mien page -o site --model mine.onnx
    python -m http.server --directory site

Photos and the camera are read on the visitor's device by onnxruntime-web; no picture leaves it, and the page's content
security policy forbids it to. After the first visit it works without a network. onnxruntime-web comes from npm when
the page is built, or from a folder given as --runtime.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "-o",
        "--out",
        default="site",
        metavar="DIR",
        help="the folder to write; new, empty or an earlier page (default site)",
    )
    add(
        "--model",
        action="append",
        default=[],
        help="a shipped model, a run's folder, or an exported .onnx file; several: visitors choose (default nano, "
        "champion)",
    )
    add("--runtime", metavar="FOLDER", help="a folder with onnxruntime-web (default: fetched by npm)")


def run(args: argparse.Namespace) -> None:
    """Build the page."""
    from mien.cli.progress import Busy
    from mien.page.build import build_site

    with Busy("building the page"):
        site = build_site(args.out, args.model, args.runtime)
    size = f"{site.bytes_to_first_face / 1e6:.1f} MB until the first face is read"
    print(f"{site.folder}: a page that reads with {', '.join(site.models)}; {size}")
    print(f"look at it: python -m http.server --directory {site.folder}")
