"""What people read on a terminal: a line a face, with a bar."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mien.cli.progress import duration
from mien.labels import color

BLOCKS = " ▏▎▍▌▋▊▉█"
BAR = 12  # characters


def picture_lines(record: Mapping[str, Any], colored: bool) -> str:
    """The text for one picture: its name, then its faces, largest first."""
    name = printable(record["source"])
    if "error" in record:
        return ""  # standard error has said why
    faces = record["faces"]
    count = f"{len(faces)} face{'s' if len(faces) != 1 else ''}" if faces else "no face found"
    lines = [f"{name}  {record['width']}x{record['height']}, {count}"]
    width = max((len(name) for face in faces for name in face["probabilities"]), default=0)
    for number, face in enumerate(faces, 1):
        lines.append(_face_line(number, face, width, colored))
    return "\n".join(lines) + "\n"


def _face_line(number: int, face: Mapping[str, Any], width: int, colored: bool) -> str:
    shares = face["probabilities"]
    others = sorted((name for name in shares if name != face["emotion"]), key=lambda name: -shares[name])[:2]
    also = ", ".join(f"{name} {percent(shares[name])}" for name in others if shares[name] >= 0.01)
    index = list(shares).index(face["emotion"])
    x, y, w, h = face["box"]
    strip = bar(face["confidence"], face["emotion"], index, colored)
    head = f"  {number:>3}  {face['emotion']:<{width}} {percent(face['confidence']):>5}  {strip}"
    return f"{head}  {w}x{h} at {x},{y}" + (f"  also {also}" if also else "")


def bar(share: float, name: str, index: int, colored: bool) -> str:
    """A share 0..1 as BAR characters; in the class's color where the output shows colors."""
    if not _can_print(BLOCKS):
        return ("#" * round(share * BAR)).ljust(BAR, ".")
    eighths = round(share * BAR * 8)
    text = ("█" * (eighths // 8) + BLOCKS[eighths % 8].strip()).ljust(BAR)
    if not colored:
        return text
    paint = color(name, index)
    red, green, blue = (int(paint[start : start + 2], 16) for start in (1, 3, 5))
    return f"\x1b[38;2;{red};{green};{blue}m{text}\x1b[0m"


def percent(share: float) -> str:
    """0.934 -> "93 %"; never "0 %" for what is not nothing, nor "100 %" for what is not certain."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"


def summary(rows: Sequence[Mapping[str, Any]], colored: bool, baseline: float = 0.0) -> str:
    """The people of a film: who, when, and what they mostly showed. rows: see `mien.cli.read_video.People`.

    baseline: its seconds, where there is one; then each face's mean change since is said, in points of a hundred.
    """
    if not rows:
        return "no face found\n"
    lines = []
    for row in rows:
        shares = row["mean"]
        names = sorted(shares, key=lambda name: -shares[name])
        text = ", ".join(f"{name} {percent(shares[name])}" for name in names[:3] if shares[name] >= 0.01)
        strip = bar(shares[names[0]], names[0], list(shares).index(names[0]), colored)
        span = f"{clock(row['first'])} to {clock(row['last'])}, seen {duration(row['seen'])}"
        lines.append(f"  #{row['id']:<3} {strip}  {text}  ({span})")
        if baseline:
            lines.append(f"       {_change(row.get('change'), baseline)}")
    return "\n".join(lines) + "\n"


def _change(change: Mapping[str, float] | None, baseline: float) -> str:
    """The two largest changes against the first seconds."""
    if not change:
        return f"no change: visible for less than {baseline:g} s"
    largest = sorted(change, key=lambda name: -abs(change[name]))[:2]
    points = ", ".join(f"{name} {change[name] * 100:+.0f}" for name in largest if abs(change[name]) >= 0.005)
    return f"change from its first {baseline:g} s: {f'{points} points' if points else 'no change'}"


def clock(seconds: float) -> str:
    """75.2 -> "1:15.2"; 3675 -> "1:01:15"."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours:.0f}:{minutes:02.0f}:{rest:02.0f}"
    return f"{minutes:.0f}:{rest:04.1f}"


def printable(name: str) -> str:
    """A file's name as a terminal can show it on one line, bytes that are no text written as \\xff."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    # Control characters move the cursor or color the screen; marks of direction show a name as another.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
