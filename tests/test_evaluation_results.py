"""Evaluation records have one structure, and records of mien 0.1 are converted to it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation import metrics
from mien.evaluation.results import EvaluationResult, PartResult, read_predictions, read_record, upgrade
from mien.inference.model import softmax

ROOT = Path(__file__).parents[1]
COMMITTED = sorted((ROOT / "results").glob("**/runs/*/metrics.json"))
CLASSES = ("no", "yes", "perhaps")


def part(n: int = 400, seed: int = 0, duplicated: int = 40) -> PartResult:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    logits = rng.normal(0, 1, (n, 3))
    logits[np.arange(n), labels] += 1
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return PartResult(CLASSES, np.arange(n), labels, np.arange(n) < duplicated, {"single": p, "flip": p[:, ::1]})


def result(**parts: PartResult) -> EvaluationResult:
    data = {"source": "faces", "fingerprint": "f", "drawn": True, "trained_on": True}
    return EvaluationResult("some", CLASSES, data, parts or {"validation": part()})


def test_the_record_has_its_documented_shape_and_survives_json() -> None:
    record = json.loads(json.dumps(result().to_dict()))
    assert list(record) == ["format", "model", "classes", "data", "temperature", "coverage", "left_out", "evaluations"]
    figures = record["evaluations"]["validation"]["single"]
    assert {"n", "accuracy", "accuracy_interval", "macro_f1", "nll", "ece", "ece_by_chance", "per_class", "confusion",
            "calibrated_ece", "without_duplicates"} == set(figures)  # fmt: skip
    assert figures["n"] == 400
    assert figures["without_duplicates"]["n"] == 360
    assert upgrade(record) == record
    assert record["coverage"]["promised"] == 0.9
    assert record["coverage"]["measured"] > 0.85


def test_the_calibration_error_as_read_takes_the_temperature_of_the_model_s_file() -> None:
    warm = replace(part(), temperature=1.6)
    given = softmax(np.log(warm.probabilities["single"]), 1.6)
    figures = warm.to_dict()["single"]
    assert figures["ece_as_read"] == pytest.approx(metrics.ece(given, warm.labels))
    assert figures["ece_as_read"] != pytest.approx(figures["ece"])
    assert replace(part(), temperature=1.0).to_dict()["single"]["ece_as_read"] == pytest.approx(figures["ece"])


def test_temperature_is_that_of_the_validation_part() -> None:
    from mien.evaluation.calibration import fit_temperature

    both = result(validation=part(), test=part(seed=1))
    assert both.temperature == pytest.approx(fit_temperature(np.log(part().probabilities["single"]), part().labels))
    assert result(test=part()).temperature is None


def test_saved_parts_are_read_back(tmp_path: Path) -> None:
    both = result(validation=part(), test=part(seed=1))
    assert {path.name for path in both.save(tmp_path)} == {
        "evaluation-validation.json", "predictions-validation.csv", "evaluation-test.json", "predictions-test.csv"
    }  # fmt: skip
    record = read_record(tmp_path / "evaluation-test.json")
    assert list(record["evaluations"]) == ["test"]
    assert record["evaluations"]["test"] == both.to_dict()["evaluations"]["test"]
    columns = read_predictions(tmp_path / "predictions-test.csv")
    assert columns["predicted"].tolist() == part(seed=1).probabilities["single"].argmax(axis=1).tolist()
    assert columns["confidence"] == pytest.approx(part(seed=1).probabilities["single"].max(axis=1), abs=1e-4)
    assert (columns["predicted"] == columns["label"]).mean() == both.parts["test"].evaluation("single").accuracy


def test_predictions_are_those_of_the_single_view_whatever_is_evaluated_later(tmp_path: Path) -> None:
    result(test=part()).save(tmp_path)
    before = (tmp_path / "predictions-test.csv").read_text()
    views = part(seed=1).probabilities
    turned = replace(part(), probabilities={"turned": views["single"]})
    assert [path.name for path in result(test=turned).save(tmp_path)] == ["evaluation-test.json"]
    both = replace(part(), probabilities={"turned": views["single"], **part().probabilities})
    result(test=both).save(tmp_path)
    assert (tmp_path / "predictions-test.csv").read_text() == before


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_every_committed_record_is_read_with_its_values(path: Path) -> None:
    before, record = json.loads(path.read_text()), read_record(path)
    assert record["format"] == 2
    assert record["classes"]
    assert record["temperature"] == before["temperature"]
    for name in ("run", "recipe", "group", "parameters", "epochs", "verdict"):
        assert record[name] == before[name]
    for name, views in before["evaluations"].items():
        for view, figures in views.items():
            assert figures.items() <= record["evaluations"][name][view].items()
    if "calibrated_ece" in before and before.get("format", 1) == 1:
        assert record["evaluations"]["validation"]["single"]["calibrated_ece"] == before["calibrated_ece"]


def test_an_evaluation_file_of_format_1_is_read_with_its_part(tmp_path: Path) -> None:
    evaluation = part().evaluation("single").to_dict()
    old = {"single": evaluation, "ten": evaluation, "ten, no copies": evaluation, "ten, lifted": evaluation}
    (tmp_path / "evaluation-test.json").write_text(json.dumps(old))
    record = read_record(tmp_path / "evaluation-test.json")
    assert list(record["evaluations"]) == ["test"]
    views = record["evaluations"]["test"]
    assert list(views) == ["single", "shift10"]
    assert {"without_duplicates", "logit_adjusted"} <= set(views["shift10"])


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 9}', '{"format": 2}', '{"evaluations": {"test": 3}}',
                                  '{"format": 2, "evaluations": {"test": {"single": {}}}}', "[" * 5000])  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(MienError, match=r"metrics\.json"):
        read_record(path)


@pytest.mark.parametrize("text", ["", "row,label\n1,2\n", "row,label,predicted,confidence\n1,2,x,0.5\n"])
def test_what_are_no_predictions_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "predictions-test.csv"
    path.write_text(text)
    with pytest.raises(MienError, match="predictions-test"):
        read_predictions(path)


def test_results_show_themselves_without_arrays() -> None:
    both = result(validation=part(), test=part(seed=1))
    assert repr(both).startswith("EvaluationResult(some: validation ")
    assert "array" not in repr(both) + repr(part())
    assert [(row["part"], row["tta"]) for row in both.rows()] == [
        ("validation", "single"), ("validation", "flip"), ("test", "single"), ("test", "flip")
    ]  # fmt: skip
    assert both._repr_html_().count("<tr>") == 5
    assert "some, test part" in str(both)
