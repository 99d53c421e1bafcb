"""Checkpoints and run folders under faults: damage is detected, the previous checkpoint is used, and a folder is locked
by one training."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from mien.errors import MienError, MienWarning  # noqa: E402
from mien.training import checkpoint  # noqa: E402
from mien.training.lock import is_held, lock_folder  # noqa: E402
from mien.training.weights import load_weights, save_weights  # noqa: E402


def states(folder: Path) -> None:
    for step in (1, 2):
        checkpoint.save(folder, {"format": 2, "step": step, "weights": torch.full((50,), float(step))})


def test_comes_back_as_it_was_written(tmp_path):
    states(tmp_path)
    state = checkpoint.load(tmp_path)
    assert state["step"] == 2
    assert torch.equal(state["weights"], torch.full((50,), 2.0))


@pytest.mark.parametrize("where", [0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_one_flipped_bit_is_noticed_and_the_checkpoint_before_is_used_and_said(tmp_path, where):
    states(tmp_path)
    path = tmp_path / checkpoint.NAME
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.warns(MienWarning, match=r"checkpoint\.pt .* resuming from the previous checkpoint"):
        assert checkpoint.load(tmp_path)["step"] == 1


@pytest.mark.parametrize("keep", [0, 10, 500, -1, -40])
def test_a_cut_checkpoint_is_noticed(tmp_path, keep):
    states(tmp_path)
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(MienWarning, match="resuming from the previous checkpoint"):
        assert checkpoint.load(tmp_path)["step"] == 1


def test_where_none_is_whole_the_advice_does_not_lead_in_a_circle(tmp_path):
    states(tmp_path)
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (tmp_path / name).write_bytes(b"\0" * 3000)
    with pytest.raises(MienError, match="train again with another name"):
        checkpoint.load(tmp_path)
    with pytest.raises(MienError, match="was started with 'mien train'"):
        checkpoint.load(tmp_path / "nothing")


def test_a_checkpoint_of_0_1_is_refused_with_a_reason(tmp_path):
    from mien.training.recipes import recipe
    from mien.training.state import FaceSet
    from mien.training.trainer import Trainer

    torch.save({"model": {}, "epoch": 1}, tmp_path / checkpoint.NAME)
    faces = FaceSet(np.zeros((8, 48, 48), np.uint8), np.zeros(8, np.int64))
    with pytest.raises(MienError, match=r"from mien 0\.1"):
        Trainer(recipe("study/baseline", epochs=1), checkpoint_dir=tmp_path).fit(faces, faces, 7)


def test_a_full_disk_is_a_line_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    states(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mien.files.os.fsync", full)
    with pytest.raises(MienError, match="No space left on device"):
        checkpoint.save(tmp_path, {"format": 2, "step": 3})
    assert checkpoint.load(tmp_path)["step"] in (1, 2)


def test_one_training_at_a_time_works_in_a_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mien.training.lock import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "held"
    with pytest.raises(MienError, match="another training is running in"), lock_folder(tmp_path):
        pass
    other.kill()
    other.communicate()
    with lock_folder(tmp_path):  # a lock ends with its process
        pass


def test_what_a_killed_training_left_half_written_is_tidied(tmp_path):
    (tmp_path / ".checkpoint-0a1b2c3d.pt").write_bytes(b"half")
    (tmp_path / "history.csv").write_text(json.dumps("kept"))
    with lock_folder(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {"history.csv", ".lock"}


def test_weights_with_a_flipped_bit_are_refused_in_one_line(tmp_path):
    path = tmp_path / "weights.safetensors"
    weights = {"a": torch.arange(60.0).reshape(3, 20), "n": torch.tensor(7), "b": torch.ones(4, dtype=torch.float16)}
    save_weights(weights, path)
    loaded = load_weights(path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())
    whole, noticed = path.read_bytes(), 0
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            loaded = load_weights(path)
        except MienError as error:
            noticed += "is damaged" in str(error) and "\n" not in str(error)
        else:  # the name of the check sum itself, or a space
            assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())
    assert noticed > 0.3 * len(whole)
    save_file(weights, path)  # of mien 0.1
    assert load_weights(path).keys() == weights.keys()


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    from mien.training.recipes import recipe
    from mien.training.state import FaceSet
    from mien.training.trainer import Trainer

    faces = FaceSet(np.zeros((16, 48, 48), np.uint8), np.arange(16) % 7)
    first = recipe("study/baseline", epochs=1)
    Trainer(first, seed=1, checkpoint_dir=tmp_path).fit(faces, faces, 7)
    fewer = FaceSet(faces.images[:9], faces.labels[:9])
    for chosen, seed, data, word in (
        (recipe("study/baseline", epochs=2), 1, faces, "epochs was 1"),
        (first, 2, faces, "seed was 1"),
        (recipe("study/baseline", epochs=1, split="kfold"), 1, faces, "split was"),
        (first, 1, fewer, "images was 16"),
    ):
        with pytest.raises(MienError, match=word):
            Trainer(chosen, seed=seed, checkpoint_dir=tmp_path).fit(data, faces, 7)
    Trainer(first, seed=1, checkpoint_dir=tmp_path).fit(faces, faces, 7)


def test_a_checkpoint_of_another_network_is_refused_in_one_line(tmp_path):
    from mien.training.checkpoint import FORMAT
    from mien.training.recipes import recipe
    from mien.training.state import FaceSet
    from mien.training.trainer import Trainer

    faces = FaceSet(np.zeros((4, 48, 48), np.uint8), np.array([0, 1, 2, 0]))
    chosen = recipe("nano", epochs=1, teacher="")
    for model in ({"other": torch.zeros(3)}, None, [1]):
        checkpoint.save(tmp_path, {"format": FORMAT, "model": model, "optimizer": {}, "state": {}})
        with pytest.raises(MienError, match="does not match this recipe") as caught:
            Trainer(chosen, checkpoint_dir=tmp_path).fit(faces, faces, 3)
        assert "\n" not in str(caught.value)


def test_a_queue_waits_for_a_training_that_a_killed_queue_has_left(tmp_path):
    from mien.training.queue import epochs_done, run_queue
    from mien.training.study import StudyRun

    run = StudyRun("a", "trial", "nano", {}, 1, tmp_path / "nano-1")
    waited = []
    with contextlib.ExitStack() as held:
        held.enter_context(lock_folder(run.folder))
        assert is_held(run.folder)

        def on_wait(training):
            waited.append(training)
            (run.folder / "metrics.json").write_text("{}")  # it ends, finished
            held.close()

        run_queue([run], tmp_path / "data", on_wait=on_wait)
    assert waited == [run]
    assert not is_held(run.folder)
    assert not (tmp_path / "nano-1.log").exists()  # nothing was started
    (run.folder / "history.csv").write_text("epoch,train_lo")
    assert epochs_done(run) == 0
