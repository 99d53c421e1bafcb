"""The training loop: learns, is deterministic, survives kills, stops on request, and reports errors."""

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
from mien.training import checkpoint, networks  # noqa: E402
from mien.training.pixels import to_input  # noqa: E402
from mien.training.recipes import RECIPES, Recipe, recipe  # noqa: E402
from mien.training.schedules import image_size_at, learning_rate  # noqa: E402
from mien.training.state import FaceSet, FitResult, Progress  # noqa: E402
from mien.training.trainer import Trainer  # noqa: E402

QUICK = recipe(
    "hybrid", epochs=3, batch_size=16, progressive_resizing_from=32, conv_drop=0.1, ema_decay=0.9, learning_rate=3e-3,
    random_erasing=0.2, bn_images=100,
)  # fmt: skip


class Teller:
    """Prints each step, for tests that kill the process."""

    def on_step(self, progress: Progress) -> None:
        print(progress.epoch - 1, progress.step, flush=True)

    def on_epoch(self, row: dict) -> None: ...


def fit(
    chosen, train, validation, classes, seed, folder=None, fabric=None, target=None, teacher=None, **options
) -> FitResult:
    trainer = Trainer(chosen, fabric, seed, folder, max_minutes=options.get("max_minutes", 0.0))
    trainer.together = options.get("together", trainer.together)
    return trainer.fit(
        FaceSet(*train, target), FaceSet(*validation), classes, teacher=teacher, callbacks=options.get("callbacks", ())
    )


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
    chosen = dataclasses.replace(
        QUICK, epochs=8, progressive_resizing_from=48, rotate=0.0, flip=False, random_erasing=0.0
    )
    fitted = fit(chosen, stripes(), stripes(30, 1), 3, seed=1)
    assert fitted.history[-1]["val_accuracy"] > 0.9
    assert [row["epoch"] for row in fitted.history] == list(range(1, 9))


def test_the_same_seed_gives_the_same_weights_and_another_gives_others():
    a, b, c = (fit(QUICK, stripes(), stripes(20, 1), 3, seed=s).model for s in (1, 1, 2))
    assert same(a, b)
    assert not same(a, c)


def test_denormal_numbers_count_as_zero_while_it_trains_and_only_then():
    def product() -> float:
        return float(torch.tensor(1e-30) * torch.tensor(1e-10))

    class Looks(Killer):
        def on_step(self, progress: Progress) -> None:
            products.append(product())

    products: list[float] = []
    dead = RECIPES["study/normal"]
    start = networks.build("normal", 3).state_dict()
    first = next(iter(start))
    start[first][0] = 1e-40  # a filter that L2 has shrunk to nothing
    trainer = Trainer(dataclasses.replace(dead, epochs=1))
    result = trainer.fit(FaceSet(*stripes(32)), FaceSet(*stripes(9, 1)), 3, pretrained=start, callbacks=(Looks(0, 0),))
    assert products == [0.0] * 2
    assert product() > 0
    values = result.model.state_dict()[first].abs()
    assert not ((values > 0) & (values < 1e-38)).any()


def test_given_targets_take_the_place_of_the_labels():
    chosen = dataclasses.replace(
        QUICK, epochs=8, progressive_resizing_from=48, rotate=0.0, flip=False, random_erasing=0.0, ema_decay=0.0
    )
    images, labels = stripes()
    other = np.eye(3)[(labels + 1) % 3]  # every class by another's name
    fitted = fit(chosen, (images, labels), stripes(30, 1), 3, seed=1, target=other)
    assert fitted.history[-1]["val_accuracy"] < 0.2


def test_losses_may_be_fetched_some_steps_at_a_time(tmp_path):
    one = fit(QUICK, stripes(), stripes(20, 1), 3, seed=1)
    some = fit(QUICK, stripes(), stripes(20, 1), 3, seed=1, folder=tmp_path, together=3)  # of the five of an epoch
    assert same(one.model, some.model)
    for name in ("train_loss", "train_accuracy", "val_loss"):
        assert [row[name] for row in some.history] == pytest.approx([row[name] for row in one.history])


