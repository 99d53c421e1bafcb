"""Label lists beside pictures: which picture a name refers to, which column holds what, and what is unused."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_layouts import SEVEN, put, tree
from mien.cli.main import main
from mien.data import load
from mien.data.pictures import read_picture
from mien.errors import MienError
from mien.labels import EMOTIONS

TWO = ("angry", "happy")
Info = Callable[..., dict[str, Any]]


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]) -> Info:
    def run(path: Path) -> dict[str, Any]:
        assert main(["data", "info", str(path), "--json"]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return run


def pictures(folder: Path, n: int = 12, emotions: Sequence[str] = TWO) -> list[str]:
    """n pictures 0.png, 1.png, ... of the emotions in turns; their emotions."""
    labels = [emotions[i % len(emotions)] for i in range(n)]
    for i, emotion in enumerate(labels):
        put(folder / f"{i}.png", emotion, i)
    return labels


def listed(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def labels_of(path: Path) -> list[tuple[bytes, str]]:
    """Pixels and class of every face, sorted."""
    dataset = load(path, cache=False)
    return sorted(
        (image.tobytes(), dataset.classes[label]) for image, label in zip(dataset.images, dataset.labels, strict=True)
    )


def by_folders(tmp_path: Path, n: int, emotions: Sequence[str] = TWO) -> list[tuple[bytes, str]]:
    """What the same pictures give as class folders."""
    for i in range(n):
        put(tmp_path / "truth" / emotions[i % len(emotions)] / f"{i}.png", emotions[i % len(emotions)], i)
    return labels_of(tmp_path / "truth")


def fault(path: Path) -> str:
    with pytest.raises(MienError) as caught:
        load(path, cache=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("folders", "lists"),
    [
        (("train_images", "test_images"), ("train.csv", "test.csv")),
        (("images/train", "images/test"), ("labels/train.csv", "labels/test.csv")),
    ],
)
def test_one_name_in_two_parts_is_two_pictures(
    folders: tuple[str, str], lists: tuple[str, str], tmp_path: Path
) -> None:
    for k, (folder, file) in enumerate(zip(folders, lists, strict=True)):
        for i in range(8):
            put(tmp_path / "set" / folder / f"{i}.png", TWO[(i + k) % 2], 100 * k + i)
        listed(tmp_path / "set" / file, "image,label", [f"{i}.png,{TWO[(i + k) % 2]}" for i in range(8)])
    dataset = load(tmp_path / "set", cache=False)
    assert len({image.tobytes() for image in dataset.images}) == 16
    assert [(dataset.usage == part).sum() for part in ("Training", "PrivateTest")] == [8, 8]


@pytest.mark.parametrize(
    "written",
    ["/home/me/faces/S{}/frame{}.png", "faces/S{}/frame{}.png", "C:\\me\\S{}\\frame{}.png", "/S{}/frame{}.png"],
)
def test_the_end_of_a_moved_path_tells_the_picture(written: str, tmp_path: Path) -> None:
    rows = []
    for person in (1, 2):
        for i in range(6):
            emotion = SEVEN[(i + person) % 7]
            put(tmp_path / "set" / f"S{person}" / f"frame{i}.png", emotion, 10 * person + i)
            put(tmp_path / "truth" / emotion / f"{person}-{i}.png", emotion, 10 * person + i)
            rows.append(f"{written.format(person, i)},{emotion}")
    listed(tmp_path / "set" / "labels.csv", "path,label", rows)
    assert labels_of(tmp_path / "set") == labels_of(tmp_path / "truth")


def test_a_name_that_may_be_two_pictures_is_refused(tmp_path: Path) -> None:
    for folder in ("cropped", "original"):
        pictures(tmp_path / "images" / folder, 4)
    listed(tmp_path / "labels.csv", "image,label", [f"{i}.png,{TWO[i % 2]}" for i in range(4)])
    assert "may be" in fault(tmp_path)


def test_a_picture_of_another_part_is_not_the_one_that_is_named(tmp_path: Path, info: Info) -> None:
    pictures(tmp_path / "test", 4)
    for i in range(4, 8):
        put(tmp_path / "train" / f"{i}.png", TWO[i % 2], i)
    listed(tmp_path / "labels.csv", "image,label", [f"train/{i}.png,{TWO[i % 2]}" for i in range(8)])
    told = info(tmp_path)
    assert told["n"] == 4
    assert told["left_out"] == {"rows whose picture is missing": 4, "pictures that no list names": 4}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,picture_file,label", "{turned},{i}.png,{emotion}"),
        ("name,photo_file,emotion", "Anna,{i}.png,{emotion}"),
        ("image,class,facial expression", "{i}.png,m,{emotion}"),
        ("image,label,expression", "{i}.png,0.{i},{emotion}"),
        ("image,label,label_text", "{i}.png,{i},{emotion}"),
        ("image,emotion,emotion_name", "{i}.png,{number},{emotion}"),
        ("image,angry,happy", "{i}.png,{angry},{happy}"),
        ("filename, happy, angry", "{i}.png, {happy}, {angry}"),
        ("image,angry,happy", "{i}.png,{is_angry},{is_happy}"),
        ("sep=;\nimage;label", "{i}.png;{emotion}"),
        ("# faces of 2020\nimage,label", "{i}.png,{emotion}"),
    ],
)
def test_what_stands_in_a_column_tells_its_role(header: str, row: str, tmp_path: Path) -> None:
    emotions = pictures(tmp_path / "set" / "im")
    rows = [
        row.format(i=i, turned=11 - i, emotion=emotion, number=i % 2, angry=int(emotion == "angry"),
                   happy=int(emotion == "happy"), is_angry=emotion == "angry", is_happy=emotion == "happy")
        for i, emotion in enumerate(emotions)
    ]  # fmt: skip
    listed(tmp_path / "set" / "labels.csv", header, rows)
    assert labels_of(tmp_path / "set") == by_folders(tmp_path, 12)


@pytest.mark.parametrize("name", ["labels.csv", "labels.txt", "labels.json", "list.json"])
def test_lists_without_a_header_and_json_are_read(name: str, tmp_path: Path) -> None:
    emotions = pictures(tmp_path / "set" / "im")
    path = tmp_path / "set" / name
    named = {f"{i}.png": emotion for i, emotion in enumerate(emotions)}
    if name == "labels.json":
        path.write_text(json.dumps(named))
    elif name == "list.json":
        path.write_text(json.dumps([{"file": file, "emotion": emotion} for file, emotion in named.items()]))
    else:
        mark = " " if name.endswith(".txt") else ","
        path.write_text("".join(f"{file}{mark}{emotion}\n" for file, emotion in named.items()))
    assert labels_of(tmp_path / "set") == by_folders(tmp_path, 12)


def test_windows_1252_is_read_and_told(tmp_path: Path, info: Info) -> None:
    pictures(tmp_path / "im", 12)
    rows = "".join(f"{i}.png;{('Wütend', 'Fröhlich')[i % 2]}\n" for i in range(12))
    (tmp_path / "labels.csv").write_bytes(f"image;label\n{rows}".encode("cp1252"))
    told = info(tmp_path)
    assert told["classes"] == ["angry", "happy"]
    assert any("Windows-1252" in line for line in told["decisions"])


@pytest.mark.parametrize("missing", ["-1", "", "nan", "None", "N/A", "?"])
def test_rows_without_a_label_are_left_out_and_told(missing: str, tmp_path: Path, info: Info) -> None:
    pictures(tmp_path / "im", 16, EMOTIONS)
    listed(tmp_path / "labels.csv", "image,label", [f"{i}.png,{i % 7 if i < 14 else missing}" for i in range(16)])
    told = info(tmp_path)
    assert told["classes"] == list(EMOTIONS)
    assert told["n"] == 14
    assert told["left_out"]["rows without a label"] == 2


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("split", lambda i: "train" if i % 4 else "test", [9, 0, 3, 0]),
        ("Data Split", lambda i: "train" if i % 4 else "val", [9, 3, 0, 0]),
        ("is_train", lambda i: bool(i % 4), [9, 0, 3, 0]),
        ("phase", lambda i: "Training" if i % 4 else "Testing", [9, 0, 3, 0]),
    ],
)
def test_a_column_of_parts_is_used(
    header: str,
    value: Callable[[int], object],
    expected: list[int],
    tmp_path: Path,
    info: Info,
) -> None:
    emotions = pictures(tmp_path / "im")
    listed(
        tmp_path / "labels.csv", f"image,label,{header}", [f"{i}.png,{e},{value(i)}" for i, e in enumerate(emotions)]
    )
    told = info(tmp_path)
    assert [told["given"][name] for name in ("train", "validation", "test", "no part")] == expected


@pytest.mark.parametrize("odd", ["T", "learning", "3"])
def test_values_that_are_no_parts_are_refused(odd: str, tmp_path: Path) -> None:
    emotions = pictures(tmp_path / "im")
    rows = [f"{i}.png,{emotion},{odd if i % 4 else 'test'}" for i, emotion in enumerate(emotions)]
    listed(tmp_path / "labels.csv", "image,label,split", rows)
    assert odd in fault(tmp_path)
    assert "train, validation or test" in fault(tmp_path)


def test_a_face_that_several_rows_name_is_one(tmp_path: Path, info: Info) -> None:
    emotions = pictures(tmp_path / "im", 20)
    rows = [f"{i}.png,{emotion}" for i, emotion in enumerate(emotions)]
    listed(tmp_path / "all_labels.csv", "image,label", rows)
    listed(tmp_path / "train.csv", "image,label", rows[:14])
    listed(tmp_path / "test.csv", "image,label", [*rows[14:], "0.png,sad", "1.png,sad", "1.png,sad"])
    told = info(tmp_path)
    # Picture 0 is angry by two rows of three, and in both parts; of picture 1 two rows say happy and two sad.
    assert told["given"] == {"train": 12, "validation": 0, "test": 7, "no part": 0}
    assert told["left_out"]["rows that contradict each other"] == 4
    assert any("each face is taken once" in line for line in told["decisions"])


@pytest.mark.parametrize(
    ("header", "box"),
    [
        ("xmin,ymin,xmax,ymax", "0,0,48,48"),
        ("x,y,w,h", "0,0,48,48"),
        ("x1,y1,x2,y2", "0,0,0.5,0.5"),
        ("bbox_x1,bbox_y1,bbox_x2,bbox_y2", "0,0,48,48"),
        ("BBox_XMin,BBox_YMin,BBox_XMax,BBox_YMax", "0,0,48,48"),
        ("face_left,face_top,face_right,face_bottom", "0,0,48,48"),
        ("x_1,y_1,width,height", "0,0,48,48"),
        ("x0,y0,x1,y1", "0,0,48,48"),
        ("width,height,face box x,face box y,face box w,face box h", "96,96,0,0,48,48"),
        ("x_center,y_center,width,height", "0.25,0.25,0.5,0.5"),
        ("cx,cy,w,h", "24,24,48,48"),
    ],
)
def test_boxes_of_a_list_are_cut_out(header: str, box: str, tmp_path: Path) -> None:
    emotions = pictures(tmp_path / "plain" / "im")
    for i, emotion in enumerate(emotions):
        face = put(tmp_path / "one.png", emotion, i)
        frame(tmp_path / "set" / "im" / f"{i}.png", face)
    rows = [f"{i}.png,{emotion}" for i, emotion in enumerate(emotions)]
    listed(tmp_path / "plain" / "labels.csv", "image,label", rows)
    listed(tmp_path / "set" / "labels.csv", f"image,label,{header}", [f"{row},{box}" for row in rows])
    assert labels_of(tmp_path / "set") == labels_of(tmp_path / "plain")


def frame(path: Path, face: Path) -> None:
    """A picture of 96 pixels with a face of 48 at the upper left."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("L", (96, 96), 128)
    picture.paste(Image.open(face), (0, 0))
    picture.save(path)


