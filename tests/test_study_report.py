"""The study's report on finished runs: effects, claims, tables and figures, and how it states missing runs."""

import csv
import json
import lzma
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mien.training.run
from mien.cli.main import main
from mien.data.split_file import apply_split
from mien.errors import MienError, MienWarning
from mien.evaluation import claims, history, statistics
from mien.evaluation.classifier import open_classifier
from mien.evaluation.effects import Arm, Bootstrap, read_arm
from mien.evaluation.results import read_predictions, stored_predictions
from mien.training.queue import command, run_queue
from mien.training.recipes import ADDED, recipe
from mien.training.study import REGULARIZERS, StudyRun, plan
from mien.training.study_report import (
    forest_effects,
    keep_records,
    kept_effects,
    write_cleaned_split,
    write_out_of_fold,
    write_report,
)

IMAGES = 400


def record_run(run: StudyRun, val: float, train: float, epochs: int | None = None, format: int = 2) -> StudyRun:
    """The records of a finished training: its last epoch right on a share `val` of the images, easy ones first."""
    epochs = epochs or run.recipe.epochs
    run.folder.mkdir(parents=True)
    rng = np.random.default_rng(run.seed)
    hits = np.argsort(np.arange(IMAGES) + rng.normal(0, 20, IMAGES)) < round(val * IMAGES)
    shares = np.linspace(0.5, 1, epochs)
    rows = [
        dict(zip(history.COLUMNS, (n + 1, 1.0, train * s, *(2 * (1.0, val * min(1, s + 0.2))), 0.0, 1e-3, 900, 9),
                 strict=True))
        for n, s in enumerate(shares)
    ]  # fmt: skip
    history.write(rows, run.folder / "history.csv")
    fields = {**asdict(run.recipe), "seed": run.seed, "pretrained": "", "group": "g", "format": format}
    fields["data"] = {
        "n_train": round(2000 * fields.get("train_fraction", 1.0)),
        "n_validation": IMAGES,
        "drawn": False,
        "fingerprint": "f",
    }
    if format == 1:
        fields = {key: value for key, value in fields.items() if key not in ("format", "batch_norm", "head")}
    (run.folder / "recipe.json").write_text(json.dumps(fields))
    metrics = {"recipe": run.recipe.name, "group": "g", "parameters": 1000, "epochs": epochs, "kept_epoch": epochs,
               "evaluations": {"validation": {"single": {"n": IMAGES}}}}  # fmt: skip
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    if format == 2:
        lines = [f"{row},3,{3 if hit else 4},0.9" for row, hit in enumerate(hits)]
        (run.folder / "predictions-validation.csv").write_text(
            "\n".join(["row,label,predicted,confidence", *lines]) + "\n"
        )
    return run


def arm(val: list[float], train: list[float], n: int = 2000, epochs: int = 4) -> Arm:
    """An arm whose seeds are right on the first images, up to the share of each."""
    correct = np.arange(n) < np.array(val)[:, None] * n
    curve = np.linspace(0.5, 1, epochs)
    return Arm(tuple(range(len(val))), np.outer(train, curve), np.outer(val, curve), 20_000, n, np.arange(n), correct)


def test_a_paired_effect_is_that_of_the_paired_bootstrap() -> None:
    first, second = arm([0.6], [0.7]), arm([0.62], [0.7])
    effect = Bootstrap({"a": first, "b": second}).effect("a", "b", "validation")
    assert first.correct is not None
    assert second.correct is not None
    expected = statistics.paired_bootstrap(first.correct[0], second.correct[0])
    assert (effect.estimate, effect.low, effect.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high), abs=0.002
    )


