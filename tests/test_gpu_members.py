"""The pixel file that benchmarks/gpu_members.py transfers to a GPU, and its record of an ensemble member."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mien import data  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield __import__("gpu_members")
    del sys.modules["gpu_members"]


def test_packed_pixels_come_back_without_loss(tmp_path: Path, script) -> None:
    dataset = data.draw_files(tmp_path / "data", n=60, seed=1)
    script.pack(tmp_path / "data", tmp_path / "packed.npz")
    again = script.unpack_all(tmp_path / "packed.npz")
    assert again.fingerprint == dataset.fingerprint
    data.pack(again, tmp_path / "data.npz")
    assert data.load(tmp_path / "data.npz").fingerprint == dataset.fingerprint
    (images, labels), (shown, shown_labels) = script.unpack(tmp_path / "packed.npz")
    training, validation = (dataset.usage == usage for usage in ("Training", "PublicTest"))
    assert np.array_equal(images, dataset.images[training])
    assert np.array_equal(labels, dataset.labels[training])
    assert np.array_equal(shown, dataset.images[validation])
    assert np.array_equal(shown_labels, dataset.labels[validation])


def test_a_member_s_file_keeps_weights_in_half_and_the_rest_whole(tmp_path: Path, script) -> None:
    folders = argparse.Namespace(output=tmp_path / "a", copy_to=tmp_path / "b")
    for folder in (folders.output, folders.copy_to):
        folder.mkdir()
    weights = {"0.weight": torch.rand(4, 3), "0.bias": torch.rand(4), "1.num_batches_tracked": torch.tensor(7)}
    logits = {"single": np.ones((5, 7), np.float32)}
    script.save(folders, "vgg-1", weights, logits, {"seed": 1})
    for folder in (folders.output, folders.copy_to):
        again, read, about = script.read(folder / "vgg-1.safetensors")
        assert torch.equal(again["0.weight"], weights["0.weight"].half().float())
        assert torch.equal(again["0.bias"], weights["0.bias"])
        assert int(again["1.num_batches_tracked"]) == 7
        assert np.array_equal(read["single"], logits["single"])
        assert about == {"seed": 1}
