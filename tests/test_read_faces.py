"""Faces detected, cropped and classified; and common mistakes of users of other tools."""

import copy
import io
import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mien
from mien import Reader
from mien.data.image import to_square_gray
from mien.errors import MienError
from mien.inference.crop import crop_face, frame
from mien.inference.detector import LANDMARKS, YUNET, open_detector
from mien.inference.model import open_model
from mien.inference.model_file import resolve
from mien.labels import EMOTIONS
from read_fixtures import FACE, PORTRAIT, crowd, make_model, portrait, reader, tiny_model


def test_the_portrait_has_one_face_with_everything_about_it() -> None:
    (face,) = reader().read(PORTRAIT)
    x, y, w, h = face.box
    assert 160 < x < 200
    assert 50 < y < 90
    assert 75 < w < 110
    assert 90 < h < 130
    assert tuple(face.probabilities) == EMOTIONS
    assert math.isclose(sum(face.probabilities.values()), 1)
    assert face.emotion == max(face.probabilities, key=lambda name: face.probabilities[name])
    assert face.confidence == face.probabilities[face.emotion]
    assert face.score is not None
    assert 0.65 <= face.score <= 1
    assert tuple(face.landmarks) == LANDMARKS
    assert face.landmarks["right_eye"][0] < face.landmarks["left_eye"][0]
    assert face.landmarks["nose"][1] < face.landmarks["mouth_left"][1]
    assert face.crop.shape == (48, 48)
    assert face.crop.dtype == np.uint8


def test_confidence_is_calibrated_by_the_models_temperature(tmp_path: Path) -> None:
    cold = open_model(make_model(tmp_path / "cold.onnx", temperature="1"))
    warm = open_model(make_model(tmp_path / "warm.onnx", temperature="3"))
    crops = np.random.default_rng(0).integers(0, 256, (20, 48, 48), dtype=np.uint8)
    logits = cold.logits(crops).astype(float)
    expected = np.exp(logits / 3)
    assert np.allclose(warm.classify(crops), expected / expected.sum(axis=1, keepdims=True))
    assert np.array_equal(cold.classify(crops).argmax(axis=1), warm.classify(crops).argmax(axis=1))
    assert warm.classify(crops).max(axis=1).mean() < cold.classify(crops).max(axis=1).mean()


def test_opencvs_own_yunet_finds_the_same_faces() -> None:
    cv2 = pytest.importorskip("cv2")

    pixels = np.ascontiguousarray(np.asarray(portrait())[:, :, ::-1])
    theirs = cv2.FaceDetectorYN.create(str(YUNET), "", (512, 512), 0.65, 0.3).detect(pixels)[1]
    ours = open_detector()(portrait())
    rows = np.concatenate([ours.boxes, ours.landmarks.reshape(-1, 10), ours.scores[:, None]], axis=1)
    assert rows.shape == theirs.shape
    assert np.allclose(rows, theirs, atol=0.05)


def test_boxes_can_be_written_as_json_and_nothing_is_rounded_to_zero() -> None:
    for face in reader().read(crowd(4, 3, 100)):
        assert all(type(number) is int for number in face.box)
        back = json.loads(json.dumps(face.to_dict()))
        assert back["box"] == list(face.box)
        for name, share in face.probabilities.items():
            assert type(share) is float
            assert back["probabilities"][name] == pytest.approx(share, rel=1e-6)
            assert back["probabilities"][name] > 0
        assert "crop" not in back


def test_faces_can_be_copied_pickled_and_compared() -> None:
    (face,) = reader().read(PORTRAIT)
    for twin in (copy.deepcopy(face), pickle.loads(pickle.dumps(face))):
        assert twin == face
        assert np.array_equal(twin.crop, face.crop)
        assert hash(twin) == hash(face)
        assert mien.explain(twin).saliency.shape == (48, 48)


