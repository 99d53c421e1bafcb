"""Random generators seeded by a few integers, such as (seed, epoch, step)."""

import numpy as np
import torch


def mix_seeds(*parts: int) -> int:
    """One 63-bit seed from several integers; trailing zeros make no difference."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_dropout(seed: int, device: torch.device) -> None:
    """Seed the device's default generator, which dropout uses. torch.manual_seed is not used because without a GPU it
    stores a stack trace per accelerator at every call."""
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def generator(*parts: int) -> torch.Generator:
    """A generator seeded by several integers, such as seed, epoch and step."""
    return torch.Generator().manual_seed(mix_seeds(*parts))
