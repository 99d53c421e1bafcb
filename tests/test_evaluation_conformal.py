"""Conformal sets reach the promised coverage on images that the threshold was not fitted on."""

import json

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation.conformal import accuracy_by_coverage, fit_threshold, measure_coverage, prediction_sets


def predictions(n: int, seed: int, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(0, 1.5, (n, classes))
    logits[np.arange(n), labels] += 1.5
    weights = np.exp(2 * logits)  # overconfident
    return weights / weights.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_the_promise_is_kept_on_other_images(coverage: float) -> None:
    threshold = fit_threshold(*predictions(3000, 0), coverage)
    p, labels = predictions(5000, 1)
    sets = prediction_sets(p, threshold)
    assert sets[np.arange(5000), p.argmax(axis=1)].all()
    measured = sets[np.arange(5000), labels].mean()
    assert measured >= coverage - 0.02
    if coverage > (p.argmax(axis=1) == labels).mean() + 0.1:  # below, the most probable class alone holds it
        assert measured <= coverage + 0.03, "sets are no larger than need be"


def test_sets_grow_with_the_promise_and_hold_the_most_probable_classes() -> None:
    p, labels = predictions(1000, 0)
    small, large = (prediction_sets(p, fit_threshold(p, labels, c)) for c in (0.7, 0.95))
    assert not (small & ~large).any()
    least = np.where(large, p, 1).min(axis=1)
    assert (np.where(large, 0, p).max(axis=1) <= least + 1e-12).all()


def test_halves_measure_each_other() -> None:
    p, labels = predictions(2000, 3)
    found = measure_coverage(p, labels, 0.9)
    assert found.interval[0] <= found.measured <= found.interval[1]
    assert found.interval[1] > 0.9
    assert sum(found.sizes) == pytest.approx(1)
    assert found.mean_size == pytest.approx(np.dot(found.sizes, np.arange(1, 8)))
    assert found.single_accuracy > (p.argmax(axis=1) == labels).mean()
    assert json.loads(json.dumps(found.to_dict()))["n"] == 2000


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_a_coverage_that_cannot_be_is_refused(coverage: float) -> None:
    with pytest.raises(MienError, match="coverage"):
        fit_threshold(*predictions(100, 0), coverage)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(MienError, match="8 images are too few for sets with 90% coverage; give 9"):
        fit_threshold(*predictions(8, 0), 0.9)
    assert 0 < fit_threshold(*predictions(9, 0), 0.9) <= 1 + 1e-9


def test_accuracy_rises_as_the_unsure_are_left_out() -> None:
    p, labels = predictions(4000, 2)
    coverage, accuracy = accuracy_by_coverage(p, labels)
    assert coverage[-1] == 1
    assert accuracy[-1] == (p.argmax(axis=1) == labels).mean()
    assert accuracy[400] > accuracy[2000] > accuracy[-1]


@pytest.mark.parametrize("coverage", [1, 1.0, float("nan"), "most"])
def test_halves_refuse_such_a_coverage_too(coverage: float) -> None:
    with pytest.raises(MienError, match="above 0 and below 1"):
        measure_coverage(np.full((40, 2), 0.5), np.zeros(40, np.int64), coverage)


def test_a_promise_of_next_to_nothing_gives_the_smallest_sets() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    assert fit_threshold(p, p.argmax(axis=1), 1e-12) == 0
