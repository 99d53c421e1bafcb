"""Blocks that several networks are built of: convolutions with their norm, and branches that are added."""

from torch import Tensor, nn

from mien.training.conv3x3 import Conv3x3
from mien.training.layers import Sequential


def relu() -> nn.ReLU:
    """ReLU in place."""
    return nn.ReLU(inplace=True)


def conv_bn(c_in: int, c_out: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the side of a map, or halves it where stride is 2, and its norm."""
    plain = side == 3 and stride == 1
    own = Conv3x3(c_in, c_out, bias=False) if plain else None
    return [own or nn.Conv2d(c_in, c_out, side, stride, side // 2, bias=False), nn.BatchNorm2d(c_out)]


def conv_bn_relu(c_in: int, c_out: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution, its batch norm and ReLU: (N, c_in, H, W) -> (N, c_out, H / stride, W / stride)."""
    return [*conv_bn(c_in, c_out, side, stride), relu()]


class Residual(nn.Module):
    """x, or a shortcut of it where the shape changes, + a branch of x (He et al. 2016). The branch begins small, so
    that a fresh network is a shallow one."""

    def __init__(self, *branch: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.branch = Sequential(*branch)
        self.shortcut = shortcut
        last = branch[-1]
        assert isinstance(last, nn.BatchNorm2d)
        nn.init.constant_(last.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the branch and the shortcut added, after ReLU."""
        return nn.functional.relu(self.branch(x) + (x if self.shortcut is None else self.shortcut(x)), inplace=True)
