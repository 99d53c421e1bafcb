"""Views of a face at test time: of the same size and type, the plain one among them, their probabilities averaged."""

import numpy as np
import pytest

pytest.importorskip("torch")

from mien.errors import MienError
from mien.training.predict import VIEWS, over_views


def faces() -> np.ndarray:
    ramp = np.add.outer(np.arange(48), 3 * np.arange(48))
    return np.stack([ramp, ramp.T, np.full((48, 48), 7)]).astype(np.uint8)


@pytest.mark.parametrize(("name", "count"), [("single", 1), ("flip", 2), ("ten", 10), ("turned", 6)])
def test_views_are_faces_and_each_has_its_mirror(name: str, count: int) -> None:
    plain = faces()
    seen = [view(plain) for view in VIEWS[name]]
    assert len(seen) == count
    assert all(view.shape == plain.shape and view.dtype == np.uint8 for view in seen)
    assert (seen[0] == plain).all()
    assert all((view[2] == 7).all() for view in seen), "what lies outside repeats the border"
    if count > 1:
        assert (seen[1] == plain[:, :, ::-1]).all()


def test_turned_views_turn_about_the_middle_both_ways() -> None:
    plain = np.zeros((1, 48, 48), np.uint8)
    plain[0, 23:25] = 240  # a level line
    back, forth = (VIEWS["turned"][i](plain)[0].astype(int) for i in (2, 3))
    heights = [[int(turned[:, column].argmax()) for column in (4, 24, 43)] for turned in (back, forth)]
    assert all(abs(h[1] - 23.5) <= 1 for h in heights)
    assert np.sign(heights[0][0] - heights[0][2]) == -np.sign(heights[1][0] - heights[1][2]) != 0
    assert abs(back - forth[:, ::-1]).max() <= 1


def test_probabilities_are_averaged_over_views() -> None:
    def logits(seen: np.ndarray) -> np.ndarray:  # says nothing but whether a face is the plain one
        same = (seen == faces()).all(axis=(1, 2))
        return np.where(same[:, None], [9.0, 0.0], [0.0, 9.0])

    assert over_views(logits, faces())[0, 0] > 0.99
    assert over_views(logits, faces(), "flip")[0, 0] == pytest.approx(0.5)
    assert over_views(logits, faces(), "turned")[0, 0] == pytest.approx(1 / 6, abs=1e-3)
    with pytest.raises(MienError, match="no test-time augmentation 'nine'"):
        over_views(logits, faces(), "nine")
