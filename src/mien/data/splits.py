"""Train, validation and test rows: the official split, the study's, k folds, and what duplicates do to them."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import USAGES, Dataset
from mien.data.duplicates import duplicate_groups
from mien.errors import MienError, MienWarning

VALIDATION_SHARE = 0.15  # of every class, where a data set has a test set and no validation set
SPLITS = ("official", "study", "kfold")
DUPLICATES = ("warn", "group", "ignore")


@dataclass(frozen=True)
class Split:
    """Rows of a Dataset, as int64 index arrays that share no row.

    leaked: images of validation and test whose exact copy stands in train.
    """

    name: str
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    leaked: int


def split(
    dataset: Dataset, name: str = "official", seed: int = 7, fold: int = 0, folds: int = 5, duplicates: str = "warn"
) -> Split:
    """Split a data set; train and validation hold labeled rows only.

    official: the data's own parts, Training / PublicTest / PrivateTest (labeled or not). Where there is a labeled
        PrivateTest and no PublicTest, as in train/ beside test/, validation is 15 % of every class of Training.
    study: stratified 70/15/15 of the Training rows, with scikit-learn's train_test_split twice in effect
        (test_size .3, then halves, both with `seed`): the same rows in the same order, without needing it.
    kfold: stratified; validation is fold number `fold` of `folds` of the Training rows, train the others, test the
        labeled PublicTest rows (where there are none, the labeled PrivateTest rows).
    study and kfold take all labeled rows where the data has no usages, as image folders of one's own.

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
        train, validation, test = _official(dataset, known, groups, seed, duplicates == "group")
        if duplicates == "group":
            held_out = groups[np.concatenate([validation, test])]
            train = train[~np.isin(groups[train], held_out)]
    else:
        has_usage = bool((dataset.usage != "").any())
        rows = np.flatnonzero(known & (dataset.usage == "Training") if has_usage else known)
        if not len(rows):
            raise MienError(f"{dataset.source or 'the data'} has no labeled Training rows to split; give train.csv")
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
            if not len(test):
                test = np.flatnonzero(known & (dataset.usage == "PrivateTest"))
            if duplicates == "group":
                train = train[~np.isin(groups[train], groups[test])]
    leaked = _leaked(groups, train, validation, test)
    if leaked and duplicates == "warn":
        warnings.warn(
            f"{leaked:,} of the {len(validation) + len(test):,} validation and test images of the {name} split are "
            "exact copies of training images; duplicates='group' keeps copies on one side",
            MienWarning,
            stacklevel=2,
        )
    return Split(name, train, validation, test, leaked)


def split_name(dataset: Dataset) -> str:
    """The split that fits a data set: "official" where it has parts of its own to validate or test on, else "study"."""
    known = dataset.labels >= 0
    has = {usage: bool((known & (dataset.usage == usage)).any()) for usage in USAGES}
    return "official" if has["Training"] and (has["PublicTest"] or has["PrivateTest"]) else "study"


def parts_of(dataset: Dataset) -> tuple[Split, str]:
    """The rows that training and evaluation use by default, and a sentence that says where they are from.

    Data that cannot be split (a test set alone, or too few images) stand in the parts as they are given, or in train.
    """
    name = split_name(dataset)
    try:
        parts = split(dataset, name, duplicates="ignore")
    except MienError as error:
        train = np.flatnonzero((dataset.usage == "Training") | (dataset.usage == ""))
        validation, test = (np.flatnonzero(dataset.usage == usage) for usage in USAGES[1:])
        leaked = _leaked(duplicate_groups(dataset.images), train, validation, test)
        return Split("as given", train, validation, test, leaked), f"not split for training: {error}"
    sizes = f"{len(parts.train):,} train, {len(parts.validation):,} validation, {len(parts.test):,} test"
    if name == "study":
        source = "all images" if not (dataset.usage != "").any() else "the Training images"
        return parts, f"{source} are split 70/15/15 by class (split study, seed 7): {sizes}"
    if not (dataset.usage[parts.validation] == "PublicTest").any():
        return (
            parts,
            f"validation is cut from train, {VALIDATION_SHARE:.0%} of every class; the test set is as given: {sizes}",
        )
    return parts, f"the data's own parts are used (split official): {sizes}"


