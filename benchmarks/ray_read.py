"""`mien read --engine ray` on a local cluster of two CPUs, one worker killed on the way, beside `--threads 2`.

    python benchmarks/ray_read.py --report results/benchmarks/ray.md
    python benchmarks/ray_read.py --n 400                            a short form, printed

Draws small pictures of faces (500 faces by mien, each in other light and frames), reads them with Ray and kills one of
its workers with SIGKILL once a third is done, then reads them with two threads, and compares the rows. The exit code is
1 where a row is missing, doubled or another.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as parquet
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FACES = 500  # drawn; more pictures are variants of them


@dataclass
class Reading:
    """One pass over the pictures: seconds of the whole command, and workers that were killed."""

    seconds: float
    killed: int = 0


def draw_pictures(folder: Path, n: int) -> None:
    """n JPEG files of 72 x 72 pixels, each another."""
    from mien import data
    from mien.labels import EMOTIONS

    rng = np.random.default_rng(0)
    faces = [data.draw_face(EMOTIONS[i % 7], seed=i, size=64) for i in range(min(FACES, n))]
    for i in range(n):
        picture = np.full((72, 72), rng.integers(0, 256), np.uint8)
        top, left = rng.integers(0, 9, 2)
        light = rng.uniform(0.6, 1.2)
        picture[top : top + 64, left : left + 64] = np.clip(faces[i % len(faces)] * light, 0, 255)
        Image.fromarray(picture).save(folder / f"{i:06}.jpg", quality=85)


def read(album: Path, output: Path, model: str, *words: str, kill_after: float = 0.0) -> Reading:
    """Read the album; kill_after: the share of its blocks after which one worker of Ray is killed."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "mien", "read", str(album), "-o", str(output), "--threads", "2", "--quiet"]
    blocks = len(os.listdir(album)) / 64
    began = time.monotonic()
    job = subprocess.Popen([*command, "--model", model, *words], env={**os.environ, "PYTHONPATH": path})
    killed = 0
    try:
        while job.poll() is None:
            time.sleep(0.2)
            if kill_after and not killed and len(list(output.glob("block-*"))) > kill_after * blocks:
                for process in psutil.Process(job.pid).children(recursive=True):
                    if not killed and "MapWorker" in " ".join(process.cmdline()):
                        os.kill(process.pid, signal.SIGKILL)
                        killed = process.pid
    finally:
        job.kill()
        job.wait()
    if job.returncode not in (0, 1):
        raise SystemExit(f"mien read ended with exit code {job.returncode}")
    return Reading(time.monotonic() - began, int(killed > 0))


def compare(folder: Path, n: int, readings: dict[str, Reading]) -> tuple[str, bool]:
    """The report, and whether all rows are the same."""
    local, ray = (parquet.read_table(folder / name) for name in ("local.parquet", "ray.parquet"))
    sources = ray.column("source").to_pylist()
    rows = {*zip(sources, ray.column("face").to_pylist(), strict=True)}
    lost, doubled = n - len(set(sources)), len(sources) - len(rows)
    equal = ray.replace_schema_metadata().equals(local.replace_schema_metadata())
    lines = [
        "# Ray beside two threads", "",
        f"`python benchmarks/ray_read.py`: {n:,} drawn pictures of 72 x 72 pixels, model nano, a local cluster of two "
        f"CPUs; {os.cpu_count()} cores, which other work shared.", "",
        "| engine | workers killed | seconds | pictures a second |", "|---|--:|--:|--:|",
        *(f"| {name} | {r.killed} | {r.seconds:,.0f} | {n / r.seconds:,.1f} |" for name, r in readings.items()), "",
        "Seconds are those of the whole command; starting a cluster takes ten to thirty of Ray's.", "",
        f"- Pictures that Ray lost: {lost}; rows that it doubled: {doubled}.",
        f"- Its {len(sources):,} rows are {'equal to' if equal else 'NOT those of'} the local engine's, in its order.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n", equal and not lost and not doubled


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000, help="pictures (default: 20000)")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--report", type=Path, metavar="FILE.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-ray-") as name:
        folder = Path(name)
        (folder / "album").mkdir()
        draw_pictures(folder / "album", args.n)
        readings = {
            "--engine ray --threads 2": read(
                folder / "album", folder / "ray.parquet", args.model, "--engine", "ray", kill_after=1 / 3
            ),
            "--threads 2": read(folder / "album", folder / "local.parquet", args.model),
        }
        text, sound = compare(folder, args.n, readings)
    print(text)
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(text)
    return 0 if sound and readings["--engine ray --threads 2"].killed else 1


if __name__ == "__main__":
    sys.exit(main())
