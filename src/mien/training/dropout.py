"""Element and channel dropout whose masks do not depend on the number of processes."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

DropKind = Literal["channel", "element"]


@dataclass
class Shard:
    """The rows of a global batch that this process works on: rank, rank + world_size, ... of `rows`.

    Dropout draws masks for the whole batch and takes these rows, so the mask of an image does not depend on the number
    of processes.
    """

    rank: int = 0
    world_size: int = 1
    rows: int = 0


class Dropout(nn.Dropout):
    """Element dropout at a third of nn.Dropout's cost on a CPU: one 64-bit random number decides on four values.

    p is rounded to a multiple of 1/65536. On other devices and in evaluation it is nn.Dropout.
    """

    shard: Shard | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape -> the same shape; in training, a share p of the elements is zero."""
        if not (self.training and self.p):
            return x
        shard = self.shard if self.shard is not None and self.shard.world_size > 1 else None
        dense = x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))
        if x.device.type != "cpu" or not dense or round(self.p * _OUT_OF) == _OUT_OF:
            if shard is None:
                return super().forward(x)
            mask = torch.rand((shard.rows, *x.shape[1:]), device=x.device)[shard.rank :: shard.world_size]
            return x * (mask >= self.p).to(x.dtype).mul_(1 / (1 - self.p))
        dropped = round(self.p * _OUT_OF)
        per_row = x.numel() // len(x)
        values = per_row * (shard.rows if shard else len(x))
        random = torch.empty(-(-values // 4), dtype=torch.int64).random_(-(1 << 63), None).view(torch.int16)
        if shard:
            random = random[:values].view(shard.rows, per_row)[shard.rank :: shard.world_size].contiguous().view(-1)
        keep = random.as_strided(x.shape, x.stride()) >= dropped - _OUT_OF // 2
        return x * keep.to(x.dtype).mul_(_OUT_OF / (_OUT_OF - dropped))


_OUT_OF = 1 << 16


class ChannelDropout(nn.Dropout2d):
    """Dropout of whole feature maps (Tompson et al. 2015): nn.Dropout2d, with the mask drawn for the whole batch."""

    shard: Shard | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape; in training, a share p of the channels is zero."""
        if not (self.training and self.p):
            return x
        shard = self.shard or Shard()
        rows = shard.rows if shard.world_size > 1 else len(x)
        keep = torch.rand(rows, x.shape[1], 1, 1, device=x.device)[shard.rank :: shard.world_size] >= self.p
        return x * keep.to(x.dtype).mul_(1 / (1 - self.p))


def set_shard(model: nn.Module, shard: Shard) -> None:
    """Set the shard of every dropout layer of a network."""
    for module in model.modules():
        if isinstance(module, Dropout | ChannelDropout):
            module.shard = shard


def drop(p: float, kind: DropKind) -> nn.Module:
    """A dropout layer of the given kind; p: dropout probability, 0..1."""
    return ChannelDropout(p) if kind == "channel" else Dropout(p)
