"""The one shape that all data takes: labelled faces as plain arrays."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mien.labels import EMOTIONS

SIZE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
UNKNOWN = -1  # the label of a face that nobody has labelled


@dataclass(frozen=True)
class Dataset:
    """Faces with labels.

    images: (N, 48, 48) uint8, gray, 0 black. labels: (N,) int64, index into `classes`, -1 where unknown.
    usage: (N,) str, "Training", "PublicTest", "PrivateTest", or "" where the source has no such notion.
    source: where it came from, for messages and records. drawn: True for mien's own drawn faces.
    """

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    classes: tuple[str, ...] = EMOTIONS
    source: str = ""
    drawn: bool = False

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, index: np.ndarray) -> "Dataset":
        """The rows at `index` (int indices or a boolean mask), in that order."""
        return replace(self, images=self.images[index], labels=self.labels[index], usage=self.usage[index])

    def counts(self, usage: str | None = None) -> dict[str, int]:
        """Images per class, in class order; of one usage if given. Unlabelled images are not counted."""
        labels = self.labels if usage is None else self.labels[self.usage == usage]
        found = np.bincount(labels[labels >= 0], minlength=len(self.classes))
        return {name: int(n) for name, n in zip(self.classes, found, strict=True)}

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of SHA-256 over images, labels, usages and class names: same data, same digits."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        digest.update("\n".join([*self.usage.tolist(), *self.classes]).encode())
        return digest.hexdigest()[:16]
