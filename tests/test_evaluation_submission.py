"""submission.csv in every layout: written, read, copied from examples; test rows matched by their pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation import submission
from mien.labels import EMOTIONS

CHOSEN = np.array([3, 0, 6, 6, 1])


def test_plain_is_one_integer_a_line_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    submission.write(CHOSEN, path)
    assert path.read_bytes() == b"3\n0\n6\n6\n1\n"


def test_ids_count_from_0_or_1(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    submission.write(CHOSEN, path, "id0")
    assert path.read_text().splitlines()[:2] == ["id,emotion", "0,3"]
    submission.write(CHOSEN, path, "id1")
    assert path.read_text().splitlines()[-1] == "5,1"


@pytest.mark.parametrize("format", ["plain", "id0", "id1"])
@given(chosen=st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_round_trip(format: str, chosen: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"round-{format}.csv"
    submission.write(np.array(chosen), path, format)
    np.testing.assert_array_equal(submission.read(path), chosen)


@pytest.mark.parametrize(
    ("example", "written"),
    [
        ("0\n0\n0\n0\n0\n", "3\n0\n6\n6\n1\n"),
        ("emotion\n0\n0\n0\n0\n0\n", "emotion\n3\n0\n6\n6\n1\n"),
        (
            "Id,Emotion\n7,0\n8,0\n9,0\n10,0\n11,0\n",
            "Id,Emotion\n7,3\n8,0\n9,6\n10,6\n11,1\n",
        ),
        (
            "label;image\nHappy;a.jpg\nSad;b.jpg\nHappy;c.jpg\nSad;d.jpg\nHappy;e.jpg\n",
            "label;image\nHappy;a.jpg\nAngry;b.jpg\nNeutral;c.jpg\nNeutral;d.jpg\nDisgust;e.jpg\n",
        ),
        ("0\t2\r\n1\t2\r\n2\t0\r\n3\t0\r\n4\t0\r\n", "0\t3\r\n1\t0\r\n2\t6\r\n3\t6\r\n4\t1\r\n"),
        ("HAPPY\nSAD\nSAD\nSAD\nSAD\n", "HAPPY\nANGRY\nNEUTRAL\nNEUTRAL\nDISGUST\n"),
    ],
)
def test_like_copies_the_layout_of_an_example(tmp_path: Path, example: str, written: str) -> None:
    (tmp_path / "example.csv").write_bytes(example.encode())
    path = tmp_path / "submission.csv"
    submission.write(CHOSEN, path, f"like:{tmp_path / 'example.csv'}")
    assert path.read_bytes().decode() == written
    np.testing.assert_array_equal(submission.read(path), CHOSEN)


def test_like_needs_an_example_of_as_many_rows(tmp_path: Path) -> None:
    (tmp_path / "example.csv").write_text("id,emotion\n0,0\n1,0\n")
    with pytest.raises(MienError, match="has 2 rows, the test set 5"):
        submission.write(CHOSEN, tmp_path / "s.csv", f"like:{tmp_path / 'example.csv'}")
    assert not (tmp_path / "s.csv").exists()


def test_classes_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "example.csv").write_text("row,face\n1,calm\n2,tense\n")
    submission.write(np.array([1, 0]), tmp_path / "s.csv", f"like:{tmp_path / 'example.csv'}", ("calm", "tense"))
    assert (tmp_path / "s.csv").read_text() == "row,face\n1,tense\n2,calm\n"


@pytest.mark.parametrize(
    ("chosen", "format", "words"),
    [
        (np.zeros((2, 7)), "plain", "argmax"),
        (np.array([0.5]), "plain", "argmax"),
        (np.array([], dtype=int), "plain", "argmax"),
        (np.array([0, 7]), "plain", "classes are 0..6"),
        (np.array([0, -1]), "plain", "classes are 0..6"),
        (CHOSEN, "fancy", "plain, id0, id1, like:FILE"),
        (CHOSEN, "like:", "no submission format"),
        (CHOSEN, "like:/nowhere/example.csv", "cannot read"),
    ],
)
def test_write_refuses(tmp_path: Path, chosen: np.ndarray, format: str, words: str) -> None:
    with pytest.raises(MienError, match=words):
        submission.write(chosen, tmp_path / "s.csv", format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no predictions"),
        ("id,emotion\n", "no predictions"),
        ("3\n7\n", "row 2: '7' is not a class"),
        ("id,emotion\n0,3\n\n1,joyful\n", "row 4: 'joyful' is not a class"),
        ("3\n²\n", "row 2: '²' is not a class"),
        ("id,emotion\n0,3\n0,4\n", "the id '0' in several rows"),
        ("0,3\n1\n", "row 2: 1 columns"),
        ("0,3,1\n", "row 1: 3 columns"),
    ],
)
def test_read_refuses_with_the_row(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(MienError, match=words):
        submission.read(tmp_path / "s.csv")


def faces(n: int, usage: list[str], labels: list[int], seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    return Dataset(images, np.array(labels), np.array(usage), EMOTIONS, source="labeled")


def pair() -> tuple[Dataset, Dataset]:
    """A labeled set of 2 Training, 3 PublicTest and 2 PrivateTest rows, and its test rows in another order."""
    whole = faces(7, ["Training"] * 2 + ["PublicTest"] * 3 + ["PrivateTest"] * 2, [0, 1, 2, 3, 4, -1, -1])
    test = replace(whole.subset(np.array([5, 4, 2, 6, 3])), labels=np.full(5, -1), source="test.csv")
    return test, whole


def test_test_rows_are_matched_by_their_pixels() -> None:
    test, whole = pair()
    found = submission.match_test_rows(test, whole)
    assert found.labels.tolist() == [-1, 4, 2, -1, 3]
    assert found.known == {"PublicTest": 3, "PrivateTest": 0}


def test_copies_with_different_labels_are_matched_in_their_order() -> None:
    test, whole = pair()
    whole.images[3] = whole.images[2]
    test = replace(test, images=whole.images[[5, 4, 2, 6, 3]])
    assert submission.match_test_rows(test, whole).labels.tolist() == [-1, 4, 2, -1, 3]


def test_without_labeled_test_rows_nothing_is_known() -> None:
    test, whole = pair()
    found = submission.match_test_rows(test, whole.subset(whole.usage == "Training"))
    assert (found.labels == -1).all()
    assert found.known == {"PublicTest": 0, "PrivateTest": 0}


def test_public_rows_alone_are_enough() -> None:
    test, whole = pair()
    found = submission.match_test_rows(test, whole.subset(whole.usage != "PrivateTest"))
    assert found.labels.tolist() == [-1, 4, 2, -1, 3]


def test_a_missing_row_is_an_error() -> None:
    test, whole = pair()
    with pytest.raises(MienError, match=r"1 of 3 PublicTest images .* not in test.csv .*row 2"):
        submission.match_test_rows(test.subset(np.array([0, 1, 3, 4])), whole)


def test_a_copy_too_few_is_an_error() -> None:
    test, whole = pair()
    whole.images[3] = whole.images[2]
    with pytest.raises(MienError, match="1 of 3 PublicTest"):
        submission.match_test_rows(test, whole)


def test_a_row_too_many_is_an_error() -> None:
    test, whole = pair()
    extra = replace(test, images=np.concatenate([test.images, test.images[:1]]), labels=np.full(6, -1))
    with pytest.raises(MienError, match=r"has 6 rows, .* have 5"):
        submission.match_test_rows(extra, whole)