def test_without_predictions_the_interval_is_that_of_two_samples() -> None:
    first, second = (replace(arm([val], [0.7]), rows=None, correct=None) for val in (0.6, 0.62))
    effect = Bootstrap({"a": first, "b": second}).effect("a", "b", "validation")
    expected = statistics.newcombe(1200, 2000, 1240, 2000)
    assert (effect.low, effect.high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_the_gap_and_the_later_epochs_come_from_the_history() -> None:
    bootstrap = Bootstrap({"a": arm([0.5, 0.52], [0.9, 0.92])})
    gap = bootstrap.effect(None, "a", "gap")
    assert gap.estimate == pytest.approx(0.40)
    assert bootstrap.effect(None, "a", "gap over 10 points").low == pytest.approx(gap.low - 0.1)
    later = bootstrap.effect(None, "a", "later training")
    assert later.estimate == pytest.approx(0.91 * (1 - 2 / 3))
    assert 0.02 > later.high - later.low > 0


def test_seeds_that_differ_widen_the_interval() -> None:
    bootstrap = Bootstrap(
        {"base": arm([0.5], [0.5]), "steady": arm([0.6] * 3, [0.6] * 3), "wild": arm([0.5, 0.6, 0.7], [0.6] * 3)}
    )
    steady, wild = (bootstrap.effect("base", name, "validation") for name in ("steady", "wild"))
    assert steady.estimate == pytest.approx(wild.estimate)
    assert wild.high - wild.low > 2 * (steady.high - steady.low)


def test_every_training_that_a_claim_or_the_forest_names_is_planned() -> None:
    planned = {run.name for run in plan(Path("runs"))}
    named = {name for comparisons in claims.CLAIMS.values() for c in comparisons for name in (c.first, c.second)}
    assert named - {None} <= planned
    effects, missing = forest_effects(Bootstrap({name: arm([0.5], [0.5], 50) for name in planned}, 50))
    assert missing == 0
    assert {label for label, *_ in effects["the bare hybrid, with"]} == set(REGULARIZERS)
    assert {seeds for *_, seeds in effects["the bare hybrid, with"]} == {1}


def test_claims_are_ruled_where_their_trainings_are_in_and_named_where_not() -> None:
    arms = {"study-baseline": arm([0.5], [0.9]), "study-deep": arm([0.6] * 3, [0.99] * 3),
            "study-dropout": arm([0.6] * 3, [0.7] * 3)}  # fmt: skip
    judged = claims.judge(Bootstrap(arms))
    assert claims.verdict(judged, "the baseline underfits", "study") == "**refuted**, so far by 1 seed"
    assert claims.verdict(judged, "dropout mends overfitting", "study") == "**confirmed**"
    assert claims.verdict(judged, "dropout mends overfitting", "alone") == "not yet run"
    assert claims.verdict(judged, "the hybrid is best", "study") == "not yet run"
    assert claims.verdict(judged, "small rotations do nothing", "study") == "–"
    table = claims.claims_markdown(judged)
    assert all(f"| {claim} |" in table for claim in claims.CLAIMS)
    arms["study-dropout"] = arm([0.5] * 3, [0.7] * 3)  # the gap is mended, at a price
    assert claims.verdict(claims.judge(Bootstrap(arms)), "dropout mends overfitting", "study") == "**refuted**"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three seeds of two networks, one by version 0.1, and one that was cut short."""
    runs = {run.folder.name: run for run in plan(tmp_path / "runs", ["a"])}
    for seed in (1, 2, 3):
        record_run(runs[f"study-baseline-{seed}"], 0.48 + seed / 100, 0.68)
        record_run(runs[f"study-deep-{seed}"], 0.55, 0.99)
    for run, val in zip(plan(tmp_path / "runs", ["e"], [1]), (0.4, 0.48, 0.55, 0.62), strict=True):
        record_run(run, val, 0.6)
    record_run(runs["study-dropout-1"], 0.56, 0.65, format=1)
    record_run(runs["deep-1"], 0.5, 0.5, epochs=2)
    assert main(["study", "--report-only", "--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_the_report_has_tables_and_figures_of_what_is_at_full_length(results: Path) -> None:
    table = (results / "study.md").read_text()
    assert "| baseline | 1,000 | study | 20 | 1, 2, 3 | 68.0 | 50.0 ±4.9, seeds 49.0 to 51.0 |" in table
    assert "| dropout | 1,000 | study | 20 | 1 (0.1) |" in table
    assert "| deep | 1,000 | modern |" not in table
    assert "Not yet run at full length: normal (study), normal (modern), baseline (modern), deep (modern)" in table
    with open(results / "study.csv", newline="") as file:
        numbers = {(row["network"], row["training"]): row for row in csv.DictReader(file)}
    assert float(numbers["baseline", "study"]["val_accuracy"]) == pytest.approx(0.5)
    assert numbers["baseline", "study"]["seeds"] == "1 2 3"
    with open(results / "claims.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(map(len, claims.CLAIMS.values()))
    (mended,) = [row for row in rows if (row["second"], row["measure"]) == ("study-dropout", "gap")]
    assert (mended["ruling"], mended["seeds"]) == ("confirmed", "3 and 1 (0.1)")
    assert float(mended["estimate"]) == pytest.approx(0.09 - 0.44)
    assert (
        "| a: the seven networks, the study's way and the modern way | 45 | 6 |"
        in (results / "progress.md").read_text()
    )
    assert "an interval of one seed is over images alone" in (results / "comparisons.md").read_text()
    assert "± is half of Wilson's 95 % interval, over images alone" in table
    law = (results / "scaling.md").read_text()
    assert "| 125 | 1 | 60.0% |" in law
    assert "twice the images take away" in law
    for name in ("study", "curves", "effects", "scaling"):
        with Image.open(results / f"{name}.png") as figure:
            assert figure.width > 800


def test_a_report_of_the_kept_records_alone_says_the_same(results: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in results.iterdir() if path.is_file()}
    write_report(plan(tmp_path / "nowhere"), results)
    assert before == {path.name: path.read_bytes() for path in results.iterdir() if path.is_file()}


def test_a_run_from_before_a_field_of_the_recipe_came_counts(results: Path, tmp_path: Path) -> None:
    path = results / "runs" / "study-deep-1" / "recipe.json"
    record = json.loads(path.read_text())
    for field in ADDED:
        del record[field]
    path.write_text(json.dumps(record))
    assert {"study-deep", "study-baseline"} <= set(kept_effects(results).arms)


def test_what_is_cut_short_is_named(results: Path, tmp_path: Path) -> None:
    with pytest.warns(MienWarning, match="not all epochs of their recipe: deep-1$"):
        write_report(plan(tmp_path / "nowhere"), results)


def test_an_accuracy_that_is_no_number_is_refused(tmp_path: Path) -> None:
    run = record_run(plan(tmp_path, ["a"], [1], ["normal"])[0], 0.5, float("nan"))
    with pytest.raises(MienError, match=r"history\.csv has an accuracy outside 0 to 1"):
        read_arm([run.folder])


def test_one_training_alone_has_no_effects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_run(plan(tmp_path / "runs", ["a"], [1], ["normal"])[0], 0.5, 0.6)
    assert main(["study", "--report-only", "--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.endswith("figures study and curves\n")


def test_seeds_that_were_trained_in_different_ways_are_no_arm(tmp_path: Path) -> None:
    first, second, _ = plan(tmp_path, ["a"], networks=["normal"])[::2]
    record_run(first, 0.5, 0.6)
    record_run(second, 0.5, 0.6, epochs=3)
    with pytest.raises(MienError, match="different numbers of epochs"):
        read_arm([first.folder, second.folder])


def test_probabilities_out_of_fold_are_those_of_the_model_that_did_not_see_the_face(tmp_path: Path) -> None:
    dataset = mien.data.draw(120, seed=3)
    planned = plan(tmp_path, ["c"], seeds=(4, 5))
    assert [run.folder.name for run in planned] == [f"fold-{fold}-4" for fold in range(5)]
    assert not write_out_of_fold(planned, dataset, tmp_path / "out.npz")
    fast = [replace(run, base="normal", changes={**run.changes, "epochs": 1}) for run in planned]
    first = mien.training.run.train(fast[0].recipe, dataset, fast[0].folder, seed=4, track="none")
    assert first is not None
    for run in fast[1:]:  # the first one's model stands in for the others': which rows are its own is what counts
        shutil.copytree(fast[0].folder, run.folder)
    assert write_out_of_fold(fast, dataset, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as file:
        kept = file["probabilities"]
    training = dataset.images[dataset.usage == "Training"]
    expected = open_classifier(fast[0].folder).probabilities(training)
    assert (kept.shape, kept.dtype) == ((len(training), 7), np.float16)
    np.testing.assert_allclose(kept, expected, atol=2e-3)


def test_line_f_trains_on_what_the_audit_by_line_c_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = plan(tmp_path, ["f"], seeds=(1, 2))
    assert [run.folder.name for run in runs] == ["hybrid-cleaned-1", "hybrid-cleaned-2"]
    split_file = tmp_path / "audit" / "split.csv"
    assert command(runs[0], tmp_path / "data", [])[-4:] == [
        "--split",
        str(split_file),
        "--data",
        str(tmp_path / "data"),
    ]
    dataset = mien.data.draw(200, seed=3)
    training = np.flatnonzero(dataset.usage == "Training")
    sure = np.full((len(training), 7), 0.01)
    sure[np.arange(len(training)), dataset.labels[training]] = 0.94
    wrong = training[3]  # an image of which all are sure that its label is another one
    sure[3] = np.roll(sure[3], 1)
    np.savez_compressed(tmp_path / "out.npz", probabilities=sure.astype(np.float16))
    write_cleaned_split(dataset, tmp_path / "out.npz", tmp_path)
    kept = {int(row["row"]): row["keep"] for row in csv.DictReader(split_file.read_text().splitlines())}
    assert kept[int(wrong)] == "0"
    assert len(apply_split(dataset, split_file)) < len(dataset)
    written = split_file.stat().st_mtime_ns
    assert write_cleaned_split(dataset, tmp_path / "out.npz", tmp_path) == split_file
    assert split_file.stat().st_mtime_ns == written
    quick = recipe("normal", epochs=1)
    mien.training.run.train(quick, dataset, runs[0].folder, seed=1, track="none", split_file=split_file)
    # A queue that goes on takes the finished run for one of these data.
    run_queue(runs[:1], tmp_path, fingerprint=apply_split(dataset, split_file).fingerprint)


def test_whether_cleaning_helps_is_ruled(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for run in [*plan(runs, ["a"], networks=["hybrid"]), *plan(runs, ["f"])]:
        if run.name in ("hybrid", "hybrid-cleaned"):
            record_run(run, 0.6 if run.name == "hybrid" else 0.66, 0.7)
    write_report(plan(runs), tmp_path / "results")
    assert "cleaning helps is **confirmed**" in (tmp_path / "results" / "cleaning.md").read_text()
    assert (
        "| f: the modern hybrid on the cleaned training images | 3 | 3 |"
        in (tmp_path / "results" / "progress.md").read_text()
    )


def test_nothing_finished_is_said(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="no training of the study is finished"):
        write_report(plan(tmp_path / "runs"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_the_seven_networks_the_rest_is_told(tmp_path: Path) -> None:
    record_run(plan(tmp_path / "runs", ["d"], seeds=(1,))[0], 0.6, 0.7)
    write_report(plan(tmp_path / "runs"), tmp_path / "out")
    assert (tmp_path / "out" / "study.md").is_file()
    assert not (tmp_path / "out" / "curves.png").exists()


def test_kept_predictions_are_packed_and_read_back(tmp_path: Path) -> None:
    lines = "row,label,predicted,confidence\n0,1,1,0.9000\n1,0,3,0.4000\n"
    run = tmp_path / "run"
    run.mkdir()
    (run / "predictions-validation.csv").write_text(lines)
    plain = read_predictions(run / "predictions-validation.csv")
    (run / "predictions-validation.csv.xz").write_bytes(lzma.compress(lines.encode()))
    assert stored_predictions(run, "validation") == run / "predictions-validation.csv"
    (run / "predictions-validation.csv").unlink()
    packed = stored_predictions(run, "validation")
    assert packed == run / "predictions-validation.csv.xz"
    assert all(np.array_equal(plain[name], column) for name, column in read_predictions(packed).items())
    assert stored_predictions(run, "test") is None
    with pytest.raises(MienError, match="more than 20 bytes"):
        read_predictions(packed, most_bytes=20)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(MienError, match="contains no predictions"):
        read_predictions(packed)


@pytest.mark.parametrize(("line", "confidence"), [("a", {"confidence": [0.4, 0.9]}), ("b", {})])
def test_kept_records_are_shorter_and_say_the_same(line: str, confidence: dict[str, Any], tmp_path: Path) -> None:
    run = record_run(plan(tmp_path / "runs", [line], seeds=(1,))[0], 0.6, 0.7)
    made = "row,label,predicted,confidence\n31,1,1,0.9000\n4,0,3,0.4000\n"
    (run.folder / "predictions-validation.csv").write_text(made)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    (run.folder / "metrics.json").write_text(json.dumps({**metrics, "temperature": 1 / 3, "epochs": 10**7}))
    (kept,) = keep_records([run], tmp_path / "out")
    assert json.loads((kept.folder / "metrics.json").read_text()) == {
        **metrics, "temperature": 0.333333, "epochs": 10**7
    }  # fmt: skip
    packed = stored_predictions(kept.folder, "validation")
    assert packed is not None
    assert {name: list(column) for name, column in read_predictions(packed).items()} == {
        "row": [4, 31], "label": [0, 1], "predicted": [3, 1], **confidence
    }  # fmt: skip
    for name in ("recipe.json", "history.csv"):
        assert (kept.folder / name).read_bytes() == (run.folder / name).read_bytes()
