"""Common layouts: parts, classes, decisions and omissions, as reported by `mien data info --json`."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_layouts import ADJECTIVES, NOUNS, NUMBERS, RAFDB, SAME, SEVEN, picture, put, tree
from mien.cli.main import main
from mien.data import load
from mien.errors import MienError
from mien.labels import EMOTIONS


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(path: Path, *options: str) -> dict[str, Any]:
        assert main(["data", "info", str(path), "--json", *options]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        for part in told["parts"].values():
            assert sum(part["by_class"].values()) == part["n"]  # all are labeled here
            assert list(part["by_class"]) == told["classes"]
        assert all("\n" not in line for line in told["decisions"])
        return told

    return run


def sizes(told: dict[str, Any]) -> list[int]:
    return [told["parts"][name]["n"] for name in ("train", "validation", "test")]


def given(told: dict[str, Any]) -> list[int]:
    return [told["given"][name] for name in ("train", "validation", "test", "no part")]


def fault(path: Path, **options: Any) -> str:
    with pytest.raises(MienError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("train", "other", "folders", "expected"),
    [
        ("train", "test", SAME, [70, 0, 14, 0]),
        ("train", "test", ADJECTIVES, [70, 0, 14, 0]),
        ("train", "valid", NOUNS, [70, 14, 0, 0]),
        ("train", "test", NUMBERS, [70, 0, 14, 0]),
        ("train", "dev", SAME, [70, 14, 0, 0]),
        ("Train", "Eval", SAME, [70, 0, 14, 0]),
        ("train_set", "val_set", SAME, [70, 14, 0, 0]),
        ("deep/DATASET/Training", "deep/DATASET/Testing", SAME, [70, 0, 14, 0]),
        ("train/images", "test/images", SAME, [70, 0, 14, 0]),
        ("training(1)", "Validation Data", SAME, [70, 14, 0, 0]),
        ("FER2013Train", "FER2013Test", SAME, [70, 0, 14, 0]),
        ("train", "public_test", SAME, [70, 14, 0, 0]),
    ],
)
def test_splits_by_name(
    train: str,
    other: str,
    folders: dict[str, str],
    expected: list[int],
    tmp_path: Path,
    info: Callable[..., dict[str, Any]],
) -> None:
    tree(tmp_path / train, folders, 10)
    tree(tmp_path / other, folders, 2, seed=100)
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert given(told) == expected
    # A test set alone is the test set, and validation is cut from train, of every class.
    assert sizes(told) == ([70, 14, 0] if expected[1] else [56, 14, 14])
    assert set(told["parts"]["train"]["by_class"].values()) == ({10} if expected[1] else {8})
    assert told["left_out"] == {}


def test_labels_are_those_of_the_folders_whatever_their_names(tmp_path: Path) -> None:
    for i, folders in enumerate((SAME, ADJECTIVES, NOUNS, NUMBERS)):
        dataset = load(tree(tmp_path / str(i), folders))
        assert dataset.classes == EMOTIONS
        for image, label in zip(dataset.images, dataset.labels, strict=True):
            assert any(np.array_equal(image, picture(EMOTIONS[label], seed)) for seed in range(4))


def test_names_that_differ_between_train_and_validation(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path / "train", SAME)
    tree(tmp_path / "val", ADJECTIVES, 2)
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert sizes(told) == [28, 14, 0]
    assert any("'disgusted' as disgust" in line for line in told["decisions"])


def test_numbers_without_zero_are_not_shifted(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path / "DATASET/train", RAFDB, 10)
    tree(tmp_path / "DATASET/test", RAFDB, 2, seed=100)
    told = info(tmp_path)
    assert told["classes"] == list("1234567")
    assert any("--classes rafdb" in line for line in told["decisions"])
    for classes in ("rafdb", "RAF-DB", "1=surprise,2=fear,3=disgust,4=happy,5=sad,6=angry,7=neutral"):
        told = info(tmp_path, "--classes", classes)
        assert told["classes"] == SEVEN
        assert sizes(told) == [56, 14, 14]
    dataset = load(tmp_path, classes="rafdb")
    surprised = dataset.images[dataset.labels == EMOTIONS.index("surprise")]
    assert any(np.array_equal(surprised[0], picture("surprise", seed)) for seed in range(10))


def test_what_else_stands_beside_train(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path / "train", SAME, 10)
    tree(tmp_path / "test", SAME, 2, seed=100)
    tree(tmp_path, ["samples"], 3)
    told = info(tmp_path)
    assert sizes(told) == [56, 14, 14]
    assert told["left_out"] == {"samples/": 3}
    assert any(line.startswith("left out: samples/ (3 pictures)") for line in told["decisions"])


def test_a_test_folder_without_classes_has_no_labels(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path / "train", SAME, 10)
    tree(tmp_path, ["test"], 5)
    told = info(tmp_path)
    assert given(told) == [70, 0, 0, 0]
    assert told["left_out"] == {"test/": 5}
    tree(tmp_path / "b", SAME, 2)
    tree(tmp_path / "b", ["test"], 5)
    told = info(tmp_path / "b")
    assert told["classes"] == SEVEN
    assert told["left_out"] == {"test/": 5}


def test_classes_that_are_split_within(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for emotion in SEVEN:
        tree(tmp_path / emotion, {"train": emotion}, 10)
        tree(tmp_path / emotion, {"test": emotion}, 2, seed=100)
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert given(told) == [70, 0, 14, 0]


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["AF01", "AF02", "AM01"], "look like people"),
        (["S005", "S010"], "look like people"),
        (["subject_1", "subject 2", "Subject03"], "look like people"),
        (["fold1", "fold2"], "look like folds"),
        (["images", "masks"], "look like parts of a layout"),
        (["train", "valid"], "no class folders"),
        (["angry", "happy", "train"], "is no class"),
        (["a/angry", "a/happy", "b/angry", "b/happy"], "several data sets"),
        (["a/train/x", "a/train/y", "b/train/x", "b/train/y"], "several data sets"),
        (["angry"], "single class 'angry'"),
    ],
)
def test_folders_that_are_no_classes_are_asked_about(folders: list[str], words: str, tmp_path: Path) -> None:
    message = fault(tree(tmp_path, folders))
    assert words in message


def test_people_may_be_classes_if_one_says_so(tmp_path: Path) -> None:
    tree(tmp_path, ["AF01", "AF02"])
    assert load(tmp_path, classes="as-is").classes == ("AF01", "AF02")


def test_people_with_emotions_within(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for person in ("P001", "P002"):
        tree(tmp_path / person, NOUNS, 3)
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert given(told) == [0, 0, 0, 42]


def test_extra_classes_stay(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    told = info(tree(tmp_path, [*NOUNS, "contempt", "ahegao"], 10))
    assert told["classes"] == [*SEVEN, "contempt", "ahegao"]
    told = info(tree(tmp_path / "six", [name for name in SEVEN if name != "neutral"], 12))
    assert told["classes"] == SEVEN[:-1]
    assert sum(sizes(told)) == 72
    ck48 = info(tree(tmp_path / "CK+48", ["anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"], 10))
    assert ck48["classes"] == [*SEVEN[:-1], "contempt"]


def test_kdef(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    codes = {
        "AF": "fear",
        "AN": "angry",
        "DI": "disgust",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprise",
    }
    for person in ("AF01", "AM02", "BF30"):
        for code, emotion in codes.items():
            for view in ("S", "HL", "FR"):
                put(tmp_path / "KDEF" / person / f"{person}{code}{view}.JPG", emotion)
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert given(told) == [0, 0, 0, 63]
    assert any("KDEF" in line for line in told["decisions"])
    assert any("21 of the pictures are full profiles" in line for line in told["decisions"])


def test_jaffe(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for person in ("KA", "MK"):
        for code in ("AN", "DI", "FE", "HA", "SA", "SU", "NE"):
            for i in range(5):
                put(tmp_path / "jaffe" / f"{person}.{code}{i + 1}.{39 + i}.tiff", "happy", i)
    (tmp_path / "jaffe" / "README").write_text("Japanese Female Facial Expression")
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert given(told) == [0, 0, 0, 70]


def test_ck_plus(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for subject, number, frames in (("S005", 3, 6), ("S010", 5, 4), ("S011", None, 5), ("S012", 2, 3)):
        for frame in range(1, frames + 1):
            put(tmp_path / "cohn-kanade-images" / subject / "001" / f"{subject}_001_{frame:08d}.png", "happy", frame)
        if number:
            note = tmp_path / "Emotion" / subject / "001" / f"{subject}_001_{frames:08d}_emotion.txt"
            note.parent.mkdir(parents=True)
            note.write_text(f"   {number}.0000000e+00\n")
    told = info(tmp_path)
    assert told["classes"] == ["disgust", "happy", "contempt"]
    assert sum(given(told)) == 9
    assert told["left_out"] == {
        "frames before the last three of a sequence": 4, "frames of sequences without an emotion": 5
    }  # fmt: skip


def test_ferplus(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    votes = {
        "happy": "0,9,1,0,0,0,0,0,0,0",
        "sad": "2,0,0,8,0,0,0,0,0,0",
        "contempt": "0,0,0,0,0,0,0,9,1,0",
        None: "0,0,0,0,0,0,0,0,0,10",
    }
    for folder, n in (("FER2013Train", 3), ("FER2013Valid", 1), ("FER2013Test", 2)):
        lines = []
        for i in range(n):
            for k, counts in enumerate(votes.values()):
                name = f"fer{i:03d}{k:04d}.png"
                put(tmp_path / folder / name, "happy", i)
                lines.append(f'{name},"(0, 0, 48, 48)",{counts}')
        (tmp_path / folder / "label.csv").write_text("\n".join(lines) + "\n")
    told = info(tmp_path)
    assert told["classes"] == ["happy", "sad", "contempt"]
    assert given(told) == [9, 3, 6, 0]
    assert told["left_out"] == {"no majority, unknown or no face, by the votes": 6}
    (tmp_path / "FER2013Test" / "label.csv").write_text("")
    assert "holds no votes" in fault(tmp_path)


def test_rafdb_list(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    lines = []
    for part, n in (("train", 70), ("test", 14)):
        for i in range(1, n + 1):
            lines.append(f"{part}_{i:05d}.jpg {i % 7 + 1}")
            put(tmp_path / "basic/Image/aligned" / f"{part}_{i:05d}_aligned.jpg", "happy", i)
    lines.append("train_99999.jpg 3")
    (tmp_path / "basic/EmoLabel").mkdir()
    (tmp_path / "basic/EmoLabel/list_patition_label.txt").write_text("\n".join(lines))
    told = info(tmp_path)
    assert told["classes"] == SEVEN
    assert given(told) == [70, 0, 14, 0]
    assert told["left_out"] == {"rows whose picture is missing": 1}


def test_expw_cuts_faces_by_its_boxes(tmp_path: Path) -> None:
    photo = np.zeros((120, 200), np.uint8)
    photo[20:68, 30:78] = picture("happy", 1)
    photo[20:68, 130:178] = picture("sad", 2)
    (tmp_path / "image").mkdir()
    Image.fromarray(photo).save(tmp_path / "image" / "a.png")
    (tmp_path / "label.lst").write_text("a.png 0 20 30 78 68 99.0 3\na.png 1 20 130 178 68 98.5 4\n")
    dataset = load(tmp_path)
    assert dataset.classes == ("happy", "sad")
    assert np.array_equal(dataset.images, [picture("happy", 1), picture("sad", 2)])


def test_affectnet(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for part, n in (("train_set", 16), ("val_set", 8)):
        (tmp_path / part / "annotations").mkdir(parents=True)
        for i in range(n):
            put(tmp_path / part / "images" / f"{i}.jpg", "happy", i)
            np.save(tmp_path / part / "annotations" / f"{i}_exp.npy", np.array(str(i % 8)))
    told = info(tmp_path)
    assert told["classes"] == [*SEVEN, "contempt"]
    assert given(told) == [16, 8, 0, 0]
    dataset = load(tmp_path)
    assert np.array_equal(dataset.images[dataset.labels == EMOTIONS.index("neutral")][0].shape, (48, 48))


def test_pictures_named_by_a_csv_file(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    lines = ["user.id,image,emotion"]
    for i in range(20):
        put(tmp_path / "images" / f"face_{i}.jpg", "happy", i)
        lines.append(f"628,face_{i}.jpg,{'HAPPINESS' if i % 2 else 'anger'}")
    lines.append("628,absent.jpg,anger")
    (tmp_path / "legend.csv").write_text("\n".join(lines))
    told = info(tmp_path)
    assert told["classes"] == ["angry", "happy"]
    assert sum(sizes(told)) == 20
    assert told["left_out"] == {"rows whose picture is missing": 1}


def test_rafdb_as_kaggle_has_it_prefers_its_class_folders(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path / "DATASET/train", RAFDB, 10)
    tree(tmp_path / "DATASET/test", RAFDB, 2, seed=100)
    (tmp_path / "train_labels.csv").write_text("image,label\n0000.png,1\n")
    told = info(tmp_path, "--classes", "rafdb")
    assert given(told) == [70, 0, 14, 0]
    assert any("left out: train_labels.csv" in line for line in told["decisions"])


@pytest.mark.parametrize(
    "names",
    ["nc: 2\nnames: ['anger', \"happy\"]\n", "names:\n- anger\n- happy\n", "names:\n  0: anger\n  1: happy\nnc: 2\n"],
)
def test_yolo(names: str, tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for part, n in (("train", 20), ("valid", 4)):
        for i in range(n):
            put(tmp_path / part / "images" / f"{i}.png", "happy", i, size=96)
            (tmp_path / part / "labels").mkdir(exist_ok=True)
            if i:
                (tmp_path / part / "labels" / f"{i}.txt").write_text(f"{i % 2} .5 .5 .5 .5\n")
    assert "nothing names its classes 0, 1" in fault(tmp_path)
    assert info(tmp_path, "--classes", "0=angry,1=happy")["classes"] == ["angry", "happy"]
    (tmp_path / "data.yaml").write_text(names)
    told = info(tmp_path)
    assert told["classes"] == ["angry", "happy"]
    assert given(told) == [19, 3, 0, 0]
    assert told["left_out"] == {"no face box by its label file": 2}
    dataset = load(tmp_path)
    assert any(np.array_equal(dataset.images[0], picture("happy", i, 96)[24:72, 24:72]) for i in range(20))


def test_emotions_in_file_names(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for i in range(10):
        for emotion in ("angry", "happy"):
            put(tmp_path / "faces" / f"Rafd090_{i:02d}_Caucasian_female_{emotion}_frontal.png", emotion, i)
    told = info(tmp_path)
    assert told["classes"] == ["angry", "happy"]
    assert sum(sizes(told)) == 20


def test_every_picture_that_read_reads_is_read(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path, SAME, 10, ext="jpg")
    tree(tmp_path, SAME, 2, seed=50, ext="avif")
    tree(tmp_path, SAME, 1, seed=60, ext="jp2")
    assert sum(sizes(info(tmp_path))) == 91


def test_all_broken_pictures_are_listed_at_once_or_left_out(
    tmp_path: Path, info: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    tree(tmp_path, SAME, 10)
    bad = [tmp_path / "sad" / "broken.jpg", tmp_path / "happy" / "empty.png", tmp_path / "fear" / "post.jpg"]
    for path, content in zip(bad, (b"\xff\xd8\xff\xe0garbage", b"", b"%!PS-Adobe-3.0 EPSF-3.0\n"), strict=True):
        path.write_bytes(content)
    assert main(["data", "info", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "3 of 73 pictures are broken" in captured.err
    assert all(str(path) in captured.err for path in bad)
    assert "--skip-broken" in captured.err
    told = info(tmp_path, "--skip-broken")
    assert sum(sizes(told)) == 70
    assert told["left_out"] == {"broken pictures": 3}
    assert any(line.startswith("left out: 3 broken pictures, such as: ") for line in told["decisions"])
    assert (
        main(["data", "pack", str(tmp_path), "-o", str(tmp_path.parent / f"{tmp_path.name}.npz"), "--skip-broken"]) == 0
    )
    assert "mien: data: left out: 3 broken pictures" in capsys.readouterr().err
    assert load(tmp_path, skip_broken=True).left_out == {"broken pictures": 3}  # from the cache, too


def test_pipes_and_devices_are_never_opened(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path, SAME, 10)
    os.mkfifo(tmp_path / "sad" / "pipe.jpg")
    (tmp_path / "sad" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "sad" / "gone.png").symlink_to(tmp_path / "absent.png")
    (tmp_path / "sad" / "loop").symlink_to(tmp_path)
    told = info(tmp_path)
    assert sum(sizes(told)) == 70
    assert told["left_out"] == {"pipes, devices and broken links": 3}


def test_wide_and_tall_pictures_are_squared_as_in_reading(tmp_path: Path) -> None:
    from mien.data.image import open_picture, to_square_gray

    tree(tmp_path, SAME, 2)
    photo = np.random.default_rng(0).integers(0, 256, (76, 56), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "angry" / "0.png")
    expected = to_square_gray(open_picture(tmp_path / "angry" / "0.png"), 48)
    assert np.array_equal(load(tmp_path).images[0], expected)


def test_numbered_names_and_what_a_part_lacks(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path / "a/train", {f"class_{i}": emotion for i, emotion in enumerate(SEVEN)}, 10)
    tree(tmp_path / "a/test", {f"class_{i}": emotion for i, emotion in enumerate(SEVEN[:6])}, 2)
    told = info(tmp_path / "a")
    assert told["classes"] == SEVEN
    assert given(told) == [70, 0, 12, 0]
    assert "no pictures of neutral in test" in told["decisions"]
    assert any(line.startswith("parts as given by test, train") for line in told["decisions"])


def test_a_list_of_pictures_points_at_its_folder(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("image,label\na.png,happy\n")
    assert f"give the folder that holds it: {tmp_path}" in fault(tmp_path / "list.csv")


def test_numbers_of_other_scripts_are_names(tmp_path: Path) -> None:
    assert load(tree(tmp_path, ["²", "③", "x"])).classes == ("x", "²", "③")


@pytest.mark.parametrize(
    ("train", "other", "expected"),
    [
        ("train_phase", "test_phase", [70, 0, 14, 0]),
        ("subset_train", "subset_val", [70, 14, 0, 0]),
        ("x_train", "x_test", [70, 0, 14, 0]),
        ("train", "held_out", [70, 0, 14, 0]),
        ("train", "unseen", [70, 0, 14, 0]),
        ("entrainement", "test", [70, 0, 14, 0]),
        ("treino", "teste", [70, 0, 14, 0]),
    ],
)
def test_other_words_for_parts(
    train: str, other: str, expected: list[int], tmp_path: Path, info: Callable[..., dict[str, Any]]
) -> None:
    tree(tmp_path / train, SAME, 10)
    tree(tmp_path / other, SAME, 2, seed=50)
    assert given(info(tmp_path)) == expected


@pytest.mark.parametrize("label", ["label", "emotion"])
def test_hugging_face_metadata_as_json_lines(label: str, tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for part, n in (("train", 10), ("test", 2)):
        lines = []
        for i in range(2 * n):
            put(tmp_path / part / f"{i}.png", "happy", i)
            lines.append(json.dumps({"file_name": f"{i}.png", label: ("joy", "sadness")[i % 2]}))
        (tmp_path / part / "metadata.jsonl").write_text("\n".join(lines))
    told = info(tmp_path)
    assert told["classes"] == ["happy", "sad"]
    assert given(told) == [20, 0, 4, 0]


def test_coco_cuts_faces_by_its_boxes(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for part, n in (("train", 10), ("valid", 2)):
        images, annotations = [], []
        for i in range(2 * n):
            put(tmp_path / part / f"{i}.png", "happy", i, size=96)
            images.append({"id": i + 7, "file_name": f"{i}.png"})
            annotations.append({"image_id": i + 7, "category_id": 1 + i % 2, "bbox": [24, 24, 48, 48]})
        categories = [{"id": 0, "name": "faces"}, {"id": 1, "name": "Happiness"}, {"id": 2, "name": "bored"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(content))
    told = info(tmp_path)
    assert told["classes"] == ["happy", "bored"]
    assert given(told) == [20, 4, 0, 0]
    assert np.array_equal(load(tmp_path).images[0], picture("happy", 0, 96)[24:72, 24:72])
    (tmp_path / "valid" / "_annotations.coco.json").write_text(json.dumps({**content, "images": []}))
    assert "not a whole COCO file" in fault(tmp_path)


def voc(label: str, name: str, box: str = "<xmin>24</xmin><ymin>24</ymin><xmax>72</xmax><ymax>72</ymax>") -> str:
    """An annotation as labelImg writes it."""
    thing = f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotation><filename>{name}</filename>{thing}</annotation>'


def test_pascal_voc_s_boxes_are_cut(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for i in range(24):
        put(tmp_path / "JPEGImages" / f"{i}.png", "happy", i, size=96)
        label = ("happiness", "bored")[i % 2]
        (tmp_path / "Annotations" / f"{i}.xml").write_text(voc(label, f"{i}.png"))
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("\n".join(map(str, range(20))) + "\n")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("\n".join(map(str, range(20, 24))) + "\n")
    told = info(tmp_path)
    assert told["classes"] == ["happy", "bored"]
    assert given(told) == [20, 4, 0, 0]
    assert np.array_equal(load(tmp_path).images[0], picture("happy", 0, 96)[24:72, 24:72])
    (tmp_path / "Annotations" / "3.xml").write_text(voc("bored", "3.png", "<xmin>24</xmin>"))
    assert "not a whole VOC file" in fault(tmp_path)
    (tmp_path / "Annotations" / "3.xml").write_text("<annotation><object><bndbox>")
    assert "no whole xml" in fault(tmp_path)


def test_packed_pictures_are_refused_with_the_command_that_unpacks_them(tmp_path: Path) -> None:
    tree(tmp_path / "set" / "train", SAME, 2)
    for kind, command in (("zip", "unzip"), ("gztar", "tar -xf")):
        packed = Path(shutil.make_archive(str(tmp_path / kind / "faces"), kind, tmp_path / "set"))
        assert f"{command} {packed}" in fault(packed)
        assert f"{command} {packed}" in fault(packed.parent)


def test_splits_within_classes_where_one_class_differs(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for emotion in SEVEN:
        tree(tmp_path / emotion, {"train": emotion}, 10)
        tree(tmp_path / emotion, {"test/P1": emotion}, 2, seed=100)
    tree(tmp_path / "sad", ["extra"], 3)
    told = info(tmp_path)
    assert given(told) == [70, 0, 14, 0]
    assert told["left_out"] == {"sad/extra/": 3}
    shutil.rmtree(tmp_path / "neutral" / "train")
    shutil.rmtree(tmp_path / "neutral" / "test")
    tree(tmp_path, ["neutral"])
    assert "some are not (neutral)" in fault(tmp_path)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ([f"fold{k}/{part}/{name}" for k in (1, 2) for part in ("train", "test") for name in "ab"], "several folds"),
        (["S005/001", "S005/002", "S010/001", "S010/002"], "name no emotions"),
        (["S005/x", "S010/y"], "name no emotions"),
        (["S005/train", "S005/test", "S010/train", "S010/test"], "look like people"),
        (["F0001", "M0001"], "look like people"),
        ([f"{light}/{who}/{name}" for light in ("Dark", "Weak") for who in ("P1", "P2") for name in ("anger", "joy")],
         "several data sets"),
        (["high/x_anger_h", "high/x_joy_h", "low/x_anger_l", "low/x_joy_l"], "several data sets"),
        (["Lernen/angry", "Lernen/happy", "val/angry", "val/happy", "test/angry", "test/happy"], "no train folder"),
    ],
)  # fmt: skip
def test_unclear_nests_are_asked_about(folders: list[str], words: str, tmp_path: Path) -> None:
    assert words in fault(tree(tmp_path, folders, 1))


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["S001/train/angry", "S001/train/happy", "S001/test/happy", "S002/train/happy"], [3, 0, 1, 0]),
        (["S001/session1/angry", "S001/session2/happy", "S002/session1/happy"], [0, 0, 0, 3]),
        (["aia/aia_anger", "aia/aia_joy", "jules/jules_anger", "jules/jules_joy"], [0, 0, 0, 4]),
        (["positive/happy", "negative/angry"], [0, 0, 0, 2]),
        (["train/male/angry", "train/male/happy", "test/female/angry", "test/female/happy"], [2, 0, 2, 0]),
        (["train/angry", "train/happy", "test_easy/angry", "test_hard/happy"], [2, 0, 2, 0]),
    ],
)
def test_emotions_further_down(
    folders: list[str], expected: list[int], tmp_path: Path, info: Callable[..., dict[str, Any]]
) -> None:
    told = info(tree(tmp_path, folders, 1))
    assert told["classes"] == ["angry", "happy"]
    assert given(told) == expected


def test_another_form_of_a_part_beside_it_is_left_out(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    tree(tmp_path, ["train/angry", "train/happy", "train_augmented/angry", "train_augmented/happy"], 2)
    told = info(tree(tmp_path, ["test/angry", "test/happy"], 2))
    assert given(told) == [4, 0, 4, 0]
    assert told["left_out"] == {"train_augmented/": 4}


@pytest.mark.parametrize("folders", [("male", "female"), ("01", "02"), ("train/A", "train/B")])
def test_words_in_file_names_go_before_folders_that_name_no_emotion(
    folders: tuple[str, str], tmp_path: Path, info: Callable[..., dict[str, Any]]
) -> None:
    for folder in folders:
        for name in ("happy", "sad"):
            put(tmp_path / folder / f"x{folder[-1]}_{name}_1.png", name)
    told = info(tmp_path)
    assert told["classes"] == ["happy", "sad"]
    assert any("words in the file names" in line for line in told["decisions"])
    tree(tmp_path / "classes", ["angry", "fear"], 1)
    put(tmp_path / "classes" / "angry" / "happy_1.png")
    put(tmp_path / "classes" / "fear" / "sad_1.png")
    assert info(tmp_path / "classes")["classes"] == ["angry", "fear"]


def test_bu3dfe(tmp_path: Path, info: Callable[..., dict[str, Any]]) -> None:
    for person in ("F0001", "M0001"):
        for code in ("AN", "HA", "SU"):
            put(tmp_path / person / f"{person}_{code}01WH_F2D.bmp")
    told = info(tmp_path)
    assert told["classes"] == ["angry", "happy", "surprise"]
    assert "emotions read from BU-3DFE's file names" in told["decisions"]
