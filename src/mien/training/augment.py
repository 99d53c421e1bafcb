"""Data augmentation: pure functions on a whole batch, each switched off by zero.

A batch is float32 (N, 1, H, W), normalized. All random draws come in as uniform numbers (N, NUMBERS), one row per
image, so the augmentation of an image depends only on its row: not on the batch it is in, nor on the process.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.training.recipes import Augmentation
from mien.training.seeds import generator

NUMBERS = 15  # uniform numbers per image: 5 for the affine map, 2 brightness and contrast, 6 erasing, 2 exposure
EXPOSURE = slice(13, NUMBERS)
_NOISE = 1 << 18  # size of the noise that fills erased rectangles


def draw(images: int, seed: int, epoch: int) -> Tensor:
    """The random draws of one epoch: (images, NUMBERS) float32 in [0, 1), a function of seed, epoch and row."""
    stream = generator(seed, epoch, 1)
    # Two calls, so that runs from before exposure was added keep their numbers.
    return torch.cat([torch.rand(images, n, generator=stream) for n in (EXPOSURE.start, NUMBERS - EXPOSURE.start)], 1)


def augment(x: Tensor, how: Augmentation, draws: Tensor, size: int | None = None) -> Tensor:
    """Augment a batch (N, 1, H, W) to (N, 1, size, size); size None keeps H. draws: (N, NUMBERS) in [0, 1).

    Flip, rotation, translation, scale and resizing are one affine map and one pass of bilinear sampling; points outside
    the image take the nearest border pixel.
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
    """Flip, rotate, translate, scale and resize in one pass of bilinear sampling: (N, 1, H, W) -> (N, 1, size, size).
    draws: (N, 5) in [0, 1)."""
    n = len(x)
    flip, angle, zoom, dx, dy = (draws * 2 - 1).unbind(1)  # each (N,) in [-1, 1)
    angle = angle * (how.rotate * torch.pi / 180)
    zoom = (1 + how.scale) ** zoom
    mirror = torch.where(flip < 0, -1.0, 1.0) if how.flip else torch.ones_like(flip)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # The map takes output to input coordinates, both in [-1, 1]: a shift by s of the side is 2 s there.
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
    """Random contrast about each image's mean and random brightness. draws: (N, 2) in [0, 1); amount: see Recipe."""
    contrast, brightness = (draws * 2 - 1).to(x.device)[:, :, None, None, None].unbind(1)  # each (N, 1, 1, 1)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (1 + amount * contrast) + mean + amount * brightness


def random_erasing(x: Tensor, share: float, draws: Tensor) -> Tensor:
    """Fill a rectangle of 2 to 20 % of the area with noise in a share of the images (Zhong et al. 2020). draws: (N, 6)
    in [0, 1)."""
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
    """Simulate wrong camera exposure in a share of the images, half of them too bright and half too dark.

    x (N, 1, H, W), (pixels in 0..1 - mean) / std; draws (N, 2) in [0, 1). Too bright: 1 to 1.8 times the light, clipped
    at white. Too dark: a tenth to all of the light, rounded to whole 8-bit levels and scaled back to full brightness,
    so that the levels in between are lost.
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
    """Fixed normal noise (_NOISE,) with standard deviation 0.5."""
    return (torch.randn(_NOISE, generator=generator(0)) * 0.5).to(device)


def mixup_draw(n: int, alpha: float, seed: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Partners (n,) int64 and own shares (n,) float32 of a whole batch, drawn from Beta(alpha, alpha).

    The larger share is the image's own, so that its own label stays the likelier one. device: where the results go; the
    copy to a GPU is asynchronous.
    """
    rng = np.random.default_rng(seed)
    share = rng.beta(alpha, alpha, n)
    drawn = torch.from_numpy(rng.permutation(n)), torch.from_numpy(np.maximum(share, 1 - share).astype(np.float32))
    if device is not None and device.type == "cuda":
        return drawn[0].pin_memory().to(device, non_blocking=True), drawn[1].pin_memory().to(device, non_blocking=True)
    return drawn


def mixup(x: Tensor, target: Tensor, partner: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Blend the first len(own) images, and their targets, each with a partner (mixup, Zhang et al. 2018).

    x (M, 1, H, W); target (M, C) probabilities; partner (N,) rows of x; own (N,) shares of the first N rows. Returns
    blended images (N, 1, H, W) and targets (N, C).
    """
    n, own = len(own), own.to(x.device)
    partner = partner.to(x.device)
    return (
        torch.lerp(x[partner], x[:n], own[:, None, None, None]),
        torch.lerp(target[partner], target[:n], own[:, None]),
    )