def test_batch_norms_are_recalibrated_on_plain_training_pictures():
    images = torch.from_numpy(stripes()[0])
    rough, recalibrated = (
        fit(dataclasses.replace(QUICK, bn_images=n), stripes(), stripes(20, 1), 3, seed=1).model for n in (0, 16)
    )
    assert all(torch.equal(a, b) for a, b in zip(rough.parameters(), recalibrated.parameters(), strict=True))
    x = to_input(torch.cat([images[::2], images[1::2].flip(-1)]), QUICK.mean, QUICK.std)
    with torch.no_grad():
        maps = recalibrated[0](x)
    assert torch.allclose(recalibrated[1].running_mean, maps.mean(dim=(0, 2, 3)), atol=0.02)
    assert not torch.allclose(rough[1].running_mean, recalibrated[1].running_mean, atol=0.02)
    assert recalibrated[1].momentum == rough[1].momentum


def test_a_teacher_that_sees_each_batch_has_its_share_of_the_target():
    chosen = dataclasses.replace(
        QUICK,
        epochs=8,
        progressive_resizing_from=48,
        rotate=0.0,
        flip=False,
        random_erasing=0.0,
        ema_decay=0.0,
        distillation_weight=1.0,
    )
    seen = []

    def stubborn(x: "torch.Tensor") -> "torch.Tensor":
        seen.append(x.shape)
        return torch.eye(3)[torch.zeros(len(x), dtype=torch.long)]  # whatever it is shown

    history = fit(chosen, stripes(), stripes(30, 1), 3, seed=1, teacher=stubborn).history
    assert history[-1]["val_accuracy"] == pytest.approx(1 / 3)
    assert set(seen) == {(16, 1, 48, 48), (6, 1, 48, 48)}


def test_learns_from_blends():
    chosen = dataclasses.replace(
        QUICK, epochs=8, progressive_resizing_from=48, rotate=0.0, flip=False, random_erasing=0.0, mixup=0.3
    )
    assert fit(chosen, stripes(), stripes(30, 1), 3, seed=1).history[-1]["val_accuracy"] > 0.9


SCRIPT = """
import sys, dataclasses
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
import mien.training.trainer as module
from test_trainer import QUICK, Teller, fit, stripes
module.SAVE_EVERY = 0.0  # a checkpoint after every step
chosen = dataclasses.replace(QUICK, **{changes!r})
fit(chosen, stripes(), stripes(20, 1), 3, seed=5, folder=Path({folder!r}), callbacks=(Teller(),))
print("done", flush=True)
"""


def start(folder, **changes) -> subprocess.Popen:
    code = textwrap.dedent(SCRIPT.format(tests=os.path.dirname(__file__), folder=str(folder), changes=changes))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def uninterrupted(**changes) -> "torch.nn.Module":
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return fit(dataclasses.replace(QUICK, **changes), stripes(), stripes(20, 1), 3, seed=5).model
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
    assert all(torch.equal(state["ema"][key], expected[key]) for key in expected)


class Killed(Exception):
    """Ends a training between two steps, as a kill does: nothing is saved on the way out."""


class Killer:
    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def on_step(self, progress: Progress) -> None:
        if (progress.epoch, progress.step) == self.at:
            raise Killed

    def on_epoch(self, row: dict) -> None: ...


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resumes_to_the_weights_of_an_uninterrupted_run(name, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.training.trainer.SAVE_EVERY", 0.0)  # a checkpoint after every step
    chosen = dataclasses.replace(RECIPES[name], epochs=2, batch_size=4, bn_images=16 if RECIPES[name].bn_images else 0)
    teacher = (lambda x: torch.softmax(x.flatten(1)[:, :3], 1)) if chosen.teacher else None
    train, validation = stripes(12), stripes(5, 1)
    whole = fit(chosen, train, validation, 3, seed=1, teacher=teacher)
    with pytest.raises(Killed):
        fit(chosen, train, validation, 3, 1, tmp_path, teacher=teacher, callbacks=(Killer(1, 2),))
    with pytest.raises(Killed):
        fit(chosen, train, validation, 3, 1, tmp_path, teacher=teacher, callbacks=(Killer(2, 3),))
    resumed = fit(chosen, train, validation, 3, 1, tmp_path, teacher=teacher)
    assert same(whole.model, resumed.model)
    for name in ("train_loss", "train_accuracy", "val_loss"):
        assert [row[name] for row in resumed.history] == pytest.approx([row[name] for row in whole.history])


def test_interrupt_saves_and_stops(tmp_path):
    process = start(tmp_path)
    for line in process.stdout:
        if line.strip() == "0 3":
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=60)
    state = checkpoint.load(tmp_path)
    assert process.returncode not in (0, -signal.SIGKILL)
    assert (state["state"]["epoch"], state["state"]["step"]) >= (0, 3)


