"""Network architectures: the study's seven, champion, broad and nano. Ensemble members are in members.py.

Input (N, 1, 48, 48) float, output (N, classes) logits. Convolutions are 3x3 with padding 1 and pools 2x2 unless stated
otherwise, so feature maps have sides 48, 24, 12 and 6. A network is a function that returns an `nn.Sequential`;
`@network` registers it in `NETWORKS` under the function's name.

The study applies ReLU before max pooling; here it comes after: relu(max(x)) = max(relu(x)), with the same gradients and
a quarter of the work. ReLUs are in-place, which saves a pass over memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from mien.errors import MienError
from mien.training.blocks import Residual, conv_bn, conv_bn_relu, relu
from mien.training.conv3x3 import Conv3x3
from mien.training.dropout import DropKind, Dropout, drop
from mien.training.layers import Sequential
from mien.training.members import MEMBERS
from mien.training.recipes import OWN, Head, Recipe


@dataclass(frozen=True)
class Network:
    """An entry of `NETWORKS`: the build function, and the group its runs are tracked under."""

    build: Callable[..., nn.Sequential]
    group: str


NETWORKS: dict[str, Network] = {}


def network(group: str) -> Callable[[Callable[..., nn.Sequential]], Callable[..., nn.Sequential]]:
    """Decorator: register a network in `NETWORKS` under its function's name."""

    def register(build: Callable[..., nn.Sequential]) -> Callable[..., nn.Sequential]:
        NETWORKS[build.__name__] = Network(build, group)
        return build

    return register


def build(
    name: str,
    classes: int = 7,
    *,
    conv_drop: float = 0.25,
    fc_drop: float = 0.5,
    drop_kind: DropKind = "element",
    batch_norm: bool | None = None,
    head: Head | None = None,
) -> nn.Sequential:
    """Build a network by name, with freshly initialized weights (from torch's global random state).

    conv_drop, fc_drop: dropout probability after a pool and before the last layer, 0..1, in networks with dropout.
    drop_kind: "channel" drops whole feature maps (Dropout2d; Tompson et al. 2015), "element" single values.
    batch_norm, head: see Recipe; None: the network's default. Raises MienError for an unknown name.
    """
    if name not in NETWORKS:
        raise MienError(f"no network '{name}'; there are {', '.join(NETWORKS)}", parameter="network")
    own_norm, own_head = OWN[name]
    return NETWORKS[name].build(
        classes=classes, conv_drop=conv_drop, fc_drop=fc_drop, drop_kind=drop_kind,
        batch_norm=own_norm if batch_norm is None else batch_norm, head=head or own_head,
    )  # fmt: skip


def build_from(recipe: Recipe, classes: int) -> nn.Sequential:
    """Build the network of a recipe, with freshly initialized weights."""
    return build(
        recipe.network, classes, conv_drop=recipe.conv_drop, fc_drop=recipe.fc_drop, drop_kind=recipe.drop_kind,
        batch_norm=recipe.batch_norm, head=recipe.head,
    )  # fmt: skip


def parameters(model: nn.Module) -> int:
    """The number of parameters."""
    return sum(p.numel() for p in model.parameters())


conv = Conv3x3


def pool_head(head: Head, channels: int, side: int) -> tuple[list[nn.Module], int]:
    """Layers from feature maps (N, channels, side, side) to features (N, F), and F."""
    if head == "dense":
        return [nn.Flatten()], channels * side * side
    pool = nn.AdaptiveAvgPool2d(1) if head == "global_avg" else nn.AdaptiveMaxPool2d(1)
    return [pool, nn.Flatten()], channels


@network("normal-cnn")
def normal(classes: int, **_: Any) -> nn.Sequential:
    """Three convolutions; no activation between the two last layers."""
    return Sequential(
        conv(1, 32), nn.MaxPool2d(2), relu(),  # 32 x 24 x 24
        conv(32, 64), nn.MaxPool2d(2), relu(),  # 64 x 12 x 12
        conv(64, 128), nn.MaxPool2d(2), relu(),  # 128 x 6 x 6
        nn.Flatten(), nn.Linear(4608, 128), nn.Linear(128, classes),
    )  # fmt: skip


