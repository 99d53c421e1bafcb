"""Building blocks of the networks: convolutions with batch norm, and residual branches."""

from torch import Tensor, nn

from mien.training.conv3x3 import Conv3x3
from mien.training.layers import Sequential


def relu() -> nn.ReLU:
    """In-place ReLU."""
    return nn.ReLU(inplace=True)


def conv_bn(c_in: int, c_out: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution of kernel size `side` and its batch norm: (N, c_in, H, W) -> (N, c_out, H / stride, W / stride)."""
    plain = side == 3 and stride == 1
    own = Conv3x3(c_in, c_out, bias=False) if plain else None
    return [own or nn.Conv2d(c_in, c_out, side, stride, side // 2, bias=False), nn.BatchNorm2d(c_out)]


def conv_bn_relu(c_in: int, c_out: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution, its batch norm and ReLU: (N, c_in, H, W) -> (N, c_out, H / stride, W / stride)."""
    return [*conv_bn(c_in, c_out, side, stride), relu()]


class Residual(nn.Module):
    """Residual block (He et al. 2016): x, or a shortcut of it where the shape changes, plus a branch of x. The branch
    starts with a small weight, so that a fresh network behaves like a shallow one."""

    def __init__(self, *branch: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.branch = Sequential(*branch)
        self.shortcut = shortcut
        last = branch[-1]
        assert isinstance(last, nn.BatchNorm2d)
        nn.init.constant_(last.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the sum of branch and shortcut, after ReLU."""
        return nn.functional.relu(self.branch(x) + (x if self.shortcut is None else self.shortcut(x)), inplace=True)
