"""The training loop: learns, repeats itself, survives being killed, stops when asked, and says what is wrong."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")


from mien.errors import MienError  # noqa: E402
from mien.training import checkpoint  # noqa: E402
from mien.training.opinions import Opinions  # noqa: E402
from mien.training.optim import class_weights, climb, descend, learning_rate, optimizer, orthonormal  # noqa: E402
from mien.training.predict import normalise  # noqa: E402
from mien.training.recipes import RECIPES, Recipe, recipe  # noqa: E402
from mien.training.trainer import fit, picture_size  # noqa: E402

QUICK = recipe(
    "hybrid", epochs=3, batch_size=16, start_size=32, conv_drop=0.1, ema=0.9, learning_rate=3e-3, erase=0.2, self_share=0.5,
    settle=100,
)  # fmt: skip


def stripes(n: int = 70, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that a network can tell: stripes that lie, stripes that stand, and a chequered board."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    ramp = (np.arange(48) // 6 % 2) * 120
    kinds = np.stack([np.tile(ramp[:, None], 48), np.tile(ramp, (48, 1)), (ramp[:, None] ^ ramp)])
    return (kinds[labels] + rng.integers(20, 110, (n, 48, 48))).astype(np.uint8), labels


def weights(model: "torch.nn.Module") -> list["torch.Tensor"]:
    return list(model.state_dict().values())


def same(a: "torch.nn.Module", b: "torch.nn.Module") -> bool:
    return all(torch.equal(p, q) for p, q in zip(weights(a), weights(b), strict=True))


def test_learns_a_tiny_set():
    r = dataclasses.replace(QUICK, epochs=8, start_size=48, rotate=0.0, flip=False, erase=0.0)
    fitted = fit(r, stripes(), stripes(30, 1), 3, seed=1)
    assert fitted.history[-1]["val_accuracy"] > 0.9
    assert [row["epoch"] for row in fitted.history] == list(range(1, 9))


def test_the_same_seed_gives_the_same_weights_and_another_gives_others():
    a, b, c = (fit(QUICK, stripes(), stripes(20, 1), 3, seed=s).model for s in (1, 1, 2))
    assert same(a, b)
    assert not same(a, c)


def test_given_targets_take_the_place_of_the_labels():
    r = dataclasses.replace(QUICK, epochs=8, start_size=48, rotate=0.0, flip=False, erase=0.0, ema=0.0)
    images, labels = stripes()
    other = np.eye(3)[(labels + 1) % 3]  # every class by another's name
    fitted = fit(r, (images, labels), stripes(30, 1), 3, seed=1, target=other)
    assert fitted.history[-1]["val_accuracy"] < 0.2


def test_losses_may_be_fetched_some_steps_at_a_time(monkeypatch, tmp_path):
    one = fit(QUICK, stripes(), stripes(20, 1), 3, seed=1)
    monkeypatch.setattr("mien.training.trainer._steps_together", lambda device: 3)  # of the five of an epoch
    some = fit(QUICK, stripes(), stripes(20, 1), 3, seed=1, folder=tmp_path)
    assert same(one.model, some.model)
    for name in ("train_loss", "train_accuracy", "val_loss"):
        assert [row[name] for row in some.history] == pytest.approx([row[name] for row in one.history])


def test_batch_norms_are_settled_on_plain_training_pictures():
    images = torch.from_numpy(stripes()[0])
    rough, settled = (
        fit(dataclasses.replace(QUICK, settle=n), stripes(), stripes(20, 1), 3, seed=1).model for n in (0, 16)
    )
    assert all(torch.equal(a, b) for a, b in zip(rough.parameters(), settled.parameters(), strict=True))
    x = normalise(torch.cat([images[::2], images[1::2].flip(-1)]), QUICK.mean, QUICK.std)
    with torch.no_grad():
        maps = settled[0](x)
    assert torch.allclose(settled[1].running_mean, maps.mean(dim=(0, 2, 3)), atol=0.02)
    assert not torch.allclose(rough[1].running_mean, settled[1].running_mean, atol=0.02)
    assert settled[1].momentum == rough[1].momentum


def test_a_teacher_that_sees_each_batch_has_its_share_of_the_target():
    r = dataclasses.replace(
        QUICK, epochs=8, start_size=48, rotate=0.0, flip=False, erase=0.0, ema=0.0, teacher_share=1.0
    )
    seen = []

    def stubborn(x: "torch.Tensor") -> "torch.Tensor":
        seen.append(x.shape)
        return torch.eye(3)[torch.zeros(len(x), dtype=torch.long)]  # whatever it is shown

    history = fit(r, stripes(), stripes(30, 1), 3, seed=1, teacher=stubborn).history
    assert history[-1]["val_accuracy"] == pytest.approx(1 / 3)
    assert set(seen) == {(16, 1, 48, 48), (6, 1, 48, 48)}


@pytest.mark.parametrize("how", [{"self_share": 0.0, "mixup": 0.3}, {"self_share": 0.9}])
def test_learns_from_blends_and_from_its_own_opinion(how):
    r = dataclasses.replace(QUICK, epochs=8, start_size=48, rotate=0.0, flip=False, erase=0.0, **how)
    assert fit(r, stripes(), stripes(30, 1), 3, seed=1).history[-1]["val_accuracy"] > 0.9


def test_its_own_opinion_is_that_of_the_epoch_before_and_only_of_what_it_has_seen():
    opinions = Opinions(None, 4, 3)
    target = torch.eye(3)[[0, 1, 2, 0]]
    opinions.note(torch.tensor([1, 2]), torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]]))
    rows = torch.tensor([0, 1, 2, 3])
    assert torch.equal(opinions.into(target, rows, 0.8), target)
    opinions = Opinions(opinions.state(), 4, 3)  # stopped and resumed in between
    opinions.turn()
    mixed = opinions.into(target, rows, 0.6)
    assert torch.equal(mixed[[0, 3]], target[[0, 3]])
    assert torch.allclose(mixed[1], torch.tensor([0.2, 0.6, 0.2]))
    assert mixed[2].argmax() == 0
    assert torch.allclose(mixed.sum(1), torch.ones(4))


SCRIPT = """
import sys, dataclasses
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
import mien.training.trainer as module
from test_fit import QUICK, stripes
module.SAVE_EVERY = 0.0  # a checkpoint after every step
def tell(epoch, step, steps):
    print(epoch, step, flush=True)
