"""Augmentation: what it preserves, what it moves, and that it depends only on each image's own random numbers."""

import pytest

torch = pytest.importorskip("torch")

from mien.training.augment import (  # noqa: E402
    EXPOSURE,
    NUMBERS,
    augment,
    brightness_contrast,
    draw,
    exposure,
    mixup,
    mixup_draw,
    random_erasing,
)
from mien.training.recipes import Augmentation  # noqa: E402


def faces(n: int = 6, side: int = 48) -> "torch.Tensor":
    ramp = torch.linspace(-1, 1, side)
    return (ramp[None, :] * 0.5 + ramp[:, None] * 0.3).expand(n, 1, side, side).clone()


def seeded(n: int = 6, seed: int = 0) -> "torch.Tensor":
    return draw(n, seed, 0)


ALL = Augmentation(flip=True, rotate=12, translate=0.1, scale=0.1, brightness_contrast=0.2, random_erasing=0.5)


def test_nothing_switched_on_changes_nothing():
    x = faces()
    assert augment(x, Augmentation(), seeded()) is x


def test_an_image_s_own_numbers_decide_alone():
    x = faces()
    torch.manual_seed(1)
    a = augment(x, ALL, seeded(seed=3))
    torch.manual_seed(2)
    b = augment(x, ALL, seeded(seed=3))
    assert torch.equal(a, b)
    assert not torch.equal(a, augment(x, ALL, seeded(seed=4)))


def test_flip_mirrors_some_and_leaves_the_others():
    x = faces(64)
    y = augment(x, Augmentation(flip=True), seeded(64))
    same = (y - x).abs().amax(dim=(1, 2, 3)) < 1e-5
    mirrored = (y - x.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (same | mirrored).all()
    assert 16 < int(mirrored.sum()) < 48


@pytest.mark.parametrize("how", [Augmentation(rotate=20), Augmentation(translate=0.1), Augmentation(scale=0.2)])
def test_each_movement_moves_and_stays_in_range(how):
    x = faces()
    y = augment(x, how, seeded())
    assert y.shape == x.shape
    assert not torch.allclose(x, y, atol=1e-3)
    assert y.min() >= x.min() - 1e-5
    assert y.max() <= x.max() + 1e-5


def test_a_smaller_size_is_the_same_picture_smaller():
    y = augment(faces(), Augmentation(), seeded(), size=32)
    assert y.shape == (6, 1, 32, 32)
    assert torch.allclose(y, faces(side=32), atol=0.03)


def test_brightness_and_contrast_keep_the_order_of_pixels():
    x = faces()
    y = brightness_contrast(x, 0.2, seeded()[:, :2])
    in_order = y.flatten(1).gather(1, x.flatten(1).argsort(1))
    assert (in_order.diff(dim=1) > -1e-5).all()


def test_erasing_touches_its_share_and_at_most_a_fifth_of_each():
    x = torch.full((400, 1, 48, 48), 9.0)
    changed = (random_erasing(x, 0.25, seeded(400)[:, :6]) != x).flatten(1).float().mean(1)
    assert 0.15 < float((changed > 0).float().mean()) < 0.35
    assert float(changed.max()) < 0.25


def test_exposure_clips_half_of_its_share_and_takes_levels_from_the_other():
    x, draws = faces(400), seeded(400)[:, EXPOSURE]
    y = exposure(x, 0.5, 0.5, 0.5, draws)
    bright, dark = draws[:, 0] < 0.25, (draws[:, 0] >= 0.25) & (draws[:, 0] < 0.5)
    assert torch.equal(y[draws[:, 0] >= 0.5], x[draws[:, 0] >= 0.5])
    assert (y[bright] >= x[bright] - 1e-6).all()
    assert float(y.max()) <= 1 + 1e-6
    assert ((y[dark] - x[dark]).abs() <= 10 / 255 + 1e-6).all()  # half a level of a tenth of the light
    assert len(y[dark][draws[dark, 1].argmax()].unique()) < 30
    again = exposure(x[5:9], 0.5, 0.5, 0.5, draws[5:9])
    assert torch.equal(again, y[5:9])


def test_an_image_is_augmented_the_same_in_any_batch():
    x, draws = faces(12) + torch.randn(12, 1, 48, 48) * 0.1, seeded(12)
    together = augment(x, ALL, draws, 40)
    rows = torch.tensor([7, 2, 11])
    assert torch.allclose(augment(x[rows], ALL, draws[rows], 40), together[rows], atol=1e-6)


def test_every_epoch_has_other_numbers():
    assert draw(5, 1, 0).shape == (5, NUMBERS)
    assert torch.equal(draw(5, 1, 0), draw(5, 1, 0))
    assert not torch.equal(draw(5, 1, 0), draw(5, 1, 1))


def test_mixup_blends_images_and_targets_by_the_same_shares():
    x = torch.arange(64.0)[:, None, None, None].expand(64, 1, 48, 48)  # each image is its own number
    target = torch.eye(64)
    mixed, t = mixup(x, target, *mixup_draw(64, 0.4, seed=5))
    assert torch.allclose(t.sum(1), torch.ones(64))
    assert torch.allclose(mixed[:, 0, 0, 0], t @ torch.arange(64.0), atol=1e-4)
    assert (t.argmax(1) == torch.arange(64)).all()
    assert (t.amax(1) < 0.999).any()
    again = mixup(x, target, *mixup_draw(64, 0.4, seed=5))
    assert torch.equal(mixed, again[0])
    assert not torch.equal(mixed, mixup(x, target, *mixup_draw(64, 0.4, seed=6))[0])
