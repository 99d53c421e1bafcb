"""The power law of error over training images is recovered from data that follow it."""

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation.scaling import fit_power_law


def samples(errors: dict[int, list[float]]) -> dict[int, np.ndarray]:
    """As many as 1,000 validation images and their seeds give."""
    rng = np.random.default_rng(1)
    return {
        n: np.array([rng.choice(values, len(values)).mean() for _ in range(500)]) + rng.normal(0, 0.005, 500)
        for n, values in errors.items()
    }


def test_a_law_is_found_again_with_its_interval() -> None:
    rng = np.random.default_rng(0)
    errors = {n: (2.0 * n**-0.2 * rng.normal(1, 0.01, 3)).tolist() for n in (1800, 3600, 7200, 14400, 28709)}
    law = fit_power_law(errors, samples(errors))
    assert law.exponent == pytest.approx(0.2, abs=0.02)
    assert law.interval[0] < law.exponent < law.interval[1]
    assert law.interval[1] - law.interval[0] < 0.05
    assert law.doubling == pytest.approx(1 - 2**-law.exponent)
    assert law.error(np.array([7200.0]))[0] == pytest.approx(np.mean(errors[7200]), rel=0.02)
    assert "over seeds and validation images): twice the images take away 13% of it" in law.sentence()


def test_the_interval_of_one_seed_is_not_a_point() -> None:
    errors = {n: [2.0 * n**-0.2] for n in (10, 20, 40)}
    law = fit_power_law(errors, samples(errors))
    assert law.interval[0] < law.exponent - 0.002 < law.exponent + 0.002 < law.interval[1]
    assert "of a size with one seed, over images alone" in law.sentence()


def test_a_law_that_may_rise_is_written_with_one_sign() -> None:
    errors = {n: [0.5] for n in (10, 20, 40)}
    assert "--" not in fit_power_law(errors, samples(errors)).sentence()


def test_what_has_no_law_is_refused() -> None:
    with pytest.raises(MienError, match="3 sizes or more"):
        fit_power_law({10: [0.5], 20: [0.4]}, samples({10: [0.5], 20: [0.4]}))
    with pytest.raises(MienError, match="above 0"):
        fit_power_law({10: [0.5], 20: [0.4], 40: [0.0]}, samples({10: [0.5], 20: [0.4], 40: [0.0]}))
