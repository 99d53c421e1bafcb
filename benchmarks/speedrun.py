"""Minutes from a cold start to 65 % and 70 % on PublicTest, on the CPU at hand: mien's recipes against plain networks
of the field.

    python benchmarks/speedrun.py [--threads 2] [--rounds 2]

champion      mien's loop, recipe `champion`, at each of its picture sizes
hybrid        mien's loop, recipe `hybrid`
study/hybrid  mien's loop, the study's own recipe
resnet18      ResNet-18 with a 3x3 stem for 48x48 pictures, plain torch: SGD, batch 128, flip, float32
vgg19         VGG19 with batch norm and one linear layer, the same way

An epoch is Training's 28,709 images at the measured rate of whole steps, augmentation and bookkeeping included; images
are random, since speed does not depend on them. How many epochs a recipe needs is read from the committed histories of
mien's runs (validation accuracy of the split it was trained on); the field's two networks are timed and not trained.
GFLOP/s counts the multiplications and additions of direct convolutions, forward and backward, as torch's own counter
does; mien's kernels do the same work with fewer. The peak is a 2048 x 2048 matrix product, measured between the arms.
"""

import argparse
import contextlib
import csv
import itertools
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARMS = ("champion", "hybrid", "study/hybrid", "resnet18", "vgg19")
HISTORIES = {
    "champion": "results/champion/runs/champion-4/history.csv",
    "hybrid": "results/champion/runs/hybrid-1/history.csv",
    "study/hybrid": "results/study/runs/study-hybrid-element-1/history.csv",
}
EPOCH, STEPS, WARMUP = 28_709, 14, 4


def resnet18():  # type: ignore[no-untyped-def]
    from torch import nn

    class Block(nn.Module):
        def __init__(self, a: int, b: int, stride: int) -> None:
            super().__init__()
            self.branch = nn.Sequential(
                nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
                nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b),
            )  # fmt: skip
            same = a == b and stride == 1
            self.short = (
                nn.Identity() if same else nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
            )

        def forward(self, x):  # type: ignore[no-untyped-def]
            return nn.functional.relu(self.branch(x) + self.short(x))

    blocks: list[nn.Module] = []
    for a, b, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        blocks += [Block(a, b, stride), Block(b, b, 1)]
    return nn.Sequential(
        nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 7),
    )  # fmt: skip


def vgg19():  # type: ignore[no-untyped-def]
    from torch import nn

    layers: list[nn.Module] = []
    c_in = 1
    for c, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            layers += [nn.Conv2d(c_in, c, 3, padding=1), nn.BatchNorm2d(c), nn.ReLU()]
            c_in = c
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(512, 7))


def field(name: str) -> tuple[float, float]:
    """Images per second and GFLOP an image of a plain torch loop."""
    import torch

    model = {"resnet18": resnet18, "vgg19": vgg19}[name]()
    opt = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    ticks = [time.perf_counter()]
    for _ in range(STEPS + WARMUP):
        x, y = torch.rand(128, 1, 48, 48), torch.randint(0, 7, (128,))
        x = torch.where(torch.rand(128, 1, 1, 1) < 0.5, x, x.flip(-1))
        loss = torch.nn.functional.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        loss.item()
        ticks.append(time.perf_counter())
    return rate(ticks, 128), work(model, 48)