module.fit(QUICK, stripes(), stripes(20, 1), 3, seed=5, folder=Path({folder!r}), on_step=tell)
print("done", flush=True)
"""


def start(folder) -> subprocess.Popen:
    code = textwrap.dedent(SCRIPT.format(tests=os.path.dirname(__file__), folder=str(folder)))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def uninterrupted() -> "torch.nn.Module":
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return fit(QUICK, stripes(), stripes(20, 1), 3, seed=5).model
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("at", ["0 2", "1 4"])
def test_killed_and_resumed_ends_with_the_weights_of_an_uninterrupted_run(tmp_path, at):
    process = start(tmp_path)
    for line in process.stdout:
        if line.strip() == at:
            time.sleep(0.03)  # somewhere in the next step, or while it writes
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert process.returncode == -signal.SIGKILL
    again = start(tmp_path)
    out, err = again.communicate(timeout=120)
    assert out.strip().endswith("done"), err
    assert not out.startswith("0 1\n"), "it began anew instead of going on"
    state = checkpoint.load(tmp_path)
    expected = uninterrupted().state_dict()
    assert all(torch.equal(state["averaged"][key], expected[key]) for key in expected)


def test_interrupt_saves_and_stops(tmp_path):
    process = start(tmp_path)
    for line in process.stdout:
        if line.strip() == "0 3":
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=60)
    state = checkpoint.load(tmp_path)
    assert process.returncode not in (0, -signal.SIGKILL)
    assert (state["epoch"], state["step"]) >= (0, 3)


def test_a_loss_that_is_no_number_stops_with_advice():
    with pytest.raises(MienError, match=r"loss became .* epoch 1.*--learning-rate"):
        fit(
            dataclasses.replace(QUICK, optimizer="sgd", learning_rate=1e30, schedule="constant"),
            stripes(),
            stripes(20, 1),
            3,
            1,
        )


def test_early_stopping_and_the_best_weights():
    r = dataclasses.replace(QUICK, epochs=30, early_stopping=2, keep="best", learning_rate=1e-7, ema=0.0)
    fitted = fit(r, stripes(), stripes(20, 1), 3, seed=1)
    assert len(fitted.history) < 30
    best = max(row["val_accuracy"] for row in fitted.history)
    assert fitted.history[fitted.epoch - 1]["val_accuracy"] == best


def test_a_budget_ends_the_run_after_an_epoch():
    assert len(fit(QUICK, stripes(), stripes(20, 1), 3, seed=1, max_minutes=1e-9).history) == 1


def test_two_processes_train_and_measure_every_image_once(tmp_path):
    code = f"""
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
import dataclasses, json, torch
torch.set_num_threads(1)
from lightning_fabric import Fabric
from mien.training.trainer import fit
from test_fit import QUICK, stripes
def work(fabric):
    r = dataclasses.replace(QUICK, epochs=2, self_share=0.0)
    rows = fit(r, stripes(67), stripes(21, 1), 3, seed=1, fabric=fabric).history
    if fabric.is_global_zero:
        print("rows", json.dumps(rows))