def take_fraction(rows: NDArray[np.int64], labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64]:
    """The share `fraction` (0..1] of `rows` (n,), of each class and at least one, in the order of `rows`.

    labels: (N,) of the whole data set. A smaller fraction of one seed is part of a larger one.
    """
    if fraction == 1:
        return rows
    rank = np.random.default_rng(seed).permutation(len(rows))
    keep = np.zeros(len(rows), bool)
    for label in np.unique(labels[rows]):
        of_class = np.flatnonzero(labels[rows] == label)
        n = max(1, round(fraction * len(of_class)))
        keep[of_class[np.argsort(rank[of_class])[:n]]] = True
    return rows[keep]


def _official(
    dataset: Dataset, known: NDArray[np.bool_], groups: NDArray[np.int64], seed: int, grouped: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    train = np.flatnonzero(known & (dataset.usage == "Training"))
    validation = np.flatnonzero(known & (dataset.usage == "PublicTest"))
    test = np.flatnonzero(dataset.usage == "PrivateTest")
    name = dataset.source or "the data"
    if not len(train):
        raise MienError(f"{name} has no labeled Training rows, which the official split needs; {_remedy(dataset)}")
    if not len(validation):
        if not known[test].any():
            raise MienError(
                f"{name} has no labeled PublicTest rows, which the official split needs, nor a labeled test set; "
                f"{_remedy(dataset)}"
            )
        train, validation = cut_validation(dataset.labels, train, groups if grouped else None, seed)
    return train, validation, test


def _remedy(dataset: Dataset) -> str:
    """What to do about data without the parts that the official split needs."""
    if not (dataset.usage != "").any():  # as folders of pictures have none
        return "put the pictures into folders train/ and test/, or choose the split 'study' or 'kfold'"
    return (
        "give icml_face_data.csv or fer2013.csv, or for pictures a folder test/ beside train/, or choose the split "
        "'study' or 'kfold'"
    )


def cut_validation(
    labels: NDArray[np.int64], train: NDArray[np.int64], groups: NDArray[np.int64] | None = None, seed: int = 7
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut VALIDATION_SHARE of every class out of the rows `train`: (rows left, rows cut), ascending.

    Of each class at least one row is cut and one left, where it has two. groups: (N,) of duplicates, kept on one side.
    """
    rng = np.random.default_rng(seed)
    own = train if groups is None else groups[train]
    _, first = np.unique(own, return_index=True)
    leaders = train[np.sort(first)]  # the first row of each group of duplicates, or every row
    cut = []
    for label in np.unique(labels[leaders]):
        of_class = leaders[labels[leaders] == label]
        n = min(max(round(VALIDATION_SHARE * len(of_class)), 1), len(of_class) - 1)
        cut.append(rng.permutation(of_class)[:n])
    chosen = np.concatenate(cut)
    out = np.isin(own, chosen if groups is None else groups[chosen])
    return train[~out], train[out]


def _leaked(groups: NDArray[np.int64], train: NDArray[np.int64], *held_out: NDArray[np.int64]) -> int:
    return int(np.isin(groups[np.concatenate(held_out)], groups[train]).sum())


def _members(part: NDArray[np.int64], member: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """All rows of the groups in `part`, (n,) int64, in the order of `part`."""
    by_group = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[by_group], np.arange(member.max() + 2))
    lengths = np.diff(starts)[part]
    # Position k of the output is the j-th member of its group.
    inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    result: NDArray[np.int64] = rows[by_group[np.repeat(starts[part], lengths) + inside]].astype(np.int64)
    return result


def _study(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
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


def _kfold(
    labels: NDArray[np.int64], seed: int, fold: int, folds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    if folds < 2 or not 0 <= fold < folds:
        raise MienError(f"there is no fold {fold} of {folds}; folds must be 2 or more, and fold 0 to folds - 1")
    if len(labels) < folds:
        raise MienError(f"{len(labels)} images cannot make {folds} folds; ask for fewer")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    dealt = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class after class, shuffled within
    number = np.empty(len(labels), np.int64)
    number[dealt] = np.arange(len(labels)) % folds
    return np.flatnonzero(number != fold), np.flatnonzero(number == fold), np.empty(0, np.int64)


def _stratified(labels: NDArray[np.int64], test_size: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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


def _shares(counts: NDArray[np.int64], n: int, rng: np.random.RandomState) -> NDArray[np.int64]:
    """n draws shared among classes by their counts; what rounding leaves goes to the largest remainders."""
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
    result: NDArray[np.int64] = share.astype(int)
    return result
