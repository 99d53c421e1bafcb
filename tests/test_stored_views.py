"""Stored views: teacher probabilities, training on them, and invalid files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mien import data  # noqa: E402
from mien.cli.main import main  # noqa: E402
from mien.errors import MienError  # noqa: E402
from mien.inference.model import open_model  # noqa: E402
from mien.training.augment import augment, draw  # noqa: E402
from mien.training.distillation import make_teacher  # noqa: E402
from mien.training.pixels import to_input  # noqa: E402
from mien.training.recipes import recipe  # noqa: E402
from mien.training.run import train  # noqa: E402
from mien.training.state import FaceSet  # noqa: E402
from mien.training.stored_views import (  # noqa: E402
    StoredViews,
    check_views,
    distill_views,
    join_views,
    load_views,
)
from mien.training.trainer import Trainer  # noqa: E402
from mien.training.training_set import training_set  # noqa: E402

NANO = recipe("nano", teacher="", epochs=1, batch_size=64, fc_drop=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    data.draw_files(folder / "data", n=120, seed=3)
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> data.Dataset:
    return data.load(folder / "data")


@pytest.fixture(scope="module")
def views(dataset: data.Dataset) -> StoredViews:
    images = training_set(NANO, dataset, 1).images
    return distill_views(["nano"], images, NANO, dataset.classes, views=3, seed=5)


def test_each_view_is_what_augmentation_makes_and_the_teacher_says(dataset: data.Dataset, views: StoredViews) -> None:
    images = training_set(NANO, dataset, 1).images
    assert views.probabilities.shape == (len(images), 3, 7)
    x = augment(to_input(torch.from_numpy(images), 0.5, 0.5), NANO.augmentation, draw(len(images), 5, 2))
    pixels = ((x * 0.5 + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).squeeze(1).numpy()
    said = open_model("nano").classify(pixels)
    assert np.allclose(views.probabilities[:, 2], said, atol=2e-3)
    assert torch.equal(views.draws()[2], draw(len(images), 5, 2))
    mirrored = distill_views(["nano"], images[:4], NANO, dataset.classes, views=1, seed=5, mirror=True)
    both = open_model("nano").classify(augmented(images[:4]), flip=True)
    assert np.allclose(mirrored.probabilities[:, 0], both, atol=2e-3)


def augmented(images: np.ndarray) -> np.ndarray:
    x = augment(to_input(torch.from_numpy(images), 0.5, 0.5), NANO.augmentation, draw(len(images), 5, 0))
    return ((x * 0.5 + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).squeeze(1).numpy()


def test_a_file_reads_back_and_a_damaged_one_is_refused(tmp_path: Path, views: StoredViews) -> None:
    path = tmp_path / "views.npz"
    views.save(path)
    again = load_views(path)
    assert np.array_equal(again.probabilities, views.probabilities)
    assert dataclasses.replace(again, probabilities=views.probabilities) == views
    assert again.digest == views.digest
    content = path.read_bytes()
    for damaged in (content[:200], b"nothing", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(MienError, match="contains no stored views"):
            load_views(path)
    with pytest.raises(MienError, match="create it with mien distill-views"):
        load_views(tmp_path / "none.npz")


def test_a_student_sees_the_views_and_what_was_said_of_them(dataset: data.Dataset, views: StoredViews) -> None:
    faces = training_set(NANO, dataset, 1)
    images, labels = faces.images, faces.labels
    told = dataclasses.replace(NANO, mixup=0.0, distillation_weight=0.75)
    trainer = Trainer(told)
    trainer.teacher = None
    trainer._load_data(FaceSet(images, labels, views=views), 7)
    rows = torch.arange(20)
    draws = trainer._draws(1)
    x, target = trainer._inputs(rows, rows, draws, 48, 0)
    picked = views.pick(1, 1)[:20].numpy()
    assert len(set(picked.tolist())) > 1
    said = views.probabilities[np.arange(20), picked].astype(np.float64)
    assert np.allclose(target.numpy(), 0.25 * np.eye(7)[labels[:20]] + 0.75 * said, atol=1e-3)
    assert torch.equal(draws[:20], views.draws()[torch.from_numpy(picked), rows])
    assert x.shape == (20, 1, 48, 48)


def test_views_that_were_asked_about_mirrored_are_mirrored_in_half_of_the_epochs(
    dataset: data.Dataset, views: StoredViews
) -> None:
    faces = training_set(NANO, dataset, 1)
    plain, mirrored = (
        _inputs_of(dataclasses.replace(views, mirrored=mirrored), faces.images, faces.labels)
        for mirrored in (False, True)
    )
    same = np.array([torch.equal(a, b) for a, b in zip(plain, mirrored, strict=True)])
    turned = np.array([torch.equal(a.flip(-1), b) for a, b in zip(plain, mirrored, strict=True)])
    assert (same != turned).all()
    assert 0.3 < turned.mean() < 0.7
    again = _inputs_of(dataclasses.replace(views, mirrored=True), faces.images, faces.labels)
    assert torch.equal(again, mirrored)


def _inputs_of(views: StoredViews, images: np.ndarray, labels: np.ndarray) -> torch.Tensor:
    """What a network gets of all images in epoch 1."""
    trainer = Trainer(dataclasses.replace(NANO, mixup=0.0))
    trainer.teacher = None
    trainer._load_data(FaceSet(images, labels, views=views), 7)
    rows = torch.arange(len(images))
    x, _ = trainer._inputs(rows, rows, trainer._draws(1), 48, 0)
    return x


def test_targets_from_stored_views_are_those_of_live_teachers(dataset: data.Dataset) -> None:
    live = dataclasses.replace(NANO, teacher="nano+hybrid", teacher_input="augmented", mixup=0.0, distillation_weight=1)
    faces = training_set(live, dataset, 1)
    views = distill_views(["nano", "hybrid"], faces.images, live, dataset.classes, views=2, seed=5)
    stored = Trainer(dataclasses.replace(live, teacher=""))
    stored.teacher = None
    stored._load_data(dataclasses.replace(faces, views=views), 7)
    asked = Trainer(live)
    asked.teacher = make_teacher(live)
    asked._load_data(faces, 7)
    rows = torch.arange(20)
    draws = stored._draws(3)
    x, target = stored._inputs(rows, rows, draws, 48, 0)
    live_x, live_target = asked._inputs(rows, rows, draws, 48, 0)
    assert torch.equal(x, live_x)
    assert torch.allclose(target, live_target, atol=1e-3)  # float16


def test_a_device_asks_about_the_same_views_and_nearly_agrees(dataset: data.Dataset) -> None:
    images = training_set(NANO, dataset, 1).images[:40]
    how = (["hybrid", "nano"], images, NANO, dataset.classes)
    plain = distill_views(*how, views=2, mirror=True)
    there = distill_views(*how, views=2, mirror=True, device=torch.device("cpu"))  # bfloat16, norms folded
    assert np.abs(plain.probabilities.astype(float) - there.probabilities).mean() < 0.01
    assert dataclasses.replace(there, probabilities=plain.probabilities) == plain


def test_views_of_several_seeds_are_one(dataset: data.Dataset, tmp_path: Path) -> None:
    images = training_set(NANO, dataset, 1).images
    parts = [distill_views(["nano"], images, NANO, dataset.classes, views=2, seed=seed) for seed in (5, 6)]
    both = join_views(parts)
    assert both.probabilities.shape == (len(images), 4, 7)
    assert torch.equal(both.draws()[3], draw(len(images), 6, 1))
    both.save(tmp_path / "both.npz")
    assert load_views(tmp_path / "both.npz").digest == both.digest
    for others in (parts[:1] * 2, [parts[0], dataclasses.replace(parts[1], teachers=("hybrid",))]):
        with pytest.raises(MienError, match="joined"):
            join_views(others)


def test_what_does_not_fit_is_refused(dataset: data.Dataset, views: StoredViews) -> None:
    images = training_set(NANO, dataset, 1).images
    check_views(views, NANO, dataset.classes, images)
    for changed, classes, faces, message in (
        (recipe("nano"), dataset.classes, images, "speak for their own teachers"),
        (NANO, dataset.classes[::-1], images, "are of the classes"),
        (NANO, dataset.classes, images[::-1], "of other training images"),
        (dataclasses.replace(NANO, rotate=2.0), dataset.classes, images, "were made with rotate = 10.0"),
    ):
        with pytest.raises(MienError, match=message):
            check_views(views, changed, classes, faces)
    with pytest.raises(MienError, match="the teacher nano knows the classes"):
        distill_views(["nano"], images, NANO, ("a", "b"))


def test_both_commands_and_a_run_that_goes_on(
    folder: Path, tmp_path: Path, dataset: data.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    file, where = tmp_path / "v.npz", ["--data", str(folder / "data")]
    assert main(["distill-views", "nano", "hybrid", *where, "--views", "2", "-o", str(file)]) == 0
    out = capsys.readouterr().out
    assert "2 views of 96 images" in out
    assert f"--stored-views {file}" in out
    assert main(["distill-views", "nano", *where, "-o", str(file)]) == 2
    assert "exists; replace it with --overwrite" in capsys.readouterr().err
    assert main(["distill-views", "nope", *where, "-o", str(tmp_path / "w.npz")]) == 2
    assert capsys.readouterr().err.startswith("mien: no model 'nope'")
    views = load_views(file)
    whole = train(NANO, dataset, tmp_path / "whole", track="none", stored_views=file)
    assert whole is not None
    record = json.loads((whole.folder / "recipe.json").read_text())
    assert record["stored_views"] == {"file": str(file), **views.about()}
    other = tmp_path / "other.npz"
    dataclasses.replace(views, seeds=(9,)).save(other)
    with pytest.raises(MienError, match="is not the file that"):
        train(NANO, dataset, whole.folder, track="none", stored_views=other, resume=True)
    dataclasses.replace(views, seeds=(9,)).save(file)
    with pytest.raises(MienError, match="is not the file that"):  # the run's own, where none is given
        train(NANO, dataset, whole.folder, track="none", resume=True)
