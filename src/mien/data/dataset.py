"""The one shape that all data takes: labeled faces as plain arrays."""

import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mien.labels import EMOTIONS

SIZE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
USAGE_NAMES = (*USAGES, "")  # by the numbers that files keep
UNKNOWN = -1  # the label of a face that nobody has labeled


@dataclass(frozen=True, repr=False)
class Dataset:
    """Faces with labels.

    images: (N, 48, 48) uint8, gray, 0 black. labels: (N,) int64, index into `classes`, -1 where unknown.
    usage: (N,) str, "Training", "PublicTest" (validation), "PrivateTest" (test), or "" where the source has no parts.
    source: where it came from, for messages and records. drawn: True for mien's own drawn faces.
    decisions: one sentence for each choice that reading took (names read as emotions, files left out, ...).
    left_out: pictures and rows that are not in it, by reason.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    usage: NDArray[np.str_]
    classes: tuple[str, ...] = EMOTIONS
    source: str = ""
    drawn: bool = False
    decisions: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def usage_codes(self) -> NDArray[np.uint8]:
        """The part of each image as a number (N,): its place in USAGE_NAMES."""
        codes = np.full(len(self), len(USAGES), np.uint8)
        for code, usage in enumerate(USAGES):
            codes[self.usage == usage] = code
        return codes

    def subset(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Dataset":
        """The rows at `index` (int indices or a boolean mask), in that order."""
        return replace(self, images=self.images[index], labels=self.labels[index], usage=self.usage[index])

    def counts(self, usage: str | None = None) -> dict[str, int]:
        """Images per class, in class order; of one usage if given. Unlabeled images are not counted."""
        labels = self.labels if usage is None else self.labels[self.usage == usage]
        numbers = np.bincount(labels[labels >= 0], minlength=len(self.classes))
        return {name: int(n) for name, n in zip(self.classes, numbers, strict=True)}

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of SHA-256 over images, labels, usages and class names: same data, same digits."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        for start in range(0, len(self.usage), 65536):  # a list of a million words takes 100 MB
            digest.update("".join(f"{usage}\n" for usage in self.usage[start : start + 65536].tolist()).encode())
        digest.update("\n".join(self.classes).encode())
        return digest.hexdigest()[:16]

    def _sizes(self) -> list[tuple[str, int]]:
        return [
            (usage or "no part", int((self.usage == usage).sum()))
            for usage in ("", *USAGES)
            if (self.usage == usage).any()
        ]

    def __repr__(self) -> str:
        """One line: how many faces, their classes and parts, and from where."""
        shown = ", ".join(self.classes[:10]) + (
            f", ... ({len(self.classes)} classes)" if len(self.classes) > 10 else ""
        )
        parts = ", ".join(f"{name} {n:,}" for name, n in self._sizes())
        drawn = ", drawn by mien" if self.drawn else ""
        return f"Dataset({len(self):,} faces of 48x48; {shown}; {parts or 'empty'}; source={self.source!r}{drawn})"

    def _repr_html_(self) -> str:
        """A table of images by part and class, for notebooks."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in (*self.classes, "unlabeled", "all"))
        rows = ""
        for usage in ("", *USAGES):
            here = self.usage == usage
            if here.any():
                numbers = [*self.counts(usage).values(), int((here & (self.labels < 0)).sum()), int(here.sum())]
                cells = "".join(f"<td style='text-align:right'>{n:,}</td>" for n in numbers)
                rows += f"<tr><th style='text-align:left'>{usage or 'no part'}</th>{cells}</tr>"
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self.decisions)
        return (
            f"<div><b>{len(self):,} faces</b> from {html.escape(self.source)}{' (drawn by mien)' if self.drawn else ''}"
            f"<table><tr><th></th>{head}</tr>{rows}</table>{f'<ul>{items}</ul>' if items else ''}</div>"
        )
