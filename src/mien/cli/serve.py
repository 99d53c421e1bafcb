"""A web page and a REST endpoint on this machine, offline: photos and camera, and the runs of a run folder.

    mien serve
    mien serve --port 9000 --runs runs --model hybrid
    mien serve --host 0.0.0.0 --token "$(openssl rand -hex 16)"

The page reads faces from photos and the camera, and shows the runs; /docs describes the API. The token may stand in
the environment variable MIEN_TOKEN instead, where other users of the machine do not see it.
"""

import argparse
import os
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", default="default", help="a shipped model, a run's folder, or an exported .onnx file")
    add("--runs", default="runs", metavar="DIR", help="the run folder that the Studies tab shows (default runs)")
    add("--port", type=int, default=8000, help="default 8000; 0: any that is free")
    add("--host", default="127.0.0.1", help="another address than this machine's own (127.0.0.1) opens it to others")
    add("--token", default="", help="what clients must send as Authorization: Bearer TOKEN")
    add("--open", action="store_true", help="open the page in a browser")
    add("--root-path", default="", metavar="PATH", help="the prefix under which a proxy shows the server, as /faces")
    add("--allow-host", action="append", default=[], metavar="NAME", help="a further name the server is called by")
    add("--cors", action="append", default=[], metavar="ORIGIN", help="let pages of this origin call the API")
    add("--flip", action="store_true", help="average over the mirrored face: a little better, slower")
    add("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    add("--threads", type=int, default=0, metavar="N", help="of each process, finding faces (default: the cores)")
    add("--batch", type=int, default=32, metavar="N", help="faces of several requests classified together; 1: off")
    add("--window-ms", type=float, default=0.0, metavar="MS", help="wait for others that are on their way (default 0)")
    add("--queue", type=int, default=64, metavar="N", help="requests taken in at once; one more gets 503 (default 64)")
    add("--max-bytes", type=_count, default=32_000_000, metavar="N", help="of one request (default 32M)")
    add("--max-pixels", type=_count, default=40_000_000, metavar="N", help="of one picture (default 40M)")
    add("--max-pictures", type=int, default=32, metavar="N", help="in one request (default 32)")
    add("--max-faces", type=int, default=500, metavar="N", help="in one picture (default 500)")
    add("--timeout", type=float, default=30.0, metavar="S", help="seconds until an answer must be there (default 30)")
    add("--access-log", action="store_true", help="a line for each request: time, address, status; nothing of pictures")


def run(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    from mien.server.run import serve
    from mien.server.settings import Settings

    settings = Settings(
        model=args.model, runs=args.runs, host=args.host, port=args.port, root_path=args.root_path,
        token=args.token or os.environ.get("MIEN_TOKEN", ""), cors=tuple(args.cors), hosts=tuple(args.allow_host),
        workers=args.workers, threads=args.threads, flip=args.flip, batch=args.batch, window_ms=args.window_ms,
        places=args.queue, max_bytes=args.max_bytes, max_pixels=args.max_pixels, max_pictures=args.max_pictures,
        max_faces=args.max_faces, timeout=args.timeout,
    )  # fmt: skip

    def ready(address: str) -> None:
        print(f"mien: {address} (API at {address}docs; Ctrl-C ends)", file=sys.stderr, flush=True)
        if args.open:
            import webbrowser

            webbrowser.open(address)

    serve(settings, args.access_log, ready)


def _count(text: str) -> int:
    """ "40M" -> 40,000,000."""
    factors = {"k": 10**3, "m": 10**6, "g": 10**9}
    factor = factors.get(text[-1:].lower(), 1)
    try:
        return int(float(text[:-1] if factor > 1 else text) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a number such as 40M or 40000000, not {text!r}") from None
