"""Ensemble members of four families: VGG, ResNet, Inception, RepVGG.

An ensemble gains from the disagreement of its members, so these are chosen to err on other faces than the champion and
than each other. Each follows its family at the size of FER2013's faces: at most five million parameters, batch norm
after every convolution, and dropout after every stage (Khaireddin & Chen 2021). Input (N, 1, 48, 48) float, output (N,
classes) logits; feature maps have sides 48, 24, 12 and 6.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mien.training.blocks import Residual, conv_bn, conv_bn_relu, relu
from mien.training.dropout import DropKind, Dropout, drop
from mien.training.layers import Sequential


def vgg(classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, **_: Any) -> nn.Sequential:
    """Pairs of 3x3 convolutions, each pair followed by a pool, and a hidden layer of 512 (Simonyan & Zisserman 2015;
    narrowed for FER2013 by Khaireddin & Chen 2021). A third of the parameters come after the last pool."""

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        return [
            *conv_bn_relu(c_in, c_out), *conv_bn(c_out, c_out), nn.MaxPool2d(2), relu(),
            drop(conv_drop, drop_kind),
        ]  # fmt: skip

    return Sequential(
        *block(1, 64), *block(64, 128), *block(128, 256), *block(256, 256),  # 256 x 3 x 3
        nn.Flatten(), nn.Linear(2304, 512), relu(), Dropout(fc_drop), nn.Linear(512, classes),
    )  # fmt: skip


def resnet(classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, **_: Any) -> nn.Sequential:
    """ResNet-18 (He et al. 2016) for small images: a 3x3 convolution instead of the stem and its pool, three quarters
    of the width, and a narrow last stage."""

    def stage(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
        return [basic_block(c_in, c_out, stride), basic_block(c_out, c_out), drop(conv_drop, drop_kind)]

    return Sequential(
        *conv_bn_relu(1, 48), *stage(48, 48, 1), *stage(48, 96, 2), *stage(96, 192, 2), *stage(192, 192, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(fc_drop), nn.Linear(192, classes),
    )  # fmt: skip


def inception(classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, **_: Any) -> nn.Sequential:
    """Parallel branches with several kernel sizes, batch norm after each convolution (Szegedy et al. 2015, 2016)."""

    def pool() -> list[nn.Module]:
        return [nn.MaxPool2d(2), drop(conv_drop, drop_kind)]

    return Sequential(
        *conv_bn_relu(1, 32), *conv_bn_relu(32, 64), *pool(),  # 64 x 24 x 24
        Inception(64, 128), Inception(128, 192), *pool(),  # 192 x 12 x 12
        Inception(192, 320), Inception(320, 320), Inception(320, 320), *pool(),  # 320 x 6 x 6
        Inception(320, 512), Inception(512, 512), Inception(512, 512), drop(conv_drop, drop_kind),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(fc_drop), nn.Linear(512, classes),
    )  # fmt: skip


def repvgg(classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, **_: Any) -> nn.Sequential:
    """A plain stack of convolutions, each with parallel 1x1 and identity branches in training (Ding et al. 2021). The
    model file keeps the branches separate, so that it can be trained further."""

    def stage(c_in: int, c_out: int, blocks: int) -> list[nn.Module]:
        rest = [RepBlock(c_out, c_out) for _ in range(blocks - 1)]
        return [RepBlock(c_in, c_out, stride=2), *rest, drop(conv_drop, drop_kind)]

    return Sequential(
        RepBlock(1, 48), RepBlock(48, 48), drop(conv_drop, drop_kind),  # 48 x 48 x 48
        *stage(48, 96, 4), *stage(96, 192, 5), *stage(192, 320, 2),  # 320 x 6 x 6
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(fc_drop), nn.Linear(320, classes),
    )  # fmt: skip


MEMBERS: dict[str, Callable[..., nn.Sequential]] = {build.__name__: build for build in (vgg, resnet, inception, repvgg)}


def basic_block(c_in: int, c_out: int, stride: int = 1) -> Residual:
    """Residual block of two 3x3 convolutions, with a 1x1 convolution as shortcut where the shape changes (He et al.
    2016)."""
    branch = [*conv_bn_relu(c_in, c_out, stride=stride), *conv_bn(c_out, c_out)]
    same = c_in == c_out and stride == 1
    return Residual(*branch, shortcut=None if same else Sequential(*conv_bn(c_in, c_out, 1, stride)))


class Inception(nn.Module):
    """Inception block (Szegedy et al. 2016): a 1x1 convolution, a 3x3 one, two 3x3 ones, and a pool, in parallel."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        quarter, eighth = c_out // 4, c_out // 8
        self.point = Sequential(*conv_bn_relu(c_in, quarter, 1))
        self.middle = Sequential(*conv_bn_relu(c_in, 3 * eighth, 1), *conv_bn_relu(3 * eighth, 2 * quarter))
        self.wide = Sequential(
            *conv_bn_relu(c_in, eighth, 1), *conv_bn_relu(eighth, eighth), *conv_bn_relu(eighth, eighth)
        )
        self.pooled = Sequential(nn.MaxPool2d(3, 1, 1), *conv_bn_relu(c_in, eighth, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> the four branches concatenated, (N, c_out, H, W)."""
        return torch.cat([self.point(x), self.middle(x), self.wide(x), self.pooled(x)], dim=1)


class RepBlock(nn.Module):
    """RepVGG block (Ding et al. 2021): the sum of a 3x3 convolution, a 1x1 one and, where the shape stays, the
    identity, each with batch norm."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.wide = Sequential(*conv_bn(c_in, c_out, stride=stride))
        self.point = Sequential(*conv_bn(c_in, c_out, 1, stride))
        self.same = nn.BatchNorm2d(c_out) if c_in == c_out and stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the sum of the branches, after ReLU."""
        y = self.wide(x) + self.point(x)
        return nn.functional.relu(y if self.same is None else y + self.same(x), inplace=True)
