"""Detections: boxes, landmarks and scores of the faces in one picture, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")  # right and left of the person shown


@dataclass(frozen=True, eq=False)
class Detections:
    """N faces, all in pixels of the picture.

    boxes: (N, 4) float64, x, y, width, height. landmarks: (N, 5, 2) float64, x and y of LANDMARKS; NaN if unknown.
    scores: (N,) float64, 0..1; NaN if the detector gives none. turns: (N,) int64, 0, 90, 180 or 270: degrees by which
    the picture must be rotated counterclockwise for the face to be upright.
    """

    boxes: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    scores: NDArray[np.float64]
    turns: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        boxes: NDArray[np.float64],
        landmarks: NDArray[np.float64] | None = None,
        scores: NDArray[np.float64] | None = None,
        turn: int = 0,
    ) -> "Detections":
        """Create detections from boxes; landmarks and scores default to unknown, and turn is shared by all."""
        count = len(boxes)
        return cls(
            boxes,
            np.full((count, 5, 2), np.nan) if landmarks is None else landmarks,
            np.full(count, np.nan) if scores is None else scores,
            np.full(count, turn, np.int64),
        )

    @classmethod
    def empty(cls) -> "Detections":
        """No detections."""
        return cls.of(np.empty((0, 4)))

    @classmethod
    def concatenate(cls, parts: Sequence["Detections"]) -> "Detections":
        """Concatenate several detections."""
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.landmarks for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.turns for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Detections":
        """Select faces by mask or indices."""
        return Detections(self.boxes[which], self.landmarks[which], self.scores[which], self.turns[which])

    @property
    def short_sides(self) -> NDArray[np.float64]:
        """Shorter side of each box, in pixels: (N,)."""
        sides: NDArray[np.float64] = self.boxes[:, 2:].min(axis=1, initial=np.inf)
        return sides

    def above(self, min_score: float) -> "Detections":
        """Faces with at least this score."""
        return self[self.scores >= min_score]

    def largest_first(self) -> "Detections":
        """Sorted by area, largest first."""
        return self[np.argsort(-self.boxes[:, 2] * self.boxes[:, 3], kind="stable")]

    def shifted(self, dx: float, dy: float) -> "Detections":
        """Translated by dx pixels to the right and dy down."""
        by = np.array([dx, dy])
        boxes = np.concatenate([self.boxes[:, :2] + by, self.boxes[:, 2:]], axis=1)
        return Detections(boxes, self.landmarks + by, self.scores, self.turns)

    def scaled(self, to: float, size: float) -> "Detections":
        """Rescaled from a picture with a side of `size` pixels to one with a side of `to`."""
        scale = size / to
        return Detections(self.boxes / scale, self.landmarks / scale, self.scores, self.turns)

    def turned_back(self, turn: int, width: int, height: int) -> "Detections":
        """Mapped from a picture rotated counterclockwise by 90, 180 or 270 degrees back to the original of this
        size."""
        x, y, w, h = self.boxes.T
        u, v = self.landmarks[..., 0], self.landmarks[..., 1]
        boxes, marks = {
            90: ((width - y - h, x, h, w), (width - v, u)),
            180: ((width - x - w, height - y - h, w, h), (width - u, height - v)),
            270: ((y, height - x - w, h, w), (v, height - u)),
        }[turn]
        return Detections.of(np.stack(boxes, axis=1), np.stack(marks, axis=-1), self.scores, turn)
