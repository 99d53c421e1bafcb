"""The table of the study's networks, and its rows from run folders."""

import json
from pathlib import Path

import pytest

from mien.errors import MienError
from mien.evaluation import history, report, study_figures
from mien.evaluation.report import StudyRow


def run_folder(path: Path, recipe: str, kept: int = 2, split: str = "study") -> Path:
    path.mkdir(parents=True)
    rows = [
        dict(zip(history.COLUMNS, (n, 1.5 - n / 10, 0.5 + n / 20, *(2 * (1.6, 0.48 + n / 50)), 0.02, 1e-3, 900, 9),
                 strict=True))
        for n in (1, 2, 3)
    ]  # fmt: skip
    history.write(rows, path / "history.csv")
    (path / "recipe.json").write_text(json.dumps({"name": recipe, "split": split}))
    metrics = {
        "run": path.name, "recipe": recipe, "group": "hybrid-cnn", "parameters": 304743, "epochs": 3,
        "kept_epoch": kept, "evaluations": {"validation": {"single": {"n": 4307}}},
    }  # fmt: skip
    (path / "metrics.json").write_text(json.dumps(metrics))
    return path


def test_a_run_of_the_studys_protocol_stands_beside_what_was_logged(tmp_path: Path) -> None:
    row = report.study_row(run_folder(tmp_path / "a", "study/hybrid", kept=3))
    assert (row.network, row.training, row.parameters, row.epochs) == ("hybrid", "study", 304_743, 3)
    assert row.train_accuracy == pytest.approx(0.65)
    assert row.val_accuracy == pytest.approx(0.54)
    assert row.gap == pytest.approx(0.11)
    assert row.difference == pytest.approx(0.54 - 0.6031)


def test_the_row_is_that_of_the_epoch_the_run_kept(tmp_path: Path) -> None:
    row = report.study_row(run_folder(tmp_path / "a", "hybrid", kept=2, split="official"))
    assert row.val_accuracy == pytest.approx(0.52)
    assert (row.training, row.split, row.logged_val) == ("modern", "official", None)


def test_validation_accuracy_is_the_finished_models(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a", "hybrid", kept=3)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["evaluations"]["validation"]["single"]["accuracy"] = 0.55
    (folder / "metrics.json").write_text(json.dumps(metrics))
    row = report.study_row(folder)
    assert (row.val_accuracy, row.gap) == (0.55, pytest.approx(0.1))
    metrics["evaluations"]["validation"]["single"]["accuracy"] = "half"
    (folder / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(MienError, match="accuracy is half"):
        report.study_row(folder)


def test_a_variation_is_named_by_whoever_asks(tmp_path: Path) -> None:
    row = report.study_row(run_folder(tmp_path / "a", "study/hybrid"), training="rotation alone")
    assert (row.training, row.logged_val) == ("rotation alone", None)


def test_rows_come_in_the_order_of_the_story(tmp_path: Path) -> None:
    names = ("hybrid", "study/hybrid", "deep", "study/baseline")
    folders = [run_folder(tmp_path / str(i), name) for i, name in enumerate(names)]
    rows = report.study_rows((folder, None) for folder in folders)
    assert [(r.network, r.training) for r in rows] == [
        ("baseline", "study"), ("deep", "modern"), ("hybrid", "study"), ("hybrid", "modern")
    ]  # fmt: skip


def test_seeds_of_one_training_are_one_row_of_means(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / str(seed), "study/hybrid", kept=seed) for seed in (1, 2, 3)]
    (row,) = report.study_rows((folder, None) for folder in folders)
    assert row.val_accuracy == pytest.approx(0.52)
    assert row.train_accuracy == pytest.approx(0.60)
    assert row.spread == pytest.approx((0.50, 0.54))


def test_markdown_has_a_row_each_with_gap_interval_and_logged_figures() -> None:
    text = report.study_markdown(
        [
            StudyRow(
                "hybrid",
                "hybrid-cnn",
                304_743,
                "study",
                0.605,
                0.652,
                25,
                4307,
                "study",
                0.6497,
                0.6031,
                without_copies=0.59,
                n_copies=267,
            ),
            StudyRow("deep", "deep-cnn", 4_960_903, "study", 0.55, 0.98, 20, 4307, "study", 0.99, 0.524),
            StudyRow("normal", "normal-cnn", 683_527, "modern", 0.565),
        ]
    )
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    assert len({len(line) for line in table}) == 1
    assert table[2] == [
        "hybrid", "304,743", "study", "25", "–", "65.2", "60.5 ±1.5", "15 % of train.csv", "59.0", "+4.7",
        "65.0 / 60.3", "+0.2",
    ]  # fmt: skip
    assert table[3][-1] == "**+2.6**"
    assert table[4][3:] == ["–", "–", "–", "56.5", "–", "–", "–", "–", "–"]
    assert "copies of training images: 267 of 4,307 validation images (15 % of train.csv)." in text


def test_logged_figures_are_those_of_the_study() -> None:
    assert report.LOGGED["deep"] == (0.990, 0.524)
    assert set(report.LOGGED) <= set(report.ORDER)


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="no finished run"):
        report.study_row(tmp_path / "nowhere")
    folder = run_folder(tmp_path / "a", "hybrid")
    (folder / "metrics.json").write_text("[1]")
    with pytest.raises(MienError, match="no finished run"):
        report.study_row(folder)
    folder = run_folder(tmp_path / "b", "hybrid")
    history.write([], folder / "history.csv")
    with pytest.raises(MienError, match="its history has no epochs"):
        report.study_row(folder)


def test_the_figure_is_written(tmp_path: Path) -> None:
    row = report.study_row(run_folder(tmp_path / "a", "study/hybrid"))
    assert study_figures.study_table([row], tmp_path / "study.png", drawn=True).is_file()
