"""The clock of a film: strictly increasing seconds from the timestamps in its file."""

MAX_JUMP = 86_400.0  # seconds: a longer step forward is a damaged timestamp, not a frame held on screen


class Clock:
    """Converts timestamps to seconds: from 0, increasing with every frame, without the jumps that recorders leave.

    step: seconds to the next frame if a timestamp is missing.
    """

    def __init__(self, start: float, step: float) -> None:
        self.offset, self.step = -start, step
        self.last: float | None = None

    def seconds(self, stamp: float | None) -> float:
        """The time of the next frame or packet, from its timestamp in seconds."""
        if self.last is None:
            self.last = max(0.0, stamp + self.offset) if stamp is not None else 0.0
            return self.last
        now = self.last + self.step if stamp is None else stamp + self.offset
        if now <= self.last - 1 or now > self.last + MAX_JUMP:
            self.offset += self.last + self.step - now
            now = self.last + self.step
        self.last = now if now > self.last else self.last + self.step / 2
        return self.last
