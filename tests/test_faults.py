"""The short form of benchmarks/faults.py."""

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def faults() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("faults")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_damaged_checkpoints_are_noticed(faults: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    outcome = faults.faults_of_checkpoint(tmp_path, 2, random.Random(0))
    assert (outcome.faults, outcome.wrong) == (20, [])
    assert "| checkpoint | 20 | 0 |" in faults.describe([outcome])