@pytest.mark.parametrize(
    ("header", "box"),
    [
        ("bbox", '"[0, 0, 9, 9]"'),
        ("bounding_box", '"{""x"": 0, ""y"": 0, ""w"": 9, ""h"": 9}"'),
        ("region", "0 0 9 9"),
        ("x1,y1,x2,y2,x3,y3,x4,y4", "0,0,9,0,9,9,0,9"),
        ("tl_x,tl_y,br_x,br_y", "0,0,9,9"),
        ("bbox1,bbox2,bbox3,bbox4", "0,0,9,9"),
        ("x,y,width,height", "0.5,0.5,1,1"),
    ],
)
def test_a_box_in_another_form_is_refused(header: str, box: str, tmp_path: Path) -> None:
    emotions = pictures(tmp_path / "im")
    listed(tmp_path / "labels.csv", f"image,label,{header}", [f"{i}.png,{e},{box}" for i, e in enumerate(emotions)])
    said = fault(tmp_path)
    assert "xmin, ymin, xmax, ymax" in said or "x_center and y_center" in said


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("width,height,min,max", "48,48,0,255"), ("left_eye_x,left_eye_y,right_eye_x,right_eye_y", "9,9,30,9"),
        ("bbox_score,bbox_id", "0.9,3"), ("x,y", "3,4"), ("date", "2020-01-02 10:00"),
    ],
)  # fmt: skip
def test_columns_that_are_no_box_are_left_out_and_told(header: str, value: str, tmp_path: Path, info: Info) -> None:
    emotions = pictures(tmp_path / "im")
    listed(tmp_path / "labels.csv", f"image,label,{header}", [f"{i}.png,{e},{value}" for i, e in enumerate(emotions)])
    told = info(tmp_path)
    assert told["n"] == 12
    assert any(line.startswith("left out: the column") for line in told["decisions"])


