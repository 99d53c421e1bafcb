"""Data augmentation: pure functions on a whole batch at once, each switched off by zero.

A batch is float32 (N, 1, H, W), normalized. All draws come in as uniform numbers (N, NUMBERS), a row an image, so
that what happens to an image depends on its row alone: not on the batch it stands in, nor on the process that works on
it.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.training.recipes import Augmentation
from mien.training.seeds import generator

NUMBERS = 15  # uniform numbers an image: 5 for the affine map, 2 for the light, 6 for erasing, 2 for the exposure
EXPOSURE = slice(13, NUMBERS)
_NOISE = 1 << 18  # normal numbers that erased rectangles are filled from


def draw(images: int, seed: int, epoch: int) -> Tensor:
    """The random draws of one epoch: (images, NUMBERS) float32 in [0, 1), a function of seed, epoch and row."""
    stream = generator(seed, epoch, 1)
    # One after the other, so that runs from before there was an exposure keep their numbers.
    return torch.cat([torch.rand(images, n, generator=stream) for n in (EXPOSURE.start, NUMBERS - EXPOSURE.start)], 1)


def augment(x: Tensor, how: Augmentation, draws: Tensor, size: int | None = None) -> Tensor:
    """Augment a batch (N, 1, H, W) into one of (N, 1, size, size); `size` None keeps H. draws: (N, NUMBERS) in [0, 1).

    Flip, rotation, translation, scale and the change of size are one affine map and one pass of bilinear sampling; what
    lies outside the image repeats its border.
    """
    size = size or x.shape[-1]
    if how.moves or size != x.shape[-1]:
        x = affine(x, how, draws[:, :5], size)
    if how.brightness_contrast:
        x = brightness_contrast(x, how.brightness_contrast, draws[:, 5:7])
    if how.random_erasing:
        x = random_erasing(x, how.random_erasing, draws[:, 7:13])
    return x


def affine(x: Tensor, how: Augmentation, draws: Tensor, size: int) -> Tensor:
    """Flip, rotate, translate and scale in one pass of bilinear sampling. (N, 1, H, W) -> (N, 1, size, size)."""
    n = len(x)
    flip, angle, zoom, dx, dy = (draws * 2 - 1).unbind(1)  # each (N,) in [-1, 1)
    angle = angle * (how.rotate * torch.pi / 180)
    zoom = (1 + how.scale) ** zoom
    mirror = torch.where(flip < 0, -1.0, 1.0) if how.flip else torch.ones_like(flip)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # The map takes places of the result to places of the source, both in [-1, 1]: a move of s is 2 s there.
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, 2 * how.translate * dx], dim=1),
            torch.stack([sin * mirror, cos, 2 * how.translate * dy], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3)
    grid = F.affine_grid(theta.to(x.device), [n, 1, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def brightness_contrast(x: Tensor, amount: float, draws: Tensor) -> Tensor:
    """Random contrast about each image's mean and random brightness."""
    contrast, brightness = (draws * 2 - 1).to(x.device)[:, :, None, None, None].unbind(1)  # each (N, 1, 1, 1)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (1 + amount * contrast) + mean + amount * brightness


def random_erasing(x: Tensor, share: float, draws: Tensor) -> Tensor:
    """Fill a rectangle of 2 to 20 % of the area with noise in a share of the images (Zhong et al. 2020)."""
    n, _, height, width = x.shape
    erased, area, aspect, top, left, start = draws.to(x.device).unbind(1)
    area = 0.02 + 0.18 * area
    aspect = torch.exp((aspect * 2 - 1) * 1.2)  # height over width, 0.3 to 3.3
    h = (torch.sqrt(area * aspect) * height).clamp(1, height)
    w = (torch.sqrt(area / aspect) * width).clamp(1, width)
    top, left = top * (height - h), left * (width - w)
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    inside = (
        ((rows >= top[:, None]) & (rows < (top + h)[:, None]))[:, :, None]
        & ((columns >= left[:, None]) & (columns < (left + w)[:, None]))[:, None, :]
        & (erased < share)[:, None, None]
    )[:, None]  # (N, 1, H, W)
    windows = _noise(x.device).unfold(0, height * width, 1)
    noise = windows[(start * len(windows)).long()].view(n, 1, height, width)
    return torch.where(inside, noise, x)


def exposure(x: Tensor, share: float, mean: float, std: float, draws: Tensor) -> Tensor:
    """A share of the images as a camera gives them that was set wrongly, half of them too bright and half too dark.

    x (N, 1, H, W), (pixels in 0..1 - mean) / std; draws (N, 2) in [0, 1). Too bright: 1 to 1.8 times the light,
    what is beyond white clipped. Too dark: a tenth to all of the light, in whole levels of 255, brought back to full
    light, so that what is lost are the levels between.
    """
    which, amount = draws.to(x.device)[:, :, None, None, None].unbind(1)  # each (N, 1, 1, 1)
    pixels = x * std + mean
    bright = (pixels * (1 + 0.8 * amount)).clamp(max=1)
    levels = 255 * 10**-amount
    dark = (pixels * levels).round() / levels
    changed = (torch.where(which < share / 2, bright, dark) - mean) / std
    return torch.where(which < share, changed, x)


@lru_cache(maxsize=4)
def _noise(device: torch.device) -> Tensor:
    """Normal noise (_NOISE,) with a deviation of 0.5, always the same."""
    return (torch.randn(_NOISE, generator=generator(0)) * 0.5).to(device)


def mixup_draw(n: int, alpha: float, seed: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Partners (n,) int64 and own shares (n,) float32 of a whole batch, drawn from Beta(alpha, alpha).

    The larger share is the image's own, so that its own label stays the likelier one. device: where they are needed;
    the way to a GPU does not wait for what the GPU has to do before.
    """
    rng = np.random.default_rng(seed)
    share = rng.beta(alpha, alpha, n)
    drawn = torch.from_numpy(rng.permutation(n)), torch.from_numpy(np.maximum(share, 1 - share).astype(np.float32))
    if device is not None and device.type == "cuda":
        return drawn[0].pin_memory().to(device, non_blocking=True), drawn[1].pin_memory().to(device, non_blocking=True)
    return drawn


def mixup(x: Tensor, target: Tensor, partner: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """The first len(own) images, each blended with another, and so are their targets (mixup, Zhang et al. 2018).

    x (M, 1, H, W); target (M, C) probabilities; partner (N,) rows of x; own (N,) shares of the first N rows. -> (N,
    ...).
    """
    n, own = len(own), own.to(x.device)
    partner = partner.to(x.device)
    return (
        torch.lerp(x[partner], x[:n], own[:, None, None, None]),
        torch.lerp(target[partner], target[:n], own[:, None]),
    )
