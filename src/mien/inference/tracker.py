"""Tracking: the same id for a face from frame to frame, its probabilities smoothed, its change against its own
baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mien.inference.face import Face

SMOOTHING_SECONDS = 0.5  # in which a smoothed probability makes up 63 % of a change
MAX_GAP_SECONDS = 1.5  # after which a face that is gone is forgotten; a later one there gets a new id
MAX_MOVE = 0.7  # of a face's size: how far its center may move between two frames that are read
MAX_SIZE_RATIO = 1.8  # how much its size may change


@dataclass(frozen=True)
class TrackedFace(Face):
    """A face of a film. id: the same from frame to frame. Emotion, confidence and probabilities are smoothed over time.

    change: with a baseline, how far each probability is from this face's own in its first seconds, -1..1; None while
    those last.
    """

    id: int = field(default=0, kw_only=True)
    change: dict[str, float] | None = field(default=None, hash=False, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """As Face.to_dict, with "id" before it, and "change" behind it where there is one."""
        change = {} if self.change is None else {"change": {name: round(c, 6) for name, c in self.change.items()}}
        return {"id": self.id, **super().to_dict(), **change}


@dataclass(frozen=True)
class _Track:
    """A face and when it was last seen. time: of the frame. until: when the next one was to be read."""

    face: TrackedFace
    time: float
    until: float


@dataclass
class _Baseline:
    """The probabilities of one face in its first seconds, weighted by time."""

    started: float
    sums: dict[str, float]
    weight: float = 0.0


class Tracker:
    """Follows faces by where they are: by the overlap of their boxes, and by nearness where they moved fast.

    It follows places, not persons: who leaves and comes back gets a new id. baseline: seconds from the first sight of a
    face over which its probabilities are averaged; from then on its change against them is given. 0: none is.
    """

    def __init__(self, baseline: float = 0.0) -> None:
        self._baseline_seconds = baseline
        self._tracks: list[_Track] = []
        self._baselines: dict[int, _Baseline] = {}
        self._next = 1

    def update(self, faces: Sequence[Face], time: float, duration: float = 0.0) -> list[TrackedFace]:
        """Take in the faces of the frame at `time` (seconds, growing). duration: seconds until the next one is read.

        Returns them with their ids, in the order of ids.
        """
        tracks = [track for track in self._tracks if time - track.until <= MAX_GAP_SECONDS]
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
        current = []
        for f, face in enumerate(faces):
            before = continues.get(f)
            if before is None:
                tracked = _tracked(face, self._next)
                self._next += 1
            else:
                tracked = _tracked(_smooth(before.face, face, time - before.time), before.face.id)
            tracked = replace(tracked, change=self._change(tracked, before, time))
            current.append(_Track(tracked, time, time + duration))
        lost = [track for t, track in enumerate(tracks) if t not in matched]
        self._tracks = current + lost
        kept = {track.face.id for track in self._tracks}
        self._baselines = {id: baseline for id, baseline in self._baselines.items() if id in kept}
        return sorted((track.face for track in current), key=lambda face: face.id)

    def _change(self, face: TrackedFace, before: _Track | None, time: float) -> dict[str, float] | None:
        if not self._baseline_seconds:
            return None
        if before is None:
            self._baselines[face.id] = _Baseline(time, dict.fromkeys(face.probabilities, 0.0))
        baseline = self._baselines[face.id]
        end = baseline.started + self._baseline_seconds
        if before is not None and before.time < end:  # what was seen before lasted until now
            _add(baseline, before.face, min(time, end) - before.time)
        if time < end:
            return None
        return {name: p - baseline.sums[name] / baseline.weight for name, p in face.probabilities.items()}


def _add(baseline: _Baseline, face: Face, seconds: float) -> None:
    baseline.weight += seconds
    for name, p in face.probabilities.items():
        baseline.sums[name] += p * seconds


def _tracked(face: Face, id: int) -> TrackedFace:
    values = {each.name: getattr(face, each.name) for each in fields(Face)}
    return TrackedFace(**values, id=id)


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
    size_ratio = math.sqrt(max(aw * ah, bw * bh) / min(aw * ah, bw * bh))
    return 1 - moved / MAX_MOVE if moved < MAX_MOVE and size_ratio < MAX_SIZE_RATIO else 0.0


def _smooth(before: Face, now: Face, elapsed: float) -> Face:
    """Exponential averaging, by time and not by frames: the same film gives the same curve at every frame rate."""
    weight = 1 - math.exp(-max(elapsed, 1e-3) / SMOOTHING_SECONDS)
    mixed = {
        name: weight * share + (1 - weight) * before.probabilities.get(name, share)
        for name, share in now.probabilities.items()
    }
    emotion = max(mixed, key=lambda name: mixed[name])
    return replace(now, emotion=emotion, confidence=mixed[emotion], probabilities=mixed)