def test_options_are_those_of_every_thread_and_may_come_from_numpy() -> None:
    lying = portrait().rotate(180)
    two = mien.Reader(tiny_model(), threads=np.int64(2), min_score=np.float32(0.5), find_turned=False)  # type: ignore[arg-type]
    assert [len(faces) for faces in two.read_many([lying, portrait()])] == [len(two.read(lying)), 1]
    for options in ({"flip": "no"}, {"find_turned": 1}, {"max_pixels": 0.5}, {"min_score": "a"}):
        with pytest.raises(MienError):
            mien.Reader(tiny_model(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameter", "call"),
    [
        *(
            (name, partial(mien.Reader, tiny_model(), **{name: value}))
            for name, value in {
                "min_score": 1.01, "margin": 10, "flip": "yes", "threads": 0, "max_pixels": 0, "detector": 3,
                "find_turned": 0, "untrusted": "x",
            }.items()
        ),
        *(("model", partial(mien.load_model, name)) for name in ("nope", "", 3)),
        ("threads", lambda: mien.load_model(tiny_model(), threads=0)),
        ("emotion", lambda: mien.explain(reader().read(PORTRAIT)[0], "nope")),
        ("face", lambda: mien.explain("x")),  # type: ignore[arg-type]
        ("crops", lambda: mien.classify("x", model=tiny_model())),
        ("flip", lambda: mien.classify([], model=tiny_model(), flip="no")),  # type: ignore[arg-type]
        ("sources", lambda: list(reader().read_many(None))),  # type: ignore[arg-type]
        ("already_cropped", lambda: mien.read(PORTRAIT, model=tiny_model(), already_cropped="x")),  # type: ignore[arg-type]
        ("already_cropped", lambda: list(reader().stream([PORTRAIT], already_cropped=1))),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_an_error_knows_the_parameter_that_it_is_about(parameter: str, call: Callable[[], object]) -> None:
    with pytest.raises(mien.MienError) as error:
        call()
    assert error.value.parameter == parameter
    assert parameter in str(error.value)


def test_what_is_no_list_of_pictures_or_no_face_is_said(tmp_path: Path) -> None:
    (face,) = reader().read(PORTRAIT)
    for sources in (np.asarray(portrait()), np.zeros((9, 9)), portrait(), Path("a"), None, "a", io.BytesIO(b"a"), 5):
        with pytest.raises(MienError, match="several sources"):
            list(reader().read_many(sources))  # type: ignore[arg-type]
    for batch in ("a", 0, 2.5):
        with pytest.raises(MienError, match="batch"):
            list(reader().read_many([portrait()], batch=batch))  # type: ignore[arg-type]
    assert [len(faces) for faces in reader().read_many(np.asarray(portrait())[None])] == [1]
    for value in (face, None, ["x"]):
        with pytest.raises(MienError, match=r"[fF]ace"):
            mien.annotate(portrait(), value)  # type: ignore[arg-type]
    assert mien.annotate(portrait(), (one for one in [face])).size == mien.annotate(portrait(), [face]).size
    for explain in (mien.explain, reader().explain):
        with pytest.raises(MienError, match="one Face"):
            explain("x")  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [48, 64, 100, 200, 500, 1500, 4000])
def test_a_face_that_fills_the_picture_is_found_at_every_size(side: int) -> None:
    image = portrait().crop(FACE).resize((round(side * 0.8), side), Image.Resampling.BICUBIC)
    (face,) = reader().read(image)
    assert face.box[3] > 0.5 * side


def test_a_48x48_gray_face_is_found() -> None:
    left, top, right, _ = FACE
    tight = portrait().convert("L").crop((left, top, right, top + right - left)).resize((48, 48))
    assert len(reader().read(tight)) == 1
    assert len(reader().read(np.asarray(tight))) == 1


def test_tight_crops_are_read_as_they_are_and_not_padded() -> None:
    left, top, right, _ = FACE
    tight = portrait().convert("L").crop((left, top, right, top + right - left)).resize((48, 48))
    (face,) = reader().read(tight)
    difference = np.abs(face.crop.astype(int) - np.asarray(tight, int)).mean()
    assert difference < 8  # the whole crop again, or nearly
    close = crop_face(tight, np.array([3, 1, 40, 45.0]), 48)
    assert np.array_equal(close, np.asarray(tight))  # a frame that would leave the picture is the picture
    assert np.array_equal(reader().read(tight, already_cropped=True)[0].crop, np.asarray(tight))


def test_a_crop_never_leaves_the_picture_and_keeps_its_size() -> None:
    picture = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (100, 1)))
    for box in ((-30, -30, 60, 80), (180, 60, 60, 60), (50, 20, 190, 160), (0, 0, 1, 1), (199, 99, 1, 1)):
        crop = crop_face(picture, np.array(box, float), 48)
        assert crop.shape == (48, 48)
        assert crop.dtype == np.uint8
    left, top, side = frame(np.array([100, 40, 20, 40.0]), margin=1.5)
    assert (left, top, side) == (80, 30, 60)
    inside = crop_face(picture, np.array([100, 40, 20, 40.0]), 60, margin=1.5)
    assert np.allclose(inside[30], np.arange(80, 140), atol=1)


