"""Cost against size: seconds and memory of loading, an epoch of training, reading, auditing and serving.

    python benchmarks/scaling.py -o results/benchmarks                            all of it, up to a million faces
    python benchmarks/scaling.py -o results/benchmarks --what load train --largest 100000

Each point is a process of its own. Up to a million faces for loading and training, to 100,000 for the others; what lies
beyond --largest or takes over --limit seconds by the points before it is not run, and is drawn as an extrapolation and
marked. An epoch of more images than --epoch-images is timed over its first 30 steps, which is marked too. Points of
earlier runs stay in scaling.json, so that it can be made piece by piece.

The faces are 2,000 drawn by mien, each in many variants (shifted, mirrored, in other light and noise), so that no two
are the same. Memory is the peak of what a process has for itself, less what it had after its imports; pages of a mapped
file, which the system takes back when it likes, are counted apart.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
SIZES = {
    "load packed": 1_000_000, "load csv": 1_000_000, "train": 1_000_000, "read": 100_000, "audit": 100_000,
    "serve": 100_000,
}  # fmt: skip
DRAWN = 2000
STEPS = 30  # of a training whose whole epoch would be too long
PIXELS = 48 * 48
LABELS = {
    "load packed": "load, packed", "load csv": "load, csv", "train": "one epoch (nano)", "read": "mien read (nano)",
    "audit": "mien data audit", "serve": "requests to mien serve",
}  # fmt: skip


def variants(n: int) -> Iterator[NDArray[np.uint8]]:
    """n faces (M, 48, 48) uint8 in pieces, no two the same."""
    from mien import data

    faces = data.draw(min(n, DRAWN), seed=0).images
    rng = np.random.default_rng(0)
    yield faces
    for start in range(len(faces), n, DRAWN):
        piece = np.roll(faces, rng.integers(-3, 4, 2), axis=(1, 2)).astype(np.float32)
        if rng.random() < 0.5:
            piece = piece[:, :, ::-1]
        piece = piece * rng.uniform(0.7, 1.2) + rng.uniform(-20, 20) + rng.integers(-6, 7, piece.shape, np.int8)
        yield piece.clip(0, 255).astype(np.uint8)[: n - start]


def make_packed(folder: Path, n: int) -> Path:
    """The faces as one packed file."""
    from mien.data import pack
    from mien.data.dataset import USAGES, Dataset
    from mien.data.synthetic.generate import _labels

    path = folder / f"faces-{n}.npz"
    if path.exists():
        return path
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (n, 48, 48))
    start = 0
    for piece in variants(n):
        images[start : start + len(piece)] = piece
        start += len(piece)
    labels = np.tile(_labels(DRAWN, 0), -(-n // DRAWN))[:n]
    held_out = max(50, min(n // 10, 5000))
    usage = np.repeat(np.array(USAGES), [n - 2 * held_out, held_out, held_out])
    pack(Dataset(images, labels, usage, drawn=True), path)
    (folder / "images.npy").unlink()
    return path


def make_csv(folder: Path, n: int) -> Path:
    """The faces as text, in the layout of fer2013.csv."""
    from mien import data

    path = folder / f"faces-{n}.csv"
    if not path.exists():
        dataset = data.load(make_packed(folder, n))
        with path.open("w") as file:
            file.write("emotion,pixels,Usage\n")
            for image, label, usage in zip(dataset.images, dataset.labels, dataset.usage, strict=True):
                file.write(f"{label},{' '.join(map(str, image.ravel().tolist()))},{usage}\n")
    return path


def make_album(folder: Path, n: int) -> Path:
    """The faces as PNG files."""
    from PIL import Image

    from mien import data

    album = folder / f"album-{n}"
    if not album.exists():
        album.mkdir()
        for i, image in enumerate(data.load(make_packed(folder, n)).images):
            Image.fromarray(np.pad(image, 12, mode="edge")).save(album / f"{i:06}.png", compress_level=1)
    return album


class Memory:
    """The peak of this process's memory, looked at every 20 ms: its own, and mapped files. In MB."""

    def __init__(self) -> None:
        self.own = self.mapped = 0.0
        self.base = self.now()[0]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @staticmethod
    def now(process: int | str = "self") -> tuple[float, float]:
        status = Path(f"/proc/{process}/status").read_text()
        own, mapped = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("RssAnon", "RssFile"))  # type: ignore[index]
        return own, mapped

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            own, mapped = self.now()
            self.own, self.mapped = max(self.own, own), max(self.mapped, mapped)

    def stop(self) -> dict[str, float]:
        self._stop.set()
        self._thread.join()
        return {"memory_mb": round(max(self.own - self.base, 0), 1), "mapped_mb": round(self.mapped, 1)}


@contextlib.contextmanager
def measured(result: dict[str, Any]) -> Iterator[None]:
    """Seconds and memory of a block, into `result`."""
    memory, began = Memory(), time.perf_counter()
    yield
    result["seconds"] = time.perf_counter() - began
    result |= memory.stop()