def test_what_a_list_does_not_use_is_told(tmp_path: Path, info: Info) -> None:
    emotions = pictures(tmp_path / "im", 16)
    rows = [f"{i}.png,{emotion}" for i, emotion in enumerate(emotions[:12])]
    listed(tmp_path / "labels.csv", "image,label,age", [f"{row},30" for row in rows])
    listed(tmp_path / "test.csv", "image", ["12.png", "13.png"])
    told = info(tmp_path)
    assert told["left_out"] == {"pictures that no list names": 4}
    assert any("left out: the column age" in line for line in told["decisions"])
    assert any("left out: test.csv" in line for line in told["decisions"])


def test_a_list_gives_class_folders_their_parts(tmp_path: Path, info: Info) -> None:
    tree(tmp_path, list(TWO), 10)
    rows = [f"{e}/{i:04d}.png,{e},{'train' if i % 5 else 'test'}" for e in TWO for i in range(10)]
    listed(tmp_path / "splits.csv", "file,label,split", rows)
    told = info(tmp_path)
    assert told["given"] == {"train": 16, "validation": 0, "test": 4, "no part": 0}
    assert any("parts as given by splits.csv" in line for line in told["decisions"])


def test_text_files_of_names_are_parts(tmp_path: Path, info: Info) -> None:
    tree(tmp_path, list(TWO), 10)
    for part, numbers in (("train", range(8)), ("test", range(8, 10))):
        (tmp_path / f"{part}.txt").write_text("".join(f"{e}/{i:04d}.png\n" for e in TWO for i in numbers))
    assert info(tmp_path)["given"] == {"train": 16, "validation": 0, "test": 4, "no part": 0}


