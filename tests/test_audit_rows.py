"""Audit of every row: all kinds of duplicates, images without content, non-faces, label errors, and rows to keep."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mien.data import Dataset
from mien.data.near_duplicates import connected, near_duplicates
from mien.data.synthetic.generate import draw
from mien.errors import MienError, MienWarning
from mien.evaluation.audit_rows import REASONS, align_probabilities, audit_rows, parts, statistics
from mien.evaluation.face_scores import NO_FACE, face_scores
from mien.evaluation.label_errors import confident_joint, find_label_errors

LABELS = np.array([0, 3, 4, 6, 3, 5, 1, 2] * 5)


def altered(image: np.ndarray, kind: str) -> np.ndarray:
    """The same picture as another copy of it would look."""
    picture = Image.fromarray(image)
    if kind == "cropped":
        picture = picture.resize((50, 50), Image.Resampling.BICUBIC).crop((1, 1, 49, 49))
    if kind == "darker":
        return (0.6 * image + 10).astype(np.uint8)
    if kind == "mirrored":
        return image[:, ::-1].copy()
    if kind == "soft":
        picture = picture.resize((30, 30), Image.Resampling.BILINEAR).resize((48, 48), Image.Resampling.BICUBIC)
    return np.asarray(picture)


@pytest.fixture(scope="module")
def clean() -> Dataset:
    dataset = draw(60, seed=4)
    pairs = near_duplicates(dataset.images).pairs
    assert len(pairs) <= 1  # drawn faces of different people are different pictures
    return dataset.subset(np.setdiff1d(np.arange(60), pairs.ravel()))


@pytest.fixture(scope="module")
def faulty(clean: Dataset) -> Dataset:
    """20 clean training rows, then: 20 a copy of 0; 21 a crop of 1 with another label; 22 black; 23 a placeholder; 24
    noise; and in PublicTest 25 a mirrored 2, 26 a clean face."""
    images = clean.images[:20]
    placeholder = np.full((48, 48), 200, np.uint8)
    placeholder[20:28, 14:34] = 90
    noise = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    more = [images[0], altered(images[1], "cropped"), np.zeros((48, 48), np.uint8), placeholder, noise]
    held_out = [altered(images[2], "mirrored"), clean.images[20]]
    labels = LABELS[:27].copy()
    labels[[20, 21, 25]] = labels[0], (labels[1] + 1) % 7, labels[2]
    usage = np.array(["Training"] * 25 + ["PublicTest"] * 2)
    return replace(clean, images=np.stack([*images, *more, *held_out]), labels=labels, usage=usage)


@pytest.mark.parametrize("kind", ["cropped", "darker", "mirrored", "soft"])
def test_another_copy_of_a_picture_is_a_near_duplicate(clean: Dataset, kind: str) -> None:
    images = np.concatenate([clean.images[:30], [altered(clean.images[7], kind)]])
    near = near_duplicates(images)
    assert near.pairs.tolist() == [[7, 30]]
    assert near.mirrored.tolist() == [kind == "mirrored"]
    assert 0.65 <= near.similarity[0] <= 1


def test_exact_duplicates_and_flat_pictures_are_no_near_duplicates(clean: Dataset) -> None:
    images = np.concatenate(
        [clean.images[:10], clean.images[:2], np.full((3, 48, 48), [[[9]], [[10]], [[11]]], np.uint8)]
    )
    assert len(near_duplicates(images).pairs) == 0
    assert near_duplicates(images[:0]).pairs.shape == (0, 2)


def test_all_rows_are_reported_as_progress(clean: Dataset) -> None:
    counts: list[int] = []
    near_duplicates(clean.images[:30], counts.append)
    assert sum(counts) == 30


def test_connected_rows_share_their_lowest_row() -> None:
    pairs = np.array([[5, 6], [1, 4], [4, 6], [8, 9]])
    assert connected(pairs, 10).tolist() == [0, 1, 2, 3, 1, 1, 1, 7, 8, 8]
    assert connected(pairs[:0], 3).tolist() == [0, 1, 2]


def test_faces_score_high_and_pictures_of_nothing_low(faulty: Dataset) -> None:
    scores = face_scores(faulty.images, threads=2)
    assert scores.shape == (27,)
    assert scores[:20].min() > NO_FACE
    assert scores[22:25].max() < NO_FACE
    np.testing.assert_allclose(scores, face_scores(faulty.images))


def test_each_fault_is_found_in_its_row(faulty: Dataset) -> None:
    audit = audit_rows(faulty)
    assert list(audit.flags) == list(REASONS)
    rows = {reason: np.flatnonzero(flag).tolist() for reason, flag in audit.flags.items()}
    assert rows == {
        "exact duplicate": [0, 20],
        "near duplicate": [1, 2, 21, 25],
        "in another part": [2, 25],
        "contradicting labels": [1, 21],
        "single gray": [22],
        "placeholder": [23],
        "no face": [23, 24],
        "label error": [],
    }
    assert audit.flagged.tolist() == [0, 1, 2, 20, 21, 22, 23, 24, 25]
    assert audit.reasons(2) == ["near duplicate", "in another part"]
    assert audit.group[[0, 20, 1, 21, 2, 25, 3]].tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert audit.label_errors is None


def test_what_is_dropped_from_train_and_that_nothing_is_from_validation(faulty: Dataset) -> None:
    audit = audit_rows(faulty)
    # One of two copies stays; of two with contradicting labels none; nor what also stands in validation.
    assert np.flatnonzero(~audit.keep).tolist() == [1, 2, 20, 21, 22, 23, 24]
    assert audit.part.tolist() == ["train"] * 25 + ["validation"] * 2


def test_label_errors_are_dropped_and_a_label_is_suggested(clean: Dataset) -> None:
    dataset = replace(clean, usage=np.where(np.arange(len(clean)) < 50, "Training", "PublicTest"))
    probabilities = np.full((len(dataset), 7), 0.02)
    probabilities[np.arange(len(dataset)), dataset.labels] = 0.88
    wrong = np.flatnonzero(dataset.labels == 3)[:2]
    probabilities[wrong] = 0.02
    probabilities[wrong, 4] = 0.88
    audit = audit_rows(dataset, probabilities)
    assert np.flatnonzero(audit.flags["label error"]).tolist() == wrong.tolist()
    assert audit.suggested[wrong].tolist() == [4, 4]
    assert not audit.keep[wrong].any()


def test_unlabeled_rows_and_rows_without_probabilities_have_no_label_errors(clean: Dataset) -> None:
    labels = clean.labels.copy()
    labels[:5] = -1
    dataset = replace(clean, labels=labels)
    probabilities = np.random.default_rng(1).dirichlet(np.ones(7), len(dataset))
    probabilities[5:10] = np.nan
    with pytest.warns(MienWarning, match="5 rows have no probabilities"):
        audit = audit_rows(dataset, probabilities)
    assert not audit.flags["label error"][:10].any()
    for wrong in (np.nan, np.inf):
        with pytest.raises(MienError, match="probabilities"):
            audit_rows(dataset, np.full_like(probabilities, wrong))
    assert not audit.flags["contradicting labels"][:5].any()


def test_probabilities_of_the_training_rows_alone_are_laid_in_their_rows(faulty: Dataset) -> None:
    half = np.random.default_rng(2).dirichlet(np.ones(7), 25).astype(np.float16)
    aligned = align_probabilities(faulty, half)
    np.testing.assert_allclose(aligned[:25], half.astype(float), atol=2e-3)
    np.testing.assert_allclose(aligned[:25].sum(axis=1), 1)
    assert np.isnan(aligned[25:]).all()


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        (np.full((26, 7), 1 / 7), r"\(27, 7\) or \(25, 7\)"),
        (np.full((27, 6), 1 / 6), "a column for each class"),
        (np.full((27, 7), 1.0), "sum to 1"),
        (np.tile([2.0, -1, 0, 0, 0, 0, 0], (27, 1)), "sum to 1"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(faulty: Dataset, probabilities: np.ndarray, words: str) -> None:
    with pytest.raises(MienError, match=words) as caught:
        audit_rows(faulty, probabilities)
    assert caught.value.parameter == "probabilities"


def test_data_without_usages_get_the_parts_of_the_study_split(clean: Dataset) -> None:
    dataset = draw(700, seed=1)
    part = parts(replace(dataset, usage=np.full(700, "")))
    assert {name: int((part == name).sum()) for name in ("train", "validation", "test")} == {
        "train": 490,
        "validation": 105,
        "test": 105,
    }
    few = clean.subset(np.arange(4))
    assert parts(replace(few, usage=np.full(4, ""))).tolist() == ["train"] * 4  # too few to split


def test_statistics_measure_light_contrast_and_sharpness() -> None:
    flat, stripes = np.full((48, 48), 77, np.uint8), np.tile(np.array([0, 200], np.uint8), (48, 24))
    figures = statistics(np.stack([flat, stripes]))
    np.testing.assert_allclose(figures["brightness"], [77, 100])
    np.testing.assert_allclose(figures["contrast"], [0, 100])
    np.testing.assert_allclose(figures["sharpness"], [0, 400])


def test_an_empty_data_set_is_refused(clean: Dataset) -> None:
    with pytest.raises(MienError, match="no images"):
        audit_rows(clean.subset(np.arange(0)))


def noisy(n: int = 3000, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True classes, labels of which a tenth is wrong, and probabilities that know the truth fairly well."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    labels = np.where(rng.random(n) < 0.1, rng.integers(0, classes, n), true)
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), true] += 3
    chances = np.exp(logits)
    return true, labels, chances / chances.sum(axis=1, keepdims=True)


def test_confident_learning_finds_most_wrong_labels_and_few_right_ones() -> None:
    true, labels, probabilities = noisy()
    errors = find_label_errors(labels, probabilities)
    wrong = np.flatnonzero(true != labels)
    found = np.isin(errors.rows, wrong)
    assert found.mean() > 0.75
    assert found.sum() > 0.75 * len(wrong)
    np.testing.assert_allclose(errors.joint.sum(axis=1), np.bincount(labels))
    believed = probabilities[errors.rows, labels[errors.rows]]
    assert (np.diff(believed) >= 0).all()
    assert (errors.suggested != labels[errors.rows]).all()


def test_confident_learning_agrees_with_cleanlab() -> None:
    cleanlab_filter = pytest.importorskip("cleanlab.filter")
    count = pytest.importorskip("cleanlab.count")
    for seed in range(3):
        _, labels, probabilities = noisy(seed=seed)
        theirs = set(cleanlab_filter.find_label_issues(labels, probabilities, n_jobs=1).nonzero()[0].tolist())
        ours = set(find_label_errors(labels, probabilities).rows.tolist())
        assert len(ours & theirs) / len(ours | theirs) > 0.97  # they round counts so that rows keep their totals
        joint = count.compute_confident_joint(labels, probabilities, calibrate=True)
        np.testing.assert_allclose(confident_joint(labels, probabilities), joint, atol=1)


def test_labels_and_probabilities_out_of_range_are_refused() -> None:
    fine = np.full((3, 2), 0.5)
    for labels, probabilities in (
        (np.array([0, 1]), fine),
        (np.array([0, 1, 2]), fine),
        (np.array([0, -1, 1]), fine),
        (np.array([0, 1, 1]), fine * np.nan),
        (np.array([0, 1, 1]), fine * 4),
    ):
        with pytest.raises(MienError):
            find_label_errors(labels, probabilities)
