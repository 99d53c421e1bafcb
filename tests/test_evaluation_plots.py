"""Figures: each is a complete PNG that fits its canvas, is marked if drawn, and loads matplotlib only on use."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data.dataset import Dataset
from mien.errors import MienError
from mien.evaluation import calibration, diagnose, metrics, plots, study_figures
from mien.evaluation.report import StudyRow
from mien.labels import EMOTIONS


def history(epochs: int) -> list[dict[str, float]]:
    part = 1 - np.exp(-np.arange(1, epochs + 1) / 4)
    return [
        {
            "epoch": i + 1,
            "train_loss": 1.8 - 1.7 * p,
            "train_accuracy": 0.2 + 0.79 * p,
            "val_loss": 1.8 - 0.5 * p + 0.1 * max(0, i - 6),
            "val_accuracy": 0.2 + 0.3 * p,
            "learning_rate": 1e-3,
        }
        for i, p in enumerate(part)
    ]


def scores(classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, 300)
    logits = rng.normal(0, 2, (300, classes))
    logits[np.arange(300), labels] += 2
    return calibration.softmax(logits), labels


def dataset(drawn: bool = False) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (300, 48, 48), dtype=np.uint8)
    labels = np.arange(300) % 8 - 1
    return Dataset(images, labels, np.full(300, ""), EMOTIONS, source="noise", drawn=drawn)


def rows() -> list[StudyRow]:
    return [
        StudyRow("deep", "deep-cnn", 4_960_903, "study", 0.52, 0.99, 20, 4307, "study", 0.99, 0.524),
        StudyRow("deep", "deep-cnn", 4_960_903, "modern", 0.645, 0.66, 30, 3589, "official"),
        StudyRow("hybrid", "hybrid-cnn", 304_743, "study", 0.605, 0.652, 25, 4307, "study", 0.6497, 0.6031),
        StudyRow("hybrid", "hybrid-cnn", 304_743, "modern", 0.675),
    ]


def draw(name: str, path: Path, drawn: bool = False) -> Path:
    p, y = scores()
    found = metrics.evaluate(p, y, EMOTIONS)
    curve = calibration.reliability(p, y)
    data = dataset(drawn)
    make: dict[str, Callable[[], Path]] = {
        "curves": lambda: plots.learning_curves(history(20), path, "deep", diagnose.diagnose(history(20)), drawn=drawn),
        "one epoch": lambda: plots.learning_curves(history(1), path, "deep", drawn=drawn),
        "confusion": lambda: plots.confusion(found.confusion, EMOTIONS, path, "hybrid", drawn=drawn),
        "recall": lambda: plots.recall_bars(found, path, "hybrid", drawn=drawn),
        "reliability": lambda: plots.reliability({"T = 1": curve, "T = 2": curve}, path, "hybrid", drawn=drawn),
        "one reliability": lambda: plots.reliability({"T = 1": curve}, path, "hybrid", drawn=drawn),
        "study": lambda: study_figures.study_table(rows(), path, drawn=drawn),
        "averages": lambda: plots.class_averages(data, path),
        "sheet": lambda: plots.contact_sheet(data.images, data.labels, EMOTIONS, path, drawn=drawn),
    }
    return make[name]()


FIGURES = (
    "curves", "one epoch", "confusion", "recall", "reliability", "one reliability", "study", "averages", "sheet"
)  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_its_canvas_and_is_stamped_when_drawn(tmp_path: Path, name: str) -> None:
    path = draw(name, tmp_path / "figures" / "a.png")
    assert path == tmp_path / "figures" / "a.png"
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert pixels.shape[1] >= 800
    assert pixels.min() < 80
    edge = np.concatenate([pixels[:3].ravel(), pixels[-3:].ravel(), pixels[:, :3].ravel(), pixels[:, -3:].ravel()])
    assert (edge == 255).all(), "something is cut off at the edge"
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]

    stamped = np.asarray(Image.open(draw(name, tmp_path / "b.png", drawn=True)).convert("RGB"))
    stamp = (stamped == [0xFF, 0xF1, 0xCF]).all(axis=2)
    assert stamp.sum() > 2000
    assert not (pixels == [0xFF, 0xF1, 0xCF]).all(axis=2).any()


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    one, two = (draw("confusion", tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert one == two


def test_classes_of_ones_own_and_an_absent_class_are_drawn(tmp_path: Path) -> None:
    p, y = scores(classes=3)
    y[y == 2] = 1
    found = metrics.evaluate(p, y, ("calm", "tense", "absent"))
    assert plots.confusion(found.confusion, found.classes, tmp_path / "c.png", "own").is_file()
    assert plots.recall_bars(found, tmp_path / "r.png", "own").is_file()


def test_curves_that_were_lost_are_drawn_as_far_as_they_go(tmp_path: Path) -> None:
    lost = history(8)
    for row in lost[5:]:
        row.update(train_loss=float("nan"), val_loss=float("inf"))
    path = plots.learning_curves(lost, tmp_path / "c.png", "lost", diagnose.diagnose(lost))
    assert path.is_file()


def test_averages_leave_out_classes_of_a_few_people(tmp_path: Path) -> None:
    few = dataset().subset(np.arange(8 * 19))
    with pytest.raises(MienError, match="20 labeled images"):
        plots.class_averages(few, tmp_path / "a.png")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: plots.learning_curves([], path, "none"),
        lambda path: plots.confusion(np.zeros((3, 3)), EMOTIONS, path, "none"),
        lambda path: plots.reliability({}, path, "none"),
        lambda path: study_figures.study_table([], path),
        lambda path: study_figures.study_curves({}, path, "none"),
        lambda path: study_figures.forest({"nothing": []}, path, "none", 3),
        lambda path: plots.contact_sheet(np.zeros((0, 48, 48), np.uint8), np.zeros(0, int), EMOTIONS, path),
    ],
)
def test_nothing_to_draw_is_an_error_and_leaves_no_file(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(MienError):
        make(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_the_study_wing_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys\n"
        "from mien.evaluation import audit, calibration, diagnose, history, metrics, plots, report, submission\n"
        "print([name for name in ('torch', 'matplotlib', 'pandas', 'cv2', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_accuracy_by_coverage_is_drawn(tmp_path: Path) -> None:
    from mien.evaluation.conformal import accuracy_by_coverage

    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), 500)
    curve = accuracy_by_coverage(p, p.argmax(axis=1))
    path = plots.accuracy_by_coverage({"one": curve, "other": curve}, tmp_path / "a.png", "Abstaining")
    assert path.stat().st_size > 5000
    with pytest.raises(MienError, match="at least one"):
        plots.accuracy_by_coverage({}, tmp_path / "b.png", "Abstaining")
