"""A network as its own teacher: what it said of each training picture an epoch ago."""

import torch
from torch import Tensor


class Opinions:
    """What the network said of each training picture when it last saw it, to be part of its next target (progressive
    self-knowledge distillation, Kim et al. 2021): the more it has learned, the less a wrong label is learned by heart."""

    def __init__(self, state: dict[str, Tensor] | None, n: int, classes: int) -> None:
        self.last = torch.zeros(n, classes)  # of the epoch before; a row of zeros: none yet
        self.now = torch.zeros(n, classes)
        if state is not None:
            self.last.copy_(state["last"])
            self.now.copy_(state["now"])

    def state(self) -> dict[str, Tensor]:
        return {"last": self.last, "now": self.now}

    def into(self, target: Tensor, rows: Tensor, share: float) -> Tensor:
        """Targets (M, C) with a share of the opinions on the pictures at `rows`, where there are any."""
        own = self.last[rows].to(target.device)
        return target + share * (own - own.sum(dim=1, keepdim=True) * target)

    def note(self, rows: Tensor, logits: Tensor) -> None:
        self.now[rows] = logits.detach().float().softmax(dim=1).cpu()

    def turn(self) -> None:
        """An epoch is over."""
        self.last, self.now = self.now, torch.zeros_like(self.now)
