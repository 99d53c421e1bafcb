"""The report is one self-contained page, agrees with the files, and compares only comparable runs."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mien import data
from mien.cli.main import main
from mien.errors import MienError
from mien.evaluation import svg
from mien.evaluation.html_report import _differences, render, sentences, write_report
from mien.evaluation.subjects import Subject, compare, read_subjects

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "results" / "study" / "runs"


class Reader(HTMLParser):
    """Checks that tags close in order, and keeps attributes."""

    VOID = frozenset({"meta", "link", "img", "br", "path", "circle", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def check(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.stack
    assert not [a for a in reader.attributes if a[1] in ("src", "href") and not str(a[2]).startswith("#")]
    assert "<script" not in text
    assert not re.search(r"\bnan\b", text)
    assert "default-src 'none'" in text
    return reader


def test_a_committed_run_is_told(tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    (subject,) = write_report([STUDY / "hybrid-1"], out)
    text = out.read_text()
    check(text)
    figures = json.loads((STUDY / "hybrid-1" / "metrics.json").read_text())["evaluations"]["validation"]["single"]
    assert f"{figures['accuracy']:.1%} are classified correctly" in text
    assert "Good fit" in text
    assert text.count("<svg") == 4  # its curves, and two of its stored predictions
    assert all(score["name"] in text for score in figures["per_class"])
    assert any("Always guessing" in s for s in sentences(subject))


def test_a_kept_record_without_confidences_shows_its_curves(tmp_path: Path) -> None:
    (subject,) = write_report([STUDY / "ablation-full-1"], tmp_path / "r.html")
    assert "confidence" not in subject.predictions["validation"]
    assert (tmp_path / "r.html").read_text().count("<svg") == 2


def test_a_study_is_compared_on_like_grounds(tmp_path: Path, capsys) -> None:
    out = tmp_path / "r.html"
    assert main(["report", str(STUDY), "-o", str(out)]) == 0
    assert "runs and models" in capsys.readouterr().out
    text = out.read_text()
    check(text)
    runs = [path.parent for path in STUDY.glob("*/metrics.json")]
    assert text.count("<details id=") == len(runs)
    assert "Accuracy minus that of baseline-1" in text
    assert "Accuracy minus that of ablation-bare-1" in text  # the first of those with the study's split
    assert "because they were measured on different images: ablation-bare-1, baseline-1" in text
    assert main(["report", str(STUDY), "-o", str(out)]) == 2
    assert "r.html exists; replace it with --overwrite" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::mien.errors.MienWarning")
def test_models_are_evaluated_and_paired_without_torch_or_matplotlib(tmp_path: Path) -> None:
    data.draw_files(tmp_path / "faces", n=300, seed=1)
    out = tmp_path / "r.html"
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'matplotlib', 'safetensors', 'lightning_fabric', 'sklearn'): sys.modules[name] "
        "= None\n"
        "from mien.cli.main import main\n"
        "sys.exit(main(['report', 'nano', 'hybrid', '--data', sys.argv[1], '-o', sys.argv[2]]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "faces"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    check(text)
    assert "McNemar p" in text
    assert "a demo, not a result" in text
    assert text.count('class="confusion"') == 2
    assert text.count("Calibration: is it correct as often as it claims?</figcaption>") == 2


def test_names_from_files_are_no_html(tmp_path: Path) -> None:
    name = "<img src=x>&run"
    shutil.copytree(STUDY / "hybrid-1", tmp_path / name)
    path = tmp_path / name / "metrics.json"
    record = json.loads(path.read_text())
    for view in record["evaluations"]["validation"].values():
        view["per_class"][0]["name"] = "<b>angry</b>"
    path.write_text(json.dumps(record))
    text = render(read_subjects([tmp_path / name]))
    check(text)
    assert "<img" not in text
    assert "<b>angry" not in text


@pytest.mark.parametrize(("argv", "says"), [
    (["nano"], "--data: nano is a model file"), (["nobody"], "nobody"), (["{empty}"], "holds no finished run"),
    (["nano", "nobody", "--data", "{empty}"], "no model 'nobody'"), (["nano", "-o", "r.pdf"], "name it r.html"),
])  # fmt: skip
def test_what_cannot_be_reported_gets_one_line(tmp_path: Path, capsys, argv: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "r.html"
    argv = [a.format(empty=tmp_path / "empty") for a in argv]
    assert main(["report", "-o", str(out), *argv]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert not out.exists()


def test_damaged_runs_are_named(tmp_path: Path) -> None:
    shutil.copytree(STUDY / "hybrid-1", tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text("{")
    with pytest.raises(MienError, match=r"metrics\.json is not an evaluation"):
        read_subjects([tmp_path / "run"])


def test_runs_on_other_images_are_not_compared() -> None:
    a, b, c = (read_subjects([STUDY / name])[0] for name in ("baseline-1", "hybrid-1", "study-hybrid-element-1"))
    assert compare(a, c) == "measured on other images"
    difference = compare(a, b)
    assert not isinstance(difference, str)
    assert difference.low < b.figures["accuracy"] - a.figures["accuracy"] < difference.high


def test_charts_take_single_points_gaps_and_flat_lines() -> None:
    for points in ([(1, 0.5)], [(1, 0.5), (2, float("nan")), (3, 0.5)], [(1, 0.2), (1, 0.4)]):
        check_free = svg.line_chart("t", [svg.Line("a", points, "red")], "x")
        assert "<svg" in check_free
        assert "nan" not in check_free
    assert svg.line_chart("t", [svg.Line("a", [], "red")], "x") == ""
    empty = np.full(3, np.nan)
    assert "nan" not in svg.reliability_chart("t", empty, empty, np.zeros(3, int), np.linspace(0, 1, 4))
    assert "<svg" in svg.interval_chart("t", [("a", 1.0, 1.0, 1.0, "100 %")])
    assert "<svg" in svg.interval_chart("t", [("a", 0.0, 0.0, 0.0, "0")], zero=True)
    assert "–" in svg.confusion_table([[0, 0], [1, 2]], ["a", "b"])


def test_one_of_many_differences_is_not_sure_by_its_interval_alone() -> None:
    rng = np.random.default_rng(0)
    labels, row = np.zeros(1000, int), np.arange(1000)
    base = rng.random(1000) < 0.6

    def subject(name: str, right: np.ndarray) -> Subject:
        figures = {"n": 1000, "accuracy": right.mean(), "accuracy_interval": [0.5, 0.7]}
        evaluation = {"data": {}, "evaluations": {"validation": {"single": figures}}}
        columns = {"row": row, "label": labels, "predicted": np.where(right, 0, 1)}
        return Subject(name, evaluation, predictions={"validation": columns})

    better = base.copy()
    better[np.flatnonzero(~base)[:60]] = True
    better[np.flatnonzero(base)[:37]] = False
    alone = _differences([subject("base", base), subject("other", better)])
    assert "other is more accurate than base: +2.3 points" in alone
    several = _differences([subject("base", base), *(subject(f"other {i}", better) for i in range(3))])
    assert several.count("is not clearly more or less accurate than base: +2.3 points") == 3
