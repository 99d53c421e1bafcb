"""Splits: membership identical to scikit-learn's, and the handling of copies."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.data import Dataset, Split, load, split
from mien.data.duplicates import duplicate_groups
from mien.errors import MienError, MienWarning

NAMES = ("official", "study", "kfold")


def make(labels: np.ndarray, usage: list[str] | None = None, kinds: int = 0, seed: int = 0) -> Dataset:
    """Random images; with `kinds`, only so many different ones."""
    n = len(labels)
    pixels = np.random.default_rng(seed).integers(0, 256, (kinds or n, 48, 48), dtype=np.uint8)
    which = np.random.default_rng(seed + 1).integers(0, kinds, n) if kinds else np.arange(n)
    return Dataset(pixels[which], labels.astype(np.int64), np.array(usage or [""] * n), source="made here")


def fer(n: int = 700, kinds: int = 0, seed: int = 0) -> Dataset:
    """In FER2013's shape: 80 % Training, 10 % PublicTest, 10 % PrivateTest whose labels are withheld."""
    labels = np.random.default_rng(seed).integers(0, 7, n)
    labels[n * 9 // 10 :] = -1
    return make(
        labels, ["Training"] * (n * 8 // 10) + ["PublicTest"] * (n // 10) + ["PrivateTest"] * (n // 10), kinds, seed
    )


def quiet(dataset: Dataset, name: str, **options: object) -> Split:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return split(dataset, name, **options)  # type: ignore[arg-type]


def test_official() -> None:
    parts = quiet(fer(), "official")
    assert parts.name == "official"
    assert parts.train.tolist() == list(range(560))
    assert parts.validation.tolist() == list(range(560, 630))
    assert parts.test.tolist() == list(range(630, 700))
    assert parts.leaked == 0


@pytest.mark.parametrize("seed", [7, 0, 123])
@pytest.mark.parametrize("n", [700, 701, 5003])
def test_study_is_scikit_learns_split_twice(n: int, seed: int) -> None:
    train_test_split = pytest.importorskip("sklearn.model_selection").train_test_split

    labels = np.random.default_rng(n).choice(7, n, p=[0.14, 0.02, 0.14, 0.25, 0.17, 0.11, 0.17])
    rows = np.arange(n)
    train, rest = train_test_split(rows, test_size=0.3, stratify=labels, random_state=seed)
    validation, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=seed)
    parts = quiet(make(labels), "study", seed=seed)
    assert parts.train.tolist() == train.tolist()
    assert parts.validation.tolist() == validation.tolist()
    assert parts.test.tolist() == test.tolist()


def test_study_takes_training_rows_alone_where_usages_are_known() -> None:
    parts = quiet(fer(), "study")
    assert sorted(np.concatenate([parts.train, parts.validation, parts.test])) == list(range(560))
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [392, 84, 84]


def test_kfold_deals_every_row_once_and_evenly() -> None:
    dataset = fer()
    folds = [quiet(dataset, "kfold", fold=k, folds=4) for k in range(4)]
    assert sorted(np.concatenate([parts.validation for parts in folds])) == list(range(560))
    for parts in folds:
        assert sorted(np.concatenate([parts.train, parts.validation])) == list(range(560))
        assert parts.test.tolist() == list(range(560, 630))
        share = np.bincount(dataset.labels[parts.validation]) / np.bincount(dataset.labels[:560])
        assert abs(share - 1 / 4).max() < 0.02
    assert len(quiet(make(np.arange(40) % 4), "kfold").test) == 0
    again = quiet(dataset, "kfold", fold=1, folds=4)
    assert again.validation.tolist() == folds[1].validation.tolist()
    assert quiet(dataset, "kfold", fold=1, folds=4, seed=8).validation.tolist() != folds[1].validation.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_copies_that_cross_are_counted_and_warned_of(name: str) -> None:
    dataset = fer(kinds=400)
    with pytest.warns(MienWarning, match=r"exact copies of training images; duplicates='group'"):
        parts = split(dataset, name)
    trained = {dataset.images[row].tobytes() for row in parts.train}
    held_out = np.concatenate([parts.validation, parts.test])
    assert parts.leaked == sum(dataset.images[row].tobytes() in trained for row in held_out) > 0
    assert quiet(dataset, name, duplicates="ignore").leaked == parts.leaked


@pytest.mark.parametrize("name", NAMES)
def test_grouping_leaves_no_copy_across(name: str) -> None:
    dataset = fer(kinds=400)
    parts = quiet(dataset, name, duplicates="group")
    plain = quiet(dataset, name, duplicates="ignore")
    groups = duplicate_groups(dataset.images)
    assert parts.leaked == 0
    assert not set(groups[parts.train]) & set(groups[np.concatenate([parts.validation, parts.test])])
    if name == "official":  # what is measured on stays as it is
        assert parts.validation.tolist() == plain.validation.tolist()
        assert parts.test.tolist() == plain.test.tolist()
        assert set(parts.train) < set(plain.train)
    else:
        assert not set(groups[parts.validation]) & set(groups[parts.test]) or name == "kfold"
        assert abs(len(parts.validation) - len(plain.validation)) < 25


@pytest.mark.parametrize("name", NAMES)
def test_grouping_changes_nothing_where_there_are_no_copies(name: str) -> None:
    a, b = (quiet(fer(), name, duplicates=duplicates) for duplicates in ("group", "ignore"))
    assert [a.train.tolist(), a.validation.tolist(), a.test.tolist()] == [
        b.train.tolist(), b.validation.tolist(), b.test.tolist()
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES), duplicates=st.sampled_from(["warn", "group", "ignore"]),
    kinds=st.integers(150, 400), seed=st.integers(0, 50), fold=st.integers(0, 4),
)  # fmt: skip
def test_parts_never_share_a_row_nor_lose_a_label(name: str, duplicates: str, kinds: int, seed: int, fold: int) -> None:
    dataset = fer(300, kinds, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MienWarning)
        parts = split(dataset, name, seed, fold, duplicates=duplicates)
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    assert max(Counter(rows.tolist()).values()) == 1
    assert (dataset.labels[np.concatenate([parts.train, parts.validation])] >= 0).all()
    assert {parts.train.dtype, parts.validation.dtype, parts.test.dtype} == {np.dtype(np.int64)}


