"""Fields of a recipe that describe themselves: a sentence, a group, a unit and a range, for help and for checks."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """The values a number may take: from low to high; an open end excludes its limit."""

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
        return f"{low} or more and below {high}" if self.high_open else f"{low} to {high}"


POSITIVE = Range(0, low_open=True)
NOT_NEGATIVE = Range(0)
COUNT = Range(1)
SHARE = Range(0, 1)
BELOW_ONE = Range(0, 1, high_open=True)


def described(default: Any, group: str, text: str, within: Range | None = None, unit: str = "") -> Any:
    """A field with what its help and its check need: group, a sentence, the range of values and their unit."""
    metadata = {"group": group, "help": text, "range": within, "unit": unit}
    return dataclasses.field(default=default, metadata=metadata)