@network("baseline-cnn")
def baseline(classes: int, **_: Any) -> nn.Sequential:
    """Two narrow convolutions: nearly all parameters are in the first fully connected layer."""
    return Sequential(
        conv(1, 16), nn.MaxPool2d(2), relu(),  # 16 x 24 x 24
        conv(16, 32), nn.MaxPool2d(2), relu(),  # 32 x 12 x 12
        nn.Flatten(), nn.Linear(4608, 128), relu(), nn.Linear(128, classes),
    )  # fmt: skip


@network("deep-cnn")
def deep(
    classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, batch_norm: bool, head: Head
) -> nn.Sequential:
    """Four convolutions and 4.7 million parameters after them: it overfits."""

    def norm(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels)] if batch_norm else []

    def dropped() -> list[nn.Module]:
        return [drop(conv_drop, drop_kind)] if conv_drop else []

    ending, numbers = pool_head(head, 128, 12)
    return Sequential(
        conv(1, 32), *norm(32), relu(), conv(32, 64), *norm(64), nn.MaxPool2d(2), relu(), *dropped(),  # 64 x 24 x 24
        conv(64, 128), *norm(128), relu(),
        conv(128, 128), *norm(128), nn.MaxPool2d(2), relu(), *dropped(),  # 128 x 12 x 12
        *ending, nn.Linear(numbers, 256), relu(), *([Dropout(fc_drop)] if fc_drop else []), nn.Linear(256, classes),
    )  # fmt: skip


@network("dropout-cnn")
def dropout(classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, **_: Any) -> nn.Sequential:
    """A wider baseline, with dropout after the last pool and before the last layer."""
    return Sequential(
        conv(1, 32), nn.MaxPool2d(2), relu(),  # 32 x 24 x 24
        conv(32, 64), nn.MaxPool2d(2), relu(), drop(conv_drop, drop_kind),  # 64 x 12 x 12
        nn.Flatten(), nn.Linear(9216, 128), relu(), Dropout(fc_drop), nn.Linear(128, classes),
    )  # fmt: skip


@network("dropout-cnn")
def dropout_heavy(classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, **_: Any) -> nn.Sequential:
    """`dropout` with dropout after each pool."""
    return Sequential(
        conv(1, 32), nn.MaxPool2d(2), relu(), drop(conv_drop, drop_kind),  # 32 x 24 x 24
        conv(32, 64), nn.MaxPool2d(2), relu(), drop(conv_drop, drop_kind),  # 64 x 12 x 12
        nn.Flatten(), nn.Linear(9216, 128), relu(), Dropout(fc_drop), nn.Linear(128, classes),
    )  # fmt: skip


@network("globalpool-cnn")
def globalpool(classes: int, fc_drop: float, **_: Any) -> nn.Sequential:
    """Five convolutions and global max pooling: the deep network without its large fully connected layer."""
    return Sequential(
        conv(1, 32), relu(), conv(32, 64), nn.MaxPool2d(2), relu(),  # 64 x 24 x 24
        conv(64, 128), relu(), conv(128, 128), nn.MaxPool2d(2), relu(),  # 128 x 12 x 12
        conv(128, 256), nn.AdaptiveMaxPool2d(1), relu(),  # 256
        nn.Flatten(), nn.Linear(256, 128), relu(), Dropout(fc_drop), nn.Linear(128, classes),
    )  # fmt: skip


