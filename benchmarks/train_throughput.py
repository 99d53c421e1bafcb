"""Training throughput of the study's hybrid on a CPU: the notebook way against mien, in one run, A B A B.

    python benchmarks/train_throughput.py [--rounds 3] [--threads 2] [--profile]

notebook   a Dataset that parses each row of pixels into a PIL image, ToTensor, Normalize, DataLoader; float32, eager
mien-torch mien's loop in float32 with torch's convolutions
mien-f32   mien's loop in float32 with its own kernels
mien       mien's loop as `mien train` runs it: bfloat16 products with matrix units (AMX), else as mien-f32
mien-bf16  mien's loop with bfloat16 products
mien-compiled  the same through torch.compile (its start-up not counted)

Each arm runs in a process of its own, since mien tunes the allocator. Images are random: speed does not depend on them.
Prints images per second (median of the steps), ratios to the notebook way pair by pair, and with --profile where the
time of mien's step goes.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time

ARMS = ("notebook", "mien-torch", "mien-f32", "mien", "mien-bf16", "mien-compiled")
BATCH, STEPS, WARMUP = 64, 20, 4


def notebook(threads: int) -> float:
    """Images per second of the training loop that notebooks on this challenge use."""
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    n = BATCH * (STEPS + WARMUP)
    rows = [" ".join(map(str, row)) for row in rng.integers(0, 256, (n, 2304)).tolist()]
    labels = rng.integers(0, 7, n)

    class Faces(Dataset):
        def __len__(self) -> int:
            return n

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            pixels = np.array(rows[i].split(), dtype=np.uint8).reshape(48, 48)
            image = Image.fromarray(pixels)
            x = torch.from_numpy(np.array(image)).unsqueeze(0).to(torch.float32).div(255)  # ToTensor
            return (x - 0.5) / 0.5, int(labels[i])  # Normalize

    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(),
                nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2),
                nn.Dropout(0.25)]  # fmt: skip

    model = nn.Sequential(
        *block(1, 32), *block(32, 64), *block(64, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 7),
    )  # fmt: skip
    opt = torch.optim.Adam(model.parameters(), 3e-4, weight_decay=1e-5)
    took, tick = [], time.perf_counter()
    for x, y in DataLoader(Faces(), batch_size=BATCH, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        loss.item()
        now = time.perf_counter()
        took.append(now - tick)
        tick = now
    return BATCH / statistics.median(took[WARMUP:])


class Clock:
    """Notes when each step ends."""

    def __init__(self, ticks: list[float]) -> None:
        self.ticks = ticks

    def on_step(self, progress: object) -> None:
        self.ticks.append(time.perf_counter())

    def on_epoch(self, row: object) -> None: ...


def mien(threads: int, precision: str, compiled: bool, profile: bool) -> float:
    """Images per second of mien's own loop."""
    import numpy as np
    import torch
    from lightning_fabric import Fabric

    from mien.training.recipes import recipe
    from mien.training.runtime import best_precision
    from mien.training.state import FaceSet
    from mien.training.trainer import Trainer

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH * (STEPS + WARMUP), 48, 48), dtype=np.uint8)
    labels = rng.integers(0, 7, len(images))
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision or best_precision("cpu"))
    ticks = [time.perf_counter()]

    def run() -> None:
        trainer = Trainer(recipe("study/hybrid", epochs=1), fabric, compiled=compiled)
        trainer.fit(FaceSet(images, labels), FaceSet(images[:64], labels[:64]), 7, callbacks=(Clock(ticks),))

    if profile:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watch:
            run()
        print(watch.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=44))
    else:
        run()
    took = [b - a for a, b in itertools.pairwise(ticks)]
    return BATCH / statistics.median(took[WARMUP:])


def measure(arm: str, threads: int, profile: bool = False) -> float:
    if arm == "notebook":
        return notebook(threads)
    if arm == "mien-torch":
        os.environ["MIEN_KERNELS"] = "0"
    precision = {"mien-torch": "32-true", "mien-f32": "32-true", "mien-bf16": "bf16-mixed"}.get(arm, "")
    return mien(threads, precision, arm == "mien-compiled", profile)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print("RATE", measure(args.arm, args.threads))
        return
    if args.profile:
        measure("mien", args.threads, profile=True)
        return
    rates: dict[str, list[float]] = {arm: [] for arm in args.arms}
    for number in range(args.rounds):
        for arm in args.arms:
            command = [sys.executable, __file__, "--arm", arm, "--threads", str(args.threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rates[arm].append(float(done.stdout.split("RATE")[1]))
        print(f"round {number + 1}: " + "  ".join(f"{arm} {rates[arm][-1]:,.0f}/s" for arm in args.arms), flush=True)
    base = rates[args.arms[0]]
    for arm in args.arms[1:]:
        ratios = sorted(a / b for a, b in zip(rates[arm], base, strict=True))
        middle = statistics.median(ratios)
        print(
            f"{arm} / {args.arms[0]}: {middle:.2f}x (from {ratios[0]:.2f} to {ratios[-1]:.2f}, {args.threads} threads)"
        )


if __name__ == "__main__":
    main()
