"""Who is who from frame to frame: faces get numbers that stay, and probabilities that do not flicker."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mien.inference.reader import Face

SETTLE = 0.5  # seconds in which a smoothed probability makes up 63 % of a change
FORGET = 1.5  # seconds after which a face that is gone is forgotten; a later one there gets a new number
NEAR = 0.7  # of a face's size: how far its centre may move between two looks
LIKE = 1.8  # how much its size may change


@dataclass(frozen=True)
class Seen:
    """A face of one frame with its number; emotion, confidence and probabilities of `face` are smoothed over time."""

    id: int
    face: Face


@dataclass(frozen=True)
class _Track:
    id: int
    face: Face
    time: float


class Tracker:
    """Follows faces by where they are: by the overlap of their boxes, and by nearness where they moved fast.

    It follows places, not persons: who leaves and comes back gets a new number.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._next = 1

    def update(self, faces: Sequence[Face], time: float) -> list[Seen]:
        """Take in the faces of the frame at `time` (seconds, growing). Returns them numbered, in the order of numbers."""
        tracks = [track for track in self._tracks if time - track.time <= FORGET]
        pairs = sorted(
            ((_likeness(track.face, face), t, f) for t, track in enumerate(tracks) for f, face in enumerate(faces)),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        continues: dict[int, _Track] = {}
        matched: set[int] = set()
        for likeness, t, f in pairs:
            if likeness > 0 and f not in continues and t not in matched:
                continues[f] = tracks[t]
                matched.add(t)
        now = []
        for f, face in enumerate(faces):
            before = continues.get(f)
            if before is None:
                now.append(_Track(self._next, face, time))
                self._next += 1
            else:
                now.append(_Track(before.id, _smooth(before.face, face, time - before.time), time))
        lost = [track for t, track in enumerate(tracks) if t not in matched]
        self._tracks = now + lost
        return [Seen(track.id, track.face) for track in sorted(now, key=lambda track: track.id)]


def _likeness(old: Face, new: Face) -> float:
    """Above 0 where `new` may be `old` a moment later; overlapping boxes before merely near ones."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = old.box, new.box
    wide = min(ax + aw, bx + bw) - max(ax, bx)
    high = min(ay + ah, by + bh) - max(ay, by)
    shared = max(0, wide) * max(0, high)
    overlap = shared / (aw * ah + bw * bh - shared)
    if overlap >= 0.25:
        return 1 + overlap
    size = math.sqrt(math.sqrt(aw * ah * bw * bh))
    moved = math.hypot(ax + aw / 2 - bx - bw / 2, ay + ah / 2 - by - bh / 2) / size
    grown = math.sqrt(max(aw * ah, bw * bh) / min(aw * ah, bw * bh))
    return 1 - moved / NEAR if moved < NEAR and grown < LIKE else 0.0


def _smooth(before: Face, now: Face, elapsed: float) -> Face:
    """Exponential averaging, by time and not by frames: the same film gives the same curve at every frame rate."""
    weight = 1 - math.exp(-max(elapsed, 1e-3) / SETTLE)
    mixed = {
        name: weight * share + (1 - weight) * before.probabilities.get(name, share)
        for name, share in now.probabilities.items()
    }
    emotion = max(mixed, key=lambda name: mixed[name])
    return replace(now, emotion=emotion, confidence=mixed[emotion], probabilities=mixed)
