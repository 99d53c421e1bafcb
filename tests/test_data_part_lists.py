"""Part lists beside label lists, boxes and class folders; the name of the data set's own folder is ignored."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from data_layouts import SEVEN, picture, put
from mien.data import Dataset, load

N = 28
NAMES = [f"{i}.png" for i in range(N)]
STEMS = [str(i) for i in range(N)]
Make = Callable[[Path], None]


def read(path: Path) -> Dataset:
    return load(path, cache=False)


def given(dataset: Dataset) -> list[int]:
    """How many faces are in train, validation, test and no part."""
    return [int((dataset.usage == usage).sum()) for usage in ("Training", "PublicTest", "PrivateTest", "")]


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def photo(path: Path, i: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(SEVEN[i % 7], i)).save(path)


def listed(root: Path) -> None:
    """images/0.png, ... and labels.csv."""
    for i, name in enumerate(NAMES):
        put(root / "images" / name, SEVEN[i % 7], i)
    write(root / "labels.csv", ["image,label", *(f"{name},{SEVEN[i % 7]}" for i, name in enumerate(NAMES))])


def jsonl(root: Path) -> None:
    """images/0.png, ... and metadata.jsonl."""
    listed(root)
    (root / "labels.csv").unlink()
    rows = [json.dumps({"file_name": f"images/{name}", "label": SEVEN[i % 7]}) for i, name in enumerate(NAMES)]
    write(root / "metadata.jsonl", rows)


def voc(root: Path) -> None:
    """JPEGImages/ and Annotations/ as Pascal VOC has them."""
    for i, name in enumerate(NAMES):
        photo(root / "JPEGImages" / name, i)
        box = "<xmin>0</xmin><ymin>0</ymin><xmax>48</xmax><ymax>48</ymax>"
        text = f"<annotation><filename>{name}</filename><object><name>{SEVEN[i % 7]}</name><bndbox>{box}</bndbox>"
        write(root / f"Annotations/{i}.xml", [text + "</object></annotation>"])


def coco(root: Path) -> None:
    """images/ and a json file of boxes."""
    for i, name in enumerate(NAMES):
        photo(root / "images" / name, i)
    content = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(NAMES)],
        "annotations": [{"id": i, "image_id": i, "category_id": i % 7, "bbox": [0, 0, 48, 48]} for i in range(N)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(SEVEN)],
    }
    write(root / "faces.json", [json.dumps(content)])


def yolo(root: Path) -> None:
    """images/ beside labels/, and the names of the classes."""
    for i, name in enumerate(NAMES):
        photo(root / "images" / name, i)
        write(root / f"labels/{i}.txt", [f"{i % 7} 0.5 0.5 1 1"])
    write(root / "data.yaml", [f"names: [{', '.join(SEVEN)}]"])


def folders(root: Path) -> None:
    """A folder for each class."""
    for i, name in enumerate(NAMES):
        put(root / SEVEN[i % 7] / name, SEVEN[i % 7], i)


CELEBA = [(0, 0, 1, 2)[i // 7] for i in range(N)]
SPLITS = [f"{name},{'test' if i > 20 else 'train'}" for i, name in enumerate(NAMES)]
OF_CLASSES = {
    f"{name}_{part}.txt": [f"{i} {1 if i % 7 == k else -1}" for i in range(21)]
    for k, name in enumerate(SEVEN) for part in ("train", "val", "trainval")
}  # fmt: skip
LISTS = {
    "train and test": ({"train.txt": NAMES[:21], "test.txt": NAMES[21:]}, [21, 0, 7, 0]),
    "without suffix": ({"train.txt": STEMS[:21], "test.txt": STEMS[21:]}, [21, 0, 7, 0]),
    "in a folder": ({"splits/train.txt": NAMES[:21], "splits/test.txt": NAMES[21:]}, [21, 0, 7, 0]),
    "the rest is train": ({"val.txt": NAMES[14:21], "test.txt": NAMES[21:]}, [14, 7, 7, 0]),
    "a table": ({"splits.csv": ["image_id,split", *SPLITS]}, [21, 0, 7, 0]),
    "CelebA's": (
        {"list_eval_partition.txt": [f"{n} {part}" for n, part in zip(NAMES, CELEBA, strict=True)]}, [14, 7, 7, 0]
    ),
    "CelebA's csv": (
        {"list_eval_partition.csv": ["image_id,partition", *(f"{NAMES[i]},{CELEBA[i]}" for i in range(N))]},
        [14, 7, 7, 0],
    ),
    "dev and trainval": ({"dev.txt": NAMES[14:21], "trainval.txt": NAMES[:21], "test.txt": NAMES[21:]}, [14, 7, 7, 0]),
    "all and test": ({"train.txt": NAMES, "test.txt": NAMES[21:]}, [21, 0, 7, 0]),
    "among many": ({"train.txt": STEMS[:21], "test.txt": STEMS[21:]} | OF_CLASSES, [21, 0, 7, 0]),
}  # fmt: skip


@pytest.mark.parametrize("make", [listed, jsonl, voc, folders, yolo])
@pytest.mark.parametrize("case", LISTS)
def test_lists_of_parts_are_taken(case: str, make: Make, tmp_path: Path) -> None:
    make(tmp_path)
    lists, expected = LISTS[case]
    home = tmp_path / "ImageSets/Main" if make is voc else tmp_path
    for name, lines in lists.items():
        write(home / name, lines)
    dataset = read(tmp_path)
    assert given(dataset) == expected
    (told,) = [line for line in dataset.decisions if line.startswith("parts as given by")]
    assert all(name in told for name in lists if name not in OF_CLASSES)
    overlap = case in ("dev and trainval", "all and test")
    assert ("7 pictures are in lists of several parts and stay in the one that is held out" in told) == overlap


def test_a_column_of_parts_in_the_list_of_labels_goes_before_lists_of_parts(tmp_path: Path) -> None:
    listed(tmp_path)
    rows = [f"{name},{SEVEN[i % 7]},{'val' if i > 20 else 'train'}" for i, name in enumerate(NAMES)]
    write(tmp_path / "labels.csv", ["image,label,split", *rows])
    write(tmp_path / "test.txt", NAMES[:7])
    assert given(read(tmp_path)) == [21, 7, 0, 0]


@pytest.mark.parametrize("make", [listed, jsonl, voc, coco, yolo, folders])
@pytest.mark.parametrize("name", ["test", "dev", "eval", "val"])
def test_the_name_of_the_folder_that_is_given_says_no_part(name: str, make: Make, tmp_path: Path) -> None:
    make(tmp_path / name)
    assert given(read(tmp_path / name)) == [0, 0, 0, N]


@pytest.mark.parametrize("make", [listed, jsonl, coco])
def test_the_names_of_folders_within_say_the_parts(make: Make, tmp_path: Path) -> None:
    for part in ("train", "test"):
        make(tmp_path / "all" / part)
    assert given(read(tmp_path / "all")) == [N, 0, N, 0]
    shutil.move(tmp_path / "all", tmp_path / "test")
    assert given(read(tmp_path / "test")) == [N, 0, N, 0]
