"""The last line of a job over pictures and films, on standard error: what was read, and how fast."""

import sys

from mien.cli.progress import Progress, duration
from mien.cli.records import Outcome


def say_outcome(outcome: Outcome, films: Outcome, progress: Progress, note: str, pictures: bool) -> None:
    """Say what was read. note: a last part of it. pictures: there were any among what was to be read."""
    read, failed, skipped = films.read, outcome.failed + films.failed, outcome.skipped + films.skipped
    parts = []
    if pictures or not (read or failed):
        parts += [f"{_counted(outcome.read, 'image')} read", _counted(outcome.faces, "face")]
    if read:
        parts += [
            f"{_counted(read, 'video')} read",
            f"{_counted(films.faces, 'face')} in {'them' if read > 1 else 'it'}",
        ]
    parts += [f"{films.cut:,} of them truncated" if read > 1 else "truncated"] if films.cut else []
    parts += [f"{failed:,} not read"] if failed else []
    parts += [f"{skipped:,} skipped (already done)"] if skipped else []
    parts += [note] if note else []
    count, rate = progress.done - progress.start_at, progress.rate()
    speed = f" ({rate:,.1f} images/s, {duration(count / rate)})" if count and rate > 0 and not read else ""
    print(f"mien: {', '.join(parts)}{speed}", file=sys.stderr)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