def measure_load(path: Path) -> dict[str, Any]:
    from mien import data
    from mien.data import tables  # noqa: F401  # its imports are no part of loading

    result: dict[str, Any] = {}
    with measured(result):
        dataset = data.load(path, cache=False)
    result["pixels_mb"] = len(dataset) * PIXELS / 2**20
    return result


class _Enough(Exception):
    pass


def measure_train(path: Path, epoch_images: int) -> dict[str, Any]:
    """The steps of one epoch of nano. Memory is that of splitting too."""
    import torch

    from mien import data
    from mien.training.recipes import recipe
    from mien.training.trainer import Trainer
    from mien.training.training_set import face_set, select

    torch.set_num_threads(1)
    chosen = recipe("nano", epochs=1, teacher="")
    dataset = data.load(path, cache=False)
    memory = Memory()
    chosen, parts, rows = select(chosen, dataset, 1)
    part = len(rows) > max(epoch_images, STEPS * chosen.batch_size)

    class Timed(Trainer):
        ends: list[float] = []  # noqa: RUF012  # of each step

        def _tell_step(self, step: int) -> None:
            self.ends.append(time.perf_counter())
            if part and step + 1 == STEPS:
                raise _Enough

    trainer = Timed(chosen)
    with contextlib.suppress(_Enough):
        trainer.fit(face_set(chosen, dataset, rows), face_set(chosen, dataset, parts.validation[:500]), 7)
    steps = STEPS if part else trainer.steps
    # The first step, in which torch prepares itself, counts as the others.
    seconds = (trainer.ends[-1] - trainer.ends[0]) * trainer.steps / (len(trainer.ends) - 1)
    note = f"from {STEPS} of {trainer.steps:,} steps" if part else ""
    return {"seconds": seconds, "note": note, "steps": steps, **memory.stop()}


def measure_command(words: list[str]) -> dict[str, Any]:
    """A command of mien in this process."""
    from mien.cli.main import main

    result: dict[str, Any] = {}
    with measured(result):
        code = main(words)
    if code not in (0, 1, None):
        raise SystemExit(f"exit code {code}")
    return result


