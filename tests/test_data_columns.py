"""Columns of lists: which one names the pictures, which one holds the labels; boxes with landmarks; pixels in
columns."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data import Dataset, draw_face, load
from mien.errors import MienError

TWO = ("happy", "sad")
N = 12


def pictures(folder: Path, suffix: str = ".jpg", size: int = 48) -> None:
    folder.mkdir(parents=True)
    for i in range(N):
        Image.fromarray(draw_face(TWO[i % 2], i, size=size)).save(folder / f"{i}{suffix}")


def listed(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")


def names(dataset: Dataset) -> list[str]:
    """The classes of the pictures in the order of their numbers, whatever order they were read in."""
    drawn = np.stack([draw_face(TWO[i % 2], i) for i in range(N)]).astype(int)
    at = [np.abs(drawn - image).sum(axis=(1, 2)).argmin() for image in dataset.images]
    assert sorted(at) == list(range(N))
    return [dataset.classes[dataset.labels[at.index(i)]] for i in range(N)]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("order", ["id,filename,label", "filename,id,label", "name,image_id,label"])
def test_names_with_a_suffix_go_before_numbers(suffix: str, order: str, tmp_path: Path) -> None:
    pictures(tmp_path / "images", suffix)
    rows = [(str(N - 1 - i), f"{i}.png", TWO[i % 2]) for i in range(N)]
    if order != "id,filename,label":
        rows = [(name, number, label) for number, name, label in rows]
    listed(tmp_path / "labels.csv", order, [",".join(row) for row in rows])
    dataset = load(tmp_path, cache=False)
    assert names(dataset) == [TWO[i % 2] for i in range(N)]
    assert any("another suffix" in line for line in dataset.decisions) == (suffix == ".jpg")


def test_pictures_of_other_names_are_not_found_by_their_rows_numbers(tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    rows = [f"{i},/data/upload/3/scan-{i}.jpg,{TWO[(i + 1) % 2]}" for i in range(N)]
    listed(tmp_path / "export.csv", "id,image,choice", rows)
    with pytest.raises(MienError, match="names no picture that is here"):
        load(tmp_path, cache=False)


@pytest.mark.parametrize("numbers", [False, True])
def test_two_columns_that_may_be_the_labels_are_asked(numbers: bool, tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    other = ("3", "4") if numbers else ("female", "male")
    rows = [f"{i}.jpg,{other[i // 6]},{TWO[i % 2]}" for i in range(N)]
    listed(tmp_path / "list.csv", "image,label,facial_emotion", rows)
    with pytest.raises(MienError, match="'label' and 'facial_emotion', which may both be the labels"):
        load(tmp_path, cache=False)


def test_a_mark_in_one_column_for_each_class_also_of_ones_own(tmp_path: Path) -> None:
    for at, classes in (("mixed", ("Happy", "Sleepy")), ("own", ("Bored", "Sleepy"))):
        pictures(tmp_path / at)
        rows = [f"{i}.jpg,{1 - i % 2},{i % 2}" for i in range(N)]
        listed(tmp_path / at / "_classes.csv", f"filename,{','.join(classes)}", rows)
        dataset = load(tmp_path / at, cache=False)
        assert len(dataset.classes) == 2
        assert len(set(names(dataset)[::2])) == len(set(names(dataset)[1::2])) == 1


@pytest.mark.parametrize(("file", "text"), [
    ("class_indices.json", json.dumps({"delighted": 0, "puzzled": 1})), ("config.json", '{"name": "x", "batch": 3}'),
    ("classes.csv", "id,name\n0,delighted\n1,puzzled\n"),
])  # fmt: skip
def test_what_names_no_pictures_does_not_stand_in_the_way_of_class_folders(
    file: str, text: str, tmp_path: Path
) -> None:
    for i in range(N):
        (tmp_path / ("delighted", "puzzled")[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(draw_face(TWO[i % 2], i)).save(tmp_path / ("delighted", "puzzled")[i % 2] / f"a{i}.png")
    (tmp_path / file).write_text(text)
    assert load(tmp_path, cache=False).classes == ("delighted", "puzzled")


def test_pixel_columns_in_another_order_than_their_numbers_are_refused(tmp_path: Path) -> None:
    order = sorted(range(2304), key=str)
    rows = [",".join([str(i % 7), *map(str, np.full(2304, i).tolist())]) for i in range(21)]
    listed(tmp_path / "faces.csv", ",".join(["emotion", *(f"pixel{i}" for i in order)]), rows)
    with pytest.raises(MienError, match="pixel columns in another order than their numbers"):
        load(tmp_path, cache=False)


def test_yolo_boxes_with_landmarks_are_boxes(tmp_path: Path) -> None:
    line = "0 .5 .5 .6 .8 .4 .4 .6 .4 .5 .5 .42 .7 .58 .7"
    for form in ("plain", "landmarks"):
        pictures(tmp_path / form / "images", size=96)
        (tmp_path / form / "labels").mkdir()
        for i in range(N):
            text = str(i % 2) + (line if form == "landmarks" else " ".join(line.split()[:5]))[1:]
            (tmp_path / form / "labels" / f"{i}.txt").write_text(text + "\n")
        (tmp_path / form / "data.yaml").write_text("names: [happy, sad]\n")
    plain, landmarks = (load(tmp_path / form, cache=False).images for form in ("plain", "landmarks"))
    assert np.array_equal(plain, landmarks)
