"""The part of a picture: from its folder, its name, a list beside it, or variants of the part's name."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from data_layouts import SEVEN, picture, put
from mien.data import Dataset, load
from mien.errors import MienError

TWO = ("angry", "happy")


def read(path: Path) -> Dataset:
    return load(path, cache=False)


def given(dataset: Dataset) -> list[int]:
    """How many faces are in train, validation, test and no part."""
    return [int((dataset.usage == usage).sum()) for usage in ("Training", "PublicTest", "PrivateTest", "")]


def pairs(folder: Path, numbers: Sequence[int]) -> list[str]:
    """Pictures 0.png, 1.png, ... of two emotions in turns, as rows "0.png,angry"."""
    for i in numbers:
        put(folder / f"{i}.png", TWO[i % 2], i)
    return [f"{i}.png,{TWO[i % 2]}" for i in numbers]


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("train", "test", [8, 0, 4, 0]),
        ("images/train", "images/test", [8, 0, 4, 0]),
        ("train/images", "valid/images", [8, 4, 0, 0]),
        ("Train_aligned", "Test_aligned", [8, 0, 4, 0]),
        ("batch_a", "batch_b", [0, 0, 0, 12]),
        ("train", "batch_b", [0, 0, 0, 12]),
    ],
)
@pytest.mark.parametrize("bare", [True, False])
def test_the_folders_of_listed_pictures_are_their_parts(
    train: str, test: str, expected: list[int], bare: bool, tmp_path: Path
) -> None:
    rows = ["image,label"]
    for folder, numbers in ((train, range(8)), (test, range(8, 12))):
        rows += [row if bare else f"{folder}/{row}" for row in pairs(tmp_path / folder, numbers)]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    dataset = read(tmp_path)
    assert given(dataset) == expected
    told = [line for line in dataset.decisions if line.startswith("parts as given by the pictures' folders")]
    assert len(told) == (expected[0] > 0)


def test_a_list_goes_before_folders(tmp_path: Path) -> None:
    rows = [f"train/{row},{'train' if i % 4 else 'test'}" for i, row in enumerate(pairs(tmp_path / "train", range(8)))]
    rows += [f"test/{row},train" for row in pairs(tmp_path / "test", range(8, 12))]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,split", *rows]) + "\n")
    assert given(read(tmp_path)) == [10, 0, 2, 0]


def test_one_coco_file_for_the_pictures_of_several_parts(tmp_path: Path) -> None:
    names = []
    for folder, numbers in (("train", range(8)), ("test", range(8, 12))):
        pairs(tmp_path / folder, numbers)
        names += [f"{folder}/{i}.png" for i in numbers]
    content = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": i % 2, "bbox": [0, 0, 48, 48]} for i in range(12)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(TWO)],
    }
    (tmp_path / "all.json").write_text(json.dumps(content))
    assert given(read(tmp_path)) == [8, 0, 4, 0]


@pytest.mark.parametrize(
    ("pattern", "words", "expected"),
    [
        ("{label}/{part}_{i:05d}_aligned.png", ("train", "test"), [8, 0, 4, 0]),
        ("{label}/{i}-{part}.png", ("Train", "Val"), [8, 4, 0, 0]),
        ("{part}_{label}_{i}.png", ("train", "test"), [8, 0, 4, 0]),
        ("{part}{i}_{label}.png", ("training", "public_test"), [8, 4, 0, 0]),
        ("{label}/{part}_{i}.png", ("dev", "val"), [0, 0, 0, 12]),
        ("{label}/{part}_{i}.png", ("train", "x"), [0, 0, 0, 12]),
        ("{label}/p_{part}_{i}_q.png", ("train", "test"), [0, 0, 0, 12]),
    ],
)
def test_parts_that_all_file_names_begin_or_end_with(
    pattern: str, words: tuple[str, str], expected: list[int], tmp_path: Path
) -> None:
    for i in range(12):
        label = TWO[i % 2]
        put(tmp_path / pattern.format(label=label, part=words[i >= 8], i=i), label, i)
    dataset = read(tmp_path)
    assert given(dataset) == expected
    assert dataset.classes == TWO
    assert any("parts as given by the file names" in line for line in dataset.decisions) == (expected[3] == 0)


def classes(root: Path, n: int = 10) -> list[str]:
    """Class folders angry/ and happy/ of n pictures each; the pictures as angry/0.png."""
    names = [f"{label}/{i}.png" for i in range(n) for label in TWO]
    for number, name in enumerate(names):
        put(root / name, name.split("/")[0], number)
    return names


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"train.txt": "{name} {number}", "test.txt": "{name} {number}"}, [16, 0, 4, 0]),
        ({"train.txt": "{name}", "val.txt": "{name}"}, [16, 4, 0, 0]),
        ({"train.txt": "{stem}", "test.txt": "{stem}"}, [16, 0, 4, 0]),
        ({"train.txt": "{stem} {number}", "test.txt": "{stem} {number}"}, [16, 0, 4, 0]),
        ({"test.txt": "{name}"}, [16, 0, 4, 0]),
        ({"validation_list.txt": "{name}"}, [16, 4, 0, 0]),
        ({"train.csv": "{name},{label}", "test.csv": "{name},{label}"}, [16, 0, 4, 0]),
        ({"lists/train.lst": "{name}\t{number}", "lists/test.lst": "{name}\t{number}"}, [16, 0, 4, 0]),
    ],
)
def test_lists_give_class_folders_their_parts(lists: dict[str, str], expected: list[int], tmp_path: Path) -> None:
    names = classes(tmp_path)
    for file, line in lists.items():
        part = names[:16] if "train" in file else names[16:]
        rows = [line.format(name=name, stem=name[:-4], label=name.split("/")[0], number=TWO.index(name.split("/")[0]))
                for name in part]  # fmt: skip
        (tmp_path / file).parent.mkdir(exist_ok=True)
        header = ["path,label"] if file.endswith(".csv") else []
        (tmp_path / file).write_text("\n".join([*header, *rows]) + "\n")
    dataset = read(tmp_path)
    assert given(dataset) == expected
    (told,) = [line for line in dataset.decisions if line.startswith("parts as given by")]
    assert all(file in told for file in lists)
    assert ("no list names train" in told) == (len(lists) == 1)


def test_lists_of_two_parts_leave_the_rest_to_train(tmp_path: Path) -> None:
    names = classes(tmp_path)
    (tmp_path / "validation_list.txt").write_text("\n".join(names[12:16]))
    (tmp_path / "testing_list.txt").write_text("\n".join(names[16:]))
    dataset = read(tmp_path)
    assert given(dataset) == [12, 4, 4, 0]
    assert any("no list names train, so the other 12 pictures are" in line for line in dataset.decisions)


def test_json_of_parts_is_read(tmp_path: Path) -> None:
    names = classes(tmp_path)
    (tmp_path / "splits.json").write_text(json.dumps({"train": names[:16], "test": names[16:]}))
    assert given(read(tmp_path)) == [16, 0, 4, 0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test.csv", "image,label\n0.png,angry\n"),
        ("test.txt", "elsewhere/a.png\n"),
        ("all_labels.txt", "angry/0.png 0\n"),
        ("folds.json", '{"a": ["angry/0.png"]}'),
    ],
)
def test_lists_that_are_not_used_are_named(name: str, text: str, tmp_path: Path) -> None:
    classes(tmp_path / "test")  # of the folder's own name nothing follows
    (tmp_path / "test" / name).write_text(text)
    dataset = read(tmp_path / "test")
    assert given(dataset) == [0, 0, 0, 20]
    assert any(f"left out: {name}" in line for line in dataset.decisions)


def test_a_name_in_a_list_of_parts_that_may_be_two_pictures_is_refused(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "train.txt").write_text("0.png\n")
    with pytest.raises(MienError, match="may be"):
        read(tmp_path)


@pytest.mark.parametrize(
    "form", ["train_augmented", "train_aligned", "train_cropped", "train (1)", "train2", "Train_new", "train_images"]
)
def test_another_form_of_a_part_is_left_out(form: str, tmp_path: Path) -> None:
    for folder, n in (("train", 6), (form, 6), ("test", 2), ("test_cropped", 2)):
        classes(tmp_path / folder, n)
    dataset = read(tmp_path)
    assert given(dataset) == [12, 0, 4, 0]
    assert dataset.left_out == {f"{form}/": 12, "test_cropped/": 4}
    assert any(line.startswith(f"left out: {form}/") and "form of train/" in line for line in dataset.decisions)


@pytest.mark.parametrize(
    ("one", "other"), [("train_1", "train_2"), ("dev", "valid"), ("test_easy", "test_hard"), ("test", "private_test")]
)
def test_pieces_of_a_part_are_joined(one: str, other: str, tmp_path: Path) -> None:
    for folder in ("train", one, other):
        if folder != "train" or not one.startswith("train"):
            classes(tmp_path / folder, 4)
    assert len(read(tmp_path)) == (16 if one.startswith("train") else 24)


@pytest.mark.parametrize(
    ("train", "folder", "file", "rows", "expected"),
    [
        ("train", "test", "test_labels.csv", "image,label\n{}", [20, 0, 6, 0]),
        ("train", "test", "test/labels.csv", "image,label\n{}", [20, 0, 6, 0]),
        ("train", "test", "labels.csv", "image,label\n{}", [20, 0, 6, 0]),
        ("train", "val", "val.txt", "{}", [20, 6, 0, 0]),
        ("", "test", "test.csv", "image,label\n{}", [20, 0, 6, 0]),
        ("train", "test", "sample_submission.csv", "image,label\n{}", [20, 0, 0, 0]),
        ("train", "test", "train.csv", "image,label\n{}", [20, 0, 0, 0]),  # speaks of other pictures
        ("train", "test", "test.csv", "image\n{}", [20, 0, 0, 0]),
    ],
)
def test_a_list_labels_a_split_without_class_folders(
    train: str, folder: str, file: str, rows: str, expected: list[int], tmp_path: Path
) -> None:
    classes(tmp_path / train)
    named = pairs(tmp_path / folder, range(100, 106))
    (tmp_path / file).write_text(rows.format("\n".join(named)) + "\n")
    dataset = read(tmp_path)
    assert given(dataset) == expected
    if sum(expected) > 20:
        assert dataset.left_out == {}
        held_out = dataset.subset(dataset.usage != "Training")
        truth = {tuple(picture(TWO[i % 2], i).ravel().tolist()): TWO[i % 2] for i in range(100, 106)}
        for image, label in zip(held_out.images, held_out.labels, strict=True):
            assert truth[tuple(image.ravel().tolist())] == dataset.classes[label]
        assert any(f"{file} gives 6 pictures of {folder}/ their labels" in line for line in dataset.decisions)
    else:
        assert dataset.left_out == {f"{folder}/": 6}
        assert any(file in line for line in dataset.decisions)


def test_pictures_of_a_split_that_its_list_does_not_name_are_left_out(tmp_path: Path) -> None:
    classes(tmp_path / "train")
    named = pairs(tmp_path / "test", range(100, 106))
    (tmp_path / "test_labels.csv").write_text("\n".join(["image,label", *named[:4]]) + "\n")
    dataset = read(tmp_path)
    assert given(dataset) == [20, 0, 4, 0]
    assert dataset.left_out == {"test/": 2}


@pytest.mark.parametrize(
    "name",
    ["test.zip", "test.h5", "test.npy", "deep/test.tar.gz", "train/more.rar", "test.jsonl", "extra/test.parquet"],
)
def test_files_beside_pictures_that_are_not_read_are_named(name: str, tmp_path: Path) -> None:
    classes(tmp_path / "train")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x\n" if name.endswith("jsonl") else b"PK\3\4")
    if name.endswith("jsonl"):
        (tmp_path / name).write_text('{"x": 1}\n')
    dataset = read(tmp_path)
    assert given(dataset) == [20, 0, 0, 0]
    assert sum(line.startswith("left out: ") and name in line for line in dataset.decisions) == 1


@pytest.mark.parametrize("name", ["test.zip", "test.h5", "test.json", "test.7z", "more/test.zip"])
def test_files_beside_a_csv_of_pixels_that_are_not_read_are_named(name: str, tmp_path: Path) -> None:
    rows = [f"{i % 7},{' '.join(map(str, picture(SEVEN[i % 7], i).ravel().tolist()))}" for i in range(28)]
    (tmp_path / "a/train.csv").parent.mkdir()
    (tmp_path / "a/train.csv").write_text("\n".join(["emotion,pixels", *rows]) + "\n")
    (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "a" / name).write_bytes(b"PK\3\4")
    for path in (tmp_path / "a", tmp_path):
        dataset = read(path)
        assert len(dataset) == 28
        assert sum(line.startswith("left out: ") and name in line for line in dataset.decisions) == 1


def test_parts_without_pictures_are_named(tmp_path: Path) -> None:
    classes(tmp_path / "train")
    (tmp_path / "val/happy").mkdir(parents=True)
    (tmp_path / "test").mkdir()
    (tmp_path / "test/1.tga").write_bytes(b"x")
    dataset = read(tmp_path)
    (told,) = [line for line in dataset.decisions if "no pictures in it" in line]
    assert "val/" in told
    assert "test/; none of its 1 files has a picture's suffix" in told