def measure_serve(n: int) -> dict[str, Any]:
    """n requests by eight clients, one after the other each; the memory is the server's."""
    import asyncio
    import io

    import httpx
    from PIL import Image

    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "mien", "serve", "--model", "nano", "--port", "0"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert server.stdout is not None
    try:
        line = ""
        while not (address_in := re.search(r"http://[\d.:]+", line)):
            line = server.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
        address = address_in[0]
        file = io.BytesIO()
        Image.fromarray(np.pad(next(variants(1))[0], 12, mode="edge")).save(file, "PNG")
        base, peak = Memory.now(server.pid)[0], 0.0

        async def drive() -> None:
            nonlocal peak
            async with httpx.AsyncClient(timeout=60) as client:

                async def ask(count: int) -> None:
                    nonlocal peak
                    for _ in range(count):
                        answer = await client.post(
                            f"{address}/v1/read", content=file.getvalue(), headers={"Content-Type": "image/png"}
                        )
                        answer.raise_for_status()
                        peak = max(peak, Memory.now(server.pid)[0])

                await asyncio.gather(*(ask(n // 8) for _ in range(8)))

        began = time.perf_counter()
        asyncio.run(drive())
        return {"seconds": time.perf_counter() - began, "memory_mb": round(peak - base, 1)}
    finally:
        server.terminate()
        server.wait(20)


def measure(what: str, n: int, folder: Path, epoch_images: int) -> dict[str, Any]:
    """One point, in a process of its own."""
    command = [sys.executable, __file__, "--point", what, str(n), str(folder), "--epoch-images", str(epoch_images)]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what} {n}: {done.stderr[-600:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def point(what: str, n: int, folder: Path, epoch_images: int) -> dict[str, Any]:
    """One point, in this process."""
    read = ["read", "--model", "nano", "--quiet", "--threads", "1", "--overwrite", "-o", str(folder / "out.csv")]
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "load packed": lambda: measure_load(folder / f"faces-{n}.npz"),
        "load csv": lambda: measure_load(folder / f"faces-{n}.csv"),
        "train": lambda: measure_train(folder / f"faces-{n}.npz", epoch_images),
        "read": lambda: measure_command([*read, str(folder / f"album-{n}")]),
        "audit": lambda: measure_command(
            ["data", "audit", str(folder / f"faces-{n}.npz"), "-o", str(folder / "audit"), "--overwrite"]
        ),
        "serve": lambda: measure_serve(n),
    }
    return measures[what]()


MAKE: dict[str, Callable[[Path, int], Path]] = {"load csv": make_csv, "read": make_album}


def run(args: argparse.Namespace, points: dict[str, dict[str, dict[str, Any]]], folder: Path) -> None:
    """Measure what is asked for, into `points`: {what: {size: point}}."""
    for what in args.what:
        here = points.setdefault(what, {})
        for n in (1000, 10_000, 100_000, 1_000_000):
            if n > min(SIZES[what], args.largest):
                break
            before = here.get(str(n // 10), {}).get("seconds", 0.0)
            if 10 * before > args.limit and not (what == "train" and n > args.epoch_images):
                break
            MAKE.get(what, make_packed)(folder, n)
            make_packed(folder, n)
            here[str(n)] = measure(what, n, folder, args.epoch_images)
            print(f"{what} {n:,}: {here[str(n)]}", flush=True)
            write(args.output, points)


def extrapolated(here: dict[str, dict[str, Any]]) -> dict[int, float]:
    """Seconds at the sizes beyond those that were measured, in proportion to the largest of these."""
    sizes = sorted(map(int, here))
    last = sizes[-1]
    return {n: here[str(last)]["seconds"] * n / last for n in (10_000, 100_000, 1_000_000) if n > last}


def write(output: Path, points: dict[str, dict[str, dict[str, Any]]]) -> None:
    """scaling.json and scaling.md."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "scaling.json").write_text(json.dumps(points, indent=2) + "\n")
    lines = [
        "# Cost against size", "",
        "`python benchmarks/scaling.py -o results/benchmarks`: each point a process of its own, one thread, on two "
        "cores that other work shared: seconds differ by half from point to point, and the shape of the curves counts. "
        "Memory is the peak of what the process has for itself beyond its imports; pages of the mapped file are apart. "
        "A growth of 1 is linear: the exponent between this size and the one before. Extrapolations are in proportion; "
        "an audit compares each face with all others, so its own grow faster.", "",
        "| what | faces | seconds | a second | growth | memory, MB | of the pixels | mapped, MB | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]  # fmt: skip
    for what, here in points.items():
        before: tuple[int, float] | None = None
        for n in sorted(map(int, here)):
            p = here[str(n)]
            growth = f"{np.log(p['seconds'] / before[1]) / np.log(n / before[0]):.2f}" if before else ""
            share = f"{p['memory_mb'] / p['pixels_mb']:.2f}" if "pixels_mb" in p else ""
            mapped = f"{p['mapped_mb']:,.0f}" if "mapped_mb" in p else ""
            lines.append(
                f"| {LABELS[what]} | {n:,} | {p['seconds']:,.2f} | {n / p['seconds']:,.0f} | {growth} | "
                f"{p['memory_mb']:,.0f} | {share} | {mapped} | {p.get('note', '')} |"
            )
            before = n, p["seconds"]
        for n, seconds in extrapolated(here).items():
            lines.append(f"| {LABELS[what]} | {n:,} | {seconds:,.0f} | | | | | | extrapolated, not measured |")
    (output / "scaling.md").write_text("\n".join(lines) + "\n")


def draw(output: Path, points: dict[str, dict[str, dict[str, Any]]]) -> None:
    """scaling.png: seconds and memory against size, both axes logarithmic."""
    from mien.evaluation import style

    subtitle = "Dotted, with x: extrapolated, not measured. Open squares: an epoch by its first thirty steps."
    with style.canvas(output / "scaling.png", 11, 5.4, "Cost against size", subtitle) as figure:
        left, right = figure.subplots(1, 2)
        for number, (what, here) in enumerate(points.items()):
            sizes = sorted(map(int, here))
            color = f"C{number}"
            seconds = [here[str(n)]["seconds"] for n in sizes]
            left.plot(sizes, seconds, "o-", color=color, label=LABELS[what])
            beyond = extrapolated(here)
            if beyond:
                left.plot([sizes[-1], *beyond], [seconds[-1], *beyond.values()], ":", color=color)
                left.plot(list(beyond), list(beyond.values()), "x", color=color)
            part = [(n, here[str(n)]["seconds"]) for n in sizes if here[str(n)].get("note")]
            if part:
                left.plot(*zip(*part, strict=True), "s", color=color, markerfacecolor="white", markersize=9)
            memory = [max(here[str(n)]["memory_mb"], 1) for n in sizes]
            right.plot(sizes, memory, "o-", color=color, label=LABELS[what])
        ends = np.array([1000, 1_000_000])
        right.plot(ends, ends * PIXELS / 2**20, "--", color="gray", label="the pixels themselves")
        for axes, title in ((left, "seconds"), (right, "memory of its own at the peak, MB")):
            axes.set(xscale="log", yscale="log", xlabel="faces, pictures or requests", title=title)
            axes.grid()
        # Below the axes: inside them it hides points.
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--what", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that a point may take (default: 600)")
    parser.add_argument("--epoch-images", type=int, default=100_000, help="in an epoch that is run whole")
    parser.add_argument("--scratch", type=Path, help="where the faces are made and kept (default: made and removed)")
    parser.add_argument("--point", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        what, n, folder = args.point
        print(json.dumps(point(what, int(n), Path(folder), args.epoch_images)))
        return 0
    earlier = args.output / "scaling.json"
    points = json.loads(earlier.read_text()) if earlier.exists() else {}
    with contextlib.ExitStack() as stack:
        folder = args.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-scaling-")))
        folder.mkdir(exist_ok=True)
        run(args, points, folder)
    points = {what: points[what] for what in SIZES if points.get(what)}
    write(args.output, points)
    draw(args.output, points)
    return 0


if __name__ == "__main__":
    sys.exit(main())
