"""Identities in file names: a split with the same person on both sides is reported."""

from pathlib import Path

import pytest

from data_layouts import put
from mien.data import load
from mien.data.people import person_of


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("KDEF/AF01/AF01ANS.JPG", "F01"), ("BF01HAHL.jpg", "F01"), ("AM35SUFR.JPG", "M35"),
        ("KA.AN1.39.tiff", "KA"), ("F0001_AN01WH_F2D.png", "F0001"), ("S005_001_00000011.png", "S005"),
        ("happy_03.png", ""), ("S5_1.png", ""), ("im_0001.jpg", ""), ("AF01.png", ""),
    ],
)  # fmt: skip
def test_people_in_file_names(name: str, person: str) -> None:
    assert person_of(name) == person


def ck48(root: Path, people: range, frames: int = 6) -> None:
    """CK+48: last frames of sequences in folders of classes."""
    for i in people:
        for number, emotion in enumerate(("anger", "happy")):
            for frame in range(frames):
                put(root / emotion / f"S{i:03d}_{number + 1:03d}_{frame + 9:08d}.png", "happy", 100 * i + frame)


def test_a_random_split_of_people_is_told(tmp_path: Path) -> None:
    ck48(tmp_path, range(5))
    (told,) = [line for line in load(tmp_path).decisions if "people" in line]
    assert told.startswith("the names tell 5 people, whom a random split has on both sides")


def test_people_in_two_parts_are_counted(tmp_path: Path) -> None:
    ck48(tmp_path / "train", range(5))
    ck48(tmp_path / "test", range(4, 7))
    (told,) = [line for line in load(tmp_path).decisions if "people" in line]
    assert told.startswith("1 of the 3 people in test, by the names of their pictures, stand in train, too")


def test_parts_of_other_people_are_fine(tmp_path: Path) -> None:
    ck48(tmp_path / "train", range(5))
    ck48(tmp_path / "test", range(5, 7))
    assert not [line for line in load(tmp_path).decisions if "people" in line]
