"""Who is trained on, who chooses, who judges: the three splits, and what exact copies of images do to them."""

import warnings
from dataclasses import dataclass

import numpy as np

from mien.data.dataset import Dataset
from mien.data.duplicates import duplicate_groups
from mien.errors import MienError, MienWarning

SPLITS = ("official", "study", "kfold")
DUPLICATES = ("warn", "group", "ignore")


@dataclass(frozen=True)
class Split:
    """Rows of a Dataset, as int64 index arrays that share no row.

    leaked: images of validation and test whose exact copy stands in train.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    leaked: int


def split(
    dataset: Dataset, name: str = "official", seed: int = 7, fold: int = 0, folds: int = 5, duplicates: str = "warn"
) -> Split:
    """Split a data set; train and validation hold labelled rows only.

    official: Training / PublicTest / PrivateTest (labelled or not).
    study: stratified 70/15/15 of the Training rows, with scikit-learn's train_test_split twice in effect
        (test_size .3, then halves, both with `seed`): the same rows in the same order, without needing it.
    kfold: stratified; validation is fold number `fold` of `folds` of the Training rows, train the others, test the
        labelled PublicTest rows.
    study and kfold take all labelled rows where the data has no usages, as image folders of one's own.

    duplicates: "warn" (default) warns how many images of validation and test stand in train as exact copies;
    "ignore" does not; "group" keeps exact copies of one image on one side: study and kfold deal whole groups of
    copies, official drops from train what stands in validation or test and leaves those two alone.

    Raises MienError for an unknown name or option, a fold that does not exist, and data that cannot be split so.
    """
    if name not in SPLITS:
        raise MienError(f"there is no split {name!r}; choose one of {', '.join(SPLITS)}")
    if duplicates not in DUPLICATES:
        raise MienError(f"duplicates={duplicates!r} is not known; choose one of {', '.join(DUPLICATES)}")
    groups = duplicate_groups(dataset.images)
    known = dataset.labels >= 0
    if name == "official":
        train, validation, test = _official(dataset, known)
        if duplicates == "group":
            held_out = groups[np.concatenate([validation, test])]
            train = train[~np.isin(groups[train], held_out)]
    else:
        has_usage = bool((dataset.usage != "").any())
        rows = np.flatnonzero(known & (dataset.usage == "Training") if has_usage else known)
        if not len(rows):
            raise MienError(f"{dataset.source or 'the data'} has no labelled Training rows to split; give train.csv")
        # A group of copies is dealt by its first row; without grouping each row is its own group.
        ids = groups[rows] if duplicates == "group" else np.arange(len(rows))
        _, first, member = np.unique(ids, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")  # representatives in row order, so that single rows keep theirs
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        member, leaders = rank[member], first[order]
        labels = dataset.labels[rows[leaders]]
        if name == "study":
            parts = _study(labels, seed)
        else:
            parts = _kfold(labels, seed, fold, folds)
        train, validation, test = (_members(part, member, rows) for part in parts)
        if name == "kfold" and has_usage:
            test = np.flatnonzero(known & (dataset.usage == "PublicTest"))
            if duplicates == "group":
                train = train[~np.isin(groups[train], groups[test])]
    leaked = int(np.isin(groups[np.concatenate([validation, test])], groups[train]).sum())
    if leaked and duplicates == "warn":
        warnings.warn(
            f"{leaked:,} of the {len(validation) + len(test):,} validation and test images of the {name} split are "
            "exact copies of training images; duplicates='group' keeps copies on one side",
            MienWarning,
            stacklevel=2,
        )
    return Split(name, train, validation, test, leaked)


def _official(dataset: Dataset, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    train = np.flatnonzero(known & (dataset.usage == "Training"))
    validation = np.flatnonzero(known & (dataset.usage == "PublicTest"))
    test = np.flatnonzero(dataset.usage == "PrivateTest")
    for rows, usage in ((train, "Training"), (validation, "PublicTest")):
        if not len(rows):
            raise MienError(
                f"{dataset.source or 'the data'} has no labelled {usage} rows, which the official split needs; "
                "give icml_face_data.csv or fer2013.csv, or choose the split 'study' or 'kfold'"
            )
    return train, validation, test


def _members(part: np.ndarray, member: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All rows of the groups in `part`, (n,) int64, in the order of `part`."""
    by_group = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[by_group], np.arange(member.max() + 2))
    lengths = np.diff(starts)[part]
    # Position k of the output is the j-th member of its group.
    inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return rows[by_group[np.repeat(starts[part], lengths) + inside]].astype(np.int64)


def _study(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        train, rest = _stratified(labels, 0.3, seed)
        validation, test = _stratified(labels[rest], 0.5, seed)
    except MienError:
        counts = np.unique(labels, return_counts=True)[1]
        raise MienError(
            f"{len(labels)} images in {len(counts)} classes, the rarest with {counts.min()}, are too few to split "
            "70/15/15 by class; give every class 10 or more, or leave that class out"
        ) from None
    return train, rest[validation], rest[test]


def _kfold(labels: np.ndarray, seed: int, fold: int, folds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if folds < 2 or not 0 <= fold < folds:
        raise MienError(f"there is no fold {fold} of {folds}; folds must be 2 or more, and fold 0 to folds - 1")
    if len(labels) < folds:
        raise MienError(f"{len(labels)} images cannot make {folds} folds; ask for fewer")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    dealt = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class after class, shuffled within
    number = np.empty(len(labels), np.int64)
    number[dealt] = np.arange(len(labels)) % folds
    return np.flatnonzero(number != fold), np.flatnonzero(number == fold), np.empty(0, np.int64)


def _stratified(labels: np.ndarray, test_size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's train_test_split(arange(n), test_size=test_size, stratify=labels, random_state=seed).

    The same legacy random numbers in the same order (StratifiedShuffleSplit, scikit-learn 1.4 to 1.9).
    """
    n_test = int(np.ceil(test_size * len(labels)))
    n_train = len(labels) - n_test
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2 or min(n_train, n_test) < len(counts):
        raise MienError("too few images for a stratified split")
    rng = np.random.RandomState(seed)  # the legacy generator, which scikit-learn draws from
    in_train = _shares(counts, n_train, rng)
    in_test = _shares(counts - in_train, n_test, rng)
    of_class = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    train, test = [], []
    for rows, a, b in zip(of_class, in_train, in_test, strict=True):
        shuffled = rows[rng.permutation(len(rows))]
        train.append(shuffled[:a])
        test.append(shuffled[a : a + b])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def _shares(counts: np.ndarray, n: int, rng: np.random.RandomState) -> np.ndarray:
    """n draws shared among classes by their counts; what rounding leaves goes to the largest remainders, ties by chance."""
    exact = counts / counts.sum() * n
    share = np.floor(exact)
    left = int(n - share.sum())
    remainder = exact - share
    for value in np.sort(np.unique(remainder))[::-1]:
        if left <= 0:
            break
        tied = np.flatnonzero(remainder == value)
        chosen = rng.choice(tied, size=min(len(tied), left), replace=False)
        share[chosen] += 1
        left -= len(chosen)
    return share.astype(int)