def test_a_list_of_emotions_wins_over_folders_that_are_no_classes(tmp_path: Path) -> None:
    emotions = [TWO[i % 2] for i in range(12)]
    for i, emotion in enumerate(emotions):
        put(tmp_path / "set" / f"batch_{'ab'[i > 5]}" / f"{i}.png", emotion, i)
    listed(tmp_path / "set" / "labels.csv", "image,label", [f"{i}.png,{emotion}" for i, emotion in enumerate(emotions)])
    assert labels_of(tmp_path / "set") == by_folders(tmp_path, 12)


def test_a_json_file_names_numbered_folders(tmp_path: Path, info: Info) -> None:
    affectnet = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry")
    for i, emotion in enumerate(affectnet):
        for k in range(10 + i):
            put(tmp_path / str(i) / f"{k}.png", emotion, k)
    (tmp_path / "class_to_idx.json").write_text(json.dumps({name: i for i, name in enumerate(affectnet)}))
    told = info(tmp_path)
    counts = {name: sum(part["by_class"][name] for part in told["parts"].values()) for name in told["classes"]}
    assert counts == {name: 10 + i for i, name in enumerate(affectnet)}


def yolo(root: Path, line: str, names: str = "names: [anger, happy]\n", n: int = 10) -> Path:
    for i in range(n):
        put(root / "train/images" / f"{i}.png", TWO[i % 2], i, 96)
        listed(root / "train/labels" / f"{i}.txt", line.format(i % 2), [])
    (root / "data.yaml").write_text(names)
    return root


