"""What 3x3 convolutions reach on this processor, forward and backward, in one run: torch's in float32 and (where the
processor has it) bfloat16, and mien's kernels in float32.

    python benchmarks/convolutions.py [--threads 1] [--rounds 8]

Prints GFLOP/s forward / backward (best of the rounds, which alternate between the kinds) for the shapes that networks
on 48x48 faces are made of, the kernels' speed over torch's float32 for both passes together, and a large matrix product
in
the same precision: the peak that can be had here. Operations are counted as the direct way needs them; Winograd's way
needs fewer, so the kernels can pass the peak.
"""

import argparse
import time

import mien.training  # noqa: F401  sets the allocator up as a training does

import torch  # isort: skip

from mien.training import conv3x3

SHAPES = [
    (32, 32, 48),
    (32, 64, 24),
    (64, 64, 24),
    (64, 128, 12),
    (128, 128, 12),
    (128, 256, 6),
    (256, 256, 6),
]
BATCH = 64


def seconds(c_in: int, c_out: int, side: int, kind: torch.dtype, kernels: bool) -> tuple[float, float]:
    """Of one forward and one backward pass over a batch."""
    layer = conv3x3.Conv3x3(c_in, c_out).to(kind).to(memory_format=torch.channels_last).train(kernels)
    x, g = (
        torch.randn(BATCH, c, side, side).to(kind).contiguous(memory_format=torch.channels_last) for c in (c_in, c_out)
    )
    x.requires_grad_()
    start = time.perf_counter()
    y = layer(x)
    middle = time.perf_counter()
    y.backward(g)
    return middle - start, time.perf_counter() - middle


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
    kinds = {"torch float32": (torch.float32, False)}
    if torch.cpu._is_avx512_bf16_supported():
        kinds["torch bfloat16"] = (torch.bfloat16, False)
    if conv3x3.library() is not None:
        kinds["mien float32"] = (torch.float32, True)
    print(f"{args.threads} threads, batch {BATCH}, channels last, best of {args.rounds}; GFLOP/s forward / backward")
    print(f"| channels, side | {' | '.join(kinds)} | mien / torch float32 |\n|---|{'--:|' * (len(kinds) + 1)}")
    for c_in, c_out, side in SHAPES:
        work = 2 * BATCH * c_in * c_out * 9 * side * side / 1e9
        best = {name: (float("inf"), float("inf")) for name in kinds}
        for _ in range(args.rounds):
            for name, kind in kinds.items():
                best[name] = tuple(map(min, best[name], seconds(c_in, c_out, side, *kind)))  # type: ignore[assignment]
        cells = [f"{work / f:.0f} / {2 * work / b:.0f}" for f, b in best.values()]
        ratio = f"{sum(best['torch float32']) / sum(best['mien float32']):.2f}x" if "mien float32" in best else "-"
        print(f"| {c_in} to {c_out}, {side} | {' | '.join(cells)} | {ratio} |", flush=True)
    peaks = [max(product(kind) for _ in range(args.rounds)) for kind, _ in kinds.values()]
    print(f"| matrix product | {' | '.join(f'{peak:.0f}' for peak in peaks)} | |")


if __name__ == "__main__":
    main()
