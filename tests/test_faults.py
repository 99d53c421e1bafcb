"""A short version of benchmarks/faults.py."""

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.cli.main import main

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


def test_cut_histories_are_never_read_to_other_numbers(faults: Any, tmp_path: Path) -> None:
    outcome = faults.faults_of_history(tmp_path, 2, random.Random(0))
    assert (outcome.faults, outcome.wrong) == (20, [])


def test_a_report_keeps_the_rows_of_kinds_that_were_not_run(faults: Any) -> None:
    before = "# Reliability\n\n" + faults.describe([faults.Outcome("read", 7, ["kept"])]) + "\n## Another\n"
    text = faults.describe([faults.Outcome("history", 3)], before)
    assert "| read | 7 | 0 | kept |\n| history | 3 | 0 |  |" in text


def test_a_folder_that_cannot_be_written_is_one_line(
    faults: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All commands that write are in benchmarks/faults.py; here the two that need no model."""
    (tmp_path / "file").write_text("")
    commands = faults.writing_commands(*faults._data_and_album(tmp_path, 20), tmp_path / "file")
    for name in ("draw", "pack"):
        outcome = faults.Outcome("read-only")
        faults.one_line(outcome, name, main([str(word) for word in commands[name]]), capsys.readouterr().err)
        assert (outcome.faults, outcome.wrong) == (1, [])