def test_whole_takes_the_picture_as_the_face() -> None:
    image = Image.new("L", (30, 30), 77)
    (face,) = reader().read(image, already_cropped=True)
    assert face.box == (0, 0, 30, 30)
    assert face.score is None
    assert face.landmarks == {}
    assert np.array_equal(face.crop, to_square_gray(image, 48))
    assert json.loads(json.dumps(face.to_dict()))["score"] is None


def test_five_hundred_faces_are_found_largest_first() -> None:
    faces = reader().read(crowd(25, 20, 60))
    assert len(faces) == 500
    areas = [face.box[2] * face.box[3] for face in faces]
    assert max(areas) <= 1.15 * areas[0]


def test_small_faces_in_a_very_large_picture_are_found() -> None:
    large = Image.new("RGB", (6000, 4000), (120, 130, 140))
    face = portrait().crop(FACE).resize((48, 60), Image.Resampling.BICUBIC)
    places = [(300, 200), (5600, 3700), (2990, 1990), (1850, 100)]
    for place in places:
        large.paste(face, place)
    boxes = [face.box for face in reader().read(large)]
    assert len(boxes) == len(places)
    for x, y in places:
        assert any(x <= bx + bw / 2 <= x + 48 and y <= by + bh / 2 <= y + 60 for bx, by, bw, bh in boxes)


def test_many_pictures_give_what_each_gives_alone_in_order() -> None:
    pictures = [portrait(), Image.new("RGB", (50, 50)), crowd(3, 2, 90), portrait().rotate(10), crowd(1, 1, 200)]
    alone = [reader().read(picture) for picture in pictures]
    for options in ({"batch": 64}, {"batch": 1}, {"batch": 3}):
        together = list(reader().read_many(iter(pictures), **options))
        assert [[face.box for face in faces] for faces in together] == [[f.box for f in faces] for faces in alone]
        for faces, expected in zip(together, alone, strict=True):
            for face, twin in zip(faces, expected, strict=True):
                assert face.emotion == twin.emotion
                assert face.confidence == pytest.approx(twin.confidence, abs=1e-5)
    threaded = Reader(tiny_model(), threads=3).read_many(pictures * 4)
    assert [len(faces) for faces in threaded] == [len(faces) for faces in alone] * 4


def test_a_stream_reads_ahead_only_as_far_as_its_batch() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield PORTRAIT

    for threads, most in ((1, 4), (2, 9)):
        taken = 0
        stream = Reader(tiny_model(), threads=threads).read_many(endless(), batch=4)  # type: ignore[type-var, arg-type]
        assert len(next(stream)) == 1
        assert taken <= most
        stream.close()  # type: ignore[attr-defined]


