"""How fast the study's networks train on this machine: float32 with mien's kernels beside bfloat16, one thread, in
turns.

    python benchmarks/study.py [--recipes study/hybrid hybrid ...] [--rounds 4] [--steps 8]

Prints the ratio of images per second, bfloat16 over float32, for each recipe: its median and range over the rounds. The
study's queue takes the precision that is faster for most of its work; two trainings side by side with a thread each.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from lightning_fabric import Fabric

from mien.cli.allocator import keep_large_blocks
from mien.training.recipes import recipe
from mien.training.state import FaceSet
from mien.training.trainer import Trainer


class Clock:
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def on_step(self, progress: object) -> None:
        self.ticks.append(time.perf_counter())

    def on_epoch(self, row: object) -> None: ...


def seconds_a_step(name: str, precision: str, steps: int) -> float:
    chosen = recipe(name, epochs=1, bn_images=0, progressive_resizing_from=48, teacher="")
    rng = np.random.default_rng(0)
    n = chosen.batch_size * steps
    faces = FaceSet(rng.integers(0, 256, (n, 48, 48)).astype(np.uint8), rng.integers(0, 7, n))
    few = FaceSet(faces.images[:16], faces.labels[:16])
    clock = Clock()
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    Trainer(chosen, fabric).fit(faces, few, 7, callbacks=(clock,))
    return statistics.median(np.diff(clock.ticks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["study/dropout", "study/deep", "study/hybrid", "hybrid"])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.recipes:
        ratios, rate = [], 0.0
        for _ in range(args.rounds):
            full = seconds_a_step(name, "32-true", args.steps)
            half = seconds_a_step(name, "bf16-mixed", args.steps)
            ratios.append(full / half)
            rate = max(rate, recipe(name).batch_size / min(full, half))
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(
            f"{name:<20} bfloat16 is {middle:.2f} times as fast as float32 ({low:.2f} to {high:.2f}); best {rate:,.0f} "
            f"images/s"
        )


if __name__ == "__main__":
    keep_large_blocks()
    main()
