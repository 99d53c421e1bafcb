"""Temperature against brute force; reliability bins against direct counts."""

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation import calibration, metrics


def logits(scale: float, n: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true probabilities are known, times a scale that makes them over- or underconfident."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, (n, 7))
    p = calibration.softmax(z)
    labels = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return z * scale, labels


def nll(z: np.ndarray, y: np.ndarray, temperature: float) -> float:
    return float(-np.log(calibration.softmax(z, temperature)[np.arange(len(y)), y]).mean())


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_fitted_temperature_is_the_best_of_a_fine_grid(scale: float) -> None:
    z, y = logits(scale)
    grid = np.geomspace(calibration.COLDEST, calibration.HOTTEST, 2001)
    best = grid[np.argmin([nll(z, y, t) for t in grid])]
    found = calibration.fit_temperature(z, y)
    assert found == pytest.approx(best, rel=0.004)
    assert nll(z, y, found) <= nll(z, y, best) + 1e-12


def test_crossed_calibration_of_a_row_does_not_depend_on_its_own_half() -> None:
    z, y = logits(3.0, n=4001)
    p = calibration.cross_fitted(z, y)
    assert metrics.ece(p, y) < 0.05
    others = y.copy()
    others[::2] = (others[::2] + 1) % 7
    assert np.array_equal(calibration.cross_fitted(z, others)[::2], p[::2])
    assert not np.array_equal(calibration.cross_fitted(z, others)[1::2], p[1::2])
    assert np.array_equal(calibration.cross_fitted(z[:1], y[:1]), calibration.softmax(z[:1]))


def test_fitting_undoes_a_known_overconfidence() -> None:
    z, y = logits(3.0, n=20000)
    found = calibration.fit_temperature(z, y)
    assert found == pytest.approx(3.0, rel=0.05)
    before, after = (metrics.ece(calibration.softmax(z, t), y) for t in (1.0, found))
    assert before > 0.15
    assert after < 0.02


def test_temperature_stays_within_its_bounds_where_the_best_is_at_infinity() -> None:
    right = np.eye(7)
    labels = np.arange(7)
    assert calibration.fit_temperature(right, labels) == pytest.approx(calibration.COLDEST)
    assert calibration.fit_temperature(right, (labels + 1) % 7) == pytest.approx(calibration.HOTTEST)


def test_softmax_survives_large_logits_and_keeps_its_input() -> None:
    z = np.array([[1e4, 0.0, -1e4]])
    np.testing.assert_allclose(calibration.softmax(z), [[1, 0, 0]])
    assert z[0, 0] == 1e4


def test_temperature_changes_confidence_and_not_the_choice() -> None:
    z, _ = logits(1.0)
    hot, cold = calibration.softmax(z, 4.0), calibration.softmax(z, 0.5)
    np.testing.assert_array_equal(hot.argmax(axis=1), cold.argmax(axis=1))
    assert (hot.max(axis=1) < cold.max(axis=1)).all()


def test_reliability_counts_each_prediction_once_in_its_bin() -> None:
    p = np.array([[0.5, 0.5], [0.6, 0.4], [0.61, 0.39], [1.0, 0.0]])
    curve = calibration.reliability(p, np.array([0, 1, 0, 0]), bins=5)
    assert curve.count.tolist() == [0, 0, 2, 1, 1]  # .6 belongs to (.4, .6]
    assert curve.accuracy[2:].tolist() == [0.5, 1.0, 1.0]
    assert curve.confidence[2] == pytest.approx(0.55)
    assert np.isnan(curve.accuracy[:2]).all()
    assert curve.ece == pytest.approx((2 * 0.05 + 0.39 + 0) / 4)


@pytest.mark.parametrize("n", [300, 3000])
def test_a_calibrated_model_shows_the_calibration_error_of_chance(n: int) -> None:
    z, _ = logits(1.0, n)
    p = calibration.softmax(z)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(300):
        labels = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        drawn.append(calibration.reliability(p, labels).ece)
    by_chance = calibration.reliability(p, p.argmax(axis=1)).ece_by_chance
    assert by_chance == pytest.approx(np.mean(drawn), rel=0.05)


def test_certain_predictions_have_no_calibration_error_by_chance() -> None:
    p = np.array([[1.0 + 1e-9, 0.0], [0.0, 1.0]])
    assert calibration.reliability(p, np.array([0, 1])).ece_by_chance == 0


@pytest.mark.parametrize(
    ("z", "y"),
    [
        (np.zeros((3, 7)), np.zeros(4, int)),
        (np.zeros((0, 7)), np.zeros(0, int)),
        (np.zeros((3, 7)), np.array([0, 1, 7])),
        (np.zeros((3, 7)), np.array([0, 1, -1])),
        (np.full((3, 7), np.inf), np.zeros(3, int)),
    ],
)
def test_fit_refuses_what_does_not_fit(z: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(MienError):
        calibration.fit_temperature(z, y)


def test_softmax_refuses_a_temperature_of_nothing() -> None:
    with pytest.raises(MienError, match="above 0"):
        calibration.softmax(np.zeros((1, 7)), 0.0)
