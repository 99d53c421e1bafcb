"""Things that only look like labels: predictions, other folders' pictures, bare numbers, odd encodings and scales."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.cli.main import main
from mien.data import Dataset, load
from mien.errors import MienError

BOTH = ("happy", "sad")
AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry")


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((48, 48), seed, np.uint8)).save(path)


def pictures(folder: Path, n: int = 12, first: int = 0) -> None:
    """Pictures 0.png, 1.png, ... whose pixels all have the picture's number."""
    for i in range(n):
        picture(folder / f"{i}.png", first + i)


def listed(path: Path, header: str, rows: Sequence[str], encoding: str = "utf-8") -> None:
    path.write_bytes("\n".join([header, *rows]).encode(encoding))


def by_number(dataset: Dataset) -> dict[int, str]:
    """The class of each picture, by the number in its pixels."""
    return {
        int(image[0, 0]): dataset.classes[label] if label >= 0 else ""
        for image, label in zip(dataset.images, dataset.labels, strict=True)
    }


def fault(path: Path) -> str:
    with pytest.raises(MienError) as caught:
        load(path)
    return str(caught.value)


HAPPY_SAD = {i: BOTH[i % 2] for i in range(12)}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image,predicted,actual", "{i}.png,{other},{true}"),
        ("image,label,prediction", "{i}.png,{true},{other}"),
        ("image,expression,music", "{i}.png,{true},{other}"),
        ("image,emotion_pred,truth", "{i}.png,{other},{true}"),
    ],
)
def test_what_a_model_said_and_other_columns_are_no_labels(tmp_path: Path, header: str, row: str) -> None:
    pictures(tmp_path / "im")
    rows = [row.format(i=i, true=BOTH[i % 2], other=BOTH[i // 6]) for i in range(12)]
    listed(tmp_path / "labels.csv", header, rows)
    assert by_number(load(tmp_path)) == HAPPY_SAD


def test_numbers_in_the_column_of_labels_go_before_words_that_do_not_name_them(tmp_path: Path) -> None:
    pictures(tmp_path / "im", 14)
    rows = [f"{i}.png,{i % 7},{BOTH[i % 2]}" for i in range(14)]
    listed(tmp_path / "labels.csv", "image,emotion,second_emotion", rows)
    assert len(load(tmp_path).classes) == 7
    rows = [f"{i}.png,{i % 2},{BOTH[i % 2]}" for i in range(14)]
    listed(tmp_path / "labels.csv", "image,emotion,second_emotion", rows)
    assert load(tmp_path).classes == BOTH


def test_two_columns_that_differ_are_asked_about(tmp_path: Path) -> None:
    pictures(tmp_path / "im")
    listed(tmp_path / "a.csv", "image,ann1,ann2", [f"{i}.png,{BOTH[i % 2]},{BOTH[i // 6]}" for i in range(12)])
    assert "columns 'ann1' and 'ann2', which differ" in fault(tmp_path)


def test_a_column_of_pixels_has_its_label_by_its_name(tmp_path: Path) -> None:
    face = " ".join(["7"] * 2304)
    for header, number, word in (("emotion,secondary_emotion,pixels", 7, 2), ("emotion,old_label,pixels", 7, 2)):
        listed(tmp_path / "fer.csv", header, [f"{i % number},{BOTH[i % word]},{face}" for i in range(70)])
        assert len(load(tmp_path / "fer.csv").classes) == 7
    rows = [f"{BOTH[i // 35]},{BOTH[i % 2]},{face}" for i in range(70)]
    listed(tmp_path / "fer.csv", "predicted_emotion,true_label,pixels", rows)
    assert load(tmp_path / "fer.csv").labels.tolist() == [i % 2 for i in range(70)]
    listed(tmp_path / "fer.csv", "label,mood_emotion,pixels", [f"{i % 4},{BOTH[i % 2]},{face}" for i in range(70)])
    assert "may both be the labels" in fault(tmp_path / "fer.csv")


def test_lists_of_answers_are_left_out_aloud(tmp_path: Path) -> None:
    pictures(tmp_path / "im")
    rows = [f"{i}.png,{BOTH[i % 2]}" for i in range(12)]
    listed(tmp_path / "labels.csv", "image,label", rows)
    for name in ("sample_submission.csv", "predictions_resnet.csv"):
        listed(tmp_path / name, "image,label", [f"{i}.png,happy" for i in range(12)])
    own = "source,error,width,height,faces,face,emotion,confidence,x,y,w,h,score,model"
    listed(tmp_path / "faces.csv", own, [f"im/{i}.png,,48,48,1,1,happy,0.6,0,0,48,48,0.9,nano" for i in range(12)])
    dataset = load(tmp_path)
    assert by_number(dataset) == HAPPY_SAD
    told = "\n".join(dataset.decisions)
    assert all(f"left out: {name}" in told for name in ("sample_submission", "predictions_resnet", "faces.csv"))


def test_lists_that_differ_in_many_faces_are_asked_about(tmp_path: Path) -> None:
    pictures(tmp_path / "im")
    listed(tmp_path / "ann.csv", "image,label", [f"{i}.png,{BOTH[i % 2]}" for i in range(12)])
    listed(tmp_path / "bob.csv", "image,label", [f"{i}.png,{BOTH[i // 6]}" for i in range(12)])
    assert "6 faces different labels; which list is meant?" in fault(tmp_path)


@pytest.mark.parametrize(
    ("here", "there", "found"),
    [
        ("S2", "S1/{i}.png", False),
        ("S2/images", "S1/images/{i}.png", False),
        ("S1", "S1/{i}.png", True),
        ("images", "{i}.png", True),
        ("images", "C:\\me\\faces\\images\\{i}.png", True),
        ("images", "/home/me/faces/{i}.png", True),
        ("set/images", "/home/me/faces/images/{i}.png", True),
        (".", "S1/{i}.png", True),
    ],
)
def test_a_picture_is_not_that_of_another_folder(tmp_path: Path, here: str, there: str, found: bool) -> None:
    pictures(tmp_path / here)
    listed(tmp_path / "labels.csv", "path,label", [f"{there.format(i=i)},{BOTH[i % 2]}" for i in range(12)])
    if found:
        assert by_number(load(tmp_path)) == HAPPY_SAD
    else:
        assert "whose picture is missing: 12" in fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_to_idx.json", json.dumps({name: i for i, name in enumerate(AFFECTNET)})),
        ("label_map.json", json.dumps(dict(enumerate(AFFECTNET)))),
        ("classes.txt", "\n".join(AFFECTNET)),
        ("labels.txt", "\n".join(f"{i} {name}" for i, name in enumerate(AFFECTNET))),
        ("names.txt", "\n".join(f"{name}: {i}" for i, name in enumerate(AFFECTNET))),
        ("data.yaml", f"nc: 7\nnames: [{', '.join(AFFECTNET)}]"),
        ("emotions.csv", "label_id,emotion\n" + "\n".join(f"{i},{name}" for i, name in enumerate(AFFECTNET))),
    ],
)
@pytest.mark.parametrize("form", ["folders", "train", "list"])
def test_a_file_beside_numbers_names_them(tmp_path: Path, name: str, text: str, form: str) -> None:
    home = tmp_path / "set" if form == "folders" else tmp_path / "train" if form == "train" else tmp_path
    for i in range(21):
        picture(home / (f"{i % 7}/{i}.png" if form != "list" else f"im/{i}.png"), i)
    if form == "list":
        listed(tmp_path / "list.csv", "image,label", [f"{i}.png,{i % 7}" for i in range(21)])
    (home / name).write_text(text)
    dataset = load(tmp_path)
    assert by_number(dataset) == {i: AFFECTNET[i % 7] for i in range(21)}
    assert any(f"the numbers are named by {os.path.relpath(home / name, tmp_path)}" in d for d in dataset.decisions)
    assert not any("left out" in d and name in d and "class folders" in d for d in dataset.decisions)


def test_files_that_name_numbers_differently_or_name_no_classes(tmp_path: Path) -> None:
    for i in range(10):
        picture(tmp_path / f"{i % 2}/{i}.png", i)
    (tmp_path / "meta.json").write_text(json.dumps({"version": 1, "revision": 0}))
    assert load(tmp_path).classes == ("0", "1")
    (tmp_path / "classes.txt").write_text("happy\nsad\n")
    (tmp_path / "labels.txt").write_text("sad\nhappy\n")
    assert "name the classes differently (happy, sad; sad, happy)" in fault(tmp_path)
    assert load(tmp_path, classes="0=fear,1=angry").classes == ("angry", "fear")


def test_an_emotion_within_a_class_folder_is_left_out_and_other_folders_are_told(tmp_path: Path) -> None:
    for seed, name in enumerate(("happy", "angry", "happy/sad", "happy/night")):
        picture(tmp_path / name / f"{seed}.png", seed)
    dataset = load(tmp_path)
    assert by_number(dataset) == {0: "happy", 1: "angry", 3: "happy"}
    told = "\n".join(dataset.decisions)
    assert "left out: happy/sad/ (1 pictures)" in told
    assert "the pictures in happy/night count as happy" in told


def test_negations_and_compounds_in_file_names_are_no_emotions(tmp_path: Path) -> None:
    for i in range(20):
        picture(tmp_path / f"{BOTH[i % 2]}_{i}.png", i)
    for seed, name in ((98, "not_happy_1"), (99, "happily_surprised_1")):
        picture(tmp_path / f"{name}.png", seed)
    dataset = load(tmp_path)
    assert by_number(dataset) == {i: BOTH[i % 2] for i in range(20)}
    assert any("left out: 2 pictures" in d for d in dataset.decisions)


@pytest.mark.skipif(os.name != "posix", reason="needs file names of bytes")
def test_folder_names_that_are_no_utf8_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate((b"fr\xf6hlich", b"w\xfctend")):
        folder = os.fsencode(tmp_path) + b"/" + name
        os.mkdir(folder)
        picture(tmp_path / "x.png", seed)
        os.rename(tmp_path / "x.png", folder + b"/1.png")
    assert main(["data", "info", str(tmp_path)]) == 0
    assert "happy" in capsys.readouterr().out
    assert by_number(load(tmp_path)) == {0: "happy", 1: "angry"}


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("cp1251", ("радость", "гнев")), ("gb18030", ("高兴", "愤怒")), ("cp1252", ("fröhlich", "wütend"))],
)
def test_the_encoding_is_the_one_in_which_words_mean_emotions(
    tmp_path: Path, encoding: str, words: tuple[str, str]
) -> None:
    pictures(tmp_path / "im")
    listed(tmp_path / "l.csv", "image,label", [f"{i}.png,{words[i % 2]}" for i in range(12)], encoding)
    assert by_number(load(tmp_path)) == {i: ("happy", "angry")[i % 2] for i in range(12)}
    rows = [f"{words[i % 2]},{' '.join([str(i)] * 2304)}" for i in range(12)]
    listed(tmp_path / "faces.csv", "emotion,pixels", rows, encoding)
    assert by_number(load(tmp_path / "faces.csv")) == {i: ("happy", "angry")[i % 2] for i in range(12)}


