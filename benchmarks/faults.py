"""mien under faults: processes killed at random moments, a full disk, damaged checkpoints; counts what was lost.

    python benchmarks/faults.py                                   20 kills of each kind
    python benchmarks/faults.py read cache --kills 3              the short form, as in the tests
    python benchmarks/faults.py --report results/reliability.md   writes the section "Faults" there

read: `mien read` over a folder, killed and resumed until it is done; its file must be the undisturbed one, byte by
byte. cache: `mien data info`, killed while it parses and keeps a data set; the next load must give the same arrays.
training: `mien train`, killed and resumed; the weights must be those of the undisturbed run, bit by bit. queue: a queue
of trainings, killed and started again; the same of each of its runs. disk: writing into a file system without room (a
small tmpfs, where it can be mounted), and read-only: into one that takes nothing: one line, and what was there stays.
clock: all of it while the clock jumps by years. checkpoint: a bit flipped or the end cut off; the checkpoint before it
is used, and said. history: cut off anywhere; never read to other numbers, and written anew by the run that goes on. The
exit code is 1 where anything was wrong. A report keeps the rows of the kinds that were not run.
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
PATIENCE = 1800.0  # seconds that one process may take, also beside other work
EPOCHS = 16  # of a training that is killed
NO_TRACK = ("--tracker", "none", "--threads", "1")
# Every look at the clock is years away from the one before it.
JUMPING = (
    "import random, runpy, sys, time; real, rng = time.time, random.Random(1); "
    "time.time = lambda: real() + rng.uniform(-3e8, 3e8); time.time_ns = lambda: int(time.time() * 1e9); "
    "sys.argv[0] = 'mien'; runpy.run_module('mien', run_name='__main__')"
)


@dataclass
class Outcome:
    """What a kind of fault did. wrong: a line each."""

    kind: str
    faults: int = 0
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def python(*words: str | Path, **variables: str) -> "subprocess.Popen[str]":
    """A Python process with mien, in a process group of its own."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen(
        [sys.executable, *map(str, words)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


def mien(*words: str | Path, **variables: str) -> "subprocess.Popen[str]":
    """A command of mien in a process group of its own."""
    return python("-m", "mien", *words, **variables)


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
        killed += _kill_later(process, rng.uniform(0.05, longest))
    return killed


def _kill_later(process: "subprocess.Popen[str]", seconds: float) -> bool:
    """Kill a process after so many seconds; whether it still ran."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    ran = process.poll() is None
    kill(process)
    process.wait()
    return ran


def one_line(outcome: Outcome, what: str, code: int, output: str) -> None:
    """Count a fault that must end with one line and exit code 2, or do no harm."""
    outcome.faults += 1
    # How data were read may stand before it.
    lines = [line for line in output.splitlines() if line.startswith("mien: ") and not line.startswith("mien: data: ")]
    if code not in (0, 2) or "Traceback" in output or (code == 2 and len(lines) != 1):
        outcome.wrong.append(f"{what}: exit code {code}: {output[-200:]}")


def draw_album(folder: Path, n: int) -> Path:
    """A folder of n small photographs."""
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        for i in range(n):
            photo.resize((200 + i, 200)).save(folder / f"{i:03}.jpg")
    return folder


def faults_of_read(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """`mien read` over a folder."""
    outcome = Outcome("read")
    album = draw_album(folder / "album", 120)
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
    own = {"MIEN_CACHE": str(folder / "cache")}
    expected = data.load(folder / "data", cache=False).fingerprint
    words = ["data", "info", folder / "data"]
    began = time.monotonic()
    finish(mien(*words, **own))
    seconds = time.monotonic() - began
    while outcome.faults < kills and not outcome.wrong:
        for path in (folder / "cache").iterdir():
            if path.suffix == ".faces" and not path.name.startswith("."):
                path.unlink()
        outcome.faults += kill_at_random(words, 1, seconds, rng, **own)
        _, output = finish(mien(*words, "--json", **own))
        if expected not in output:
            outcome.wrong.append("other arrays came out of the cache")
    outcome.notes.append("the next load gave the same arrays")
    return outcome


def faults_of_training(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A training, through the command line: runs that are killed four times and then left to finish."""
    from mien import data

    outcome = Outcome("training")
    data.draw_files(folder / "data", n=600, seed=0)
    options = ["--data", folder / "data", *NO_TRACK, "--accelerator", "cpu"]
    words = ["train", "nano", "--epochs", str(EPOCHS), "--teacher", "", "--runs", folder, *options, "--name"]
    began = time.monotonic()
    code, output = finish(mien(*words, "whole"))
    pause = (time.monotonic() - began) / EPOCHS
    if code:
        outcome.wrong.append(output[-200:])
        return outcome
    expected = (folder / "whole" / "weights.safetensors").read_bytes()
    lost = runs = resumed = 0
    while outcome.faults < kills and not outcome.wrong:
        run = folder / f"killed-{runs}"
        for attempt in range(5):
            before = _epochs(run)
            resumed += before > 0
            begun = (run / "recipe.json").is_file()
            command = ["train", "--resume", run, *options] if begun else [*words, run.name]
            if attempt == 4 or (run / "metrics.json").is_file():
                break
            # Anywhere: while it starts, or as long after an epoch that its history has as an epoch takes.
            rows = rng.choice([0, *range(before, EPOCHS)])
            outcome.faults += _kill_after(mien(*command), run / "history.csv", rows, rng.uniform(0.05, pause))
            lost += max(0, before - _epochs(run))
        code, output = (0, "") if (run / "metrics.json").is_file() else finish(mien(*command))
        if code or lost:
            outcome.wrong.append(f"exit code {code}, {lost} epochs lost: {output[-200:]}")
        elif (run / "weights.safetensors").read_bytes() != expected:
            outcome.wrong.append("the resumed run has other weights")
        runs += 1
    outcome.notes.append(
        f"{runs} runs, {resumed} times on from a checkpoint; epochs lost beyond the last checkpoint: {lost}; weights "
        "equal bit by bit"
    )
    return outcome


def _kill_after(process: "subprocess.Popen[str]", history: Path, rows: int, seconds: float) -> bool:
    """Kill a training so many seconds after its history has so many epochs; whether it still ran."""
    while rows and process.poll() is None:
        if history.exists() and history.read_bytes().count(b"\n") > rows:
            break
        time.sleep(0.01)
    return _kill_later(process, seconds)


def _epochs(run: Path) -> int:
    from mien.training import checkpoint

    return int(checkpoint.load(run)["state"]["epoch"]) if checkpoint.exists(run) else 0


QUEUE = """
import sys
from pathlib import Path
from mien.training.queue import run_queue
from mien.training.study import StudyRun
runs, data = Path(sys.argv[1]), Path(sys.argv[2])
changes = {"epochs": 2, "teacher": ""}
planned = [StudyRun("a", "trial", "nano", changes, seed, runs / f"nano-{seed}") for seed in (1, 2)]
run_queue(planned, data, ["--tracker", "none", "--threads", "1", "--accelerator", "cpu"], 2)
"""


def faults_of_queue(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A queue of two trainings at a time: the queue killed alone, or with its trainings."""
    from mien import data

    outcome = Outcome("queue")
    data.draw_files(folder / "data", n=200, seed=0)

    def queue(runs: Path) -> "subprocess.Popen[str]":
        return python("-c", QUEUE, runs, folder / "data")

    began = time.monotonic()
    code, output = finish(queue(folder / "whole"))
    seconds = time.monotonic() - began
    if code:
        outcome.wrong.append(output[-200:])
    queues = left = 0
    while outcome.faults < kills and not outcome.wrong:
        runs = folder / f"killed-{queues}"
        for _ in range(4):
            process = queue(runs)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=rng.uniform(0.05, seconds))
            outcome.faults += process.poll() is None
            trainings = _trainings_in(runs)
            kill(process)
            process.wait()
            if rng.random() < 0.5:
                for training in trainings:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(training, signal.SIGKILL)
            else:
                left += len(trainings)
        code, output = finish(queue(runs))
        for seed in (1, 2):
            name = f"nano-{seed}/weights.safetensors"
            if code or (runs / name).read_bytes() != (folder / "whole" / name).read_bytes():
                outcome.wrong.append(f"exit code {code}, {name} is another one: {output[-200:]}")
        queues += 1
    outcome.notes.append(
        f"{queues} queues of 2 trainings, weights equal bit by bit; {left} trainings went on without their "
        "queue and were waited for"
    )
    return outcome


def _trainings_in(runs: Path) -> list[int]:
    """The processes that train into a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if b"train" in words and any(word.startswith(os.fsencode(runs)) for word in words):
                found.append(int(entry.name))
    return found


def writing_commands(album: Path, data: Path, target: Path) -> dict[str, list[str | Path]]:
    """Commands that write, with their outputs in `target`."""
    read: list[str | Path] = ["read", album, "--model", "nano", "--quiet", "-o"]
    return {
        **{kind: [*read, target / f"out.{kind}"] for kind in ("csv", "jsonl", "json", "parquet")},
        "draw": ["data", "draw", target / "drawn", "--n", "30"],
        "pack": ["data", "pack", data, "-o", target / "faces.npz"],
        "crop": ["data", "crop", album, "-o", target / "faces"],
        "audit": ["data", "audit", data, "-o", target / "audit"],
        "page": ["page", "-o", target / "site"],
        "train": [
            "train",
            "nano",
            "--teacher",
            "",
            "--epochs",
            "1",
            "--data",
            data,
            "--runs",
            target / "runs",
            *NO_TRACK,
        ],
        "annotate": ["read", album, "--model", "nano", "--quiet", "--annotate", target / "annotated"],
    }


def _data_and_album(folder: Path, n: int = 150) -> tuple[Path, Path]:
    from mien import data

    data.draw_files(folder / "data", n=n, seed=0)
    return draw_album(folder / "album", 12), folder / "data"


def faults_of_disk(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A file system without room."""
    outcome = Outcome("disk")
    album, data = _data_and_album(folder)
    with small_disk(folder / "disk") as disk:
        if disk is None:
            outcome.notes.append("not tried: no tmpfs can be mounted here")
            return outcome
        (disk / "kept").write_bytes(b"x" * 800_000)
        for what, words in writing_commands(album, data, disk).items():
            free = rng.choice((0, 2048, 8192))
            filler = disk / "filler"
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            os.truncate(filler, max(0, filler.stat().st_size - free))
            one_line(outcome, what, *finish(mien(*words, TMPDIR=str(disk), MIEN_CACHE=str(disk / "cache"))))
            filler.unlink()
            for path in disk.iterdir():
                if path.name != "kept":
                    subprocess.run(["rm", "-rf", str(path)], check=False)
        if (disk / "kept").read_bytes() != b"x" * 800_000:
            outcome.wrong.append("what was there is another one")
    outcome.notes.append("one line each: " + ", ".join(writing_commands(album, data, folder)))
    return outcome


def faults_of_readonly(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A file system that takes nothing: root may write into any other folder."""
    outcome = Outcome("read-only")
    album, data = _data_and_album(folder)
    with small_disk(folder / "disk", read_only=True) as disk:
        if disk is None:
            outcome.notes.append("not tried: no tmpfs can be mounted here")
            return outcome
        for what, words in writing_commands(album, data, disk).items():
            code, output = finish(mien(*words, MIEN_CACHE=str(disk / "cache")))
            one_line(outcome, what, code, output)
            if code != 2:
                outcome.wrong.append(f"{what}: exit code {code}")
        code, output = finish(mien("data", "info", data, MIEN_CACHE=str(disk / "cache")))
        outcome.faults += 1
        if code:
            outcome.wrong.append(f"a cache that cannot be written: exit code {code}")
    outcome.notes.append("one line each; a cache that cannot be written does no harm")
    return outcome


@contextlib.contextmanager
def small_disk(place: Path, read_only: bool = False) -> Iterator[Path | None]:
    """A file system of a megabyte, None where none can be mounted."""
    place.mkdir()
    options = "size=1m,ro" if read_only else "size=1m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "mien", place], capture_output=True)
    try:
        yield place if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", place], check=False)


def faults_of_clock(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """A clock that jumps by up to ten years at every look at it."""
    outcome = Outcome("clock")
    album, data = _data_and_album(folder)
    train = ["train", "nano", "--teacher", "", "--epochs", "2", "--data", data, *NO_TRACK, "--accelerator", "cpu"]
    read = ["read", album, "--model", "nano", "--quiet"]
    for name, start in (("steady", ("-m", "mien")), ("jumping", ("-c", JUMPING))):
        own = {"MIEN_CACHE": str(folder / f"cache-{name}")}
        for words in ([*train, "--runs", folder / name, "--name", "run"], [*read, "-o", folder / name / "out.csv"],
                      ["data", "info", data], ["data", "info", data]):  # fmt: skip
            code, output = finish(python(*start, *words, **own))
            outcome.faults += name == "jumping"
            if code:
                outcome.wrong.append(f"{words[0]}: exit code {code}: {output[-200:]}")
    for file in () if outcome.wrong else ("run/weights.safetensors", "out.csv"):
        if (folder / "steady" / file).read_bytes() != (folder / "jumping" / file).read_bytes():
            outcome.wrong.append(f"{file} is another one")
    outcome.notes.append("train, read and the cache twice; weights and rows equal byte by byte")
    return outcome


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


def faults_of_history(folder: Path, kills: int, rng: random.Random) -> Outcome:
    """Histories that are cut off anywhere."""
    from mien.errors import MienError
    from mien.evaluation import history

    outcome, path = Outcome("history"), folder / "history.csv"
    rows = [dict.fromkeys(history.COLUMNS, 0.0) | {"epoch": i + 1, "seconds": rng.random()} for i in range(20)]
    history.write(rows, path)
    whole, expected = path.read_bytes(), history.read(path)
    refused = 0
    for _ in range(10 * kills):
        path.write_bytes(whole[: rng.randrange(len(whole))])
        outcome.faults += 1
        try:
            if history.read(path) != expected[: len(history.read(path))]:
                outcome.wrong.append("a cut history was read to other numbers")
        except MienError:
            refused += 1
    outcome.notes.append(f"{refused} refused in one line, the others cut between two rows")
    return outcome


KINDS = {
    "read": faults_of_read, "cache": faults_of_cache, "training": faults_of_training, "queue": faults_of_queue,
    "disk": faults_of_disk, "read-only": faults_of_readonly, "clock": faults_of_clock,
    "checkpoint": faults_of_checkpoint, "history": faults_of_history,
}  # fmt: skip


def describe(outcomes: list[Outcome], before: str = "") -> str:
    """The section of results/reliability.md. before: a report whose rows stay where their kinds were not run."""
    section = before.partition("\n## Faults\n")[2].partition("\n## ")[0]
    rows = {match[1]: match[0] for match in re.finditer(r"^\| ([a-z-]+) \| \d.*$", section, re.MULTILINE)}
    for outcome in outcomes:
        rows[outcome.kind] = (
            f"| {outcome.kind} | {outcome.faults} | {len(outcome.wrong)} | {'; '.join(outcome.notes)} |"
        )
    head = ["## Faults", "", "`python benchmarks/faults.py`: SIGKILL at random moments, and other faults.", "",
            "| kind | faults | wrong | |", "|---|--:|--:|---|"]  # fmt: skip
    return "\n".join([*head, *(rows[kind] for kind in KINDS if kind in rows)]) + "\n"


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
    text = describe(outcomes, args.report.read_text() if args.report and args.report.exists() else "")
    if args.report:
        sys.path.insert(0, str(Path(__file__).parent))
        from serve_hostile import write_section

        write_section(args.report, text)
    else:
        print(re.sub(r"\n+$", "", text))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
