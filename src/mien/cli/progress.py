"""A line on standard error: how far, how fast, how long still."""

import sys
import threading
import time


class Progress:
    """Counts done work and says so: on a terminal in one line that is rewritten, elsewhere a line every 30 seconds.

    total: units of work, or None where unknown. unit: their name. alone: nothing else is written to the terminal. Short
    work says nothing until it ends. before: what is done until the first step, told on a terminal. Work that reports
    (done, total) takes it as it is: `with Progress(None, "faces") as progress: work(on_progress=progress)`.
    """

    def __init__(
        self, total: float | None, unit: str, done: float = 0, quiet: bool = False, alone: bool = False,
        *, before: str = "",
    ) -> None:  # fmt: skip
        self.busy = Busy(before, quiet or not before)
        self.busy.__enter__()
        self.total, self.unit, self.done, self.start_at = total, unit, done, done
        self.started = self.shown = time.monotonic()
        self.quiet = quiet or sys.stderr is None
        self.live = not self.quiet and sys.stderr.isatty() and (alone or not sys.stdout.isatty())
        self.width = 0

    def step(self, amount: float = 1, note: str = "") -> None:
        """Count `amount` more as done; show the state if it is time to."""
        self.busy.end()
        self.done += amount
        now = time.monotonic()
        if self.quiet or now - self.shown < (0.2 if self.live else 30):
            return
        self.shown = now
        self._show(f"{self._state(now)}{note}")

    def __call__(self, done: float, total: float) -> None:
        """The same for work that reports how much is done, of how much."""
        self.total = total
        self.step(done - self.done)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove the line, before something else is written."""
        self.busy.end()
        if self.live and self.width:
            sys.stderr.write(f"\r{' ' * self.width}\r")
            sys.stderr.flush()
            self.width = 0

    def rate(self) -> float:
        """Units per second since the start."""
        return (self.done - self.start_at) / max(1e-6, time.monotonic() - self.started)

    def _state(self, now: float) -> str:
        rate = (self.done - self.start_at) / max(1e-6, now - self.started)
        text = f"{self.done:,.0f}" + (f"/{self.total:,.0f}" if self.total else "") + f" {self.unit}, {rate:,.1f}/s"
        if self.total and rate > 0:
            text += f", {duration((self.total - self.done) / rate)} left"
        return text

    def _show(self, text: str) -> None:
        if self.live:
            sys.stderr.write(f"\r{text:<{self.width}}")
            self.width = len(text)
        else:
            sys.stderr.write(f"mien: {text}\n")
        sys.stderr.flush()


def duration(seconds: float) -> str:
    """3661 -> "1 h 01 min"; 75 -> "1 min 15 s"; 4.2 -> "4 s"."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole} s"


class Busy:
    """What is being done, on a terminal, while nobody can say how far it is: `with Busy("reading data/"): ...`.

    After a second a line with the seconds so far, which goes when the work ends; anywhere else nothing.
    """

    def __init__(self, what: str, quiet: bool = False) -> None:
        self.what = what
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.over = threading.Event()
        self.thread: threading.Thread | None = None

    def __enter__(self) -> "Busy":
        if self.shown:
            self.thread = threading.Thread(target=self._tell, daemon=True)
            self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """Remove the line; a second call does nothing."""
        self.over.set()
        if self.thread is not None:
            self.thread.join()
            self.thread = None

    def _tell(self) -> None:
        began, width = time.monotonic(), 0
        while not self.over.wait(1.0):
            text = f"{self.what} ... {duration(time.monotonic() - began)}"
            width = max(width, len(text))
            sys.stderr.write(f"\r{text:<{width}}")
            sys.stderr.flush()
        if width:
            sys.stderr.write(f"\r{' ' * width}\r")
            sys.stderr.flush()
