"""What 3x3 convolutions reach on this processor, forward and backward, in float32 and in bfloat16, in one run.

    python benchmarks/convolutions.py [--threads 1] [--rounds 8]

Prints GFLOP/s (best of the rounds, which alternate between the two) for the shapes that networks on 48x48 faces are
made of, against a large matrix product in the same precision: the peak that can be had here.
"""

import argparse
import time

import mien.training  # noqa: F401  sets the allocator up as a training does

import torch  # isort: skip

SHAPES = [
    (1, 32, 48),
    (32, 32, 48),
    (32, 64, 24),
    (64, 64, 24),
    (64, 128, 12),
    (128, 128, 12),
    (128, 128, 6),
    (256, 256, 6),
]
BATCH = 64


def convolution(c_in: int, c_out: int, side: int, kind: torch.dtype) -> tuple[float, float]:
    """GFLOP/s of one forward and one backward pass over a batch."""
    layer = torch.nn.Conv2d(c_in, c_out, 3, padding=1).to(kind).to(memory_format=torch.channels_last)
    x, g = (
        torch.randn(BATCH, c, side, side).to(kind).contiguous(memory_format=torch.channels_last) for c in (c_in, c_out)
    )
    x.requires_grad_(c_in > 1)
    mac = BATCH * c_in * c_out * 9 * side * side
    start = time.perf_counter()
    y = layer(x)
    middle = time.perf_counter()
    y.backward(g)
    end = time.perf_counter()
    return 2 * mac / (middle - start) / 1e9, (4 if c_in > 1 else 2) * mac / (end - middle) / 1e9


def product(kind: torch.dtype, n: int = 1536) -> float:
    a = torch.randn(n, n).to(kind)
    start = time.perf_counter()
    a @ a
    return 2 * n**3 / (time.perf_counter() - start) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    print(f"{args.threads} threads, batch {BATCH}, channels last, best of {args.rounds}; GFLOP/s forward / backward")
    print("| channels, side | float32 | bfloat16 |\n|---|--:|--:|")
    for shape in SHAPES:
        best = dict.fromkeys(kinds, (0.0, 0.0))
        for _ in range(args.rounds):
            for name, kind in kinds.items():
                best[name] = tuple(map(max, best[name], convolution(*shape, kind)))  # type: ignore[assignment]
        cells = [f"{best[name][0]:.0f} / {best[name][1]:.0f}" for name in kinds]
        print(f"| {shape[0]} to {shape[1]}, {shape[2]} | {' | '.join(cells)} |")
    peaks = {name: max(product(kind) for _ in range(args.rounds)) for name, kind in kinds.items()}
    print(f"| matrix product | {' | '.join(f'{peaks[name]:.0f}' for name in kinds)} |")


if __name__ == "__main__":
    main()
