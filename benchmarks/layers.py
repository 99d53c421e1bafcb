"""What batch norm, max pooling and ReLU cost on this processor, forward and backward, in one run: torch's layers and
mien's kernels, float32, channels last.

    python benchmarks/layers.py [--threads 1] [--rounds 8]
    python benchmarks/layers.py --steps [--rounds 4]

Prints the time of both passes together, in milliseconds (median of the rounds, which alternate between the two), and
how many times faster the kernels are: the median of the rounds' ratios, and their range. With --steps it times whole
steps of training by recipes instead, augmentation and optimizer included, with and without these kernels (those of
convolutions are on in both), on drawn images. With one thread it is processor time that counts, which other work on the
machine disturbs less.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

from mien.cli.allocator import keep_large_blocks

keep_large_blocks()  # as `mien train` does, before torch is imported

import torch  # noqa: E402
from torch import nn  # noqa: E402

from mien.training import kernels, layers  # noqa: E402

RUNS = {
    "batch norm": lambda c: [nn.BatchNorm2d(c)],
    "batch norm, ReLU": lambda c: [nn.BatchNorm2d(c), nn.ReLU(inplace=True)],
    "batch norm, pool, ReLU": lambda c: [nn.BatchNorm2d(c), nn.MaxPool2d(2), nn.ReLU(inplace=True)],
    "pool": lambda c: [nn.MaxPool2d(2)],
    "pool, ReLU": lambda c: [nn.MaxPool2d(2), nn.ReLU(inplace=True)],
}  # fmt: skip
SHAPES = [(16, 32, 48), (16, 64, 24), (128, 32, 48), (128, 64, 24), (128, 128, 12), (128, 256, 6)]
RECIPES = ("study/dropout", "study/deep", "study/hybrid", "hybrid", "deep")
STEPS = 12


def now() -> float:
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def seconds(model: nn.Module, x: torch.Tensor) -> float:
    """Of one forward and one backward pass over a batch."""
    x = x.detach().requires_grad_()
    start = now()
    y = model(x)
    middle = now()
    g = torch.ones_like(y)
    again = now()
    y.backward(g)
    return middle - start + now() - again


def step_seconds(name: str, ours: bool) -> float:
    """Of one step by a recipe: the median of some."""
    import numpy as np
    from lightning_fabric import Fabric

    from mien.training.recipes import recipe
    from mien.training.state import FaceSet
    from mien.training.trainer import Trainer

    ticks: list[float] = []

    class Clock:
        def on_step(self, progress: object) -> None:
            ticks.append(now())

        def on_epoch(self, row: object) -> None: ...

    settings = recipe(name, epochs=1, bn_images=0, progressive_resizing_from=48)
    random = np.random.default_rng(0)
    n = settings.batch_size * STEPS
    faces = FaceSet(random.integers(0, 256, (n, 48, 48), dtype=np.uint8), random.integers(0, 7, n))
    few = FaceSet(faces.images[:16], faces.labels[:16])
    usable = layers.usable
    if not ours:
        layers.usable = lambda x: None
    try:
        Trainer(settings, Fabric(accelerator="cpu", devices=1, precision="32-true")).fit(
            faces, few, 7, callbacks=(Clock(),)
        )
    finally:
        layers.usable = usable
    return statistics.median(b - a for a, b in itertools.pairwise(ticks[1:]))


def compare(name: str, rounds: int, once: Callable[[bool], float]) -> None:
    """One row: both kinds in turns."""
    once(True), once(False)
    times = [(once(False), once(True)) for _ in range(rounds)]
    theirs, ours = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
    ratios = [a / b for a, b in times]
    spread = f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"| {name} | {theirs:.2f} | {ours:.2f} | {spread} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", action="store_true", help="whole steps of training")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if kernels.library() is None:
        parser.error("no kernels here: they need a C compiler")
    print(f"{args.threads} threads, float32, channels last, forward and backward, {args.rounds} rounds")
    if args.steps:
        print("| recipe, one step | torch's layers, ms | mien's, ms | torch / mien |\n|---|--:|--:|--:|")
        for name in RECIPES:
            compare(name, args.rounds, lambda ours, name=name: step_seconds(name, ours))  # type: ignore[misc]
        return
    print("| layers, batch x channels x side | torch, ms | mien, ms | torch / mien |\n|---|--:|--:|--:|")
    for (name, run), (n, c, side) in itertools.product(RUNS.items(), SHAPES):
        x = torch.randn(n, c, side, side).contiguous(memory_format=torch.channels_last)
        models: dict[bool, Any] = {True: layers.Sequential(*run(c)), False: nn.Sequential(*run(c))}
        compare(f"{name}, {n} x {c} x {side}", args.rounds, lambda ours, m=models, x=x: seconds(m[ours].train(), x))  # type: ignore[misc]


if __name__ == "__main__":
    main()
