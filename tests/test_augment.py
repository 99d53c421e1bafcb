"""Augmentation: what it keeps, what it moves, and that the generator alone decides."""

import pytest

torch = pytest.importorskip("torch")

from mien.training.augment import Augmentation, augment, erase, light, mix  # noqa: E402


def faces(n: int = 6, side: int = 48) -> "torch.Tensor":
    ramp = torch.linspace(-1, 1, side)
    return (ramp[None, :] * 0.5 + ramp[:, None] * 0.3).expand(n, 1, side, side).clone()


def seeded(seed: int = 0) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


ALL = Augmentation(flip=True, rotate=12, shift=0.1, scale=0.1, light=0.2, erase=0.5)


def test_nothing_switched_on_changes_nothing():
    x = faces()
    assert augment(x, Augmentation(), seeded()) is x


def test_the_generator_decides_alone():
    x = faces()
    torch.manual_seed(1)
    a = augment(x, ALL, seeded(3))
    torch.manual_seed(2)
    b = augment(x, ALL, seeded(3))
    assert torch.equal(a, b)
    assert not torch.equal(a, augment(x, ALL, seeded(4)))


def test_flip_mirrors_some_and_leaves_the_others():
    x = faces(64)
    y = augment(x, Augmentation(flip=True), seeded())
    same = (y - x).abs().amax(dim=(1, 2, 3)) < 1e-5
    mirrored = (y - x.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (same | mirrored).all()
    assert 16 < int(mirrored.sum()) < 48


@pytest.mark.parametrize("how", [Augmentation(rotate=20), Augmentation(shift=0.1), Augmentation(scale=0.2)])
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


def test_light_keeps_the_order_of_pixels():
    x = faces()
    y = light(x, 0.2, seeded())
    in_order = y.flatten(1).gather(1, x.flatten(1).argsort(1))
    assert (in_order.diff(dim=1) > -1e-5).all()


def test_erase_touches_its_share_and_at_most_a_fifth_of_each():
    x = torch.full((400, 1, 48, 48), 9.0)
    changed = (erase(x, 0.25, seeded()) != x).flatten(1).float().mean(1)
    assert 0.15 < float((changed > 0).float().mean()) < 0.35
    assert float(changed.max()) < 0.25


def test_mixup_blends_pictures_and_targets_by_the_same_shares():
    x = torch.arange(64.0)[:, None, None, None].expand(64, 1, 48, 48)  # each picture is its own number
    target = torch.eye(64)
    mixed, t = mix(x, target, 0.4, seed=5)
    assert torch.allclose(t.sum(1), torch.ones(64))
    assert torch.allclose(mixed[:, 0, 0, 0], t @ torch.arange(64.0), atol=1e-4)
    assert (t.argmax(1) == torch.arange(64)).all()
    assert (t.amax(1) < 0.999).any()
    again = mix(x, target, 0.4, seed=5)
    assert torch.equal(mixed, again[0])
    assert not torch.equal(mixed, mix(x, target, 0.4, seed=6)[0])