if __name__ == "__main__":
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    work(fabric)
"""
    script = tmp_path / "two.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240)
    assert "rows" in done.stdout, done.stderr
    import json

    rows = json.loads(done.stdout.split("rows", 1)[1].strip().splitlines()[0])
    for row in rows:
        assert (row["val_accuracy"] * 21) == pytest.approx(round(row["val_accuracy"] * 21))
        # three pictures are left for the last batch, too few for two processes: both go without it
        assert (row["train_accuracy"] * 64) == pytest.approx(round(row["train_accuracy"] * 64))


@pytest.mark.parametrize("shape", [(16, 60), (60, 16), (8, 8), (1, 9)])
def test_the_nearest_orthonormal_matrix(shape):
    """Against the singular value decomposition: the same directions, each with a weight near 1."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    weights = u.T @ orthonormal(matrix) @ v.T
    assert torch.allclose(weights, torch.diag(weights.diagonal()), atol=1e-4)
    assert 0.2 < weights.diagonal().min() <= weights.diagonal().max() < 1.3
    assert not orthonormal(torch.zeros(shape)).any()


def test_muon_turns_kernels_and_keeps_their_length():
    r = recipe("champion", optimizer="muon", learning_rate=0.1)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    before = [p.detach().clone() for p in model.parameters()]
    opt = optimizer(model, r)
    for _ in range(3):
        opt.zero_grad()
        (model(torch.randn(5, 2, 3, 3)) ** 2).sum().backward()
        opt.step()
    kernel, was = next(model.parameters()).detach(), before[0]
    assert torch.allclose(kernel.norm(), was.norm())
    angle = torch.acos((kernel * was).sum() / was.norm() ** 2)
    assert 0 < angle < 3 * 0.2 * 0.1 * 1.01
    assert not any(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


def test_muon_resumes_with_its_momentum(tmp_path):
    r = dataclasses.replace(QUICK, optimizer="muon", learning_rate=0.05, epochs=2)
    straight = fit(r, stripes(), stripes(20, 1), 3, seed=1)
    fit(r, stripes(), stripes(20, 1), 3, seed=1, folder=tmp_path, max_minutes=1e-9)  # ends after one epoch
    checkpoint.save(tmp_path, {**checkpoint.load(tmp_path), "done": False})
    resumed = fit(r, stripes(), stripes(20, 1), 3, seed=1, folder=tmp_path)
    assert straight.history[-1]["val_accuracy"] > 0.5
    assert len(resumed.history) == 2
    assert same(straight.model, resumed.model)


def test_sam_climbs_by_its_radius_and_comes_back():
    model = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    opt = optimizer(model, recipe("champion"))
    x, y = torch.randn(9, 6), torch.arange(9) % 3
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    was = [p.detach().clone() for p in model.parameters()]
    before = climb(opt, 0.1)
    moved = torch.cat([(p - w).flatten() for p, w in zip(model.parameters(), was, strict=True)])
    assert moved.detach().norm() == pytest.approx(0.1, rel=1e-4)
    assert torch.nn.functional.cross_entropy(model(x), y) > loss
    descend(before)
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), was, strict=True))