def mien(name: str) -> tuple[float, float]:
    """The same of mien's loop; of a recipe that begins with small pictures, the mean over its epochs."""
    import numpy as np
    from lightning_fabric import Fabric

    from mien.training import networks
    from mien.training.recipes import recipe
    from mien.training.runtime import best_precision
    from mien.training.schedules import image_size_at
    from mien.training.state import FaceSet, Progress
    from mien.training.trainer import Trainer

    r = recipe(name)
    sizes = [image_size_at(epoch, r) for epoch in range(r.epochs)]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (r.batch_size * (STEPS + WARMUP), 48, 48), dtype=np.uint8)
    labels = rng.integers(0, 7, len(images))
    target = np.full((len(labels), 7), 1 / 7) if r.teacher else None
    seconds, gflop = 0.0, 0.0
    for size in sorted(set(sizes)):
        share = sizes.count(size) / len(sizes)
        ticks = [time.perf_counter()]
        once = recipe(
            name, epochs=9, progressive_resizing_from=size
        )  # its first epoch has this size, and there it is cut off

        class Enough(Exception):
            pass

        class Clock:
            def __init__(self, ticks: list[float], enough: type) -> None:
                self.ticks, self.enough = ticks, enough

            def on_step(self, progress: Progress) -> None:
                self.ticks.append(time.perf_counter())
                if progress.step == progress.steps:
                    raise self.enough

            def on_epoch(self, row: object) -> None: ...

        fabric = Fabric(accelerator="cpu", devices=1, precision=best_precision("cpu"))  # type: ignore[arg-type]
        with contextlib.suppress(Enough):
            faces, few = FaceSet(images, labels, target), FaceSet(images[:64], labels[:64])
            Trainer(once, fabric).fit(faces, few, 7, callbacks=(Clock(ticks, Enough),))
        seconds += share / rate(ticks, r.batch_size)
        gflop += share * work(networks.build(r.network), size)
    return 1 / seconds, gflop


def rate(ticks: list[float], batch: int) -> float:
    return batch / statistics.median([b - a for a, b in itertools.pairwise(ticks)][WARMUP:])


def work(model, size: int) -> float:  # type: ignore[no-untyped-def]
    """GFLOP of one image, forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    os.environ["MIEN_KERNELS"] = "0"
    from mien.training import kernels

    kernels.library.cache_clear()
    with FlopCounterMode(display=False) as counter:
        model.train()(torch.rand(2, 1, size, size)).sum().backward()
    os.environ.pop("MIEN_KERNELS")
    kernels.library.cache_clear()
    return counter.get_total_flops() / 2 / 1e9


def peak() -> float:
    """GFLOP/s of a large matrix product in float32."""
    import torch

    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    took = []
    for _ in range(8):
        tick = time.perf_counter()
        a @ b
        took.append(time.perf_counter() - tick)
    return 2 * 2048**3 / statistics.median(took[2:]) / 1e9


def epochs_to(arm: str, accuracy: float) -> int | None:
    """The first epoch that passes an accuracy in the committed history of an arm's run; None where none does."""
    with (ROOT / HISTORIES[arm]).open() as file:
        return next((int(row["epoch"]) for row in csv.DictReader(file) if float(row["val_accuracy"]) >= accuracy), None)


def measured(arm: str, threads: int) -> list[float]:
    command = [sys.executable, __file__, "--arm", arm, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split("MEASURED")[1].split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        import torch

        torch.set_num_threads(args.threads)
        top = peak()
        per_second, gflop = field(args.arm) if args.arm in ("resnet18", "vgg19") else mien(args.arm)
        print("MEASURED", per_second, gflop, top)
        return
    found: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    for _ in range(args.rounds):
        for arm in ARMS:
            found[arm].append(measured(arm, args.threads))
    print(f"{args.threads} threads, {args.rounds} rounds A B A B; in brackets the range\n")
    print("| recipe | MFLOP an image | images/s | of the peak | minutes an epoch | minutes to 65 % | to 70 % |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for arm, rows in found.items():
        minutes = EPOCH / statistics.median(row[0] for row in rows) / 60
        cells = [
            f"{rows[0][1] * 1000:,.0f}",
            spread([row[0] for row in rows], ".0f"),
            spread([per_second * gflop / top for per_second, gflop, top in rows], ".0%"),
            f"{minutes:.1f}",
            *(needed(arm, accuracy, minutes) for accuracy in (0.65, 0.70)),
        ]
        print(f"| {arm} | {' | '.join(cells)} |")
    print()
    for arm in ARMS:
        ratios = [row[0] / base[0] for row, base in zip(found[arm], found["study/hybrid"], strict=True)]
        print(f"{arm} / study/hybrid, images per second: {spread(ratios, '.2f')}")


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def needed(arm: str, accuracy: float, minutes: float) -> str:
    """Minutes to an accuracy, at so many minutes an epoch."""
    if arm not in HISTORIES:
        return "not trained"
    epochs = epochs_to(arm, accuracy)
    return f"{minutes * epochs:.0f} ({epochs} epochs)" if epochs else "not reached"


if __name__ == "__main__":
    main()
