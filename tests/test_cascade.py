"""Cascades of two networks in one file: which network answers for a face, and invalid combinations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from mien.data import draw_face  # noqa: E402
from mien.errors import MienError  # noqa: E402
from mien.inference.model import open_model, softmax  # noqa: E402
from mien.labels import EMOTIONS  # noqa: E402
from mien.training import networks  # noqa: E402
from mien.training.cascade import join, top2_margin  # noqa: E402
from mien.training.distillation import network_in  # noqa: E402
from mien.training.onnx_export import export, weights  # noqa: E402
from mien.training.quantize import quantize_static  # noqa: E402

FACES = np.array([draw_face(emotion, seed) for seed in range(6) for emotion in EMOTIONS])


def made(path, network="nano", seed=0, temperature=1.0, classes=EMOTIONS, size=48):
    torch.manual_seed(seed)
    model = networks.build(network, len(classes))
    with torch.no_grad():
        model(torch.randn(64, 1, size, size))  # norms that are not those of a fresh network
    about = {"recipe": network, "network": network}
    export(model, path, name=f"{network}-{seed}", classes=classes, mean=0.5, std=0.5, temperature=temperature,
    training=about, size=size)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    first, wide = made(folder / "first.onnx", temperature=0.1), made(folder / "wide.onnx", "hybrid", temperature=0.2)
    quantize_static(wide, folder / "second.onnx", FACES)
    return first, folder / "second.onnx"


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_second_is_asked_where_the_first_is_unsure_and_counts_twice(pair, tmp_path, share):
    first, second = map(open_model, pair)
    sure = top2_margin(first, FACES)
    ranked = np.concatenate([[0], np.sort(sure), [1]])
    below = float(ranked[round(share * len(sure)) :][:2].mean())  # between two faces
    join(*pair, tmp_path / "both.onnx", below)
    both = open_model(tmp_path / "both.onnx")
    a, b = (model.logits(FACES) / model.temperature for model in (first, second))
    asked = sure < below
    assert asked.mean() == pytest.approx(share, abs=0.05)
    expected = np.where(asked[:, None], (a + 2 * b) / 3, a)
    assert both.logits(FACES) == pytest.approx(expected, abs=1e-4)
    assert both.classify(FACES) == pytest.approx(softmax(expected, 1), abs=1e-5)
    alone = np.concatenate([both.logits(face) for face in FACES])
    assert alone == pytest.approx(expected, abs=1e-4)


def test_its_metadata_say_what_it_is_and_it_cannot_be_trained(pair, tmp_path):
    first, second = map(open_model, pair)
    join(first.path, made(tmp_path / "float.onnx", "hybrid"), tmp_path / "both.onnx", 0.25)
    both = open_model(tmp_path / "both.onnx")
    assert both.name == "hybrid-0 behind nano-0"
    assert both.temperature == 1
    assert both.classes == first.classes
    assert int(both.metadata["parameters"]) == sum(int(m.metadata["parameters"]) for m in (first, second))
    assert '"below": 0.25' in both.metadata["cascade"]
    assert network_in(both) == ""
    with pytest.raises(MienError, match="cannot be trained"):
        weights(both.path)


def test_two_that_do_not_fit_are_refused_and_nothing_is_written(pair, tmp_path):
    first, second = pair
    out = tmp_path / "out.onnx"
    with pytest.raises(MienError, match="has the classes yes, no, hybrid-0 has angry"):
        join(made(tmp_path / "few.onnx", classes=("yes", "no")), second, out, 0.2)
    with pytest.raises(MienError, match="64 pixels"):
        join(made(tmp_path / "large.onnx", size=64), second, out, 0.2)
    join(first, second, tmp_path / "both.onnx", 0.2)
    with pytest.raises(MienError, match="already"):
        join(first, tmp_path / "both.onnx", out, 0.2)
    assert not out.exists()
