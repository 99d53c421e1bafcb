"""Metrics against scikit-learn, and intervals against values computed by hand."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from mien.errors import MienError
from mien.evaluation import metrics
from mien.labels import EMOTIONS


def predictions(n: int = 500, classes: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(0, 1.5, (n, classes))
    logits[np.arange(n), labels] += 1.5
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    p, y = predictions(seed=seed)
    chosen = p.argmax(axis=1)
    found = metrics.evaluate(p, y, EMOTIONS)
    assert found.n == 500
    assert found.accuracy == pytest.approx(sk.accuracy_score(y, chosen))
    assert found.macro_f1 == pytest.approx(sk.f1_score(y, chosen, average="macro"))
    assert found.nll == pytest.approx(sk.log_loss(y, p, labels=range(7)))
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(y, chosen, labels=range(7)))
    precision, recall, f1, support = sk.precision_recall_fscore_support(y, chosen, labels=range(7))
    np.testing.assert_allclose([s.precision for s in found.per_class], precision)
    np.testing.assert_allclose([s.recall for s in found.per_class], recall)
    np.testing.assert_allclose([s.f1 for s in found.per_class], f1)
    assert [s.support for s in found.per_class] == support.tolist()


def test_macro_f1_leaves_out_classes_that_occur_nowhere() -> None:
    p, y = predictions(classes=3)
    p = np.pad(p, ((0, 0), (0, 4)))
    found = metrics.evaluate(p, y, EMOTIONS)
    assert found.macro_f1 == pytest.approx(sk.f1_score(y, p.argmax(axis=1), average="macro"))
    assert found.per_class[5].support == 0
    assert found.per_class[5].f1 == 0


def test_wilson_interval_is_that_of_the_book() -> None:
    # Brown, Cai & DasGupta 2001: unlike Wald's, it has a width at 0 and at n.
    assert metrics.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert metrics.wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert metrics.wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert metrics.wilson(0, 0) == (0.0, 1.0)


def test_interval_at_the_size_of_public_test_is_about_a_point_and_a_half() -> None:
    low, high = metrics.wilson(round(0.7 * 3589), 3589)
    assert (high - low) / 2 == pytest.approx(0.015, abs=0.001)


def test_ece_by_hand() -> None:
    # Four predictions at .75, of which two are right: |.5 - .75|; four at 1, all right: 0.
    p = np.array([[0.75, 0.25]] * 4 + [[1.0, 0.0]] * 4)
    y = np.array([0, 0, 1, 1, 0, 0, 0, 0])
    assert metrics.ece(p, y) == pytest.approx(0.125)


def test_to_dict_is_the_object_that_metrics_json_holds() -> None:
    p, y = predictions()
    found = json.loads(json.dumps(metrics.evaluate(p, y, EMOTIONS).to_dict()))
    assert list(found) == [
        "n", "accuracy", "accuracy_interval", "macro_f1", "nll", "ece", "ece_by_chance", "per_class", "confusion"
    ]  # fmt: skip
    assert found["accuracy_interval"][0] < found["accuracy"] < found["accuracy_interval"][1]
    assert list(found["per_class"][0]) == ["name", "precision", "recall", "f1", "support"]
    assert np.array(found["confusion"]).sum(axis=1).tolist() == [s["support"] for s in found["per_class"]]


def test_table_shows_every_class_and_what_it_is_taken_for() -> None:
    p = np.eye(7)[[0, 0, 0, 2, 2, 4]]
    text = metrics.table(metrics.evaluate(p, np.array([0, 0, 0, 0, 2, 4]), EMOTIONS))
    assert "accuracy 83.3%" in text
    angry = next(line for line in text.splitlines() if line.startswith("angry"))
    assert "75.0%" in angry
    assert angry.endswith("fear 25%")
    assert all(name in text for name in EMOTIONS)


def test_single_precision_rows_and_certain_mistakes_are_fine() -> None:
    found = metrics.evaluate(np.eye(7, dtype=np.float32)[[1, 0]], np.array([0, 0]), EMOTIONS)
    assert np.isfinite(found.nll)


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        (np.ones((3, 4)) / 4, np.zeros(3, int), "7 classes need"),
        (np.ones((0, 7)), np.zeros(0, int), "nothing to evaluate"),
        (np.ones((3, 7)) / 7, np.zeros(2, int), "labels have shape"),
        (np.ones((3, 7)) / 7, np.zeros(3), "integers"),
        (np.ones((3, 7)) / 7, np.array([0, -1, 2]), "label -1 in row 1"),
        (np.ones((3, 7)), np.zeros(3, int), "row 0 of .*softmax"),
        (np.full((3, 7), np.nan), np.zeros(3, int), "row 0 of .*softmax"),
    ],
)
def test_refuses_what_cannot_be_measured(p: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(MienError, match=words):
        metrics.evaluate(p, y, EMOTIONS)
