"""Prometheus counters in one table of numbers that all workers can share through a file."""

import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROUTES = (
    "/v1/read", "/v1/classify", "/v1/explain", "/v1/videos", "/v1/model", "/v1/runs", "/v1/runs/{name}", "/v1/compare",
    "page", "other",
)  # fmt: skip
TIMED = ROUTES[:4]
STATUSES = (200, 204, 206, 304, 307, 400, 401, 403, 404, 405, 408, 413, 415, 416, 422, 500, 503, 0)  # 0: any other
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FACES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

HELP = {
    "mien_requests_total": ("counter", "Requests answered, by address and status."),
    "mien_request_seconds": ("histogram", "Time from a request's arrival to its answer."),
    "mien_pictures_total": ("counter", "Pictures read, and pictures that could not be."),
    "mien_faces_total": ("counter", "Faces classified."),
    "mien_refused_total": ("counter", "Requests answered 503 because the queue was full."),
    "mien_batch_faces": ("histogram", "Faces classified together in one run of the model."),
    "mien_inside": ("gauge", "Requests that are worked on or wait for it."),
    "mien_receiving": ("gauge", "Requests whose body is still coming."),
}


def _layout() -> Iterator[str]:
    """Every series, by its Prometheus name, in the order of the table's columns."""
    for route in ROUTES:
        for status in STATUSES:
            yield f'mien_requests_total{{route="{route}",status="{status or "other"}"}}'
    for route in TIMED:
        yield from _histogram("mien_request_seconds", SECONDS, f'route="{route}"')
    yield 'mien_pictures_total{result="read"}'
    yield 'mien_pictures_total{result="failed"}'
    yield "mien_faces_total"
    yield "mien_refused_total"
    yield from _histogram("mien_batch_faces", FACES, "")
    yield "mien_inside"
    yield "mien_receiving"


def _histogram(name: str, edges: tuple[float, ...], label: str) -> Iterator[str]:
    comma = "," if label else ""
    for edge in (*(f"{edge:g}" for edge in edges), "+Inf"):
        yield f'{name}_bucket{{{label}{comma}le="{edge}"}}'
    braces = f"{{{label}}}" if label else ""
    yield f"{name}_sum{braces}"
    yield f"{name}_count{braces}"


SERIES = tuple(_layout())
COLUMN = {name: i for i, name in enumerate(SERIES)}


def make_file(path: Path, workers: int) -> None:
    """Create the table shared by `workers` processes: one row each."""
    path.write_bytes(bytes(8 * len(SERIES) * workers))


class Metrics:
    """The counters of one process, and with a file those of the other workers too.

    A worker locks its row for its lifetime; its replacement continues the same row.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._held: object = None
        if path is None:
            self._table = np.zeros((1, len(SERIES)))
            row = 0
        else:
            with open(path, "r+b") as file:
                shared = mmap.mmap(file.fileno(), 0)
            self._table = np.frombuffer(shared, np.float64).reshape(-1, len(SERIES))
            row = self._claim(path)
        self._row = self._table[row]
        for gauge in ("mien_inside", "mien_receiving"):
            self._row[COLUMN[gauge]] = 0  # a killed worker did not count down

    def add(self, series: str, amount: float = 1) -> None:
        """Add to a counter or a gauge. series: as in SERIES."""
        with self._lock:
            self._row[COLUMN[series]] += amount

    def observe(self, name: str, label: str, edges: tuple[float, ...], value: float) -> None:
        """Add a value to a histogram."""
        comma = "," if label else ""
        edge = next((f"{edge:g}" for edge in edges if value <= edge), "+Inf")
        braces = f"{{{label}}}" if label else ""
        with self._lock:
            self._row[COLUMN[f'{name}_bucket{{{label}{comma}le="{edge}"}}']] += 1
            self._row[COLUMN[f"{name}_sum{braces}"]] += value
            self._row[COLUMN[f"{name}_count{braces}"]] += 1

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        route = route if route in ROUTES else "other"
        shown = status if status in STATUSES else "other"
        self.add(f'mien_requests_total{{route="{route}",status="{shown}"}}')
        if route in TIMED:
            self.observe("mien_request_seconds", f'route="{route}"', SECONDS, seconds)

    def value(self, series: str) -> float:
        """The sum over all workers."""
        return float(self._table[:, COLUMN[series]].sum())

    def render(self) -> str:
        """All counters in Prometheus' text format; series of requests that never occurred are omitted."""
        sums = self._table.sum(axis=0)
        lines: list[str] = []
        above = 0.0
        described = set()
        for name, number in zip(SERIES, sums.tolist(), strict=True):
            base = name.split("{")[0]
            family = base.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            family = family if family in HELP else base
            if family not in described:
                kind, text = HELP[family]
                lines += [f"# HELP {family} {text}", f"# TYPE {family} {kind}"]
                described.add(family)
            if base.endswith("_bucket"):
                above += number  # the table's buckets are separate, Prometheus wants cumulative ones
                number = above
            else:
                above = 0.0
            if base == "mien_requests_total" and not number:
                continue
            lines.append(f"{name} {number:.12g}")
        lines += [
            "# HELP process_resident_memory_bytes Memory of the worker that answers.",
            "# TYPE process_resident_memory_bytes gauge",
            f"process_resident_memory_bytes {resident_bytes()}",
        ]
        return "\n".join(lines) + "\n"

    def _claim(self, path: Path) -> int:
        try:
            import fcntl
        except ModuleNotFoundError:
            return os.getpid() % len(self._table)  # Windows has no such locks: two workers may share a row

        for row in range(len(self._table)):
            file = os.open(f"{path}.{row}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                continue
            self._held = file
            return row
        return 0


def resident_bytes() -> int:
    """Resident memory of this process, in bytes; 0 if the system does not report it."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