@pytest.mark.parametrize("most", [2.0, 3.6, 8.0])
def test_floats_on_a_scale_of_their_own_are_refused(tmp_path: Path, most: float) -> None:
    images = np.random.default_rng(0).random((28, 48, 48), np.float32) * most
    images[0, 0, 0] = most
    np.savez(tmp_path / "f.npz", images=images, labels=np.arange(28) % 7)
    assert "neither 0..1 nor 0..255" in fault(tmp_path / "f.npz")


def test_boxes_of_other_things_beside_class_folders_are_no_labels(tmp_path: Path) -> None:
    for i in range(12):
        picture(tmp_path / BOTH[i % 2] / f"{i}.png", i)
        (tmp_path / BOTH[i % 2] / f"{i}.txt").write_text(f"{i // 6} .5 .5 1 1\n")
    (tmp_path / "classes.txt").write_text("man\nwoman\n")
    assert by_number(load(tmp_path)) == HAPPY_SAD


def test_names_in_yaml_may_hold_commas_and_are_as_many_as_nc(tmp_path: Path) -> None:
    for i in range(10):
        picture(tmp_path / f"images/{i}.png", i)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / f"labels/{i}.txt").write_text(f"{i % 2} .5 .5 1 1\n")
    (tmp_path / "data.yaml").write_text("names: ['happy, smiling', \"sad\"]\n")
    assert by_number(load(tmp_path)) == {i: ("happy, smiling", "sad")[i % 2] for i in range(10)}
    (tmp_path / "data.yaml").write_text("nc: 3\nnames: [happy, sad]\n")
    assert "nc: 3 and names 2 classes" in fault(tmp_path)


def test_rows_with_a_field_too_many_are_left_out_aloud(tmp_path: Path) -> None:
    pictures(tmp_path / "im")
    rows = [f"{i}.png,{'x,' if i == 3 else ''}{BOTH[i % 2]}" for i in range(12)]
    listed(tmp_path / "labels.csv", "image,label", rows)
    dataset = load(tmp_path)
    assert by_number(dataset) == {i: name for i, name in HAPPY_SAD.items() if i != 3}
    assert any("1 rows of another number of fields" in d for d in dataset.decisions)
