"""Fine-tuning on a small set: hyperparameters by size, last layer matched by class name, cross-validated accuracy."""

import contextlib
import io
import json
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

import mien  # noqa: E402
from mien.cli.main import main  # noqa: E402
from mien.data import Dataset, draw_face, load  # noqa: E402
from mien.inference.model_file import state_dict  # noqa: E402
from mien.inference.uncut import check_uncut  # noqa: E402
from mien.training.finetune_plan import plan_finetuning  # noqa: E402
from mien.training.pretrained import load_pretrained  # noqa: E402
from mien.training.recipes import recipe  # noqa: E402

SAMPLE = Path(mien.__file__).parent / "inference" / "sample" / "astronaut.jpg"
QUICK = ["--model", "hybrid", "--epochs", "1", "--threads", "1"]


def draw(folder: Path, n: dict[str, int]) -> Path:
    """Class folders of drawn faces: {class name: how many}, each an emotion of its own."""
    for emotion, (name, count) in zip(("happy", "surprise", "neutral"), n.items(), strict=False):
        (folder / name).mkdir(parents=True)
        for seed in range(count):
            Image.fromarray(draw_face(emotion, seed, size=64)).save(folder / name / f"{seed}.png")
    return folder


def dataset_of(counts: list[int], usage: str = "") -> Dataset:
    n = sum(counts)
    images = np.random.default_rng(0).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    labels = np.repeat(np.arange(len(counts)), counts)
    return Dataset(images, labels, np.full(n, usage, "<U11"), tuple(f"c{i}" for i in range(len(counts))), "set")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A set of 24 faces, fine-tuned by the command: (its place, what was printed)."""
    place = tmp_path_factory.mktemp("finetune")
    draw(place / "my faces", {"Joy": 12, "puzzled": 12})
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["finetune", str(place / "my faces"), "--runs", str(place / "runs"), *QUICK]) == 0
    return place, out.getvalue()


class TestTheLastLayer:
    def test_rows_go_by_class_name_and_synonym_whatever_their_order(self):
        weights = load_pretrained("hybrid", recipe("hybrid"), ["puzzled", "sadness", "Angry"])
        before = state_dict("hybrid")
        last = [name for name, tensor in weights.state_dict.items() if tensor.shape[:1] == (3,)]
        assert len(last) == 2
        for name in last:
            after = weights.state_dict[name].numpy()
            assert np.array_equal(after[1], before[name][4])  # sad
            assert np.array_equal(after[2], before[name][0])  # angry
            assert not any(np.array_equal(after[0], row) for row in before[name])
        assert weights.shared.dataset_only == ("puzzled",)
        assert "new weights for puzzled" in weights.decision
        assert "sadness (there sad)" in weights.decision

    def test_as_many_classes_of_other_names_start_fresh(self):
        weights = load_pretrained("hybrid", recipe("hybrid"), [f"c{i}" for i in range(7)])
        assert not weights.shared.names
        assert "starts with new weights" in weights.decision

    def test_the_same_classes_in_another_order_answer_as_before(self):
        emotions = mien.load_model("hybrid").classes
        weights, before = load_pretrained("hybrid", recipe("hybrid"), emotions[::-1]), state_dict("hybrid")
        assert all(
            np.array_equal(tensor.numpy(), before[name][::-1])
            for name, tensor in weights.state_dict.items()
            if tensor.shape[:1] == (7,)
        )


class TestTheValues:
    def test_small_sets_get_more_epochs_and_smaller_batches(self):
        small, large = (plan_finetuning(dataset_of([n, n])).recipe for n in (40, 4000))
        assert small.epochs > large.epochs
        assert small.batch_size < large.batch_size
        assert small.learning_rate < large.learning_rate

    def test_given_ones_stay_and_the_rest_follows_from_them(self):
        plan = plan_finetuning(dataset_of([40, 40]), epochs=3, batch_size=8, mixup=0.1)
        assert (plan.recipe.epochs, plan.recipe.batch_size, plan.recipe.mixup) == (3, 8, 0.1)
        assert "learning_rate" in plan.chosen
        assert "epochs" not in plan.chosen

    def test_the_light_is_read_as_the_model_reads_it(self):
        info = mien.load_model("champion").info
        chosen = plan_finetuning(dataset_of([40, 40])).recipe
        assert chosen.input_normalization == info.input_normalization
        assert (chosen.mean, chosen.std) == (info.mean, info.std)

    def test_cross_validation_is_for_small_sets_without_parts(self):
        assert plan_finetuning(dataset_of([40, 40])).cross_validated
        assert plan_finetuning(dataset_of([40, 40])).recipe.split == "kfold"
        assert not plan_finetuning(dataset_of([2000, 2000])).cross_validated
        parts = dataset_of([40, 40])
        parts.usage[::4] = "PrivateTest"
        parts.usage[parts.usage == ""] = "Training"
        assert plan_finetuning(parts).recipe.split == "official"
        with pytest.raises(mien.MienError, match="with its own test part"):
            plan_finetuning(parts, cross_validate=True)

    def test_unequal_classes_are_told(self):
        (warning,) = plan_finetuning(dataset_of([200, 8])).warnings
        assert "200 images of c0, 8 of c1" in warning
        assert "96%" in warning
        assert not plan_finetuning(dataset_of([20, 16])).warnings


def test_the_command_ends_with_the_model_its_accuracy_and_the_next_command(finished):
    place, out = finished
    record = json.loads((place / "runs" / "my-faces-1" / "finetuning.json").read_text())
    low, high = record["accuracy_interval"]
    assert record["n"] == 24
    assert f"accuracy {record['accuracy']:.1%} ({low:.1%} to {high:.1%}), cross-validated: each of 24 faces" in out
    assert "24 faces in 2 classes: happy 12, puzzled 12" in out
    assert "transferred from hybrid by class name for happy; new weights for puzzled" in out
    file = place / "runs" / "my-faces-1" / "model.onnx"
    assert out.splitlines()[-1] == f"next: mien read photo.jpg --model {file}"
    assert mien.load_model(file).classes == ("happy", "puzzled")


def test_the_train_line_makes_the_same_network(finished):
    place, out = finished
    line = next(line for line in out.splitlines() if line.startswith("equivalent to: mien "))
    words = shlex.split(line.removeprefix("equivalent to: mien "))
    words[words.index("--runs") + 1] = str(place / "again")
    assert main(words) == 0
    weights = [(place / runs / "my-faces-1" / "weights.safetensors").read_bytes() for runs in ("runs", "again")]
    assert weights[0] == weights[1]


def test_python_does_the_same(finished, tmp_path):
    place, _ = finished
    dataset = load(place / "my faces")
    result = mien.finetune(dataset, "hybrid", runs=tmp_path, name="mine", epochs=1, threads=1)
    record = json.loads((place / "runs" / "my-faces-1" / "finetuning.json").read_text())
    assert result.evaluation.accuracy == record["accuracy"]
    assert result.run.recipe.epochs == 1
    assert "cross-validated" in repr(result)
    assert "<table>" in result._repr_html_()


def test_a_test_set_of_its_own_is_what_counts(tmp_path, capsys):
    for part, n in (("train", 12), ("test", 6)):
        draw(tmp_path / "faces" / part, {"happy": n, "surprise": n})
    assert main(["finetune", str(tmp_path / "faces"), "--runs", str(tmp_path / "runs"), *QUICK]) == 0
    out = capsys.readouterr().out
    assert "on the 12 faces of the test part" in out
    assert "hybrid before fine-tuning: " in out


def test_photographs_that_were_never_cut_are_told(tmp_path, capsys):
    for name in ("delighted", "puzzled"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(5):
            with Image.open(SAMPLE) as photo:
                photo.convert("L").point(lambda level, i=i: level + i).save(tmp_path / "photos" / name / f"{i}.png")
    report = check_uncut(tmp_path / "photos", sample=4)
    assert (report.n, report.uncut, report.many) == (4, 4, True)
    assert main(["finetune", str(tmp_path / "photos"), "--plan"]) == 0
    err = capsys.readouterr().err
    assert f"uncropped photographs; crop the faces first: mien data crop {tmp_path / 'photos'} -o" in err


def test_faces_that_are_cut_are_not(tmp_path):
    with Image.open(SAMPLE) as photo:
        face = photo.crop((165, 45, 285, 195))
    for name in ("delighted", "puzzled"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for i in range(3):
            face.save(tmp_path / "faces" / name / f"{i}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_uncut(tmp_path / "faces")
    assert (report.n, report.uncut) == (6, 0)


@pytest.mark.parametrize(
    ("counts", "words", "says"),
    [
        ({"a": 12, "b": 12}, ["--model", "champion-fast"], "give champion or hybrid, or a run"),
        ({"a": 12, "b": 12}, ["--model", "nothing"], "no model 'nothing'"),
        ({"a": 12, "b": 12}, ["--epochs", "0"], "--epochs = 0"),
        ({"a": 12, "b": 12}, ["--batch-size", "0"], "--batch-size = 0"),
        ({"a": 12, "b": 3}, [], "3 images of b; each class needs 5 or more"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, counts, words, says):
    faces = draw(tmp_path / "faces", counts)
    assert main(["finetune", str(faces), "--runs", str(tmp_path / "runs"), *words]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("mien: data:")]
    assert len(err) == 1
    assert says in err[0]
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["finetune", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def trained(**changes: object) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights of the hybrid before and after one epoch on 16 faces."""
    from mien.training.state import FaceSet
    from mien.training.trainer import Trainer

    chosen = recipe("hybrid", epochs=1, batch_size=8, progressive_resizing_from=48, ema_decay=0.0, **changes)
    before = load_pretrained("hybrid", chosen, ["happy", "puzzled"]).state_dict
    faces = FaceSet(np.stack([draw_face("happy", seed) for seed in range(16)]), np.arange(16) % 2)
    after = Trainer(chosen).fit(faces, faces, 2, pretrained=before).model.state_dict()
    return before, {name: tensor.detach().clone() for name, tensor in after.items()}


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_frozen_backbone_stays_as_it_is_and_the_last_layer_learns(optimizer):
    before, after = trained(backbone_lr_scale=0.0, bn_images=0, optimizer=optimizer, learning_rate=1e-3)
    last = [name for name in before if before[name].shape[:1] == (2,)]
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert sorted(changed) == sorted(last)


def test_a_slow_backbone_moves_less():
    moves = []
    for scale in (1.0, 0.1):
        before, after = trained(backbone_lr_scale=scale, bn_images=0, optimizer="sgd", learning_rate=1e-3)
        kernel = next(name for name, tensor in before.items() if tensor.ndim == 4)
        moves.append(float((before[kernel] - after[kernel]).norm()))
    assert 0 < moves[1] < moves[0] / 3


def test_few_images_leave_the_backbone_frozen_and_many_do_not():
    scales = [plan_finetuning(dataset_of([n, n])).recipe.backbone_lr_scale for n in (100, 1000, 4000)]
    assert scales == [0.0, 0.1, 1.0]
    assert plan_finetuning(dataset_of([100, 100]), backbone_lr_scale=0.5).recipe.bn_images > 0
