"""Comparison of runs: paired with stored predictions, unpaired intervals without, none on different images."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from mien.evaluation import statistics
from serve_fixtures import client_of, write_run


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path) as client:
        yield client


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def predict(run: Path, right: np.ndarray, rows: np.ndarray | None = None) -> None:
    """Store predictions of a run: right: (N,) bool."""
    rows = np.arange(len(right)) if rows is None else rows
    lines = [f"{row},{3},{3 if hit else 4},0.9" for row, hit in zip(rows.tolist(), right.tolist(), strict=True)]
    (run / "predictions-validation.csv").write_text("\n".join(["row,label,predicted,confidence", *lines]) + "\n")


def ask(client: TestClient, *names: str) -> list[dict]:
    answer = client.get("/v1/compare", params=[("run", name) for name in names])
    assert answer.status_code == 200, answer.text
    assert (answer.json()["part"], answer.json()["view"]) == ("validation", "single")
    return answer.json()["runs"]


def test_runs_are_compared_with_the_first_by_intervals_where_no_predictions_are_stored(
    client: TestClient, tmp_path: Path
) -> None:
    for name, top in (("a", 0.6), ("b", 0.8), ("c", 0.62), ("d", 0.3)):
        write_run(tmp_path / "runs" / name, top=top)
    first, *others = ask(client, "a", "b", "c", "d")
    assert (first["name"], first["difference"], first["reason"]) == ("a", None, None)
    assert [run["difference"]["verdict"] for run in others] == ["better", "undecided", "worse"]
    better = others[0]["difference"]
    assert better["accuracy"] == pytest.approx(0.2)
    assert better["interval"][0] < 0.2 < better["interval"][1]
    assert better["method"] == "Newcombe, unpaired"
    assert (better["p_value"], better["only_first"], better["only_this"]) == (None, None, None)


def test_stored_predictions_are_compared_in_pairs(client: TestClient, tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "runs" / "a"), write_run(tmp_path / "runs" / "b")
    right = np.arange(140) < 84
    better = right.copy()
    better[84:100] = True
    better[:2] = False
    predict(first, right)
    order = np.random.default_rng(0).permutation(140)  # the order of the lines does not matter
    predict(second, better[order], order)
    difference = ask(client, "a", "b")[1]["difference"]
    assert difference["method"] == "paired bootstrap"
    assert (difference["only_first"], difference["only_this"]) == (2, 16)
    assert difference["accuracy"] == pytest.approx(0.1)
    assert 0 < difference["interval"][0] < 0.1 < difference["interval"][1] < 0.2
    expected = 2 * sum(math.comb(18, k) for k in range(3)) / 2**18
    assert difference["p_value"] == pytest.approx(expected)
    assert difference["verdict"] == "better"
    assert ask(client, "b", "a")[1]["difference"]["verdict"] == "worse"


def test_the_paired_interval_is_that_of_the_images_resampled(tmp_path: Path) -> None:
    outcomes = np.r_[np.full(30, 1), np.full(18, -1), np.zeros(152)]
    rng = np.random.default_rng(1)
    means = outcomes[rng.integers(0, 200, (4000, 200))].mean(axis=1)
    first, second = (
        np.r_[np.ones(18), np.zeros(30), np.ones(152)] > 0,
        np.r_[np.zeros(18), np.ones(30), np.ones(152)] > 0,
    )
    difference = statistics.paired_bootstrap(first, second)
    assert (difference.low, difference.high) == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.01)


def test_equal_predictions_are_undecided(client: TestClient, tmp_path: Path) -> None:
    for name in ("a", "b"):
        predict(write_run(tmp_path / "runs" / name), np.arange(140) < 84)
    difference = ask(client, "a", "b")[1]["difference"]
    assert (difference["accuracy"], difference["p_value"], difference["verdict"]) == (0, 1, "undecided")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": {"fingerprint": "11aa"}}, "a and b were evaluated on different data"),
        ({"data": {}}, "b does not say which data it was evaluated on"),
        ({"split": "kfold"}, "a and b were evaluated on different parts of the data"),
        ({"fold": 3}, "a and b were evaluated on different parts of the data"),
    ],
)
def test_runs_on_different_images_get_no_difference(
    client: TestClient, tmp_path: Path, changes: dict, reason: str
) -> None:
    write_run(tmp_path / "runs" / "a", top=0.6)
    change(write_run(tmp_path / "runs" / "b", top=0.8) / "recipe.json", **changes)
    compared = ask(client, "a", "b")[1]
    assert (compared["reason"], compared["difference"]) == (reason, None)
    assert compared["accuracy"] == pytest.approx(0.8)


def test_predictions_of_other_rows_are_another_part(client: TestClient, tmp_path: Path) -> None:
    predict(write_run(tmp_path / "runs" / "a"), np.ones(140, bool))
    predict(write_run(tmp_path / "runs" / "b"), np.ones(140, bool), np.arange(140) + 7)
    assert "different parts" in ask(client, "a", "b")[1]["reason"]


def test_a_run_that_is_not_evaluated_is_told(client: TestClient, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a")
    write_run(tmp_path / "runs" / "b", done=False)
    assert ask(client, "a", "b")[1]["reason"] == "b has not been evaluated on its validation part"
    assert ask(client, "b", "a")[1]["reason"] == "b has not been evaluated on its validation part"


@pytest.mark.parametrize("content", ["", "row,label\n1,2\n", "row,label,predicted,confidence\n1,2,x,0.5\n", "\0"])
def test_damaged_predictions_leave_the_unpaired_comparison(client: TestClient, tmp_path: Path, content: str) -> None:
    predict(write_run(tmp_path / "runs" / "a"), np.arange(140) < 84)
    (write_run(tmp_path / "runs" / "b") / "predictions-validation.csv").write_text(content)
    assert ask(client, "a", "b")[1]["difference"]["method"] == "Newcombe, unpaired"


def test_what_cannot_be_compared_is_a_problem(client: TestClient, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a")
    assert client.get("/v1/compare?run=a&run=none").status_code == 404
    assert client.get("/v1/compare?run=a").status_code == 400
    assert client.get("/v1/compare").status_code == 400
    assert client.get("/v1/compare?" + "&".join(["run=a"] * 33)).status_code == 400
