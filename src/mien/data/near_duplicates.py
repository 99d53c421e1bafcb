"""Near duplicates: the same photograph cropped, scaled, re-encoded, relit, watermarked or mirrored, found by
correlation.

Candidates are pairs whose 12x12 thumbnails correlate, checked by the correlation of their fine detail at the best small
shift. The two thresholds were set by looking at FER2013's pairs: of those that pass, next to all are one photograph.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.duplicates import duplicate_groups

THUMBNAIL = 12  # pixels a side of what candidates are found by
MIN_THUMBNAIL_CORRELATION = 0.9
MIN_DETAIL_CORRELATION = 0.65
MIN_MIRRORED_CORRELATION = 0.7  # frontal faces are symmetric: many look like a mirror image of each other
MIN_CONTRAST = 2.0  # standard deviation in gray levels; flatter images have no detail to compare
_MAX_SHIFT = 3  # pixels, each way
_MAX_CANDIDATES = 12  # checked of one image, the most alike first: films of one person have thousands
_BLOCK = 1024
_DETAIL_WINDOW = 9  # pixels; detail is what differs from the mean of such a window


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of rows, the lower first, (M, 2) int64; similarity of each, (M,) 0.65..1; whether one is mirrored, (M,)
    bool.

    Exact duplicates are not among them: a group of those takes part by its first row.
    """

    pairs: NDArray[np.int64]
    similarity: NDArray[np.float64]
    mirrored: NDArray[np.bool_]


def near_duplicates(images: NDArray[np.uint8], on_rows: Callable[[int], None] | None = None) -> NearDuplicates:
    """Pairs of images that are one photograph, by normalized correlation.

    images: (N, 48, 48) uint8. on_rows is called with the number of rows done, now and then. The comparison is of all
    with all: 36,000 images take some ten seconds of one core, twice as many four times that.
    """
    if len(images) == 0:
        return NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0, bool))
    first_rows = np.flatnonzero(duplicate_groups(images) == np.arange(len(images)))
    rows = first_rows[images[first_rows].reshape(len(first_rows), -1).std(axis=1) >= MIN_CONTRAST]
    thumbnails = _thumbnails(images[rows])
    side = int(thumbnails.shape[1] ** 0.5)
    mirrored_thumbnails = thumbnails.reshape(-1, side, side)[:, :, ::-1].reshape(thumbnails.shape)
    pairs, similarity, mirrored = [np.zeros((0, 2), np.int64)], [np.zeros(0)], [np.zeros(0, bool)]
    for start in range(0, len(rows), _BLOCK):
        block = thumbnails[start : start + _BLOCK]
        for flip, others in ((False, thumbnails), (True, mirrored_thumbnails)):
            here = _candidates(block @ others[start:].T) + start
            alike = _detail_correlation(images, rows[here], flip)
            keep = alike >= (MIN_MIRRORED_CORRELATION if flip else MIN_DETAIL_CORRELATION)
            pairs.append(rows[here[keep]])
            similarity.append(alike[keep])
            mirrored.append(np.full(int(keep.sum()), flip))
        if on_rows:
            on_rows(len(block))
    return _best_of_each(np.concatenate(pairs), np.concatenate(similarity), np.concatenate(mirrored))


def connected(pairs: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The lowest row that each of n rows is connected to by pairs (M, 2), itself if by none: (n,) int64."""
    group = np.arange(n)
    while True:
        low = np.minimum(group[pairs[:, 0]], group[pairs[:, 1]])
        before = group.copy()
        np.minimum.at(group, pairs[:, 0], low)
        np.minimum.at(group, pairs[:, 1], low)
        group = group[group]
        if (group == before).all():
            return group


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Block means of THUMBNAIL x THUMBNAIL, each of mean 0 and length 1: (N, 144) float32."""
    block = images.shape[1] // THUMBNAIL
    means = images.reshape(len(images), THUMBNAIL, block, THUMBNAIL, block).mean(axis=(2, 4), dtype=np.float32)
    means = means.reshape(len(images), -1)
    means -= means.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", means, means))
    return np.asarray(means / np.maximum(length, 1e-3)[:, None], dtype=np.float32)


def _candidates(correlation: NDArray[np.float32]) -> NDArray[np.int64]:
    """Pairs (row of the block, later row), (M, 2), at most _MAX_CANDIDATES for each row of the block."""
    row, column = np.nonzero(correlation >= MIN_THUMBNAIL_CORRELATION)
    later = column > row
    row, column = row[later], column[later]
    if len(row) > _MAX_CANDIDATES:
        order = np.lexsort((-correlation[row, column], row))
        row, column = row[order], column[order]
        first_of_row = np.searchsorted(row, row)
        few = np.arange(len(row)) - first_of_row < _MAX_CANDIDATES
        row, column = row[few], column[few]
    return np.stack([row, column], axis=1).astype(np.int64)


def _detail_correlation(images: NDArray[np.uint8], pairs: NDArray[np.int64], flip: bool) -> NDArray[np.float64]:
    """The largest correlation of fine detail over small shifts, (M,); flip: the second image is mirrored first."""
    shifts = np.r_[0 : _MAX_SHIFT + 1, -_MAX_SHIFT:0]
    largest = np.zeros(len(pairs))
    for start in range(0, len(pairs), _BLOCK):
        one, other = images[pairs[start : start + _BLOCK, 0]], images[pairs[start : start + _BLOCK, 1]]
        spectrum = np.fft.rfft2(_detail(one)) * np.fft.rfft2(_detail(other[:, :, ::-1] if flip else other)).conj()
        correlation = np.fft.irfft2(spectrum, s=images.shape[1:])
        largest[start : start + _BLOCK] = correlation[:, shifts][:, :, shifts].max(axis=(1, 2))
    return largest


def _detail(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images less their local means, each of length 1."""
    w, edge = _DETAIL_WINDOW, _DETAIL_WINDOW // 2
    gray = images.astype(np.float32)
    total = np.pad(gray, ((0, 0), (edge, edge), (edge, edge)), mode="edge").cumsum(axis=1).cumsum(axis=2)
    total = np.pad(total, ((0, 0), (1, 0), (1, 0)))
    local_mean = (total[:, w:, w:] - total[:, :-w, w:] - total[:, w:, :-w] + total[:, :-w, :-w]) / w**2
    detail = gray - local_mean
    length = np.sqrt((detail * detail).sum(axis=(1, 2), keepdims=True))
    return np.asarray(detail / np.maximum(length, 1e-3), dtype=np.float32)


def _best_of_each(
    pairs: NDArray[np.int64], similarity: NDArray[np.float64], mirrored: NDArray[np.bool_]
) -> NearDuplicates:
    """Each pair once, in row order; an image alike both ways counts by the better."""
    order = np.lexsort((-similarity, pairs[:, 1], pairs[:, 0]))
    pairs, similarity, mirrored = pairs[order], similarity[order], mirrored[order]
    first = np.ones(len(pairs), bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return NearDuplicates(pairs[first], np.minimum(similarity[first], 1.0), mirrored[first])
