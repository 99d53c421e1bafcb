"""Synthetic faces: deterministic per seed, balanced like FER2013, in its layouts, and hard for a linear model."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.data.synthetic.generate import FER2013_COUNTS, MARKER, draw, draw_face, draw_files
from mien.data.synthetic.render import _outlines
from mien.errors import MienError
from mien.labels import EMOTIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn")
    draw_files(path, 60, seed=3)
    return path


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_one_seed_draws_the_same_faces_and_another_seed_others() -> None:
    one, same, other = draw(30, seed=5), draw(30, seed=5), draw(30, seed=6)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert not (one.images == other.images).all(axis=(1, 2)).any()


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    short, long = draw(12, seed=1), draw(40, seed=1)
    np.testing.assert_array_equal(long.images[:12], short.images)
    np.testing.assert_array_equal(long.labels[:12], short.labels)


def test_images_are_distinct_48_pixel_gray_faces_that_use_the_range() -> None:
    dataset = draw(200)
    assert dataset.drawn
    assert "drawn" in dataset.source
    assert dataset.images.shape == (200, 48, 48)
    assert dataset.images.dtype == np.uint8
    assert dataset.labels.dtype == np.int64
    assert len(np.unique(dataset.images.reshape(200, -1), axis=0)) == 200
    assert dataset.images.std(axis=(1, 2)).min() > 5  # none is blank
    assert dataset.images.min() < 30
    assert dataset.images.max() > 225


@pytest.mark.parametrize("n", [100, 700])
def test_classes_and_usages_come_in_the_shares_of_fer2013(n: int) -> None:
    dataset = draw(n, seed=2)
    total = sum(FER2013_COUNTS.values())
    for name, count in dataset.counts().items():
        assert abs(count - n * FER2013_COUNTS[name] / total) <= 3
    usage, counts = np.unique(dataset.usage, return_counts=True)
    assert dict(zip(usage.tolist(), counts.tolist(), strict=True)) == {
        "Training": n - 2 * (n // 10),
        "PublicTest": n // 10,
        "PrivateTest": n // 10,
    }
    assert dataset.usage[0] == "Training"
    assert dataset.usage[-1] == "PrivateTest"


def test_files_have_the_layouts_of_kaggle_and_the_note(folder: Path) -> None:
    dataset = draw(60, seed=3)
    train, test, icml = (rows(folder / name) for name in ("train.csv", "test.csv", "icml_face_data.csv"))
    assert train[0] == ["emotion", "pixels"]
    assert test[0] == ["pixels"]
    assert icml[0] == ["emotion", " Usage", " pixels"]
    assert (len(train), len(test), len(icml)) == (1 + 48, 1 + 12, 1 + 60)
    assert [row[1] for row in icml[1:]] == dataset.usage.tolist()
    assert [int(row[0]) for row in icml[1:]] == dataset.labels.tolist()
    assert [row[1] for row in train[1:]] + [row[0] for row in test[1:]] == [row[2] for row in icml[1:]]
    pixels = np.array([row[2].split() for row in icml[1:]], dtype=int)
    np.testing.assert_array_equal(pixels, dataset.images.reshape(60, 2304))
    assert "drawn by mien" in (folder / MARKER).read_text()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [MARKER, "train.csv", "test.csv", "icml_face_data.csv"]
    )


def test_files_of_one_seed_are_the_same_and_may_be_drawn_again(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    draw_files(folder, 60, seed=3)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["train.csv", "fer2013.csv", "fer2013.tar.gz"])
def test_real_data_is_never_written_over_nor_marked_as_drawn(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("emotion,pixels\n")
    with pytest.raises(MienError, match=name):
        draw_files(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "emotion,pixels\n"


@pytest.mark.parametrize("plain", [True, False])
def test_a_face_can_be_drawn_in_any_size(plain: bool) -> None:
    small, large = (draw_face("happy", 4, size, plain) for size in (48, 192))
    assert small.shape == (48, 48)
    assert large.shape == (192, 192)
    assert large.dtype == np.uint8
    shrunk = large.reshape(48, 4, 48, 4).mean(axis=(1, 3))
    assert abs(shrunk - small).mean() < 12  # the same picture, but for grain


def test_lines_become_polygons_of_their_width_and_rings_stay_open() -> None:
    def area(polygon: np.ndarray) -> float:
        x, y = polygon.T
        return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2

    turn = np.linspace(0, 2 * np.pi, 61)
    circle = np.stack([30 * np.cos(turn), 30 * np.sin(turn)], axis=1)
    circle[-1] = circle[0]
    straight, ring = _outlines([np.array([(10.0, 10.0), (60.0, 40.0)]), circle], [9.0, 7.0])
    # Pillow adds half a pixel on each side, so polygons are one pixel narrower than the lines.
    assert area(straight) == pytest.approx(8 * np.hypot(50, 30) + np.pi * 16, rel=0.01)
    assert area(ring) == pytest.approx(2 * np.pi * 30 * 6, rel=0.01)


def test_drawing_needs_numpy_and_pillow_alone() -> None:
    code = (
        "import sys; from mien.data.synthetic.generate import draw; draw(3); "
        "sys.exit(str([m for m in ('cv2', 'torch', 'scipy', 'matplotlib', 'onnxruntime') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "[]\n")


def test_a_person_shows_each_emotion_with_another_face() -> None:
    faces = [draw_face(name, seed=8, plain=True) for name in EMOTIONS]
    assert len({face.tobytes() for face in faces}) == len(EMOTIONS)
    np.testing.assert_array_equal(faces[3], draw_face("happy", seed=8, plain=True))


def test_bad_requests_are_refused_in_one_line() -> None:
    for request in (
        lambda: draw(0),
        lambda: draw(5, seed=-1),
        lambda: draw_face("bored"),
        lambda: draw_face("sad", size=4),
    ):
        with pytest.raises(MienError) as caught:
            request()
        assert "\n" not in str(caught.value)


def test_a_small_cnn_reads_them_far_better_than_a_linear_model() -> None:
    torch = pytest.importorskip("torch")
    linear_model = pytest.importorskip("sklearn.linear_model")
    dataset = draw(2000, seed=0)
    train, test = np.flatnonzero(dataset.usage == "Training"), np.flatnonzero(dataset.usage != "Training")

    pixels = dataset.images.reshape(len(dataset), -1) / 255
    pixels = (pixels - pixels[train].mean(0)) / pixels[train].std(0)
    linear = linear_model.RidgeClassifier(alpha=1e3).fit(pixels[train], dataset.labels[train])
    linear_accuracy = linear.score(pixels[test], dataset.labels[test])

    torch.manual_seed(0)
    layers = []
    for c_in, c_out in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [torch.nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), torch.nn.BatchNorm2d(c_out)]
        layers += [torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    net = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Dropout(0.3), torch.nn.Linear(576, 7))
    net = net.to(memory_format=torch.channels_last)
    images = torch.tensor(dataset.images)[:, None].float() / 127.5 - 1  # (N, 1, 48, 48)
    labels, batch, epochs = torch.tensor(dataset.labels), 40, 6
    optimizer = torch.optim.AdamW(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * len(train) // batch)
    for _ in range(epochs):
        for rows in torch.tensor(train)[torch.randperm(len(train))].split(batch):
            shift = torch.randint(-3, 4, (2,)).tolist()
            faces = images[rows].roll(shift, (2, 3))
            faces = faces.flip(3) if torch.rand(()) < 0.5 else faces
            loss = torch.nn.functional.cross_entropy(net(faces), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        guesses = net.eval()(images[test]).argmax(1).numpy()
    cnn_accuracy = (guesses == dataset.labels[test]).mean()

    assert 0.28 < linear_accuracy < 0.5  # the most frequent class alone gives 0.25
    assert linear_accuracy + 0.25 < cnn_accuracy < 0.99


def test_load_reads_the_files_back_and_knows_that_they_are_drawn(folder: Path) -> None:
    from mien.data.load import load

    dataset, loaded = draw(60, seed=3), load(folder, cache=False)
    assert loaded.drawn
    assert loaded.fingerprint == dataset.fingerprint
    assert load(folder / "train.csv", cache=False).drawn
