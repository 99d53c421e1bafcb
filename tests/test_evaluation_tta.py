"""Test-time augmentation: views keep size and dtype, include the original, and their probabilities are averaged."""

import numpy as np
import pytest

from mien.errors import MienError, MienWarning
from mien.evaluation.tta import DESCRIPTIONS, OLD_NAMES, TTA, predict_with_tta


def faces() -> np.ndarray:
    ramp = np.add.outer(np.arange(48), 3 * np.arange(48))
    return np.stack([ramp, ramp.T, np.full((48, 48), 7)]).astype(np.uint8)


@pytest.mark.parametrize(("name", "count"), [("single", 1), ("flip", 2), ("shift10", 10), ("rotate6", 6)])
def test_views_are_faces_and_each_has_its_mirror(name: str, count: int) -> None:
    plain = faces()
    seen = [view(plain) for view in TTA[name]]
    assert len(seen) == count
    assert all(view.shape == plain.shape and view.dtype == np.uint8 for view in seen)
    assert (seen[0] == plain).all()
    assert all((view[2] == 7).all() for view in seen), "what lies outside repeats the border"
    if count > 1:
        assert (seen[1] == plain[:, :, ::-1]).all()


def test_turned_views_turn_about_the_middle_both_ways() -> None:
    plain = np.zeros((1, 48, 48), np.uint8)
    plain[0, 23:25] = 240  # a level line
    back, forth = (TTA["rotate6"][i](plain)[0].astype(int) for i in (2, 3))
    heights = [[int(turned[:, column].argmax()) for column in (4, 24, 43)] for turned in (back, forth)]
    assert all(abs(h[1] - 23.5) <= 1 for h in heights)
    assert np.sign(heights[0][0] - heights[0][2]) == -np.sign(heights[1][0] - heights[1][2]) != 0
    assert abs(back - forth[:, ::-1]).max() <= 1


def test_probabilities_are_averaged_predict_with_tta() -> None:
    def logits(seen: np.ndarray) -> np.ndarray:  # says nothing but whether a face is the plain one
        same = (seen == faces()).all(axis=(1, 2))
        return np.where(same[:, None], [9.0, 0.0], [0.0, 9.0])

    assert predict_with_tta(logits, faces())[0, 0] > 0.99
    assert predict_with_tta(logits, faces(), "flip")[0, 0] == pytest.approx(0.5)
    assert predict_with_tta(logits, faces(), "rotate6")[0, 0] == pytest.approx(1 / 6, abs=1e-3)
    with pytest.raises(MienError, match="no test-time augmentation 'nine'"):
        predict_with_tta(logits, faces(), "nine")


@pytest.mark.parametrize("degrees", [-4, 4, 17])
def test_rotated_views_are_the_pixels_of_torch_grid_sample(degrees: int) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    from mien.evaluation.tta import _rotate

    images = np.random.default_rng(0).integers(0, 256, (64, 48, 48)).astype(np.uint8)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    theta = torch.tensor([[cos, -sin, 0], [sin, cos, 0]], dtype=torch.float32)
    x = torch.from_numpy(images).unsqueeze(1).float()
    grid = functional.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    sampled = functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    expected = sampled.squeeze(1).round().to(torch.uint8).numpy()
    apart = np.abs(_rotate(degrees)(images).astype(int) - expected)
    assert apart.max() <= 1, "rounding alone"
    assert (apart > 0).mean() < 0.001


def test_old_names_work_and_say_the_new_one() -> None:
    def logits(seen: np.ndarray) -> np.ndarray:
        return seen.reshape(len(seen), -1)[:, :3].astype(np.float32)

    for old, new in OLD_NAMES.items():
        with pytest.warns(MienWarning, match=f"'{old}' is now called '{new}'"):
            before = predict_with_tta(logits, faces(), old)
        assert np.array_equal(before, predict_with_tta(logits, faces(), new))


def test_progress_counts_every_view_of_every_face() -> None:
    counts: list[int] = []
    images = np.zeros((2500, 8, 8), np.uint8)
    probabilities = predict_with_tta(lambda seen: np.zeros((len(seen), 2)), images, "flip", on_progress=counts.append)
    assert probabilities.shape == (2500, 2)
    assert sum(counts) == 5000
    assert predict_with_tta(lambda seen: np.zeros((len(seen), 2)), images[:0], "flip").shape == (0, 2)


def test_every_augmentation_is_described() -> None:
    assert set(DESCRIPTIONS) == set(TTA)
