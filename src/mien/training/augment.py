"""Augmentation: pure functions on a whole batch at once. Each part can be switched off by setting it to zero.

A batch is float32 (N, 1, H, W), normalised; random numbers come from the generator that is passed in, so that a batch
is augmented the same way whenever the generator starts from the same seed.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How much of what. Everything zero or False: pictures pass unchanged."""

    flip: bool = False  # mirror half of the pictures
    rotate: float = 0.0  # degrees to either side, uniform
    shift: float = 0.0  # share of the side, in x and in y, uniform to either side
    scale: float = 0.0  # 0.1: between 1/1.1 and 1.1 times as large
    light: float = 0.0  # 0.2: contrast between 0.8 and 1.2, brightness by +-0.2 of the normalised range
    erase: float = 0.0  # share of the pictures that lose a rectangle of 2 to 20 % of their area

    @property
    def moves(self) -> bool:
        """Whether pixels change places."""
        return bool(self.flip or self.rotate or self.shift or self.scale)


def augment(x: Tensor, how: Augmentation, generator: torch.Generator, size: int | None = None) -> Tensor:
    """Augment a batch (N, 1, H, W) into one of (N, 1, size, size); `size` None keeps H.

    Flip, rotation, shift, scale and the change of size are one affine map and one pass of bilinear sampling; what lies
    outside the picture repeats its border.
    """
    size = size or x.shape[-1]
    if how.moves or size != x.shape[-1]:
        x = affine(x, how, generator, size)
    if how.light:
        x = light(x, how.light, generator)
    if how.erase:
        x = erase(x, how.erase, generator)
    return x


def affine(x: Tensor, how: Augmentation, generator: torch.Generator, size: int) -> Tensor:
    """Flip, rotate, shift and scale in one pass of bilinear sampling. (N, 1, H, W) -> (N, 1, size, size)."""
    n = len(x)
    flip, angle, zoom, dx, dy = torch.rand(5, n, generator=generator) * 2 - 1  # each (N,) in [-1, 1)
    angle = angle * (how.rotate * torch.pi / 180)
    zoom = (1 + how.scale) ** zoom
    mirror = torch.where(flip < 0, -1.0, 1.0) if how.flip else torch.ones(n)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # The map takes places of the result to places of the source, both in [-1, 1]: a shift of s is 2 s there.
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, 2 * how.shift * dx], dim=1),
            torch.stack([sin * mirror, cos, 2 * how.shift * dy], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3)
    grid = F.affine_grid(theta.to(x.device), [n, 1, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def light(x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Random contrast about each picture's mean and random brightness."""
    contrast, brightness = (torch.rand(2, len(x), 1, 1, 1, generator=generator) * 2 - 1).to(x.device)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (1 + amount * contrast) + mean + amount * brightness


def erase(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Fill a rectangle of 2 to 20 % of the area with noise in a share of the pictures (Zhong et al. 2020)."""
    n, _, height, width = x.shape
    chance, area, aspect, top, left = torch.rand(5, n, generator=generator).to(x.device)
    area = 0.02 + 0.18 * area
    aspect = torch.exp((aspect * 2 - 1) * 1.2)  # height over width, 0.3 to 3.3
    h = (torch.sqrt(area * aspect) * height).clamp(1, height)
    w = (torch.sqrt(area / aspect) * width).clamp(1, width)
    top, left = top * (height - h), left * (width - w)
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    inside = (
        ((rows >= top[:, None]) & (rows < (top + h)[:, None]))[:, :, None]
        & ((columns >= left[:, None]) & (columns < (left + w)[:, None]))[:, None, :]
        & (chance < share)[:, None, None]
    )[:, None]  # (N, 1, H, W)
    return torch.where(inside, _noise(x, generator), x)


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise of x's shape with a deviation of 0.5, drawn where x is: on a GPU from a generator of its own, seeded by this one."""
    if x.device.type != "cpu":
        seed = int(torch.randint(1 << 62, (), generator=generator))
        generator = torch.Generator(x.device).manual_seed(seed)
    return torch.randn(x.shape, generator=generator, device=x.device) * 0.5


def mix(x: Tensor, target: Tensor, alpha: float, seed: int) -> tuple[Tensor, Tensor]:
    """Each picture blended with another of its batch, and so are their targets (mixup, Zhang et al. 2018).

    x (N, 1, H, W); target (N, C) probabilities. The shares are drawn from Beta(alpha, alpha), one a picture, and the
    larger one is the picture's own, so that its own label stays the likelier one.
    """
    rng = np.random.default_rng(seed)
    share = rng.beta(alpha, alpha, len(x))
    own = torch.from_numpy(np.maximum(share, 1 - share).astype(np.float32)).to(x.device)
    other = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    return torch.lerp(x[other], x, own[:, None, None, None]), torch.lerp(target[other], target, own[:, None])
