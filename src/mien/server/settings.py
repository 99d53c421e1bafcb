"""The server's settings: one frozen value, validated once, sent to every worker process as JSON."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mien.errors import MienError, MienWarning

VARIABLE = "MIEN_SERVE"  # environment variable that carries the settings to worker processes

# Names of 0.1, accepted for one more release.
RENAMED = {"places": "max_concurrent", "window_ms": "max_batch_delay_ms"}

# name -> (lowest, highest) value.
RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "workers": (1, 1024),
    "threads": (0, 1024),
    "batch": (1, 100_000),
    "max_batch_delay_ms": (0, 1000),
    "max_concurrent": (1, 100_000),
    "max_connections": (1, 100_000),
    "max_bytes": (1024, 2**40),
    "max_pixels": (1, 2**40),
    "max_pictures": (1, 100_000),
    "max_faces": (1, 1_000_000),
    "max_video_bytes": (0, 2**40),
    "max_video_seconds": (1, 86400),
    "header_timeout": (0.1, 3600),
    "timeout": (0.1, 3600),
    "decode_timeout": (0.1, 3600),
    "video_timeout": (0.1, 86400),
}


@dataclass(frozen=True)
class Settings:
    """Everything that `mien serve` can be given. Sizes in bytes, times in seconds unless the name says otherwise."""

    model: str = "default"
    runs: str = "runs"  # folder whose runs the Studies tab shows
    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""  # URL prefix behind a proxy: "/faces"
    token: str = ""  # clients must send `Authorization: Bearer TOKEN`; empty: no token
    cors: tuple[str, ...] = ()  # origins whose pages may call the API
    hosts: tuple[str, ...] = ()  # additional host names of the server
    workers: int = 1  # processes
    threads: int = 0  # face detection threads per worker; 0: as many as there are cores for it
    flip: bool = False  # average with the mirrored face: slightly more accurate, slower
    batch: int = 32  # faces of concurrent requests classified together; 1: no batching
    max_batch_delay_ms: float = 0.0  # how long the first request of a batch waits for others
    max_concurrent: int = 64  # requests running or waiting, per worker; further ones are answered 503
    max_connections: int = 256  # open connections per worker; beyond that the idlest is closed
    max_bytes: int = 32_000_000  # per request
    max_pixels: int = 40_000_000  # per picture
    max_pictures: int = 32  # per request
    max_faces: int = 500  # per picture
    max_video_bytes: int = 100_000_000  # per video; 0: videos are refused
    max_video_seconds: float = 600.0  # seconds that are read per video
    header_timeout: float = 10.0  # until a request's headers are complete
    timeout: float = 30.0  # for the answer, and for the request's body to arrive
    decode_timeout: float = 10.0  # CPU time for decoding one picture
    video_timeout: float = 120.0  # for reading one video; frames read by then are returned
    metrics: str = ""  # file of the workers' shared counters; set by `serve`

    @property
    def local(self) -> bool:
        """Whether only programs on this machine can reach the server."""
        return is_loopback(self.host)

    def to_json(self) -> str:
        """As JSON, for `from_json`."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Settings:
    """Read `Settings.to_json`; names of mien 0.1 are accepted with a warning.

    Raises MienError for unknown fields and invalid values.
    """
    try:
        values: Mapping[str, object] = json.loads(text)
        current = dict(values)
        for old, new in RENAMED.items():
            if old in current:
                warnings.warn(f"{VARIABLE}: {old} is called {new} now", MienWarning, stacklevel=2)
                current[new] = current.pop(old)
        names = {field.name for field in fields(Settings)}
        if unknown := sorted(set(current) - names):
            raise MienError(f"{VARIABLE} has an unknown setting {unknown[0]!r}")
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in current.items()}
        settings = Settings(**frozen)
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, MienError):
            raise
        raise MienError(f"{VARIABLE} does not hold settings as JSON ({error})") from error
    return check(settings)


def check(settings: Settings) -> Settings:
    """The settings, validated and with a normalized root_path. Raises MienError for a value out of its range."""
    for name, (low, high) in RANGES.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise MienError(f"{{parameter}} must be a number from {low:g} to {high:g}, not {value}", parameter=name)
    if any(c in settings.root_path for c in "?#\\ \"'<>") or ".." in settings.root_path or "//" in settings.root_path:
        message = f"{{parameter}} is a path such as /faces, not {settings.root_path!r}"
        raise MienError(message, parameter="root_path")
    for origin in settings.cors:
        if not _is_origin(origin):
            message = f"{{parameter}} takes origins such as https://example.org, not {origin!r}"
            raise MienError(message, parameter="cors")
    for host in settings.hosts:
        if not host or set(host) & set("/?#@* ") or host.count(":") == 1:  # IPv6 addresses have more colons
            message = f"{{parameter}} takes names such as faces.example.org, without http:// and port, not {host!r}"
            raise MienError(message, parameter="hosts")
    if settings.token and (not settings.token.isascii() or not settings.token.isprintable() or " " in settings.token):
        raise MienError("the token must be printable ASCII without spaces, for it is sent in a header")
    path = "/" + settings.root_path.strip("/") if settings.root_path.strip("/") else ""
    return Settings(**{**asdict(settings), "root_path": path})


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine itself."""
    try:
        return ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def runs_folder(settings: Settings) -> Path:
    """The folder of runs, as given on the command line."""
    return Path(settings.runs)


def _is_origin(text: str) -> bool:
    scheme, mark, host = text.partition("://")
    return scheme in ("http", "https") and bool(mark) and bool(host) and not set(host) & set("/?#@* ")