def test_classify_gives_calibrated_rows_for_any_number_of_crops() -> None:
    crops = np.random.default_rng(1).integers(0, 256, (300, 48, 48), dtype=np.uint8)
    chances = mien.classify(crops, model=tiny_model())
    assert chances.shape == (300, 7)
    assert np.allclose(chances.sum(axis=1), 1)
    assert np.allclose(mien.classify(crops[7], model=tiny_model()), chances[7:8], atol=1e-6)
    assert mien.classify(crops[:0], model=tiny_model()).shape == (0, 7)
    assert mien.classify(np.array([]), model=tiny_model()).shape == (0, 7)
    assert mien.classify(crops[:3, :, :, None], model=tiny_model()).shape == (3, 7)
    assert np.allclose(mien.classify(crops[:5, ::-1][:, ::-1], model=tiny_model()), chances[:5], atol=1e-6)
    larger = crops[:2].repeat(2, axis=1).repeat(2, axis=2)
    assert np.allclose(mien.classify(larger, model=tiny_model()), chances[:2], atol=0.1)


def test_flip_is_the_mean_over_a_face_and_its_mirror_image() -> None:
    crops = np.random.default_rng(2).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    plain = mien.classify(crops, model=tiny_model())
    mirrored = mien.classify(crops[:, :, ::-1], model=tiny_model())
    assert np.allclose(mien.classify(crops, model=tiny_model(), flip=True), (plain + mirrored) / 2)


def test_a_model_with_classes_and_size_of_its_own(tmp_path: Path) -> None:
    names = ("bored", "awake", "愉快")
    model = make_model(tmp_path / "own.onnx", names, size=64)
    (face,) = mien.read(PORTRAIT, model=model)
    assert tuple(face.probabilities) == names
    assert face.crop.shape == (64, 64)
    assert mien.classify(np.zeros((2, 64, 64), np.uint8), model=model).shape == (2, 3)
    assert mien.explain(face).saliency.shape == (64, 64)
    with pytest.raises(MienError, match="has no class"):
        mien.explain(face, "happy")


def test_a_run_folder_names_its_model_and_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    make_model(tmp_path / "model.onnx", ("a", "b"))
    assert resolve(tmp_path) == tmp_path / "model.onnx"
    assert open_model(tmp_path).classes == ("a", "b")
    make_model(tmp_path / "model.onnx", ("a", "b", "c"))
    assert open_model(tmp_path).classes == ("a", "b", "c")


def test_a_detector_of_ones_own() -> None:
    seen = []

    def center(image: np.ndarray) -> list[list[int]]:
        seen.append((image.shape, image.dtype))
        return [[10, 20, 30, 40]]

    (face,) = Reader(tiny_model(), detector=center).read(portrait())
    assert seen == [((512, 512, 3), np.uint8)]
    assert face.box == (10, 20, 30, 40)
    assert face.score is None
    assert face.landmarks == {}
    assert Reader(tiny_model(), detector=lambda image: None).read(portrait()) == []
    by_path = Reader(tiny_model(), detector=YUNET).read(portrait())
    assert [face.box for face in by_path] == [face.box for face in reader().read(portrait())]


def test_min_score_decides_what_counts_as_a_face() -> None:
    assert Reader(tiny_model(), min_score=0.999).read(portrait()) == []


def run_python(code: str, **environment: str) -> str:
    """Run code in a fresh Python; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_work_are_light_and_fetch_nothing() -> None:
    code = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("mien asked for the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from mien import Reader, classify, explain, read, Face
import mien
heavy = [name for name in ("numpy", "cv2", "onnxruntime") if name in sys.modules]
faces = mien.read({str(PORTRAIT)!r}, model={str(tiny_model())!r})
assert len(faces) == 1
never = ("torch", "cv2", "pandas", "matplotlib", "sklearn", "scipy", "rich", "requests", "onnx")
print([name for name in never if name in sys.modules])
"""
    assert run_python(code).strip() == "[]"
    assert run_python("import mien, sys; print([n for n in ('numpy', 'PIL') if n in sys.modules])").strip() == "[]"


def test_reading_uses_one_thread_unless_told_otherwise() -> None:
    code = f"""
import os, mien
reader = mien.Reader({str(tiny_model())!r})
before = len(os.listdir("/proc/self/task"))
reader.read({str(PORTRAIT)!r})
print(len(os.listdir("/proc/self/task")) - before)
"""
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc here")
    # Libraries may start threads of their own when imported; reading starts none.
    assert run_python(code).strip() == "0"