@pytest.mark.parametrize(
    "line",
    [
        "{} 0.5 0.5 0.8 0.8", "{} 0.5 0.5 0.8 0.8 0.93", "{} 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9",
        "{} 0.1 0.5 0.5 0.1 0.9 0.5 0.5 0.9",
    ],
)  # fmt: skip
def test_yolos_boxes_and_polygons_are_the_same_faces(line: str, tmp_path: Path) -> None:
    assert labels_of(yolo(tmp_path / "set", line)) == labels_of(yolo(tmp_path / "plain", "{} 0.5 0.5 0.8 0.8"))


@pytest.mark.parametrize(
    "names",
    [
        "names:\n  0: anger\n\n  1: happy\n", "names:  # of the classes\n  0: anger\n  1: happy\n",
        "nc: 2\r\nnames:\r\n- anger\r\n- happy\r\n", "names: [\n  'anger',  # a\n  'happy',\n]\n",
        "names: {0: anger, 1: happy}\n",
    ],
)  # fmt: skip
def test_yolos_names_are_read_as_yaml_has_them(names: str, tmp_path: Path) -> None:
    assert load(yolo(tmp_path, "{} 0.5 0.5 0.8 0.8", names), cache=False).classes == ("angry", "happy")


@pytest.mark.parametrize(
    "file", ["train/labels/classes.txt", "classes.names", "my.names", "classes.txt", "train/labels/labels.txt"]
)
def test_yolos_names_a_line_are_read_wherever_they_lie(file: str, tmp_path: Path) -> None:
    yolo(tmp_path, "{} 0.5 0.5 0.8 0.8")
    (tmp_path / "data.yaml").unlink()
    (tmp_path / file).write_text("anger\nhappy\n")
    assert load(tmp_path, cache=False).classes == ("angry", "happy")
    put(tmp_path / "train/images/labels.png", "happy", 50, 96)  # a picture of that name has boxes in its file
    listed(tmp_path / "train/labels/labels.txt", "1 0.5 0.5 0.8 0.8", [])
    if not file.endswith("labels.txt"):
        assert len(load(tmp_path, cache=False)) == 11


@pytest.mark.parametrize(
    ("line", "names", "said"),
    [
        ("{} 48 48 40 40", "names: [anger, happy]\n", "shares of the picture"),
        ("{} 0.5 0.5 0.8", "names: [anger, happy]\n", "not YOLO's"),
        ("{} 0.1 0.1 0.9 0.1 0.9 0.9 0.1", "names: [anger, happy]\n", "not YOLO's"),
        ("{} 0.5 0.5 0.8 0.8", "names: [anger]\n", "class number 1"),
    ],
)
def test_what_is_no_yolo_is_refused(line: str, names: str, said: str, tmp_path: Path) -> None:
    assert said in fault(yolo(tmp_path, line, names))


def test_darknet_has_boxes_beside_the_pictures(tmp_path: Path) -> None:
    for i in range(10):
        put(tmp_path / "set/obj" / f"{i}.png", TWO[i % 2], i, 96)
        listed(tmp_path / "set/obj" / f"{i}.txt", f"{i % 2} 0.5 0.5 0.8 0.8", [])
    (tmp_path / "set/obj.names").write_text("anger\nhappy\n")
    assert labels_of(tmp_path / "set") == labels_of(yolo(tmp_path / "plain", "{} 0.5 0.5 0.8 0.8"))


