"""Serve a web page and a REST endpoint on this machine, offline: photos, videos, camera, and training runs.

    mien serve
    mien serve --port 9000 --runs runs --model hybrid
    mien serve --host 0.0.0.0 --token "$(openssl rand -hex 16)"

The page reads faces in photos, videos and the camera, and shows training runs. /docs describes the API. To hide the
token from other users of the machine, set the environment variable MIEN_TOKEN instead of --token.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mien.errors import MienError, MienWarning, require

if TYPE_CHECKING:
    from mien.cli.progress import Busy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options whose names are those of `mien.server.settings.Settings`."""
    group = parser.add_argument_group("content")
    group.add_argument("--model", default="default", help="a shipped model, a run folder or an exported .onnx file")
    group.add_argument("--runs", metavar="DIR", help="the folder with the runs of the Studies tab (default runs)")
    group.add_argument(
        "--flip",
        action="store_true",
        help="average over the face and its mirror image: twice the work, slightly more accurate",
    )
    group.add_argument("--open", action="store_true", help="open the page in a browser")
    group.add_argument(
        "--access-log", action="store_true", help="log one line per request: time, address, status; no image data"
    )

    add = parser.add_argument_group("access").add_argument
    add("--port", type=int, default=8000, help="port; 0 chooses a free one (default 8000)")
    add(
        "--host", default="127.0.0.1", help="address to listen on; any other than 127.0.0.1 lets other machines connect"
    )
    add("--token", help="token that clients must send as Authorization: Bearer TOKEN")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        dest="hosts",
        help="accept this additional host name",
    )
    add("--cors", action="append", default=[], metavar="ORIGIN", help="allow pages of this origin to call the API")
    add("--root-path", default="", metavar="PATH", help="path prefix behind a proxy, such as /faces")

    add = parser.add_argument_group("speed").add_argument
    add("--workers", type=int, default=1, metavar="N", help="number of processes (default 1)")
    add("--threads", type=int, metavar="N", help="threads per process for face detection (default: number of cores)")
    add(
        "--batch",
        type=int,
        default=32,
        metavar="N",
        help="maximum number of faces of several requests classified together (default 32); 1: off",
    )
    add("--max-batch-delay-ms", type=float, default=0.0, metavar="MS", help="wait to fill a batch (default 0)")

    add = parser.add_argument_group("limits").add_argument
    add("--max-concurrent", type=int, default=64, metavar="N", help="requests at a time; more get 503 (default 64)")
    add("--max-connections", type=int, default=256, metavar="N", help="open connections (default 256)")
    add("--max-bytes", type=_count, default=32_000_000, metavar="N", help="bytes per request (default 32M)")
    add("--max-pixels", type=_count, default=40_000_000, metavar="N", help="pixels per image (default 40M)")
    add("--max-pictures", type=int, default=32, metavar="N", help="images per request (default 32)")
    add("--max-faces", type=int, default=500, metavar="N", help="faces per image (default 500)")
    add(
        "--max-video-bytes",
        type=_count,
        default=100_000_000,
        metavar="N",
        help="bytes per video (default 100M); 0: no videos",
    )
    add("--max-video-seconds", type=float, default=600.0, metavar="S", help="seconds read per video (default 600)")
    add("--header-timeout", type=float, default=10.0, metavar="S", help="time to receive the headers (default 10)")
    add("--timeout", type=float, default=30.0, metavar="S", help="time to receive the body, and to answer (default 30)")
    add("--decode-timeout", type=float, default=10.0, metavar="S", help="CPU time to decode an image (default 10)")
    add("--video-timeout", type=float, default=120.0, metavar="S", help="time to read one video (default 120)")

    # Names of 0.1, for one more release.
    parser.add_argument("--queue", type=int, action=_Renamed, new="max_concurrent", help=argparse.SUPPRESS)
    parser.add_argument("--window-ms", type=float, action=_Renamed, new="max_batch_delay_ms", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    from mien.cli.progress import Busy

    _keep_memory_flat()
    with Busy("starting the server") as busy:
        _serve(args, busy)


def _serve(args: argparse.Namespace, busy: "Busy") -> None:
    from mien.server.run import serve
    from mien.server.settings import Settings

    if args.runs is not None and not os.path.isdir(args.runs):
        raise MienError(
            f"{{parameter}} {args.runs} is not a folder; give a folder with runs of `mien train`", parameter="runs"
        )
    token = os.environ.get("MIEN_TOKEN") if args.token is None else args.token
    if token is not None and not token.strip():  # of a shell variable that is not set, perhaps
        where = "the variable MIEN_TOKEN" if args.token is None else "{parameter}"
        message = f"{where} is empty, which would give everybody access; set a token, or remove it"
        raise MienError(message, parameter="token")
    if args.threads is not None:
        require(args.threads >= 1, "threads", args.threads, "1 or more; without it, the number of cores")
    given = {name: value for name, value in vars(args).items() if value is not None}
    given["token"] = token or ""
    names = {field.name for field in fields(Settings)} & set(given)
    values: dict[str, Any] = {k: tuple(given[k]) if isinstance(given[k], list) else given[k] for k in names}
    settings = Settings(**values)

    def ready(address: str) -> None:
        busy.end()
        print(f"mien: {address} (API at {address}docs; press Ctrl-C to stop)", file=sys.stderr, flush=True)
        if args.open:
            import webbrowser

            webbrowser.open(address)

    serve(settings, args.access_log, ready)


class _Renamed(argparse.Action):
    """An option's old name: it sets the new one and says so."""

    def __init__(self, option_strings: Sequence[str], dest: str, new: str, **options: Any) -> None:
        self.new = new
        super().__init__(option_strings, dest=argparse.SUPPRESS, **options)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        warnings.warn(f"{option} is now called --{self.new.replace('_', '-')}", MienWarning, stacklevel=2)
        setattr(namespace, self.new, values)


def _keep_memory_flat() -> None:
    """Have glibc give large buffers back to the system: else each thread keeps what its largest picture took."""
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # of worker processes
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "4000000")
    try:
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError, ImportError):
        return  # not glibc
    mallopt(-8, 2)  # M_ARENA_MAX
    mallopt(-3, 4_000_000)  # M_MMAP_THRESHOLD


def _count(text: str) -> int:
    """ "40M" -> 40,000,000."""
    factors = {"k": 10**3, "m": 10**6, "g": 10**9}
    factor = factors.get(text[-1:].lower(), 1)
    try:
        return int(float(text[:-1] if factor > 1 else text) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a number such as 40M or 40000000, not {text!r}") from None