@network("hybrid-cnn")
def hybrid(
    classes: int, conv_drop: float, fc_drop: float, drop_kind: DropKind, batch_norm: bool, head: Head
) -> nn.Sequential:
    """Batch norm, dropout and global average pooling together: the study's best network."""

    def norm(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels)] if batch_norm else []

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        return [
            conv(c_in, c_out), *norm(c_out), relu(),
            conv(c_out, c_out), *norm(c_out),
            nn.MaxPool2d(2), relu(), drop(conv_drop, drop_kind),
        ]  # fmt: skip

    ending, numbers = pool_head(head, 128, 6)
    return Sequential(
        *block(1, 32),  # 32 x 24 x 24
        *block(32, 64),  # 64 x 12 x 12
        *block(64, 128),  # 128 x 6 x 6
        *ending, nn.Linear(numbers, 128), relu(), Dropout(fc_drop), nn.Linear(128, classes),
    )  # fmt: skip


def conv_bn_pool_relu(c_in: int, c_out: int) -> list[nn.Module]:
    """3x3 convolution, batch norm, max pooling and ReLU: (N, c_in, H, W) -> (N, c_out, H / 2, W / 2)."""
    return [*conv_bn(c_in, c_out), nn.MaxPool2d(2), relu()]


def residual(channels: int, inner: int) -> Residual:
    """Residual block of two 3x3 convolutions with `inner` channels between them: (N, channels, H, W), same out."""
    return Residual(*conv_bn_relu(channels, inner), *conv_bn(inner, channels))


def separable(c_in: int, c_out: int) -> list[nn.Module]:
    """Depthwise separable convolution (Howard et al. 2017): 3x3 depthwise, then 1x1 pointwise, with no ReLU after
    it."""
    return [
        nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False), nn.BatchNorm2d(c_in), relu(),
        nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out),
    ]  # fmt: skip


@network("champion-cnn")
def champion(classes: int, fc_drop: float, **_: Any) -> nn.Sequential:
    """Wide at low resolution, where a CPU is fast; two residual blocks, then global average pooling and the
    classifier."""
    return _champion(classes, fc_drop, 32, 64, 128, 256, width=32)


@network("champion-cnn")
def broad(classes: int, fc_drop: float, **_: Any) -> nn.Sequential:
    """The champion at twice the width: three times the work. Trained on a GPU, as a teacher for the others."""
    return _champion(classes, fc_drop, 64, 128, 192, 320, width=64)


def _champion(classes: int, fc_drop: float, a: int, b: int, c: int, d: int, width: int) -> nn.Sequential:
    """a, b, c, d: channels between the two convolutions of the stages with side 48, 24, 12 and 6. width: output
    channels of the first stage."""
    w = width
    return Sequential(
        *conv_bn_relu(1, a), *conv_bn_pool_relu(a, w),  # 32 x 24 x 24 for width 32
        *conv_bn_relu(w, b), *conv_bn_pool_relu(b, 2 * w),  # 64 x 12 x 12
        *conv_bn_relu(2 * w, 4 * w), residual(4 * w, c), nn.MaxPool2d(2),  # 128 x 6 x 6
        *conv_bn_relu(4 * w, 8 * w), residual(8 * w, d), nn.AdaptiveAvgPool2d(1), nn.Flatten(),  # 256
        Dropout(fc_drop), nn.Linear(8 * w, classes),
    )  # fmt: skip


@network("nano-cnn")
def nano(classes: int, fc_drop: float, **_: Any) -> nn.Sequential:
    """Under 100 kB: full convolutions while maps are large and few, separable ones once they are small and many."""

    def residual_conv(channels: int) -> Residual:
        return Residual(*conv_bn(channels, channels))

    return Sequential(
        # 16 x 24 x 24; batch norm is cheaper after the pool
        conv(1, 16, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(16), relu(),
        residual_conv(16), residual_conv(16), residual_conv(16),
        *conv_bn_pool_relu(16, 48),  # 48 x 12 x 12
        residual_conv(48), residual_conv(48), nn.MaxPool2d(2),  # 48 x 6 x 6
        *separable(48, 96), relu(), Residual(*separable(96, 96)), Residual(*separable(96, 96)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(fc_drop), nn.Linear(96, classes),  # 96
    )  # fmt: skip


NETWORKS |= {name: Network(build, f"{name}-cnn") for name, build in MEMBERS.items()}