def coco(path: Path, box: list[float], numbers: Sequence[int] = range(8)) -> None:
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in numbers],
        "annotations": [{"id": i, "image_id": i, "category_id": i % 2 + 1, "bbox": box} for i in numbers],
        "categories": [{"id": j + 1, "name": name} for j, name in enumerate(TWO)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_coco_boxes_in_pixels_and_in_shares_are_the_same_faces(tmp_path: Path) -> None:
    for name, box in (("pixels", [12, 12, 48, 48]), ("shares", [0.125, 0.125, 0.5, 0.5])):
        for i in range(8):
            put(tmp_path / name / "images" / f"{i}.png", TWO[i % 2], i, 96)
        coco(tmp_path / name / "all.json", box)  # type: ignore[arg-type]
    assert labels_of(tmp_path / "pixels") == labels_of(tmp_path / "shares")


def test_coco_parts_with_the_same_names_are_apart(tmp_path: Path) -> None:
    for k, part in enumerate(("train", "val")):
        for i in range(8):
            put(tmp_path / "images" / part / f"{i}.png", TWO[i % 2], 100 * k + i, 96)
        coco(tmp_path / "annotations" / f"instances_{part}.json", [10, 10, 60, 60])
    dataset = load(tmp_path, cache=False)
    assert len({image.tobytes() for image in dataset.images}) == 16


def test_a_box_of_a_few_pixels_is_no_face(tmp_path: Path) -> None:
    for i in range(8):
        put(tmp_path / "images" / f"{i}.png", TWO[i % 2], i, 96)
    coco(tmp_path / "all.json", [5, 5, 2, 2])
    assert "2x2 pixels" in fault(tmp_path)


@pytest.mark.parametrize("name", ["labels.csv", "other.xlsx"])
def test_a_list_that_fits_no_picture_is_named(name: str, tmp_path: Path) -> None:
    pictures(tmp_path / "im")
    listed(tmp_path / name, "image,label", [f"x{i}.jpeg,{TWO[i % 2]}" for i in range(12)])
    said = fault(tmp_path)
    assert name in said or ".xlsx" in said


def test_csv_files_in_folders_of_parts_are_read(tmp_path: Path, info: Info) -> None:
    from data_layouts import picture

    for part, n in (("train", 28), ("test", 14)):
        rows = [f"{i % 7},{' '.join(map(str, picture(SEVEN[i % 7], i).ravel().tolist()))}" for i in range(n)]
        listed(tmp_path / part / "data.csv", "emotion,pixels", rows)
    assert info(tmp_path)["given"] == {"train": 28, "validation": 0, "test": 14, "no part": 0}


def test_pictures_beside_a_csv_of_pixels_are_told(tmp_path: Path, info: Info) -> None:
    from data_layouts import picture

    rows = [f"{i % 7},{' '.join(map(str, picture(SEVEN[i % 7], i).ravel().tolist()))}" for i in range(28)]
    listed(tmp_path / "faces.csv", "emotion,pixels", rows)
    tree(tmp_path, list(TWO), 5)
    assert any("10 pictures in angry/, happy/" in line for line in info(tmp_path)["decisions"])


def test_a_json_file_of_a_list_for_each_class_is_read(tmp_path: Path, info: Info) -> None:
    labels = pictures(tmp_path, 24)
    by_class = {name: [f"{i}.png" for i, label in enumerate(labels) if label == name] for name in TWO}
    (tmp_path / "all.json").write_text(json.dumps(by_class))
    assert load(tmp_path).counts() == {name: labels.count(name) for name in TWO}
    assert "all.json names 24 pictures and their labels" in info(tmp_path)["decisions"]


def test_create_ml_s_boxes_are_cut_by_their_middle(tmp_path: Path) -> None:
    labels = pictures(tmp_path, 24)
    box = {"x": 20, "y": 26, "width": 24, "height": 24}
    annotations = [
        {"image": f"{i}.png", "annotations": [{"label": label, "coordinates": box}]} for i, label in enumerate(labels)
    ]
    (tmp_path / "_annotations.createml.json").write_text(json.dumps(annotations))
    dataset = load(tmp_path)
    assert dataset.counts() == {name: labels.count(name) for name in TWO}
    first = read_picture(str(tmp_path / "0.png"), (8.0, 14.0, 32.0, 38.0))
    assert any(np.array_equal(first, image) for image in dataset.images)
