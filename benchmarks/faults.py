"""mien under faults: processes killed at random moments, a full disk, damaged checkpoints; counts what was lost.

    python benchmarks/faults.py                                   20 kills of each kind
    python benchmarks/faults.py read cache --kills 3              the short form, as in the tests
    python benchmarks/faults.py --report results/reliability.md   writes the section "Faults" there

read: `mien read` over a folder, killed and resumed until it is done; its file must be the undisturbed one, byte by
byte. cache: `mien data info`, killed while it parses and keeps a data set; the next load must give the same arrays.
training: `mien train`, killed and resumed; the weights must be those of the undisturbed run, bit by bit. disk: writing
into a file system without room (a small tmpfs, where it can be mounted): one line, and what was there stays.
checkpoint: a bit flipped or the end cut off; the checkpoint before it is used, and said. The exit code is 1 where
anything was wrong.
"""

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "src/mien/inference/sample/astronaut.jpg"
PATIENCE = 300.0  # seconds that one process may take


@dataclass
class Outcome:
    """What a kind of fault did. wrong: a line each."""

    kind: str
    faults: int = 0
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def mien(*words: str | Path, **variables: str) -> "subprocess.Popen[str]":
    """A command of mien in a process group of its own."""
    command = [sys.executable, "-m", "mien", *map(str, words)]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and output; the process is killed after PATIENCE."""
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        kill(process)
    return process.returncode, output


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to all of a process group that is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill_at_random(
    words: Sequence[str | Path], kills: int, longest: float, rng: random.Random, **variables: str
) -> int:
    """Start a command and kill it, `kills` times; returns how many were killed before they were done."""
    killed = 0
    for _ in range(kills):
        process = mien(*words, **variables)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=rng.uniform(0.05, longest))
        killed += process.poll() is None
        kill(process)
        process.communicate()
    return killed


def faults_of_read(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """`mien read` over a folder."""
    outcome = Outcome("read")
    album = folder / "album"
    album.mkdir()
    for i in range(120):
        Image.open(PHOTO).resize((200 + i, 200)).save(album / f"{i:03}.jpg")
    words = ["read", album, "--model", "nano", "--batch", "1", "--quiet", "-o"]
    began = time.monotonic()
    code, output = finish(mien(*words, folder / "whole.csv"))
    seconds = time.monotonic() - began
    if code:
        outcome.wrong.append(output[-200:])
    resume = [*words, folder / "killed.csv", "--resume"]
    files = 0
    while not outcome.wrong and outcome.faults < kills:
        for _ in range(4):
            outcome.faults += kill_at_random(resume, 1, seconds, rng)
        code, output = finish(mien(*resume))
        if code or (folder / "killed.csv").read_bytes() != (folder / "whole.csv").read_bytes():
            outcome.wrong.append(f"the resumed file is another one (exit code {code})")
        (folder / "killed.csv").unlink()
        files += 1
    outcome.notes.append(f"{files} files of 120 pictures, in which nothing was lost or doubled")
    return outcome


def faults_of_cache(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """The cache of parsed data sets."""
    from mien import data

    outcome = Outcome("cache")
    data.draw_files(folder / "data", n=2000, seed=0)
    os.environ["MIEN_CACHE"] = str(folder / "cache")
    expected = data.load(folder / "data", cache=False).fingerprint
    words = ["data", "info", folder / "data"]
    began = time.monotonic()
    finish(mien(*words))
    seconds = time.monotonic() - began
    for _ in range(kills):
        for path in (folder / "cache").iterdir():
            if path.suffix == ".faces" and not path.name.startswith("."):
                path.unlink()
        outcome.faults += kill_at_random(words, 1, seconds, rng)
        if data.load(folder / "data").fingerprint != expected:
            outcome.wrong.append("other arrays came out of the cache")
    return outcome


def faults_of_training(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A training, through the command line."""
    from mien import data

    outcome = Outcome("training")
    data.draw_files(folder / "data", n=600, seed=0)
    options = ["--data", folder / "data", "--threads", "1", "--tracker", "none", "--accelerator", "cpu"]
    words = ["train", "nano", "--epochs", "6", "--teacher", "", "--runs", folder, *options, "--name"]
    began = time.monotonic()
    code, output = finish(mien(*words, "whole"))
    seconds = time.monotonic() - began
    if code:
        outcome.wrong.append(output[-200:])
        return outcome
    lost = 0
    run = folder / "killed"
    for _ in range(kills):
        if (run / "metrics.json").is_file():
            break
        before = _epochs(run)
        begun = (run / "recipe.json").is_file()
        again = ["train", "--resume", run, *options] if begun else [*words, "killed"]
        outcome.faults += kill_at_random(again, 1, seconds, rng)
        lost += max(0, before - _epochs(run))
    code, output = finish(mien("train", "--resume", run, *options) if run.exists() else mien(*words, "killed"))
    if code or lost:
        outcome.wrong.append(f"exit code {code}, {lost} epochs lost: {output[-200:]}")
    elif (run / "weights.safetensors").read_bytes() != (folder / "whole" / "weights.safetensors").read_bytes():
        outcome.wrong.append("the resumed run has other weights")
    outcome.notes.append(f"epochs lost beyond the last checkpoint: {lost}; weights equal bit by bit")
    return outcome


