"""Verdicts on learning curves of each kind, clean and noisy, modeled on the study's."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.diagnose import Verdict, diagnose, diagnose_record
from mien.evaluation.results import read_record

ROOT = Path(__file__).parents[1]

Rows = list[dict[str, float]]


def curves(
    epochs: int,
    train: float,
    val: float,
    train_loss: float,
    val_loss: float,
    speed: float = 4.0,
    turn: int = 0,
    rise: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
    schedule: str = "constant",
) -> Rows:
    """Accuracies climb from .25 and losses fall from 1.8 towards the given ends, e-folding `speed` times on the way.

    From epoch `turn` on, the validation loss rises by `rise` in all. noise: standard deviation of the validation
    accuracy between epochs; the training curve gets a third of it, losses three times as much.
    """
    rng = np.random.default_rng(seed)
    at = np.arange(1, epochs + 1)
    done = (1 - np.exp(-speed * at / epochs)) / (1 - np.exp(-speed))
    up = np.clip((at - turn) / max(epochs - turn, 1), 0, 1) * rise if turn else np.zeros(epochs)
    rate = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * at / epochs) if schedule == "cosine" else np.ones(epochs))

    def shaken(clean: np.ndarray, by: float) -> np.ndarray:
        return clean + rng.normal(0, by, epochs)

    table = {
        "epoch": at,
        "train_loss": shaken(1.8 - (1.8 - train_loss) * done, noise),
        "train_accuracy": shaken(0.25 + (train - 0.25) * done, noise / 3),
        "val_loss": shaken(1.8 - (1.8 - val_loss) * done + up, 3 * noise),
        "val_accuracy": shaken(0.25 + (val - 0.25) * done, noise),
        "learning_rate": rate,
    }
    return [{name: float(column[i]) for name, column in table.items()} for i in range(epochs)]


@pytest.mark.parametrize("noise", [0.0, 0.004, 0.01])
@pytest.mark.parametrize(
    ("kind", "curve"),
    [
        pytest.param("overfit", (20, 0.99, 0.524, 0.04, 1.3, 6, 6, 2.0), id="the study's deep"),
        pytest.param("overfit", (20, 0.626, 0.475, 1.0, 1.38, 7), id="the study's baseline, by its gap alone"),
        pytest.param("good fit", (25, 0.6497, 0.6031, 0.9416, 1.0825, 6), id="the study's hybrid"),
        pytest.param("good fit", (60, 0.62, 0.68, 1.1, 0.9, 6), id="training below validation"),
        pytest.param("underfit", (20, 0.41, 0.40, 1.5, 1.52, 8), id="low and flat"),
        pytest.param("still improving", (12, 0.58, 0.55, 1.15, 1.2, 0.8), id="cut off on the way up"),
        pytest.param("still improving", (6, 0.55, 0.53, 1.2, 1.25, 1.2), id="six epochs on the way up"),
    ],
)
def test_each_kind_is_known_through_noise(kind: str, curve: tuple[float, ...], noise: float) -> None:
    found = [diagnose(curves(*curve, noise=noise, seed=seed)).kind for seed in range(40)]  # type: ignore[arg-type]
    assert found.count(kind) >= (36 if noise > 0.005 else 39)


def test_overfitting_is_dated_by_the_turn_of_the_loss() -> None:
    for seed in range(10):
        found = diagnose(curves(20, 0.99, 0.524, 0.04, 1.3, 6, turn=6, rise=2.0, noise=0.004, seed=seed))
        assert found.epoch in range(5, 9)
        assert f"validation loss is lowest in epoch {found.epoch}" in found.evidence
        assert "flip=True" in found.advice


def test_overfitting_without_a_turn_is_dated_by_its_gap() -> None:
    found = diagnose(curves(20, 0.626, 0.475, 1.0, 1.38, 7))
    assert found.epoch == 4  # of a gap of 15.1 (1 - exp(-7 n / 20)) points
    assert "gap has been over 10 points since epoch 4" in found.evidence


@pytest.mark.parametrize("seed", range(6))
def test_wild_validation_is_unstable(seed: int) -> None:
    found = diagnose(curves(20, 0.6, 0.55, 1.0, 1.2, 6, noise=0.08, seed=seed))
    assert found.kind == "unstable"
    assert found.epoch is not None
    assert "learning_rate" in found.advice


def test_a_steep_uneven_climb_is_not_unstable() -> None:
    rows = curves(8, 0.83, 0.87, 0.74, 0.52, 4)
    for row, val, loss in zip(
        rows, (0.245, 0.285, 0.36, 0.57, 0.65, 0.83, 0.86, 0.87), (1.82, 1.72, 1.62, 1.11, 0.97, 0.67, 0.56, 0.52),
        strict=True,
    ):  # fmt: skip
        row.update(val_accuracy=val, val_loss=loss)
    assert diagnose(rows).kind == "still improving"


def test_wild_beginnings_that_settle_are_forgiven() -> None:
    rows = curves(30, 0.65, 0.62, 0.95, 1.05, 6, schedule="cosine")
    for i in range(2, 9, 2):
        rows[i]["val_accuracy"] -= 0.2
        rows[i]["val_loss"] += 1.0
    assert diagnose(rows).kind == "good fit"


def test_one_bad_epoch_late_does_not_make_overfitting() -> None:
    rows = curves(30, 0.65, 0.62, 0.95, 1.05, 6)
    rows[27]["val_loss"] += 0.3
    rows[27]["val_accuracy"] -= 0.05
    assert diagnose(rows).kind == "good fit"


def test_training_that_loses_what_it_had_learned_is_unstable() -> None:
    rows = curves(20, 0.6, 0.55, 1.0, 1.2, 6)
    for row in rows[14:]:
        row.update(train_loss=1.79, train_accuracy=0.25, val_loss=1.8, val_accuracy=0.25)
    found = diagnose(rows)
    assert found.kind == "unstable"
    assert found.epoch is not None
    assert 12 <= found.epoch <= 14


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_unstable_where_it_began(bad: float) -> None:
    rows = curves(10, 0.6, 0.55, 1.0, 1.2)
    for row in rows[6:]:
        row["train_loss"] = bad
    found = diagnose(rows)
    assert (found.kind, found.epoch) == ("unstable", 7)


def test_validation_that_worsens_below_training_overfits_too() -> None:
    # Strong augmentation keeps training accuracy down while it learns by heart what it is shown.
    rows = curves(30, 0.60, 0.62, 1.1, 1.05, 8, turn=12, rise=0.4)
    for row in rows[12:]:
        row["val_accuracy"] -= 0.004 * (row["epoch"] - 12)
    found = diagnose(rows)
    assert found.kind == "overfit"
    assert found.epoch is not None
    assert 8 <= found.epoch <= 14


def test_a_wide_gap_still_climbing_is_told_to_augment_as_it_goes_on() -> None:
    found = diagnose(curves(12, 0.75, 0.55, 0.7, 1.2, 0.8))
    assert found.kind == "still improving"
    assert "flip=True" in found.advice


@pytest.mark.parametrize(("speed", "kind"), [(4, "good fit"), (1.5, "still improving")])
def test_a_falling_rate_always_gains_at_its_end_so_only_a_steep_climb_counts(speed: float, kind: str) -> None:
    found = diagnose(curves(40, 0.60, 0.62, 1.15, 1.1, speed, schedule="cosine"))
    assert found.kind == kind
    assert "epochs=80" in found.advice
    assert "schedule=" not in found.advice


def test_what_is_low_depends_on_chance() -> None:
    rows = curves(20, 0.62, 0.61, 0.65, 0.66, 8)
    assert diagnose(rows).kind == "good fit"
    assert diagnose(rows, chance=1 / 7).kind == "good fit"
    found = diagnose(rows, chance=0.5)
    assert found.kind == "underfit"
    assert "50.0%" in found.evidence


def test_regularized_down_is_told_to_loosen() -> None:
    found = diagnose(curves(20, 0.32, 0.42, 1.7, 1.5, 8))
    assert found.kind == "underfit"
    assert "less augmentation" in found.advice


def test_learning_nothing_is_told_so() -> None:
    found = diagnose(curves(10, 0.25, 0.25, 1.79, 1.79), chance=0.25)
    assert found.kind == "underfit"
    assert "hardly learned" in found.evidence


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_a_few_epochs_are_too_short(epochs: int) -> None:
    found = diagnose(curves(epochs, 0.4, 0.38, 1.5, 1.55)[:epochs])
    assert found.kind == "too short"
    assert "epochs=" in found.advice


def test_no_validation_is_too_short_to_tell() -> None:
    rows = curves(10, 0.6, 0.55, 1.0, 1.2)
    for row in rows:
        row.update(val_loss=float("nan"), val_accuracy=float("nan"))
    assert diagnose(rows).kind == "too short"


def test_evidence_has_the_numbers_of_the_last_epoch() -> None:
    rows = curves(25, 0.6497, 0.6031, 0.9416, 1.0825, 6)
    assert "training 65.0%, validation 60.3% (gap +4.7 points)" in diagnose(rows).evidence


def test_history_without_learning_rate_is_read() -> None:
    rows = [{k: v for k, v in r.items() if k != "learning_rate"} for r in curves(25, 0.65, 0.6, 0.94, 1.08, 6)]
    assert diagnose(rows).kind == "good fit"


def test_history_without_a_loss_is_refused() -> None:
    with pytest.raises(MienError, match="val_loss"):
        diagnose([{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}])


def test_diagnose_is_pure() -> None:
    rows = curves(20, 0.99, 0.524, 0.04, 1.3, 6, turn=6, rise=2.0)
    before = [dict(row) for row in rows]
    assert diagnose(rows) == diagnose(rows)
    assert rows == before


def test_a_verdict_reads_well_and_is_kept_as_json() -> None:
    verdict = Verdict("overfit", 6, "loss turned", "flip=True")
    assert str(verdict) == "overfit since epoch 6: loss turned\n  try: flip=True"
    assert str(dataclasses.replace(verdict, kind="unstable")).startswith("unstable at epoch 6")
    assert str(dataclasses.replace(verdict, kind="good fit", epoch=None)).startswith("good fit:")
    assert json.loads(json.dumps(verdict.to_dict())) == {
        "kind": "overfit", "epoch": 6, "evidence": "loss turned", "advice": "flip=True"
    }  # fmt: skip


def test_every_field_that_is_advised_exists() -> None:
    recipes = pytest.importorskip("mien.training.recipes")
    fields = {field.name for field in dataclasses.fields(recipes.Recipe)}
    others = {"precision", "parts", "raise_recall"}  # of what training runs on, and of evaluation
    kinds = [
        curves(20, 0.99, 0.524, 0.04, 1.3, 6, turn=6, rise=2.0),
        curves(20, 0.626, 0.475, 1.0, 1.38, 7),
        curves(25, 0.6497, 0.6031, 0.9416, 1.0825, 6),
        curves(25, 0.68, 0.61, 0.9, 1.08, 6),
        curves(40, 0.60, 0.62, 1.15, 1.1, 4, schedule="cosine"),
        curves(40, 0.60, 0.62, 1.15, 1.1, 1.5, schedule="cosine"),
        curves(20, 0.41, 0.40, 1.5, 1.52, 8),
        curves(20, 0.32, 0.42, 1.7, 1.5, 8),
        curves(10, 0.25, 0.25, 1.79, 1.79),
        curves(12, 0.75, 0.55, 0.7, 1.2, 0.8),
        curves(20, 0.6, 0.55, 1.0, 1.2, 6, noise=0.08),
        curves(2, 0.4, 0.38, 1.5, 1.55),
        [row | {"train_loss": float("nan")} for row in curves(10, 0.6, 0.55, 1.0, 1.2)],
    ]
    for rows in kinds:
        advice = diagnose(rows).advice
        named = re.findall(r"([a-z_]+)=", advice) + re.findall(r"\b[a-z]+_[a-z_]+\b", advice)
        assert set(named) <= {*fields, *others, "val_accuracy"}


def test_a_class_that_is_never_found_is_said_first_and_is_no_good_fit() -> None:
    rows = curves(25, 0.97, 0.968, 0.1, 0.12, 6)
    verdict = diagnose(rows, chance=0.68, recall={"yes": 1.0, "no": 0.0})
    assert verdict.kind == "underfit"
    assert verdict.evidence.startswith("no is never found (recall 0 %)")
    assert "more images of no" in verdict.advice
    assert diagnose(rows, chance=0.68, recall={"yes": 1.0, "no": 0.9}).kind == "good fit"
    overfit = diagnose(curves(20, 0.626, 0.475, 1.0, 1.38, 7), recall={"a": 0.0, "b": 0.0, "c": 0.05})
    assert overfit.kind == "overfit"
    assert overfit.evidence.startswith("a and b are never found (recall 0 %); c is hardly found (recall 5%); the gap")


def test_after_too_few_epochs_longer_training_is_the_only_advice() -> None:
    rows = curves(1, 0.2, 0.2, 1.9, 1.9, 6)
    assert diagnose(rows, recall={"a": 0.0, "b": 0.0, "c": 1.0}) == diagnose(rows)


def test_guessing_the_largest_class_is_no_good_fit() -> None:
    verdict = diagnose(curves(25, 0.97, 0.968, 0.1, 0.12, 6), chance=200 / 208)
    assert verdict.kind == "underfit"
    assert "always guessing the largest class gives 96.2%" in verdict.evidence


def test_what_is_good_depends_on_the_data() -> None:
    from mien.data.fer2013 import FER2013
    from mien.evaluation.diagnose import FER2013_GOOD, good_level

    assert good_level(FER2013["PublicTest"]) == FER2013_GOOD
    assert good_level(dict.fromkeys(FER2013["PublicTest"], 100)) is None
    assert good_level({"yes": 3, "no": 4}) is None
    four = curves(4, 0.44, 0.487, 1.4, 1.35, 6, schedule="cosine")
    verdict = diagnose(four, chance=0.25, good=FER2013_GOOD)
    assert verdict.kind != "good fit"
    assert "epochs=20" in verdict.advice or "more training" in verdict.advice


def test_training_that_leaves_a_low_validation_behind_overfits() -> None:
    verdict = diagnose(curves(25, 0.62, 0.54, 1.0, 1.25, 6), good=0.6)
    assert verdict.kind == "overfit"
    assert "the gap is moderate" in verdict.evidence


@pytest.mark.parametrize("gap", np.arange(0.003, 0.2, 0.01))
def test_words_follow_the_gap(gap: float) -> None:
    verdict = diagnose(curves(25, 0.6 + gap, 0.6, 0.9, 1.08, 9))
    shown = float(re.search(r"gap ([+-][\d.]+) points", verdict.evidence)[1])  # type: ignore[index]
    if verdict.kind == "good fit":
        assert shown <= 10
        assert ("the gap is small" in verdict.evidence) == (shown <= 5)
    else:
        assert shown >= 10
        assert verdict.kind == "overfit"


def test_a_perfect_run_is_not_told_to_widen() -> None:
    verdict = diagnose(curves(25, 1.0, 0.999, 0.01, 0.02, 9, schedule="cosine"))
    assert verdict.kind == "good fit"
    assert "wider" not in verdict.advice
    assert "elsewhere" in verdict.advice


@pytest.mark.parametrize("epochs", range(1, 12))
def test_a_validation_part_is_never_asked_for_where_there_is_one(epochs: int) -> None:
    for end in (0.3, 0.6, 0.9):
        verdict = diagnose(curves(epochs, end + 0.02, end, 1.0, 1.1))
        assert "split=" not in verdict.advice
        assert "a split" not in verdict.advice


FINISHED = [
    path
    for path in sorted((ROOT / "results").glob("**/runs/*/history.csv"))
    if (path.parent / "metrics.json").is_file()
]


@pytest.mark.parametrize("path", FINISHED, ids=lambda path: path.parent.name)
def test_the_verdict_agrees_with_the_numbers_of_every_committed_run(path: Path) -> None:
    rows, record = history.read(path), read_record(path.parent / "metrics.json")
    verdict = diagnose_record(rows, record)
    assert record["verdict"] == verdict.to_dict(), "run benchmarks/verdicts.py"
    gap = rows[-1]["train_accuracy"] - rows[-1]["val_accuracy"]
    figures = record["evaluations"]["validation"]["single"]
    if "the gap is small" in verdict.evidence:
        assert gap <= 0.05
    if verdict.kind == "good fit":
        assert gap <= 0.10
        assert rows[-1]["val_accuracy"] >= 0.6
        assert min(score["recall"] for score in figures["per_class"]) > 0
    for score in figures["per_class"]:
        if score["recall"] == 0:
            assert score["name"] in verdict.evidence.split("never found")[0]
    assert "split=" not in verdict.advice


@pytest.mark.parametrize("level", [0.0, 0.01, 0.03])
def test_a_loss_near_zero_may_double_from_epoch_to_epoch(level: float) -> None:
    rows = curves(20, 1.0, 0.999, 0.001, 0.001, 8)
    for i, row in enumerate(rows[8:]):
        row.update(val_loss=level * (1 + i % 2), val_accuracy=0.999)
    assert diagnose(rows, chance=0.5).kind == "good fit"


def test_a_loss_that_jumps_while_accuracy_is_calm_is_told_as_the_loss() -> None:
    rows = curves(20, 0.62, 0.60, 1.0, 1.1, 6)
    for row in rows[10::2]:
        row["val_loss"] += 0.8
    found = diagnose(rows)
    assert found.kind == "unstable"
    assert "validation loss jumps by up to 0.8" in found.evidence


@pytest.mark.parametrize(("column", "what"), [("val_accuracy", "accuracy"), ("train_accuracy", "accuracy"),
                                              ("val_loss", "loss")])  # fmt: skip
def test_one_figure_that_is_no_number_is_named(column: str, what: str) -> None:
    rows = curves(12, 0.6, 0.55, 1.0, 1.2)
    rows[7][column] = float("nan")
    assert diagnose(rows).evidence == f"the {what} stopped being a number in epoch 8"


def test_validation_accuracy_without_a_loss_is_no_validation() -> None:
    found = diagnose([row | {"val_loss": float("nan")} for row in curves(12, 0.6, 0.55, 1.0, 1.2)])
    assert (found.kind, "without validation figures" in found.evidence) == ("too short", True)
