"""A short version of benchmarks/fuzz.py, and the corpus of inputs that once failed."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from mien.errors import MienError
from mien.evaluation import record_check, results

ROOT = Path(__file__).parents[1]
CORPUS = sorted((ROOT / "tests/corpus").glob("*.bin"))
METRICS = ROOT / "results/champion/runs/hybrid-1/metrics.json"


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "benchmarks"))  # which its own processes get too
    yield importlib.import_module("fuzz")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_once_failed_is_read_or_refused_in_one_line(fuzz: Any, path: Path, tmp_path: Path) -> None:
    try:
        fuzz.attempt(path.name.split("-")[0], path.read_bytes(), tmp_path)
    except MienError as error:
        assert "\n" not in str(error)  # noqa: PT017 (it may also be read)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "count"), [("pictures", 150), ("csv", 60), ("models", 15), ("runs", 12), ("films", 10)]
)
def test_mutated_files_are_read_or_refused_in_one_line(fuzz: Any, kind: str, count: int, tmp_path: Path) -> None:
    for number in range(10_000_000, 10_000_000 + count):
        content = fuzz.make(kind, number, 1)
        assert content == fuzz.make(kind, number, 1)
        try:
            fuzz.attempt(kind, content, tmp_path)
        except MienError as error:
            assert "\n" not in str(error), number  # noqa: PT017


def test_a_process_that_dies_or_hangs_is_counted(fuzz: Any) -> None:
    outcome = fuzz.Outcome("csv", memory=[100 << 20] * 3 + [400 << 20])
    assert outcome.grew
    outcome = fuzz.fuzz("csv", 4, 1)
    assert (outcome.tried, outcome.faults, sum(outcome.ends.values())) == (4, [], 4)
    assert "| csv | 4 |" in fuzz.describe([outcome], 1)


def _with(change: Any) -> dict[str, Any]:
    record = results.upgrade(json.loads(METRICS.read_text()))
    change(record, record["evaluations"]["validation"]["single"])
    return record


@pytest.mark.parametrize("change", [
    lambda record, figures: record.update(evaluations={}),
    lambda record, figures: record.update(evaluations={"validation": {}}),
    lambda record, figures: record.update(data=[]),
    lambda record, figures: record.update(temperature="1"),
    lambda record, figures: record.update(parameters=-1),
    lambda record, figures: record.update(classes=[1, 2]),
    lambda record, figures: figures.update(n="many"),
    lambda record, figures: figures.update(accuracy=float("nan")),
    lambda record, figures: figures.update(accuracy_interval=[0.1]),
    lambda record, figures: figures.update(ece=None),
    lambda record, figures: figures.update(confusion=[[1]]),
    lambda record, figures: figures.pop("per_class"),
    lambda record, figures: figures["per_class"][0].update(recall=2),
    lambda record, figures: figures["confusion"][0].__setitem__(0, 9),
    lambda record, figures: figures.update(without_duplicates={"n": 3}),
])  # fmt: skip
def test_records_of_the_wrong_shape_are_told(change: Any, tmp_path: Path) -> None:
    assert record_check.fault(_with(lambda record, figures: None)) == ""
    record = _with(change)
    assert record_check.fault(record)
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(record))
    with pytest.raises(MienError, match="is not an evaluation written by mien"):
        results.read_record(path)