def test_a_loss_that_is_no_number_stops_with_advice():
    with pytest.raises(MienError, match=r"loss became .* epoch 1.*try a lower learning_rate"):
        fit(
            dataclasses.replace(QUICK, optimizer="sgd", learning_rate=1e30, schedule="constant"),
            stripes(),
            stripes(20, 1),
            3,
            1,
        )


def test_early_stopping_and_the_best_weights():
    chosen = dataclasses.replace(
        QUICK, epochs=30, early_stopping=2, checkpoint_metric="val_accuracy", learning_rate=1e-7, ema_decay=0.0
    )
    fitted = fit(chosen, stripes(), stripes(20, 1), 3, seed=1)
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
from test_trainer import QUICK, fit, stripes
def work(fabric):
    chosen = dataclasses.replace(QUICK, epochs=2)
    rows = fit(chosen, stripes(67), stripes(21, 1), 3, seed=1, fabric=fabric).history
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
        # three pictures are left for the last batch, two for one process and one for the other
        assert (row["train_accuracy"] * 67) == pytest.approx(round(row["train_accuracy"] * 67))


def test_schedules_begin_and_end_where_they_should():
    flat = dataclasses.replace(QUICK, schedule="constant")
    assert {learning_rate(s, 100, flat) for s in range(100)} == {QUICK.learning_rate}
    one = [learning_rate(s, 100, dataclasses.replace(QUICK, schedule="onecycle")) for s in range(101)]
    assert max(one) == pytest.approx(QUICK.learning_rate, rel=0.01)
    assert one[0] < 0.1 * max(one)
    assert one[-1] < 0.01 * max(one)


def test_pictures_grow_to_full_size():
    sizes = [image_size_at(e, dataclasses.replace(QUICK, epochs=10)) for e in range(10)]
    assert sizes[0] == 32
    assert sizes == sorted(sizes)
    assert sizes[-4:] == [48] * 4


def test_the_study_s_recipes_are_the_study_s():
    table = {name: (r.learning_rate, r.batch_size, r.epochs) for name, r in RECIPES.items() if "study/" in name}
    assert table == {
        "study/normal": (1e-4, 16, 10), "study/baseline": (1e-4, 16, 20), "study/deep": (1e-4, 62, 20),
        "study/dropout": (1e-3, 16, 20), "study/dropout_heavy": (1e-3, 16, 20),
        "study/globalpool": (1e-3, 16, 10), "study/hybrid": (3e-4, 64, 25),
    }  # fmt: skip
    for r in (r for name, r in RECIPES.items() if "study/" in name):
        assert (r.optimizer, r.weight_decay, r.schedule, r.checkpoint_metric) == ("adam", 1e-5, "constant", "last")
        assert not r.augmentation.moves
        assert r.input_normalization == "none"
    assert RECIPES["study/hybrid"].drop_kind == "channel"


@pytest.mark.parametrize(("changes", "says"), [
    ({"epochs": 0}, "epochs = 0"), ({"head": "dense", "network": "nano"}, "head"), ({"input_normalization": "bright"},
    "one of none"), ({"learning_rate": -1.0}, "learning_rate"), ({"conv_drop": 1.0}, "conv_drop"),
    ({"learnig_rate": 1.0}, "did you mean 'learning_rate'"), ({"network": "deep", "progressive_resizing_from": 32},
    "progressive_resizing_from"), ({"epochs": 1.5}, "epochs = 1.5 is not possible; it must be a whole number"),
    ({"flip": "yes"}, "True or False"), ({"train_fraction": 0.0}, "it must be above 0, up to 1"),
    ({"fold": 3}, "fold has no effect here: it needs split kfold"), ({"momentum": 0.5}, "it needs optimizer sgd"),
])  # fmt: skip
def test_recipes_refuse_what_makes_no_sense(changes, says):
    with pytest.raises(MienError, match=says):
        recipe("hybrid", **changes)


def test_what_the_recipe_has_already_is_no_fault():
    assert recipe("hybrid", fold=0, momentum=0.9) == RECIPES["hybrid"]
    assert recipe("hybrid", fold=3, split="kfold").fold == 3


def test_a_misspelt_recipe_gets_a_suggestion():
    with pytest.raises(MienError, match="did you mean 'hybrid'"):
        recipe("hybird")


def test_a_recipe_is_a_value():
    assert isinstance(hash(recipe("hybrid")), int)
    assert dataclasses.fields(Recipe)[0].name == "name"
