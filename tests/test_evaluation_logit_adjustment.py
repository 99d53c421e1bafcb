"""Logit adjustment raises recall within the allowed cost, and is evaluated on rows it was not fitted on."""

import numpy as np
import pytest

from mien.errors import MienError
from mien.evaluation import logit_adjustment


def overlooking(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of a classifier that favors class 0 of three."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    score = rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[labels] + [0.8, 0, 0]
    p = np.exp(score)
    return p / p.sum(axis=1, keepdims=True), labels


def recall(p: np.ndarray, labels: np.ndarray, c: int) -> float:
    return float((p.argmax(axis=1) == c)[labels == c].mean())


def test_a_lifted_class_is_found_more_often_at_the_price_allowed():
    p, labels = overlooking()
    constants = logit_adjustment.fit(p, labels, (1, 2), cost=0.01)
    lifted = logit_adjustment.apply(p, constants)
    assert constants[0] == 0
    assert (constants[1:] > 0).all()
    assert all(recall(lifted, labels, c) > recall(p, labels, c) for c in (1, 2))
    assert (lifted.argmax(axis=1) == labels).mean() >= (p.argmax(axis=1) == labels).mean() - 0.01
    assert np.allclose(lifted.sum(axis=1), 1)


def test_rows_do_not_choose_their_own_constants():
    p, labels = overlooking(400)
    turned = labels.copy()
    turned[::2] = (turned[::2] + 1) % 3
    # Other labels for the even rows change the constants of the odd ones alone.
    assert np.array_equal(
        logit_adjustment.cross_fitted(p, labels, (2,))[::2], logit_adjustment.cross_fitted(p, turned, (2,))[::2]
    )
    assert not np.array_equal(
        logit_adjustment.cross_fitted(p, labels, (2,))[1::2], logit_adjustment.cross_fitted(p, turned, (2,))[1::2]
    )


def test_a_class_nobody_shows_is_refused():
    p, labels = overlooking(100)
    with pytest.raises(MienError, match="none of class 2"):
        logit_adjustment.fit(p, np.where(labels == 2, 0, labels), (2,))