def test_duplicate_groups() -> None:
    images = np.zeros((5, 48, 48), np.uint8)
    images[1, 0, 0] = images[4, 0, 0] = 1
    images[3, 47, 47] = 1
    assert duplicate_groups(images).tolist() == [0, 1, 0, 3, 1]


@pytest.mark.parametrize(
    ("dataset", "options", "words"),
    [
        (fer(), {"name": "offical"}, "no split 'offical'; choose one of official, study, kfold"),
        (fer(), {"duplicates": "drop"}, "duplicates='drop'"),
        (fer(), {"name": "kfold", "fold": 5}, "no fold 5 of 5"),
        (fer(), {"name": "kfold", "folds": 1}, "no fold 0 of 1"),
        (make(np.arange(20) % 2), {}, "made here has no labeled Training rows"),
        (make(np.arange(20) % 2, ["Training"] * 20), {}, "no labeled PublicTest rows"),
        (make(np.array([0] * 20 + [1])), {"name": "study"}, "21 images in 2 classes, the rarest with 1, are too few"),
        (
            make(np.array([0] * 30 + [1] * 3)),
            {"name": "study"},
            "33 images in 2 classes, the rarest with 3, are too few",
        ),
        (make(np.full(20, -1)), {"name": "study"}, "no labeled Training rows"),
        (make(np.arange(3)), {"name": "kfold"}, "3 images cannot make 5 folds"),
    ],
)
def test_what_cannot_be_split(dataset: Dataset, options: dict[str, object], words: str) -> None:
    with pytest.raises(MienError) as caught:
        split(dataset, **options)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_the_real_fer2013(fer2013: Path) -> None:
    dataset = load(fer2013)
    with pytest.warns(MienWarning, match="568 of the 7,178"):
        official = split(dataset, "official")
    assert official.leaked == 280 + 288
    assert quiet(dataset, "official", duplicates="group").leaked == 0
    study = quiet(dataset, "study", duplicates="ignore")
    assert [len(study.train), len(study.validation), len(study.test)] == [20096, 4306, 4307]


@pytest.mark.parametrize(("usage", "words"), [("", "folders train/ and test/"), ("Training", "a folder test/ beside")])
def test_data_without_parts_are_told_what_fits_them(usage: str, words: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (14, 48, 48), dtype=np.uint8)
    dataset = Dataset(images, np.arange(14) % 7, np.full(14, usage, "U16"), source="photos")
    with pytest.raises(MienError) as caught:
        split(dataset)
    assert words in str(caught.value)
    assert "study" in str(caught.value)
