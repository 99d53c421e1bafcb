"""Random states made of small numbers, such as (seed, epoch, step)."""

import numpy as np
import torch


def mix_seeds(*parts: int) -> int:
    """One 63-bit seed out of several small numbers; zeros at their end make no difference."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_dropout(seed: int, device: torch.device) -> None:
    """Seed the random state that dropout draws from: that of the device alone. torch.manual_seed does more: without a
    GPU it notes a stack trace for each kind of accelerator at every call, for later, and keeps them all."""
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def generator(*parts: int) -> torch.Generator:
    """A generator seeded by several numbers, such as seed, epoch and step."""
    return torch.Generator().manual_seed(mix_seeds(*parts))
