"""A short version of benchmarks/serve_hostile.py: honest and hostile requests at once, and a graceful shutdown."""

import subprocess
import sys
from pathlib import Path

import pytest

from read_fixtures import make_model

BENCHMARK = Path(__file__).parents[1] / "benchmarks/serve_hostile.py"


@pytest.mark.skipif(sys.platform != "linux", reason="it reads the memory of processes as Linux tells it")
def test_honest_requests_are_answered_amid_hostile_ones(tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny.onnx")
    report = tmp_path / "reliability.md"
    report.write_text("# Reliability\n\n## Other\n\nkept\n")
    command = [sys.executable, str(BENCHMARK), "--model", str(model), "--requests", "100", "--clients", "12"]
    done = subprocess.run([*command, "--report", str(report)], capture_output=True, text=True, timeout=300)
    assert "wrong" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stderr
    text = report.read_text()
    assert "## Other\n\nkept\n" in text
    assert "8 were answered" in text
