"""The clock of a film: seconds that always grow, from the timestamps in its file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer


class Clock:
    """Timestamps in, seconds out: from 0, growing with every frame, without the jumps that recorders leave.

    step: seconds to the next frame where a timestamp is missing. max_jump: a longer step forward is a new recording
    that was appended to the old one (transport streams, DVDs), and not a frame that was held.
    """

    def __init__(self, start: float, step: float, max_jump: float) -> None:
        self.offset, self.step, self.max_jump = -start, step, max_jump
        self.last: float | None = None

    def seconds(self, stamp: float | None) -> float:
        """The time of the next frame or packet, from its timestamp in seconds."""
        if self.last is None:
            self.last = max(0.0, stamp + self.offset) if stamp is not None else 0.0
            return self.last
        now = self.last + self.step if stamp is None else stamp + self.offset
        if now <= self.last - 1 or now > self.last + self.max_jump:
            self.offset += self.last + self.step - now
            now = self.last + self.step
        self.last = now if now > self.last else self.last + self.step / 2
        return self.last


def max_jump(container: "InputContainer") -> float:
    """Seconds between two frames above which the timestamps began anew: transport streams and DVDs are put together."""
    from av.format import Flags

    return 10.0 if Flags(container.format.flags) & Flags.ts_discont else 86_400.0
