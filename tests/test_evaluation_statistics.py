"""Intervals and tests against worked examples, and coverage of the intervals in simulations."""

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation.statistics import (
    Difference,
    holm,
    mcnemar,
    newcombe,
    paired_bootstrap,
    permutation_test,
    rule,
    wilson,
)


def test_mcnemar_is_the_binomial_test_on_discordant_images() -> None:
    first = np.array([True] * 8 + [False] * 2 + [True] * 50)
    second = np.array([False] * 8 + [True] * 2 + [True] * 50)
    assert mcnemar(first, second) == pytest.approx(2 * (1 + 10 + 45) / 1024)  # 2 P(X <= 2), X ~ B(10, 1/2)
    assert mcnemar(first, first) == 1.0
    assert mcnemar(second, first) == mcnemar(first, second)


def test_mcnemar_agrees_with_scipy_on_many_images() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.random(7000) < 0.70, rng.random(7000) < 0.72
    n, k = int((first != second).sum()), int((first & ~second).sum())
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(k, n).pvalue, rel=1e-6)


def test_the_bootstrap_interval_holds_the_truth_in_19_of_20() -> None:
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        hard = rng.random(300)  # images are hard or easy for both
        first, second = hard < 0.6, (hard < 0.65) ^ (rng.random(300) < 0.05)
        truth = 0.65 * 0.95 + 0.35 * 0.05 - 0.6
        found = paired_bootstrap(first, second, samples=400, seed=seed)
        inside += found.low <= truth <= found.high
    assert 88 <= inside <= 100


def test_seeds_widen_the_interval_and_samples_repeat() -> None:
    rng = np.random.default_rng(1)
    first = rng.random((3, 500)) < np.array([[0.5], [0.6], [0.7]])
    second = rng.random((4, 500)) < 0.6
    found = paired_bootstrap(first, second, samples=1000)
    assert found == paired_bootstrap(first, second, samples=1000)
    assert found.p is None
    assert found.estimate == pytest.approx(second.mean() - first.mean())
    one = paired_bootstrap(first[1], second[0], samples=1000)
    assert found.high - found.low > 0.8 * (one.high - one.low)
    assert one.p == mcnemar(first[1], second[0])


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(MienError, match="cannot be paired"):
        paired_bootstrap(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(MienError, match="paired_bootstrap"):
        mcnemar(np.ones((2, 3), bool), np.ones((2, 3), bool))


def test_permutation_test_finds_a_gap_and_none_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 900)
    assert permutation_test(rng.random(900) < 0.7, groups, 500) > 0.05
    assert permutation_test(rng.random(900) < np.array([0.5, 0.7, 0.8])[groups], groups, 500) < 0.01


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize(("low", "high", "more", "less", "nothing"), [
    (0.002, 0.02, "confirmed", "refuted", "undecided"), (-0.03, -0.02, "refuted", "confirmed", "refuted"),
    (-0.005, 0.004, "undecided", "undecided", "confirmed"), (0.015, 0.03, "confirmed", "refuted", "refuted"),
    (-0.02, 0.03, "undecided", "undecided", "undecided"),
])  # fmt: skip
def test_claims_are_ruled_by_the_interval(low: float, high: float, more: str, less: str, nothing: str) -> None:
    difference = Difference((low + high) / 2, low, high)
    assert [rule(difference, claim) for claim in ("increases", "decreases", "does nothing")] == [more, less, nothing]  # type: ignore[arg-type]
    assert difference.significant == (more != "undecided")


@pytest.mark.parametrize(("low", "high", "rises", "falls"), [
    (-0.05, 0.009, "confirmed", "undecided"), (0.011, 0.05, "refuted", "confirmed"),
    (-0.009, 0.009, "confirmed", "confirmed"), (-0.05, -0.02, "confirmed", "refuted"),
])  # fmt: skip
def test_that_something_does_not_rise_or_fall_is_ruled_on_one_side(
    low: float, high: float, rises: str, falls: str
) -> None:
    difference = Difference((low + high) / 2, low, high)
    assert (rule(difference, "does not increase"), rule(difference, "does not decrease")) == (rises, falls)


def test_wilson_lies_within_0_and_1() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0
    assert 0 < wilson(1, 5)[0] < 0.2 < wilson(1, 5)[1]


def test_newcombe_is_that_of_the_paper() -> None:
    found = newcombe(48, 80, 56, 70)  # Newcombe 1998, table II, 56/70 minus 48/80: 0.2, 0.0524 to 0.3339
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_one_training_against_another_is_resampled_as_several_are() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random(800) < 0.7, rng.random(800) < 0.72
    fast, plain = paired_bootstrap(first, second), paired_bootstrap(first[None], second[None])
    assert (fast.low, fast.high) == pytest.approx((plain.low, plain.high), abs=0.003)
