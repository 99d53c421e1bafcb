"""How the server is set up: one frozen value, checked once, that travels to every worker as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address
from pathlib import Path

from mien.errors import MienError

VARIABLE = "MIEN_SERVE"  # environment variable that carries the settings to worker processes


@dataclass(frozen=True)
class Settings:
    """Everything `mien serve` can be told. Sizes in bytes, times in seconds unless they say otherwise."""

    model: str = "default"
    runs: str = "runs"  # folder whose runs the Studies tab shows
    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""  # the prefix under which a proxy shows the server: "/faces"
    token: str = ""  # what a client must send as `Authorization: Bearer ...`; empty: no token is asked for
    cors: tuple[str, ...] = ()  # origins whose pages may call the API
    hosts: tuple[str, ...] = ()  # further names by which the server may be called
    workers: int = 1  # processes
    threads: int = 0  # of each worker, finding faces; 0: as many as there are cores for it
    flip: bool = False  # average over the mirrored face: a little more accurate, slower
    batch: int = 32  # faces of concurrent requests classified together; 1: each request on its own
    window_ms: float = 0.0  # how long the first waits for others on their way; those already there join it anyway
    places: int = 64  # requests taken in at once, in each worker; one more is answered 503
    max_bytes: int = 32_000_000  # of one request
    max_pixels: int = 40_000_000  # of one picture
    max_pictures: int = 32  # in one request
    max_faces: int = 500  # in one picture
    timeout: float = 30.0  # until an answer is there, and for the request's body to arrive
    metrics: str = ""  # file that the workers count in together; set by `run`

    @property
    def local(self) -> bool:
        """Whether only programs on this machine can reach the server."""
        return is_loopback(self.host)

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Settings:
    """Read back what `Settings.to_json` wrote. Raises MienError for unknown fields and bad values."""
    try:
        values: Mapping[str, object] = json.loads(text)
        known = {field.name for field in fields(Settings)}
        if unknown := sorted(set(values) - known):
            raise MienError(f"{VARIABLE} has an unknown setting {unknown[0]!r}")
        settings = Settings(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, MienError):
            raise
        raise MienError(f"{VARIABLE} does not hold settings as JSON ({error})") from error
    return check(settings)


def check(settings: Settings) -> Settings:
    """The settings, sound and with a tidy root_path. Raises MienError for what makes no sense."""
    least = {"workers": 1, "threads": 0, "batch": 1, "window_ms": 0, "places": 1, "max_bytes": 1024,
             "max_pixels": 1, "max_pictures": 1, "max_faces": 1, "port": 0}  # fmt: skip
    for name, low in least.items():
        value = getattr(settings, name)
        if not value >= low:
            raise MienError(f"--{name.replace('_', '-')} must be {low} or more, not {value}")
    if settings.port > 65535:
        raise MienError(f"--port must be 0 to 65535, not {settings.port}")
    if not 0 < settings.timeout <= 3600:
        raise MienError(f"--timeout must be a number of seconds up to 3600, not {settings.timeout:g}")
    if settings.window_ms > 1000:
        raise MienError(f"--window-ms must be 1000 or less, not {settings.window_ms:g}")
    if any(c in settings.root_path for c in "?#\\ \"'<>") or ".." in settings.root_path or "//" in settings.root_path:
        raise MienError(f"--root-path is a path such as /faces, not {settings.root_path!r}")
    for origin in settings.cors:
        if not _is_origin(origin):
            raise MienError(f"--cors takes origins such as https://example.org, not {origin!r}")
    if settings.token and (not settings.token.isascii() or not settings.token.isprintable() or " " in settings.token):
        raise MienError("the token must be printable ASCII without spaces, for it travels in a header")
    path = "/" + settings.root_path.strip("/") if settings.root_path.strip("/") else ""
    return Settings(**{**asdict(settings), "root_path": path})


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine itself."""
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
