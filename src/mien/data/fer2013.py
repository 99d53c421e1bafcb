"""What is known of FER2013 (Goodfellow et al. 2013): how many images of each emotion every usage holds."""

import warnings

from mien.data.dataset import Dataset
from mien.errors import MienWarning
from mien.labels import EMOTIONS

FER2013 = {
    "Training": dict(zip(EMOTIONS, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True)),
    "PublicTest": dict(zip(EMOTIONS, (467, 56, 496, 895, 653, 415, 607), strict=True)),
    "PrivateTest": dict(zip(EMOTIONS, (491, 55, 528, 879, 594, 416, 626), strict=True)),
}
_SIZE_TOLERANCE = 0.02  # a usage whose size is within this share of FER2013's is taken for FER2013


def recognized(dataset: Dataset) -> dict[str, list[str]]:
    """For each usage that looks like FER2013's: how its counts differ ("sad 4829 instead of 4830"), [] if nowhere.

    A usage looks like FER2013's when its seven emotions sum to about the same number of labeled images. Drawn
    faces and usages without labels (PrivateTest, in most copies of the data) are not looked at.
    """
    if dataset.drawn or dataset.classes != EMOTIONS:
        return {}
    differing = {}
    for usage, known in FER2013.items():
        counts, total = dataset.counts(usage), sum(known.values())
        if abs(sum(counts.values()) - total) <= _SIZE_TOLERANCE * total:
            differing[usage] = [
                f"{name} {counts[name]:,} instead of {known[name]:,}"
                for name in EMOTIONS
                if counts[name] != known[name]
            ]
    return differing


def warn_if_altered(dataset: Dataset) -> None:
    """Warn (MienWarning) when the data looks like FER2013 and does not have its published class counts."""
    for usage, differences in recognized(dataset).items():
        if differences:
            warnings.warn(
                f"{dataset.source} looks like FER2013, but its {usage} images are not the published ones: "
                f"{', '.join(differences)}; results on it do not compare with others'",
                MienWarning,
                stacklevel=3,
            )
