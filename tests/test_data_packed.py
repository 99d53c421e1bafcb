"""Packed faces: one memory-mapped file, read and trained on like any other data set."""

from pathlib import Path

import numpy as np
import pytest

from mien import data
from mien.cli.main import main
from mien.data import packed
from mien.data.dataset import Dataset
from mien.data.packed import faces_at, is_mapped, map_images, pack
from mien.errors import MienError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    data.draw_files(folder, n=60, seed=0)
    return folder


def test_a_data_set_comes_back_as_it_was_and_mapped(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "pack", str(drawn), "-o", str(tmp_path / "faces.npz")]) == 0
    assert "60 faces" in capsys.readouterr().out
    expected, dataset = data.load(drawn), data.load(tmp_path / "faces.npz")
    assert dataset.fingerprint == expected.fingerprint
    assert (dataset.drawn, dataset.classes) == (True, expected.classes)
    assert is_mapped(dataset.images)
    assert not is_mapped(np.zeros(3))
    test = data.load_test(drawn / "icml_face_data.csv")
    assert data.load_test(tmp_path / "faces.npz").fingerprint == test.fingerprint
    pack(dataset, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes()[:9000] == (tmp_path / "faces.npz").read_bytes()[:9000]


def test_parts_and_names_of_ones_own_are_kept(tmp_path: Path) -> None:
    images = np.arange(4 * 48 * 48, dtype=np.uint32).astype(np.uint8).reshape(4, 48, 48)
    usage = np.array(["", "Training", "", "PrivateTest"])
    own = Dataset(images, np.array([0, 1, -1, 1]), usage, ("yes", "no", "never"))
    pack(own, tmp_path / "own.npz")
    assert data.load(tmp_path / "own.npz").fingerprint == own.fingerprint
    with pytest.raises(MienError, match="names its classes itself"):
        data.load(tmp_path / "own.npz", classes="fer2013")


def test_any_uncompressed_archive_of_arrays_is_mapped(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 48, 48)).astype(np.uint8)
    labels = np.arange(20) % 7
    for save, mapped in ((np.savez, True), (np.savez_compressed, False)):
        save(tmp_path / "faces.npz", images=images, labels=labels)
        dataset = data.load(tmp_path / "faces.npz", cache=False)
        assert np.array_equal(dataset.images, images)
        assert is_mapped(dataset.images) == mapped
    np.savez(tmp_path / "other.npz", images=np.asfortranarray(images), labels=labels)
    assert map_images(tmp_path / "other.npz", "images") is None


def test_damage_is_noticed(drawn: Path, tmp_path: Path) -> None:
    pack(data.load(drawn), tmp_path / "faces.npz")
    whole = (tmp_path / "faces.npz").read_bytes()
    for at in (5000, len(whole) // 2, len(whole) - 1500):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        (tmp_path / "faces.npz").write_bytes(damaged)
        with pytest.raises(MienError, match="damaged"):
            data.load(tmp_path / "faces.npz")
    (tmp_path / "faces.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MienError, match="damaged"):
        data.load(tmp_path / "faces.npz")
    with pytest.raises(MienError, match=r"name it .*faces\.npz"):
        pack(data.load(drawn), tmp_path / "faces.csv")
    assert main(["data", "pack", str(drawn), "-o", str(tmp_path / "faces.csv")]) == 2


def test_a_file_that_is_there_stays(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "faces.npz"
    output.write_bytes(b"another's")
    assert main(["data", "pack", str(drawn), "-o", str(output)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert output.read_bytes() == b"another's"
    with pytest.raises(MienError, match="overwrite"):
        pack(data.load(drawn), output)
    assert main(["data", "pack", str(drawn), "-o", str(output), "--overwrite"]) == 0
    assert len(data.load(output)) == len(data.load(drawn))


def test_training_takes_the_same_steps_on_mapped_faces(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from mien.training.recipes import recipe
    from mien.training.trainer import Trainer
    from mien.training.training_set import face_set

    pack(data.load(drawn), tmp_path / "faces.npz")
    dataset = data.load(tmp_path / "faces.npz")
    chosen = recipe("nano", epochs=1, batch_size=16, teacher="", input_normalization="percentile", bn_images=16)
    rows = np.arange(40)
    states = []
    for limit in (1 << 30, 0):
        monkeypatch.setattr(packed, "IN_MEMORY", limit)
        assert isinstance(faces_at(dataset.images, rows), packed.MappedFaces) == (limit == 0)
        faces = face_set(chosen, dataset, rows)
        states.append(Trainer(chosen).fit(faces, face_set(chosen, dataset, rows[:9]), 7).model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
