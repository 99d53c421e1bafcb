"""history.csv: round trip, and errors that name the broken row."""

import math
from pathlib import Path

import pytest

from mien.errors import MienError
from mien.evaluation import history

HEADER = (
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,test_loss,test_accuracy,generalization_gap,learning_rate,"
    "images_per_second,seconds"
)

OF_0_1 = (
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,generalisation_gap,learning_rate,images_per_second,seconds"
)


def row(epoch: int) -> dict[str, float]:
    values = (1.25 / epoch, 0.5, 1.4, 0.4567890123, 1.4, 0.4567890123, 0.0432109877, 3e-4, 2048.5, 14.25)
    return dict(zip(history.COLUMNS, (epoch, *values), strict=True))


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "run" / "history.csv"
    history.write([row(1), row(2), row(3)], path)
    assert path.read_text().splitlines()[0] == HEADER
    back = history.read(path)
    assert [r["epoch"] for r in back] == [1, 2, 3]
    for got, given in zip(back, (row(1), row(2), row(3)), strict=True):
        assert got == pytest.approx(given, rel=1e-8)


def test_a_history_of_0_1_is_read_under_todays_names(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(OF_0_1 + "\n1,1.2,0.5,1.4,0.45,0.05,0.001,900,12\n")
    (only,) = history.read(tmp_path / "h.csv")
    assert tuple(only) == history.COLUMNS
    assert (only["generalization_gap"], only["test_loss"], only["test_accuracy"]) == (0.05, 1.4, 0.45)


def test_an_unknown_number_is_nan_and_stays_nan(tmp_path: Path) -> None:
    history.write([row(1) | {"val_loss": math.nan}], tmp_path / "h.csv")
    assert math.isnan(history.read(tmp_path / "h.csv")[0]["val_loss"])


def test_rewriting_leaves_one_file_and_nothing_beside_it(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        history.write([row(i) for i in range(1, n + 1)], tmp_path / "history.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["history.csv"]
    assert len(history.read(tmp_path / "history.csv")) == 3


def test_a_history_without_epochs_is_empty(tmp_path: Path) -> None:
    history.write([], tmp_path / "h.csv")
    assert history.read(tmp_path / "h.csv") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "header"),
        ("epoch,loss\n1,2\n", "header"),
        (OF_0_1 + "\n1,1,1,1,1,1,1,1\n", "row 2: 8 values instead of 9"),
        (OF_0_1 + "\n1,1,1,1,1,1,1,1,1\n2,1,x,1,1,1,1,1,1\n", "row 3: train_accuracy is 'x'"),
        (OF_0_1 + "\n1.5,1,1,1,1,1,1,1,1\n", "row 2: epoch is '1.5'"),
        (OF_0_1 + "\n2,1,1,1,1,1,1,1,1\n2,1,1,1,1,1,1,1,1\n", "row 3: epoch 2 follows 2"),
        (OF_0_1 + "\n1,1,,1,1,1,1,1,1\n", "row 2: train_accuracy is ''"),
    ],
)
def test_malformed_files_are_refused_with_the_row(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(MienError, match=words) as caught:
        history.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_missing_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="cannot read"):
        history.read(tmp_path / "none.csv")
    with pytest.raises(MienError, match=r"row 1: .*seconds"):
        history.write([{k: v for k, v in row(1).items() if k != "seconds"}], tmp_path / "h.csv")
