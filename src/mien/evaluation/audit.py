"""Audit a data set: exact copies within and across splits, contradicting labels, images without content.

FER2013 has all of these. A validation image whose exact copy is in the training set inflates every model's accuracy.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data import ferplus
from mien.data.dataset import USAGES, Dataset
from mien.data.duplicates import duplicate_groups
from mien.errors import MienError

PLACEHOLDER_SHARE = 0.6  # share of pixels within 2 levels of one gray from which an image counts as a placeholder


@dataclass(frozen=True)
class Audit:
    """Faults of a data set; all indices are rows of the audited Dataset, int64 and ascending.

    duplicates: groups of rows with the same pixels. leaked: groups with rows in more than one usage. conflicts: groups
    with more than one label. overlaps: (usage of the copy, usage of the original) -> number of images of the first
    whose pixels also occur in the second. constant: rows with a single gray value. placeholders: rows that are mostly
    one gray, such as "image removed" notices and warning signs; only suspected, some are line drawings. not_face: rows
    that all FER+ taggers labeled as no face; None without votes.
    """

    n: int
    duplicates: tuple[np.ndarray, ...]
    leaked: tuple[np.ndarray, ...]
    conflicts: tuple[np.ndarray, ...]
    overlaps: dict[tuple[str, str], int]
    constant: np.ndarray
    placeholders: np.ndarray
    not_face: np.ndarray | None

    @property
    def duplicated(self) -> int:
        """Number of images with at least one exact copy."""
        return sum(map(len, self.duplicates))

    def to_dict(self) -> dict[str, object]:
        """Counts, as plain numbers."""
        return {
            "n": self.n,
            "duplicates": {"groups": len(self.duplicates), "images": self.duplicated},
            "leaked": len(self.leaked),
            "conflicts": len(self.conflicts),
            "overlaps": {f"{a} in {b}": count for (a, b), count in self.overlaps.items()},
            "constant": len(self.constant),
            "placeholders": len(self.placeholders),
            "not_face": None if self.not_face is None else len(self.not_face),
        }

    def __str__(self) -> str:
        lines = [
            f"{len(self.duplicates):>6,} groups of exact copies ({self.duplicated:,} of {self.n:,} images)",
            f"{len(self.leaked):>6,} of the groups cross splits",
            *(f"{n:>6,} {a} images stand in {b}, too" for (a, b), n in self.overlaps.items()),
            f"{len(self.conflicts):>6,} groups carry contradicting labels",
            f"{len(self.constant):>6,} images of one single gray",
            f"{len(self.placeholders):>6,} images that look like placeholders (mostly one gray)",
        ]
        if self.not_face is not None:
            lines.append(f"{len(self.not_face):>6,} images that all FER+ taggers call no face")
        return "\n".join(lines)


def audit(dataset: Dataset, votes: str | Path | None = None) -> Audit:
    """Find the faults of a data set. FER2013's 35,887 images take about a third of a second.

    votes: fer2013new.csv of FER+ (Barsoum et al. 2016). Raises MienError if its rows do not fit the data set, or the
    data set is empty.
    """
    if len(dataset) == 0:
        raise MienError(f"{dataset.source or 'the data'} holds no images to audit; check the path")
    groups = duplicate_sets(dataset.images)
    pixels = dataset.images.reshape(len(dataset), -1)
    constant = np.flatnonzero(pixels.max(axis=1) == pixels.min(axis=1))
    return Audit(
        n=len(dataset),
        duplicates=groups,
        leaked=tuple(g for g in groups if len(set(dataset.usage[g])) > 1),
        conflicts=tuple(g for g in groups if len(set(dataset.labels[g]) - {-1}) > 1),
        overlaps=_overlaps(groups, dataset.usage),
        constant=constant,
        placeholders=np.setdiff1d(_flat(dataset.images), constant),
        not_face=None if votes is None else not_face(dataset, votes),
    )


def duplicate_sets(images: np.ndarray) -> tuple[np.ndarray, ...]:
    """Groups of identical images in (N, 48, 48) uint8: row numbers, ascending; groups sorted by their first row."""
    group = duplicate_groups(images)
    again = np.unique(group[group != np.arange(len(group))])
    members = np.flatnonzero(np.isin(group, again))
    members = members[np.argsort(group[members], kind="stable")]
    starts = np.flatnonzero(np.diff(group[members])) + 1
    return tuple(np.split(members, starts)) if len(members) else ()


def not_face(dataset: Dataset, votes: str | Path) -> np.ndarray:
    """Rows that every FER+ tagger labeled as no face: (M,) int64. Raises MienError as `ferplus.align`."""
    rows, counts = ferplus.align(dataset, votes)
    against = counts[:, ferplus.TAGS.index("NF")]
    result: np.ndarray = rows[(against > 0) & (against == counts.sum(axis=1))]
    return result


def _overlaps(groups: tuple[np.ndarray, ...], usage: np.ndarray) -> dict[tuple[str, str], int]:
    rank = {name: i for i, name in enumerate(USAGES)}
    overlaps: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        usages = usage[group]
        names = sorted(set(usages.tolist()), key=lambda name: (rank.get(name, len(rank)), name))
        for i, earlier in enumerate(names):
            for later in names[i + 1 :]:
                overlaps[later, earlier] += int((usages == later).sum())
    return dict(sorted(overlaps.items(), key=lambda item: [rank.get(name, len(rank)) for name in item[0][::-1]]))


def _flat(images: np.ndarray) -> np.ndarray:
    """Rows with a share of PLACEHOLDER_SHARE or more of their pixels within 2 levels of one gray."""
    # Every ninth pixel rules out nearly all images; only the rest are counted in full.
    maybe = np.flatnonzero(_largest_band(images[:, ::3, ::3]) >= PLACEHOLDER_SHARE - 0.15)
    return maybe[_largest_band(images[maybe]) >= PLACEHOLDER_SHARE]


def _largest_band(images: np.ndarray) -> np.ndarray:
    """(N,) float: the largest share of an image's pixels within 2 levels of one gray."""
    share = np.zeros(len(images))
    for start in range(0, len(images), 2048):
        block = images[start : start + 2048].reshape(len(images[start : start + 2048]), -1)
        own = np.arange(len(block))[:, None] * 256 + block
        bins = np.bincount(own.ravel(), minlength=256 * len(block)).reshape(-1, 256)
        # Sums over five neighboring levels, as differences of a running sum.
        total = np.pad(bins, ((0, 0), (3, 2))).cumsum(axis=1)
        share[start : start + 2048] = (total[:, 5:] - total[:, :-5]).max(axis=1) / block.shape[1]
    return share
