"""Faces that are not upright, and the quality measures of a face."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

import mien
import mien.inference.quality
from mien import Face, Reader
from mien.errors import MienError
from mien.inference.detections import Detections
from mien.inference.quality import measure_quality
from mien.inference.tracker import Tracker
from read_fixtures import FACE, crowd, portrait, reader, tiny_model

TURNS = {
    90: Image.Transpose.ROTATE_270,  # what must be turned by 90 degrees counterclockwise to stand upright
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def turned_box(box: tuple[int, int, int, int], turn: int, size: int) -> tuple[int, int, int, int]:
    """Where a box of the upright square picture lies in the one that must be turned by `turn`."""
    x, y, w, h = box
    return {90: (size - y - h, x, h, w), 180: (size - x - w, size - y - h, w, h), 270: (y, size - x - w, h, w)}[turn]


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_face_is_read_upright_and_flagged(turn: int) -> None:
    (upright,) = reader().read(portrait())
    (face,) = reader().read(portrait().transpose(TURNS[turn]))
    assert face.quality is not None
    assert face.quality.turned == turn
    assert "turned" in face.quality.flags
    assert np.abs(face.crop.astype(int) - upright.crop).mean() < 6
    assert face.emotion == upright.emotion
    assert np.abs(np.array(face.box) - turned_box(upright.box, turn, 512)).max() <= 4
    eyes, mouth = face.landmarks["right_eye"], face.landmarks["mouth_right"]
    assert {90: eyes[0] > mouth[0], 180: eyes[1] > mouth[1], 270: eyes[0] < mouth[0]}[turn]


def test_upright_faces_are_not_turned_and_turning_can_be_switched_off() -> None:
    for picture in (portrait(), crowd(4, 3, 100), portrait().rotate(20)):
        assert all(face.quality and face.quality.turned == 0 for face in reader().read(picture))
    plain = Reader(tiny_model(), find_turned=False)
    faces = plain.read(portrait().transpose(TURNS[180]))
    assert all(face.quality and face.quality.turned == 0 for face in faces)


def test_detections_come_back_from_a_turned_picture() -> None:
    width, height = 300, 200
    marks = np.arange(10, dtype=np.float64).reshape(1, 5, 2) + 40
    upright = Detections.of(np.array([[30.0, 50, 60, 70]]), marks, np.array([0.9]))
    # The picture turned by 90 degrees counterclockwise: (x, y) lies at (y, width - x).
    boxes = np.array([[50.0, width - 30 - 60, 70, 60]])
    turned = Detections.of(boxes, np.stack([marks[..., 1], width - marks[..., 0]], axis=-1), np.array([0.9]))
    back = turned.turned_back(90, width, height)
    assert np.array_equal(back.boxes, upright.boxes)
    assert np.array_equal(back.landmarks, upright.landmarks)
    assert back.turns.tolist() == [90]
    half = turned.turned_back(180, 70, 60).turned_back(180, 70, 60)
    assert np.array_equal(half.boxes, turned.boxes)
    three = turned.turned_back(90, width, height).turned_back(270, height, width)
    assert np.array_equal(three.boxes, turned.boxes)
    assert np.array_equal(three.landmarks, turned.landmarks)


def test_detections_move_scale_and_filter_as_one() -> None:
    faces = Detections.of(np.array([[0.0, 0, 10, 20], [5, 5, 30, 30]]), scores=np.array([0.7, 0.9]))
    assert len(faces) == 2
    assert faces.above(0.8).boxes.tolist() == [[5, 5, 30, 30]]
    assert faces.largest_first().scores.tolist() == [0.9, 0.7]
    assert faces.shifted(3, 4).boxes.tolist() == [[3, 4, 10, 20], [8, 9, 30, 30]]
    assert faces.scaled(200, 100).boxes.tolist() == [[0, 0, 20, 40], [10, 10, 60, 60]]
    assert faces.short_sides.tolist() == [10, 30]
    assert len(Detections.empty()) == 0
    assert len(Detections.concatenate([faces, Detections.empty(), faces])) == 4


def quality_of(picture: Image.Image) -> mien.inference.quality.Quality:
    (face,) = reader().read(picture, already_cropped=True)
    assert face.quality is not None
    return face.quality


def test_quality_tells_light_sharpness_and_size_apart() -> None:
    face = portrait().crop((155, 50, 295, 190))
    plain = quality_of(face)
    assert plain.flags == ()
    assert plain.size == 140
    assert plain.tilt is None
    assert plain.cut == 0
    pixels = np.asarray(face, np.float64)
    expected = {
        "dark": Image.fromarray((pixels * 0.2).astype(np.uint8)),
        "bright": Image.fromarray((pixels * 0.2 + 200).astype(np.uint8)),
        "low contrast": Image.fromarray((pixels * 0.2 + 100).astype(np.uint8)),
        "blurred": face.filter(ImageFilter.GaussianBlur(14)),
        "small": face.resize((16, 16)),
    }
    for flag, picture in expected.items():
        assert flag in quality_of(picture).flags, flag
    dim = quality_of(expected["low contrast"])
    assert dim.sharpness == pytest.approx(plain.sharpness, rel=0.1)  # does not depend on the light


def test_quality_tells_tilt_and_what_the_border_cuts_off() -> None:
    crop = np.asarray(portrait().convert("L").crop(FACE).resize((48, 48)))
    marks = np.array([[10.0, 10], [20, 20], [15, 20], [12, 25], [18, 25]])
    tilted = measure_quality(crop, np.array([-10.0, 0, 40, 40]), marks, 0, 100, 100)
    assert tilted.tilt == pytest.approx(45)
    assert tilted.cut == pytest.approx(0.25)
    assert {"tilted", "cut"} <= set(tilted.flags)
    unknown = measure_quality(crop, np.array([0.0, 0, 40, 40]), np.full((5, 2), np.nan), 0, 100, 100)
    assert unknown.tilt is None
    flat = measure_quality(np.full((48, 48), 9, np.uint8), np.array([0.0, 0, 40, 40]), marks, 0, 100, 100)
    assert (flat.sharpness, flat.contrast) == (0, 0)


def test_quality_is_in_the_records_as_plain_numbers() -> None:
    (face,) = reader().read(portrait())
    record = json.loads(json.dumps(face.to_dict()))
    assert list(record)[-1] == "quality"
    assert set(record["quality"]) == {"size", "sharpness", "brightness", "contrast", "tilt", "turned", "cut", "flags"}
    assert "quality" not in replace(face, quality=None).to_dict()


def test_a_face_and_an_explanation_show_themselves_in_a_notebook() -> None:
    (face,) = reader().read(portrait())
    page = face._repr_html_()
    assert page.count("<tr>") == 7
    assert "data:image/png;base64," in page
    odd = replace(face, emotion="<b>", probabilities={"<b>": 1.0})
    assert "<b>" not in odd._repr_html_()
    explanation = mien.explain(face)
    assert "data:image/png;base64," in explanation._repr_html_()
    assert len(repr(explanation)) < 200
    assert "array" not in repr(explanation)


def test_faces_go_into_a_table() -> None:
    pytest.importorskip("pandas")
    pictures = [portrait(), Image.new("RGB", (50, 50)), crowd(2, 1, 120)]
    faces = reader().read(pictures[2])
    table = mien.to_frame(faces)
    assert len(table) == 2
    assert table["emotion"].tolist() == [face.emotion for face in faces]
    assert {"p_happy", "x", "w", "score", "size", "sharpness"} <= set(table.columns)
    assert (table[["x", "y", "w", "h"]].to_numpy() == np.array([face.box for face in faces])).all()
    assert mien.to_frame(reader().read_many(pictures))["picture"].tolist() == [0, 2, 2]
    assert len(mien.to_frame(reader().stream(pictures))["source"]) == 3
    for nothing in ([], [[]]):
        assert list(mien.to_frame(nothing)) == ["emotion", "confidence", "x", "y", "w", "h", "score"]
    for value in (None, faces[0], "abc", [faces[0], 3], [None], 3):
        with pytest.raises(mien.MienError, match="face"):
            mien.to_frame(value)
    face = faces[0]
    change = dict.fromkeys(face.probabilities, 0.1)
    tracker = Tracker()
    (seen,) = tracker.update([face], 0.0)
    table = mien.to_frame([seen, replace(seen, change=change)])
    names = [f"change_{name}" for name in face.probabilities]
    assert [name for name in table if name.startswith("change_")] == names
    assert list(table).index(names[0]) == list(table).index("x") - len(names)
    assert table[names[0]].isna().tolist() == [True, False]
    assert not any(name.startswith("change_") for name in mien.to_frame([seen]))


def test_a_table_without_pandas_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MienError, match="pip install pandas"):
        mien.to_frame([])


def test_editors_and_users_find_the_documented_names() -> None:
    assert {"read", "read_video", "classify", "explain", "annotate", "to_frame", "load_model", "load_dataset"} <= set(
        dir(mien)
    )
    assert mien.load_model(tiny_model()).name == "tiny"
    assert Face.__module__ == "mien.inference.face"