def _epochs(run: Path) -> int:
    from mien.training import checkpoint

    return int(checkpoint.load(run)["state"]["epoch"]) if checkpoint.exists(run) else 0


def faults_of_disk(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A file system without room."""
    outcome = Outcome("disk")
    with _small_disk(folder / "disk") as disk:
        if disk is None:
            outcome.notes.append("not tried: no tmpfs can be mounted here")
            return outcome
        (disk / "filler").write_bytes(b"x" * 800_000)
        album = folder / "album"
        album.mkdir()
        for i in range(40):
            Image.open(PHOTO).resize((200 + i, 200)).save(album / f"{i:03}.jpg")
        for kind in ("csv", "jsonl", "json", "parquet"):
            free = rng.choice((0, 2048, 8192))
            filler = disk / f"filler-{kind}"
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            os.truncate(filler, max(0, filler.stat().st_size - free))
            code, output = finish(mien("read", album, "--model", "nano", "--quiet", "-o", disk / f"out.{kind}"))
            outcome.faults += 1
            if code not in (0, 2) or "Traceback" in output or (code == 2 and output.count("\n") > 1):
                outcome.wrong.append(f"{kind}: exit code {code}: {output[-200:]}")
            filler.unlink()
    return outcome


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "mien", place], capture_output=True)
    try:
        yield place if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", place], check=False)


def faults_of_checkpoint(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """Damaged checkpoints."""
    import torch

    from mien.errors import MienWarning
    from mien.training import checkpoint

    outcome = Outcome("checkpoint")
    for step in (1, 2):
        checkpoint.save(folder, {"format": 2, "step": step, "weights": torch.full((20_000,), float(step))})
    whole = (folder / checkpoint.NAME).read_bytes()
    for number in range(10 * kills):
        damaged = bytearray(whole)
        if number % 2:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        (folder / checkpoint.NAME).write_bytes(damaged)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            step = checkpoint.load(folder)["step"]
        outcome.faults += 1
        if step != 1 or not any(issubclass(each.category, MienWarning) for each in said):
            outcome.wrong.append(f"damage {number} went unnoticed")
    outcome.notes.append("each time the one before was used, and said")
    return outcome


KINDS = {
    "read": faults_of_read, "cache": faults_of_cache, "training": faults_of_training, "disk": faults_of_disk,
    "checkpoint": faults_of_checkpoint,
}  # fmt: skip


def describe(outcomes: list[Outcome]) -> str:
    """The section of results/reliability.md."""
    lines = ["## Faults", "", "`python benchmarks/faults.py`: SIGKILL at random moments, and other faults.", "",
             "| kind | faults | wrong | |", "|---|--:|--:|---|"]  # fmt: skip
    for outcome in outcomes:
        lines.append(f"| {outcome.kind} | {outcome.faults} | {len(outcome.wrong)} | {'; '.join(outcome.notes)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (default: all)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, metavar="FILE", help="a Markdown file whose section is written")
    args = parser.parse_args()
    outcomes = []
    for kind in args.kinds or KINDS:
        if kind not in KINDS:
            parser.error(f"no kind '{kind}'; there are {', '.join(KINDS)}")
        with tempfile.TemporaryDirectory(prefix="mien-faults-") as folder:
            outcome = KINDS[kind](Path(folder), args.kills, random.Random(f"{kind} {args.seed}"))
        outcomes.append(outcome)
        print(f"{kind}: {outcome.faults} faults, {outcome.wrong or 'nothing wrong'}", flush=True)
    text = describe(outcomes)
    if args.report:
        sys.path.insert(0, str(Path(__file__).parent))
        from serve_hostile import write_section

        write_section(args.report, text)
    else:
        print(re.sub(r"\n+$", "", text))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
