"""Face tracking in videos: stable ids, smoothed probabilities, and change from each face's own baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mien.inference.face import Face

SMOOTHING_SECONDS = 0.5  # time constant of the smoothing: after it, 63 % of a change is visible
MAX_GAP_SECONDS = 1.5  # after which a lost face is forgotten; a later one there gets a new id
MAX_MOVE = 0.7  # in face sizes: how far its center may move between two frames that are read
MAX_SIZE_RATIO = 1.8  # largest ratio of its sizes in two frames that are read


@dataclass(frozen=True)
class TrackedFace(Face):
    """A face in a video frame. id: the same in all frames. Emotion, confidence and probabilities are smoothed over
    time.

    change: with a baseline, the difference of each probability from this face's mean in its first seconds, -1..1; None
    during those seconds.
    """

    id: int = field(default=0, kw_only=True)
    change: dict[str, float] | None = field(default=None, hash=False, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Like Face.to_dict, with "id" first, and "change" last if there is one."""
        change = {} if self.change is None else {"change": {name: round(c, 6) for name, c in self.change.items()}}
        return {"id": self.id, **super().to_dict(), **change}


@dataclass(frozen=True)
class _Track:
    """A tracked face. time: of the frame it was last seen in. until: when the next frame was due."""

    face: TrackedFace
    time: float
    until: float


@dataclass
class _Baseline:
    """Probabilities of one face in its first seconds, weighted by time."""

    started: float
    sums: dict[str, float]
    weight: float = 0.0


class Tracker:
    """Tracks faces by position: by the overlap of their boxes, or by distance if they moved fast.

    It tracks places, not persons: a person who leaves and returns gets a new id. baseline: seconds after a face's first
    appearance over which its probabilities are averaged; afterwards its change from that mean is reported. 0: no
    baseline.
    """

    def __init__(self, baseline: float = 0.0) -> None:
        self._baseline_seconds = baseline
        self._tracks: list[_Track] = []
        self._baselines: dict[int, _Baseline] = {}
        self._next = 1

    def update(self, faces: Sequence[Face], time: float, duration: float = 0.0) -> list[TrackedFace]:
        """Process the faces of the frame at `time` (seconds, increasing). duration: seconds until the next frame that
        is read.

        Returns the tracked faces in the order of their ids.
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
            previous = continues.get(f)
            if previous is None:
                tracked = _tracked(face, self._next)
                self._next += 1
            else:
                tracked = _tracked(_smooth(previous.face, face, time - previous.time), previous.face.id)
            tracked = replace(tracked, change=self._change(tracked, previous, time))
            current.append(_Track(tracked, time, time + duration))
        lost = [track for t, track in enumerate(tracks) if t not in matched]
        self._tracks = current + lost
        active_ids = {track.face.id for track in self._tracks}
        self._baselines = {id: baseline for id, baseline in self._baselines.items() if id in active_ids}
        return sorted((track.face for track in current), key=lambda face: face.id)

    def _change(self, face: TrackedFace, previous: _Track | None, time: float) -> dict[str, float] | None:
        if not self._baseline_seconds:
            return None
        if previous is None:
            self._baselines[face.id] = _Baseline(time, dict.fromkeys(face.probabilities, 0.0))
        baseline = self._baselines[face.id]
        end = baseline.started + self._baseline_seconds
        if previous is not None and previous.time < end:  # the previous probabilities held until now
            _add(baseline, previous.face, min(time, end) - previous.time)
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
    """Matching score: above 0 if `new` may be `old` a moment later; overlapping boxes rank above merely near ones."""
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


def _smooth(previous: Face, now: Face, elapsed: float) -> Face:
    """Exponential smoothing over time, not frames: a film gives the same curve at every frame rate."""
    weight = 1 - math.exp(-max(elapsed, 1e-3) / SMOOTHING_SECONDS)
    smoothed = {
        name: weight * share + (1 - weight) * previous.probabilities.get(name, share)
        for name, share in now.probabilities.items()
    }
    emotion = max(smoothed, key=lambda name: smoothed[name])
    return replace(now, emotion=emotion, confidence=smoothed[emotion], probabilities=smoothed)
