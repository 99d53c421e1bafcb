"""Data faults: each kind is planted and found; on the real FER2013, the known counts."""

import os
from pathlib import Path

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation.audit import audit, duplicate_sets, not_face


def dataset() -> Dataset:
    """Twelve noisy faces: rows 1, 4, 7 are copies, 2 and 5 are copies, 3 is black, 6 is a notice, 9 is gray."""
    images = np.random.default_rng(0).integers(0, 256, (12, 48, 48), dtype=np.uint8)
    images[4] = images[7] = images[1]
    images[5] = images[2]
    images[3] = 0
    images[9] = 127
    images[6] = 250
    images[6, 20:24, 5:43] = 10
    labels = np.array([0, 1, 2, 3, 1, -1, 4, 5, 6, 0, 1, 2])
    usage = np.array(["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 3)
    return Dataset(images, labels, usage, source="planted")


def test_finds_each_planted_fault() -> None:
    found = audit(dataset())
    assert [group.tolist() for group in found.duplicates] == [[1, 4, 7], [2, 5]]
    assert found.duplicated == 5
    assert [group.tolist() for group in found.leaked] == [[1, 4, 7]]
    assert [group.tolist() for group in found.conflicts] == [[1, 4, 7]]  # 2 and 5: one label is unknown
    assert found.overlaps == {("PublicTest", "Training"): 1}
    assert found.constant.tolist() == [3, 9]
    assert found.placeholders.tolist() == [6]
    assert found.not_face is None


def test_a_sound_data_set_has_no_fault() -> None:
    found = audit(dataset().subset(np.array([0, 8, 10, 11])))
    assert found.duplicates == found.leaked == found.conflicts == ()
    assert found.overlaps == {}
    assert not len(found.constant)
    assert not len(found.placeholders)
    assert found.not_face is None


def test_one_changed_pixel_is_no_copy() -> None:
    images = np.repeat(dataset().images[:1], 3, axis=0)
    images[1, 47, 47] ^= 1
    assert [group.tolist() for group in duplicate_sets(images)] == [[0, 2]]


def test_text_names_the_counts() -> None:
    text = str(audit(dataset()))
    assert "2 groups of exact copies (5 of 12 images)" in text
    assert "1 PublicTest images stand in Training, too" in text


def test_an_empty_data_set_is_refused() -> None:
    with pytest.raises(MienError, match="no images"):
        audit(dataset().subset(np.zeros(0, dtype=int)))


HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def votes(path: Path, usage: list[str], against: list[int]) -> Path:
    lines = [f"{u},a.png,{10 - n},0,0,0,0,0,0,0,0,{n}\n" for u, n in zip(usage, against, strict=True)]
    path.write_text(HEADER + "".join(lines))
    return path


def test_not_a_face_follows_the_order_within_each_usage(tmp_path: Path) -> None:
    # The votes leave PrivateTest out and begin with PublicTest; the data set has it the other way round.
    path = votes(tmp_path / "v.csv", ["PublicTest"] * 3 + ["Training"] * 6, [0, 10, 9, 10, 0, 0, 0, 0, 10])
    assert audit(dataset(), path).not_face is not None
    assert not_face(dataset(), path).tolist() == [0, 5, 7]


def test_votes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = votes(tmp_path / "v.csv", ["Training"] * 5, [0] * 5)
    with pytest.raises(MienError, match="5 Training rows, planted has 6"):
        not_face(dataset(), path)
    path.write_text(HEADER + "Training,a.png,1,x,0,0,0,0,0,0,0,0\n")
    with pytest.raises(MienError, match="row 2"):
        not_face(dataset(), path)
    path.write_text("emotion,pixels\n")
    with pytest.raises(MienError, match="no column Usage"):
        not_face(dataset(), path)
    with pytest.raises(MienError, match="cannot read"):
        not_face(dataset(), tmp_path / "none.csv")


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA does not name a directory with FER2013")
def test_the_known_faults_of_fer2013() -> None:
    from mien.data import load

    found = audit(load(os.environ["MIEN_DATA"]))
    assert found.n == 35_887
    assert len(found.duplicates) == 1_518
    assert found.duplicated == 3_372
    assert len(found.leaked) == 557
    assert found.overlaps["PrivateTest", "Training"] == 288
    assert found.overlaps["PublicTest", "Training"] == 280
    # 59 where the labels of PrivateTest are known, fewer where they are not.
    assert 48 <= len(found.conflicts) <= 59
    assert len(found.constant) >= 11
    assert 30 <= len(found.placeholders) <= 60


@pytest.mark.skipif(
    not Path(os.environ.get("MIEN_DATA", ""), "fer2013new.csv").is_file(),
    reason="MIEN_DATA does not name a directory with FER+'s fer2013new.csv",
)
def test_the_rows_of_fer2013_that_are_no_face() -> None:
    from mien.data import load

    data = load(os.environ["MIEN_DATA"])
    rows = not_face(data, Path(os.environ["MIEN_DATA"], "fer2013new.csv"))
    assert (data.usage[rows] == "Training").sum() == 150
    assert (data.usage[rows] == "PublicTest").sum() == 10
