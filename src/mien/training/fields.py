"""Self-describing recipe fields: help text, group, unit and range, for the command line and for checks."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from mien.errors import require


@dataclass(frozen=True)
class Range:
    """The range of a number, from low to high; an open end excludes its limit."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        low, high = f"{self.low:g}", f"{self.high:g}"
        if self.high == math.inf:
            return f"above {low}" if self.low_open else f"{low} or more"
        if self.low_open:
            return f"above {low} and below {high}" if self.high_open else f"above {low}, up to {high}"
        return f"{low} or more and below {high}" if self.high_open else f"{low} to {high}"


POSITIVE = Range(0, low_open=True)
NOT_NEGATIVE = Range(0)
COUNT = Range(1)
SHARE = Range(0, 1)
BELOW_ONE = Range(0, 1, high_open=True)


_WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def fits(value: object, kind: Any) -> bool:
    """Whether a value has a field's type: bool, int, float (which accepts int), str or a Literal's choices."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def require_kind(name: str, value: object, kind: Any) -> None:
    """Raise MienError, naming the field, unless the value has its type."""
    words = f"one of {', '.join(get_args(kind))}" if get_origin(kind) is Literal else _WORDS[kind]
    require(fits(value, kind), name, value, words)


def described(default: Any, group: str, text: str, within: Range | None = None, unit: str = "") -> Any:
    """A dataclass field with group, help text, range of values and unit."""
    metadata = {"group": group, "help": text, "range": within, "unit": unit}
    return dataclasses.field(default=default, metadata=metadata)
