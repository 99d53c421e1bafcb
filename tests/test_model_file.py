"""Model files: resolving, metadata, and invalid files."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mien.errors import MienError
from mien.inference.checksum import KEY, with_checksum
from mien.inference.model import Ensemble, open_model, softmax
from mien.inference.model_file import DEFAULT, WEIGHTS, parse_info, read_info, resolve, shipped, state_dict, trainable
from mien.inference.normalization import KINDS, normalize_input
from read_fixtures import make_model

needs_models = pytest.mark.skipif(not shipped(), reason="no model is shipped with this copy")


@needs_models
def test_a_source_is_a_shipped_name_a_run_folder_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve() == resolve("default") == WEIGHTS / f"{DEFAULT}.onnx"
    for name in shipped():
        assert resolve(name) == WEIGHTS / f"{name}.onnx"
    model = make_model(tmp_path / "model.onnx")
    assert resolve(tmp_path) == resolve(str(tmp_path)) == model
    assert resolve(model) == model
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hybrid").mkdir()
    make_model(tmp_path / "hybrid" / "model.onnx")
    assert resolve("hybrid").parent == WEIGHTS  # a shipped name comes first
    assert resolve("./hybrid") == Path("hybrid/model.onnx")


def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    for source, words in (
        ("no-such-model", "neither a shipped model"),
        (tmp_path, "contains no model.onnx"),
        ("", "model name is empty"),
        ("bad\0name", "no model"),
        (None, "a name or a path"),
        (3, "a name or a path"),
    ):
        with pytest.raises(MienError, match=words) as caught:
            resolve(source)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_both_formats_are_read(tmp_path: Path) -> None:
    old = read_info(make_model(tmp_path / "old.onnx"))
    assert (old.format, old.input_normalization, old.training) == ("1", "none", {})
    training = {"recipe": "nano", "validation_accuracy": 0.5, "data": {"fingerprint": "abc"}}
    new = read_info(make_model(
        tmp_path / "new.onnx", mien_format="2", input_normalization="equalize", mean="0.5", std="0.25",
        parameters="1234",
        license="MIT", training=json.dumps(training),
    ))  # fmt: skip
    assert (new.format, new.input_normalization, new.mean, new.std, new.parameters, new.license) == (
        "2", "equalize", 0.5, 0.25, 1234, "MIT"
    )  # fmt: skip
    assert new.training == training
    assert (new.validation_accuracy, new.fingerprint) == (0.5, "abc")
    assert trainable(new)
    assert not trainable(old)  # its pixel scaling is not told


@needs_models
def test_shipped_files_say_what_they_are() -> None:
    for name in shipped():
        info = read_info(name)
        assert len(info.classes) == 7
        assert info.parameters
        assert 0.6 < (info.validation_accuracy or 0) < 0.8
        assert info.fingerprint
    assert read_info("champion-fast").cascade["below"] > 0
    assert [name for name in shipped() if trainable(read_info(name))] == ["champion", "hybrid"]


@needs_models
def test_a_state_dict_holds_float32_arrays_by_name() -> None:
    weights = state_dict("hybrid")
    assert sum(array.size for name, array in weights.items() if "running" not in name) == read_info("hybrid").parameters
    assert all(array.dtype == np.float32 for array in weights.values())
    with pytest.raises(MienError, match="no trainable weights"):
        state_dict("champion-fast")


@pytest.mark.parametrize("metadata", [
    {"temperature": "1e-320"}, {"temperature": "nan"}, {"temperature": "1e9"}, {"input_normalization": "bright"},
    {"std": "0"},
    {"mean": "nan"}, {"training": "[1]"}, {"cascade": "7"}, {"classes": '"happy"'}, {"classes": '[1, 2]'},
    {"input_size": "4"},
    {"mien_format": "3"}, {"parameters": "many"},
])  # fmt: skip
def test_metadata_out_of_range_are_refused(metadata: dict[str, str]) -> None:
    sound = {"mien_format": "2", "classes": '["a", "b"]', "input_size": "48", "temperature": "1"}
    assert parse_info(Path("x.onnx"), sound).classes == ("a", "b")
    with pytest.raises(MienError, match=r"x\.onnx"):
        parse_info(Path("x.onnx"), sound | metadata)


CAST = helper.make_node("Cast", ["faces"], ["floats"], to=TensorProto.FLOAT)
LIARS = {
    # many rows for one face
    "logits (1152, 2) for 1 faces": [CAST, helper.make_node("Reshape", ["floats", "pairs"], ["logits"])],
    "not finite": [
        CAST,
        helper.make_node("ReduceMean", ["floats"], ["rows"], axes=[1], keepdims=0),
        helper.make_node("Slice", ["rows", "nothing", "two", "one"], ["first"]),
        helper.make_node("Sub", ["first", "first"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["logits"]),
    ],
    "fails on 3 faces": [CAST, helper.make_node("Reshape", ["floats", "once"], ["wide"]),
                         helper.make_node("ReduceMean", ["wide"], ["logits"], axes=[2], keepdims=0)],
}  # fmt: skip
NUMBERS = {"pairs": [-1, 2], "once": [1, 2, 1152], "nothing": [0], "one": [1], "two": [2]}


@pytest.mark.parametrize("words", LIARS)
def test_a_trial_run_tells_files_that_do_not_keep_the_contract(tmp_path: Path, words: str) -> None:
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in NUMBERS.items()]
    faces = helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 48, 48])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["m", "c"])
    graph = helper.make_graph(LIARS[words], "liar", [faces], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"mien_format": "2", "classes": '["a", "b"]', "input_size": "48"})
    onnx.save(model, tmp_path / "liar.onnx")
    with pytest.raises(MienError, match=re.escape(words)):
        open_model(tmp_path / "liar.onnx")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_normalizes_the_light_as_its_file_says(tmp_path: Path, kind: str) -> None:
    plain = open_model(make_model(tmp_path / "plain.onnx"))
    model = open_model(make_model(tmp_path / f"{kind}.onnx", mien_format="2", input_normalization=kind))
    faces = np.random.default_rng(0).integers(40, 90, (300, 48, 48)).astype(np.uint8)
    expected = plain.logits(normalize_input(faces, kind))
    assert np.array_equal(model.logits(faces), expected)
    assert np.allclose(model.classify(faces), softmax(expected, model.temperature))


def test_an_ensemble_averages_probabilities_of_models_with_the_same_classes(tmp_path: Path) -> None:
    models = [open_model(make_model(tmp_path / f"{seed}.onnx", seed=seed)) for seed in range(3)]
    faces = np.random.default_rng(0).integers(0, 256, (9, 48, 48)).astype(np.uint8)
    together = Ensemble(models)
    assert together.classes == models[0].classes
    assert np.allclose(together.classify(faces, flip=True), np.mean([m.classify(faces, True) for m in models], axis=0))
    assert np.allclose(
        together.classify(faces, temperature=1), np.mean([softmax(m.logits(faces)) for m in models], axis=0)
    )
    with pytest.raises(MienError, match="same classes"):
        Ensemble([models[0], open_model(make_model(tmp_path / "few.onnx", ("a", "b")))])
    with pytest.raises(MienError, match="one model"):
        Ensemble([])


def test_a_threshold_gives_each_face_its_conformal_set(tmp_path: Path) -> None:
    from mien.inference.reader import Reader

    face = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    (without,) = Reader(make_model(tmp_path / "old.onnx")).read(face, already_cropped=True)
    assert without.options == ()
    for threshold, classes in ((0.0, 1), (1.0, 7)):
        sets = json.dumps({"coverage": 0.9, "threshold": threshold})
        path = make_model(tmp_path / f"{threshold}.onnx", mien_format="2", conformal=sets)
        (with_set,) = Reader(path).read(face, already_cropped=True)
        assert len(with_set.options) == classes
        assert with_set.options[0] == with_set.emotion
        assert read_info(path).conformal == {"coverage": 0.9, "threshold": threshold}
    for wrong in (
        '{"coverage": 2, "threshold": 0.5}',
        '{"threshold": "a"}',
        "[]",
        '{"coverage": 0.9, "threshold": NaN}',
    ):
        with pytest.raises(MienError, match="not a valid mien model"):
            read_info(make_model(tmp_path / "wrong.onnx", mien_format="2", conformal=wrong))


def test_one_flipped_bit_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    plain = make_model(tmp_path / "plain.onnx")
    whole = with_checksum(plain.read_bytes())
    assert with_checksum(whole) == whole
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), np.uint8)
    expected = open_model(plain).logits(faces)
    path = tmp_path / "damaged.onnx"
    path.write_bytes(whole)
    assert np.array_equal(open_model(path).logits(faces), expected)
    rng = np.random.default_rng(1)
    noticed = 0
    for place in [*rng.integers(0, len(whole), 60), *range(len(whole) - 84, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            logits = open_model(path).logits(faces)
        except MienError as error:
            noticed += "checksum is wrong" in str(error) and "\n" not in str(error)
        else:
            assert np.array_equal(logits, expected)  # the name of the check sum itself, and nothing else
    assert noticed >= 120


def test_a_checksum_does_not_outlive_the_file_that_it_is_of(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from mien.training.onnx_export import description, set_metadata

    path = make_model(tmp_path / "model.onnx", training="{}")
    path.write_bytes(with_checksum(path.read_bytes()))
    set_metadata(path, temperature=2.0, validation_accuracy=0.5)
    assert read_info(path).temperature == 2.0
    model = onnx.load(str(path))
    assert list(description(model)).count(KEY) == 1
    onnx.save(model, str(path))  # another program, which leaves everything as it is
    assert read_info(path).temperature == 2.0
    model.graph.initializer[0].name = "other"
    onnx.save(model, str(path))
    with pytest.raises(MienError, match="was changed by another program"):
        read_info(path)


@needs_models
def test_shipped_files_have_their_check_sum() -> None:
    for name in shipped():
        content = resolve(name).read_bytes()
        assert with_checksum(content) == content
