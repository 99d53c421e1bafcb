"""Run the server: one listening socket, one or several processes, graceful shutdown."""

import contextlib
import inspect
import os
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from mien.errors import MienError, MienWarning
from mien.server.app import open_reader
from mien.server.connections import KEEP_ALIVE, BoundedProtocol, Limits
from mien.server.metrics import make_file
from mien.server.settings import VARIABLE, Settings, check

SPARE_FILES = 64  # file descriptors for everything except connections


def serve(settings: Settings, access_log: bool = False, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serve until Ctrl-C or SIGTERM. ready: called with the page's address once the socket listens.

    Raises MienError for invalid settings, a model that cannot be opened, and an address in use.
    """
    settings = check(settings)
    name = open_reader(settings).model.name  # before the socket listens, so that a missing model is a one-line error
    listening = _listen(settings.host, settings.port)
    if not settings.local and not settings.token:
        warnings.warn(
            MienWarning(
                f"{settings.host} is open to other machines, and anyone there may use it: set {{parameter}} or "
                "MIEN_TOKEN",
                parameter="token",
            ),
            stacklevel=2,
        )
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        if settings.workers > 1:
            table = Path(folder) / "metrics"
            make_file(table, settings.workers)
            settings = replace(settings, metrics=str(table))
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = settings.to_json()
        config = uvicorn.Config(
            "mien.server.app:from_environment", factory=True, workers=settings.workers, log_level=None,
            log_config=_logging(access_log), access_log=access_log, server_header=False, proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=round(settings.timeout) + 2, ws="none",
            http=protocol(settings),  # type: ignore[arg-type]
        )  # fmt: skip
        server = uvicorn.Server(config)
        try:
            ready(_address(settings, listening))
            if settings.workers > 1:
                _supervise(config, server, listening)
            else:
                server.run(sockets=[listening])
        finally:
            listening.close()
            if before is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = before
    if settings.workers == 1 and not server.started:
        raise MienError(f"the server with the model {name} did not start; what it said stands above")


def protocol(settings: Settings) -> Callable[..., BoundedProtocol]:
    """The protocol class of uvicorn's connections. Warns if the limit on open files is too low for the connections."""
    connections = settings.max_connections
    with contextlib.suppress(ImportError, OSError):
        import resource

        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files != resource.RLIM_INFINITY and connections > files - SPARE_FILES:
            connections = max(1, files - SPARE_FILES)
            warnings.warn(
                f"the system allows {files} open files, which is enough for {connections} connections and not for "
                f"{settings.max_connections}; raise it with ulimit -n",
                MienWarning,
                stacklevel=3,
            )
    limits = Limits(
        connections,
        headers=settings.header_timeout,
        body=settings.timeout,
        answer=max(settings.timeout, settings.video_timeout) + settings.timeout,
        taking=settings.timeout,
    )
    return partial(BoundedProtocol, limits=limits)


def _supervise(config: uvicorn.Config, server: uvicorn.Server, listening: socket.socket) -> None:
    """Run several workers and restart those that die, like uvicorn.run but with our own socket."""
    from uvicorn.supervisors import Multiprocess

    # Older versions of uvicorn require the function that a worker runs.
    older = {"target": server.run} if "target" in inspect.signature(Multiprocess).parameters else {}
    Multiprocess(config, sockets=[listening], **older).run()


def _logging(access: bool) -> dict[str, Any]:
    """uvicorn's logging to standard error: errors, except those of clients; with access, one line per request."""
    line = {"()": "uvicorn.logging.AccessFormatter", "use_colors": False,
            "fmt": '%(asctime)s %(client_addr)s "%(request_line)s" %(status_code)s'}  # fmt: skip
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "mien: %(levelname)s: %(message)s"}, "access": line},
        "handlers": {"plain": {**handler, "formatter": "plain"}, "access": {**handler, "formatter": "access"}},
        "loggers": {
            "uvicorn": {"handlers": ["plain"], "level": "ERROR", "propagate": False},
            "uvicorn.access": {"handlers": ["access"], "level": "INFO" if access else "WARNING", "propagate": False},
        },
    }


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises MienError if it cannot be opened."""
    bare = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise MienError(f"{{parameter}} {host} is no address of this machine ({error})", parameter="host") from error
    try:
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
        listening.set_inheritable(True)
    except OSError as error:
        listening.close()
        raise MienError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another {{parameter}}",
            parameter="port" if port else "host",
        ) from error
    return listening


def _address(settings: Settings, listening: socket.socket) -> str:
    """The page's address for a browser on this machine."""
    port = listening.getsockname()[1]
    host = settings.host.strip("[]")
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1" if host != "::" else "::1"
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{settings.root_path}/"
