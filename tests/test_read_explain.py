"""Saliency maps and annotated pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import mien
from mien.inference.annotate import annotate, rgb
from mien.inference.model import open_model
from mien.inference.occlusion import explain_crop, lay_over
from mien.labels import color
from read_fixtures import FACE, crowd, portrait, reader


def corner_model(path: Path) -> Path:
    """A classifier that looks at one corner of the face only: bright there is "lit", dark is "unlit"."""
    weight = np.zeros((48, 48, 2), np.float32)
    weight[6:14, 30:42, 0] = 0.0002
    weight[6:14, 30:42, 1] = -0.0002
    constants = [
        numpy_helper.from_array(np.array([0, 2304], np.int64), "shape"),
        numpy_helper.from_array(weight.reshape(2304, 2), "weight"),
    ]
    nodes = [
        helper.make_node("Cast", ["faces"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "corner",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 48, 48])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    says = {"mien_format": "1", "name": "corner", "classes": json.dumps(["lit", "unlit"]), "input_size": "48"}
    helper.set_model_props(model, says)
    onnx.save(model, path)
    return path


def test_the_heat_lies_where_the_model_looks(tmp_path: Path) -> None:
    model = open_model(corner_model(tmp_path / "corner.onnx"))
    crop = np.full((48, 48), 40, np.uint8)
    crop[6:14, 30:42] = 230
    explanation = explain_crop(model, crop, "lit")
    heat = explanation.saliency
    assert heat.shape == (48, 48)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() == 1
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 4 <= y <= 16
    assert 28 <= x <= 44
    assert heat[30:, :20].max() < 0.05
    assert explanation.probability > 0.9
    assert 0 < explanation.probability_drop <= explanation.probability
    against = explain_crop(model, crop, "unlit")
    assert against.probability == pytest.approx(1 - explanation.probability)


def test_a_face_that_nothing_speaks_for_has_no_heat(tmp_path: Path) -> None:
    explanation = explain_crop(open_model(corner_model(tmp_path / "m.onnx")), np.zeros((48, 48), np.uint8), "lit")
    assert explanation.saliency.max() == 0
    assert explanation.probability_drop == 0


def test_an_explanation_is_of_the_views_by_which_the_face_was_read() -> None:
    flipping = mien.Reader(reader().model.path, flip=True)
    (face,) = flipping.read(portrait())
    for explanation in (flipping.explain(face), mien.explain(face, flip=True)):
        assert explanation.probability == pytest.approx(face.confidence, abs=1e-9)
    assert abs(mien.explain(face).probability - face.confidence) > 1e-4
    mirrored = replace(face, crop=np.ascontiguousarray(face.crop[:, ::-1]))
    saliency = flipping.explain(mirrored).saliency
    assert saliency == pytest.approx(flipping.explain(face).saliency[:, ::-1], abs=1e-3)
    with pytest.raises(mien.MienError, match="flip"):
        mien.explain(face, flip="no")  # type: ignore[arg-type]


def test_explain_takes_a_face_and_gives_an_overlay() -> None:
    (face,) = reader().read(portrait())
    explanation = mien.explain(face)
    assert explanation.emotion == face.emotion
    assert explanation.probability == pytest.approx(face.confidence, abs=1e-5)
    assert explanation.overlay.shape == (288, 288, 3)
    assert explanation.overlay.dtype == np.uint8
    assert np.array_equal(explanation.saliency, reader().explain(face).saliency)
    other = next(name for name in face.probabilities if name != face.emotion)
    assert mien.explain(face, other).emotion == other


def test_the_overlay_is_colored_where_it_is_hot_and_gray_where_not() -> None:
    heat = np.zeros((48, 48), np.float32)
    heat[:, 24:] = 1
    overlay = lay_over(np.full((48, 48), 128, np.uint8), heat).astype(int)
    spread = overlay.max(axis=2) - overlay.min(axis=2)
    assert spread[:, :100].max() < 40
    assert spread[:, 190:].min() > 10
    assert overlay[:, 190:].mean() > overlay[:, :100].mean()


def test_annotating_marks_the_face_in_its_emotions_color_and_leaves_the_rest() -> None:
    picture = portrait().resize((1024, 1024), Image.Resampling.BICUBIC)
    before = picture.tobytes()
    (face,) = reader().read(picture)
    marked = annotate(picture, [face])
    assert picture.tobytes() == before
    assert marked.size == picture.size
    assert marked.mode == "RGB"
    paint = np.array(rgb(color(face.emotion)))
    x, y, w, h = face.box
    edge = np.asarray(marked, int)[y + h // 3 : y + 2 * h // 3, x - 3]
    assert np.abs(edge - paint).max() < 30
    changed = np.abs(np.asarray(marked, int) - np.asarray(picture, int)).sum(axis=2) > 0
    assert not changed[600:].any()
    assert not changed[y + 20 : y + h - 20, x + 20 : x + w - 20].any()  # nothing is drawn over the face itself


def test_small_pictures_are_enlarged_and_cards_without_room_get_a_column() -> None:
    tight = portrait().crop(FACE).resize((48, 60))
    faces = reader().read(tight)
    marked = annotate(tight, faces, [reader().explain(face) for face in faces])
    assert marked.height >= 640
    assert marked.width > 640 * 48 / 60
    still = annotate(tight, faces, column=False)
    assert still.size == (512, 640)


def test_crowds_tiny_faces_and_no_faces_can_be_annotated() -> None:
    for picture in (crowd(12, 10, 40), crowd(3, 3, 250), Image.new("RGB", (1, 1)), Image.new("RGB", (3000, 10))):
        assert annotate(picture, reader().read(picture)).mode == "RGB"
    (face,) = reader().read(portrait())
    with pytest.raises(mien.MienError, match="names has 1 and faces 2"):
        annotate(portrait(), [face, face], names=["Ann"])
    for box in ((0, 0, 512, 512), (0, 0, 1, 1), (500, 500, 12, 12), (0, 200, 512, 40)):
        assert annotate(portrait(), [replace(face, box=box)]).mode == "RGB"