def test_sam_learns_and_repeats_itself():
    r = dataclasses.replace(QUICK, sam=0.05)
    a, b, plain = (fit(q, stripes(), stripes(20, 1), 3, seed=1) for q in (r, r, QUICK))
    assert a.history[-1]["val_accuracy"] > 0.5
    assert same(a.model, b.model)
    assert not same(a.model, plain.model)


def test_schedules_begin_and_end_where_they_should():
    flat = dataclasses.replace(QUICK, schedule="constant")
    assert {learning_rate(s, 100, flat) for s in range(100)} == {QUICK.learning_rate}
    one = [learning_rate(s, 100, dataclasses.replace(QUICK, schedule="onecycle")) for s in range(101)]
    assert max(one) == pytest.approx(QUICK.learning_rate, rel=0.01)
    assert one[0] < 0.1 * max(one)
    assert one[-1] < 0.01 * max(one)


def test_pictures_grow_to_full_size():
    sizes = [picture_size(e, dataclasses.replace(QUICK, epochs=10)) for e in range(10)]
    assert sizes[0] == 32
    assert sizes == sorted(sizes)
    assert sizes[-4:] == [48] * 4


def test_class_weights_balance_the_sample():
    labels = torch.tensor([0] * 90 + [1] * 10)
    weight = class_weights(labels, 2, 1.0)
    assert weight[1] / weight[0] == pytest.approx(9)
    assert weight[labels].mean() == pytest.approx(1)
    assert class_weights(labels, 2, 0.0) is None


def test_the_study_s_recipes_are_the_study_s():
    table = {name: (r.learning_rate, r.batch_size, r.epochs) for name, r in RECIPES.items() if "study/" in name}
    assert table == {
        "study/normal": (1e-4, 16, 10), "study/baseline": (1e-4, 16, 20), "study/deep": (1e-4, 62, 20),
        "study/dropout": (1e-3, 16, 20), "study/dropout_heavy": (1e-3, 16, 20),
        "study/globalpool": (1e-3, 16, 10), "study/hybrid": (3e-4, 64, 25),
    }  # fmt: skip
    for r in (r for name, r in RECIPES.items() if "study/" in name):
        assert (r.optimizer, r.weight_decay, r.schedule, r.keep) == ("adam", 1e-5, "constant", "last")
        assert not r.augmentation.moves


@pytest.mark.parametrize(("changes", "says"), [
    ({"epochs": 0}, "epochs = 0"), ({"self_share": 0.5, "mixup": 0.2}, "mixup"), ({"learning_rate": -1.0}, "learning_rate"), ({"conv_drop": 1.0}, "conv_drop"),
    ({"learnig_rate": 1.0}, "did you mean 'learning_rate'"), ({"network": "deep", "start_size": 32}, "start_size"),
])  # fmt: skip
def test_recipes_refuse_what_makes_no_sense(changes, says):
    with pytest.raises(MienError, match=says):
        recipe("hybrid", **changes)


def test_a_misspelt_recipe_gets_a_suggestion():
    with pytest.raises(MienError, match="did you mean 'hybrid'"):
        recipe("hybird")


def test_a_recipe_is_a_value():
    assert isinstance(hash(recipe("hybrid")), int)
    assert dataclasses.fields(Recipe)[0].name == "name"
