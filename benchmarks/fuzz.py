"""mien under damaged files: pictures, csv files, models, run folders and films, each mutated from sound ones.

    python benchmarks/fuzz.py                                    100,000 pictures, 50,000 csv, 5,000 models, ...
    python benchmarks/fuzz.py pictures films --share 0.01        a hundredth of two kinds
    python benchmarks/fuzz.py --report results/reliability.md    writes the section "Damaged files" there
    python benchmarks/fuzz.py --keep tests/corpus                keeps each input that failed, as KIND-DIGEST.bin

A process of its own works through the inputs of a kind, all of which come from a seed. Counted are what was read, what
was refused with mien's one line, and what must not be: another exception, a process that died, an input that took
more than 5 s, and memory that grows by more than a tenth and 50 MB over the last half. The exit code is 1 where there
is any of those. What once failed lies in tests/corpus and is tried by the tests.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import platform
import random
import shutil
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien.errors import MienError

ROOT = Path(__file__).resolve().parents[1]
COUNTS = {"pictures": 100_000, "csv": 50_000, "models": 5_000, "runs": 2_000, "films": 1_000}
LONGEST = 5.0  # seconds that one input may take
MAX_PIXELS = 4_000_000
SETTLED = 50 << 20  # bytes that memory may grow by over the last half
RUN_FILES = ("recipe.json", "history.csv", "metrics.json", "predictions-validation.csv")
HEADS = (
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"RIFF",
    b"P6 9 9 255\n",
    b"\0\0\0\x20ftyp",
)


@dataclass
class Outcome:
    """What became of the inputs of a kind. faults: a line each. memory: of the process in bytes, at each tenth."""

    kind: str
    tried: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    seconds: float = 0.0
    memory: list[int] = field(default_factory=list)

    @property
    def grew(self) -> bool:
        """Whether memory grew over the last half, by more than a tenth and SETTLED."""
        if len(self.memory) < 4:
            return False
        middle, end = self.memory[len(self.memory) // 2], self.memory[-1]
        return end - middle > max(SETTLED, middle / 10)


def mutate(whole: bytes, rng: random.Random) -> bytes:
    """The bytes of a file with one or several things wrong in it."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 8, 40))):
        if not data:
            break
        at = rng.randrange(min(len(data), rng.choice((32, 128, 1024, len(data)))))
        change = rng.random()
        if change < 0.3:
            data[at] ^= 1 << rng.randrange(8)
        elif change < 0.5:
            data[at] = rng.choice((0, 1, 10, 32, 34, 127, 128, 255, rng.randrange(256)))
        elif change < 0.6:
            del data[at : at + rng.randrange(1, 64)]
        elif change < 0.7:
            data[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif change < 0.8:
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((0, 1, 2**16, 2**31, 2**32 - 1)))
        elif change < 0.9:
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + rng.randrange(1, 256)]
        else:
            del data[at:]
    return bytes(data)


@lru_cache
def seeds(kind: str) -> list[bytes]:
    """Sound files of a kind, small."""
    return {"pictures": _pictures, "csv": _csv, "models": _models, "runs": _runs, "films": _films}[kind]()


def _pictures() -> list[bytes]:
    photo = Image.open(ROOT / "src/mien/inference/sample/astronaut.jpg").convert("RGB").resize((72, 64))
    sixteen = Image.fromarray(np.asarray(photo.convert("L"), np.uint16) * 250)
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (photo, "JPEG", {}), (photo, "JPEG", {"progressive": True}), (photo, "PNG", {}), (photo, "GIF", {}),
        (photo, "WEBP", {}), (photo, "WEBP", {"lossless": True}), (photo, "TIFF", {}), (photo, "BMP", {}),
        (photo, "TIFF", {"compression": "tiff_lzw"}), (photo, "TIFF", {"compression": "jpeg"}), (photo, "PPM", {}),
        (photo, "ICO", {}), (photo, "JPEG2000", {}), (photo, "AVIF", {}), (photo, "MPO", {}), (sixteen, "PNG", {}),
        (sixteen, "TIFF", {}), (photo.convert("P"), "PNG", {}), (photo.convert("CMYK"), "JPEG", {}),
    ]  # fmt: skip
    files = []
    for image, kind, options in kinds:
        file = io.BytesIO()
        try:
            image.save(file, kind, **options)
        except (KeyError, OSError):  # a build of Pillow without this format
            continue
        files.append(file.getvalue())
    return files


def _csv() -> list[bytes]:
    rng = np.random.default_rng(0)
    rows = [" ".join(map(str, row)) for row in rng.integers(0, 256, (3, 2304))]
    return [
        ("emotion,pixels,Usage\n" + "".join(f"{i},{row},Training\n" for i, row in enumerate(rows))).encode(),
        ("emotion,pixels\r\n" + "".join(f'{i},"{row}"\r\n' for i, row in enumerate(rows))).encode(),
        ("pixels\n" + "".join(f"{row}\n" for row in rows)).encode(),
        ("label;pixels\n" + "".join(f"happy;[{row.replace(' ', ', ')}]\n" for row in rows[:2])).encode(),
    ]


def _models() -> list[bytes]:
    """The smallest shipped model, as it is, and without its check sum, so that damage reaches what lies behind it."""
    from mien.inference import checksum

    whole = (ROOT / "src/mien/inference/weights/nano.onnx").read_bytes()
    plain = checksum._split(whole)[0]
    return [whole, plain, plain, plain]


def _runs() -> list[bytes]:
    """The files of a run, and its weights, as one JSON text each of name and content."""
    folder = ROOT / "results/champion/runs/hybrid-1"
    files = {name: (folder / name).read_bytes() for name in RUN_FILES if (folder / name).is_file()}
    return [name.encode() + b"\0" + content for name, content in files.items()]


def _films() -> list[bytes]:
    import av

    files = []
    for suffix, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mjpeg"),
                          ("ts", "mpeg2video"), ("mov", "mpeg4")):  # fmt: skip
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / f"film.{suffix}"
            with av.open(str(path), "w") as container:
                stream: Any = container.add_stream(codec, rate=25)
                stream.width, stream.height = 96, 64
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                for i in range(12):
                    pixels = np.full((64, 96, 3), 20 * i, np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
                container.mux(stream.encode(None))
            files.append(path.read_bytes())
    return files


def make(kind: str, number: int, seed: int) -> bytes:
    """The input of that number: always the same."""
    rng = random.Random(f"{kind} {seed} {number}")
    if kind in ("pictures", "films") and rng.random() < 0.02:
        return rng.choice(HEADS) + rng.randbytes(rng.randrange(400))
    whole = rng.choice(seeds(kind))
    if kind != "runs":
        return mutate(whole, rng)
    name, _, content = whole.partition(b"\0")
    changed = _mutate_json(content, rng) if name.endswith(b".json") and rng.random() < 0.6 else mutate(content, rng)
    return name + b"\0" + changed


ODD = (None, True, -1, 0, 1e308, float("nan"), 2**70, "", "\x1b[31m", "x" * 3000, [], {}, [[[]]], {"a": None})


def _mutate_json(content: bytes, rng: random.Random) -> bytes:
    """A JSON text with a value of another type, or without a key, somewhere in it."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        node = value
        while True:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.7:
                node = node[key]
                continue
            if isinstance(node, dict) and rng.random() < 0.3:
                del node[key]
            else:
                node[key] = rng.choice(ODD)
            break
    return json.dumps(value).encode()


def attempt(kind: str, content: bytes, scratch: Path) -> None:
    """Do with an input what mien does with such files. Raises MienError where it is refused."""
    {"pictures": _try_picture, "csv": _try_csv, "models": _try_model, "runs": _try_run, "films": _try_film}[kind](
        content, scratch
    )


@lru_cache
def _reader() -> Any:
    from mien.inference.reader import Reader

    return Reader("nano", max_pixels=MAX_PIXELS)


def _try_picture(content: bytes, scratch: Path) -> None:
    from mien.data.image import open_picture

    image = open_picture(content, MAX_PIXELS)
    if content[-1] % 16 == 0:  # finding faces takes twenty times as long
        _reader().read(image)


def _try_csv(content: bytes, scratch: Path) -> None:
    from mien.data import load

    path = scratch / "train.csv"
    path.write_bytes(content)
    dataset = load(path, cache=False)
    assert dataset.images.shape == (len(dataset.labels), 48, 48)
    assert dataset.fingerprint


def _try_model(content: bytes, scratch: Path) -> None:
    from mien.inference.model import open_model

    path = scratch / "model.onnx"
    path.write_bytes(content)
    probabilities = open_model(path).classify(np.zeros((2, 48, 48), np.uint8))
    assert np.isfinite(probabilities).all()


def _try_run(content: bytes, scratch: Path) -> None:
    """A run folder with one odd file: the Studies tab shows it, reports and commands read it or refuse it."""
    from mien.evaluation import history, report
    from mien.server import compare, runs
    from mien.training.run import load_run

    root = scratch / "runs"
    folder = root / "odd"
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True)
    for whole in seeds("runs"):
        name, _, text = whole.partition(b"\0")
        for place in (folder, root / "sound"):
            place.mkdir(exist_ok=True)
            (place / name.decode()).write_bytes(text)
    name, _, text = content.partition(b"\0")
    (folder / name.decode()).write_bytes(text)
    json.dumps(runs.plain(runs.summaries(root)), allow_nan=False)
    json.dumps(runs.plain(runs.detail(root, "odd")), allow_nan=False)
    refused: list[MienError] = []
    for use in (
        lambda: compare.compare_runs(root, ["sound", "odd"]),
        lambda: load_run(folder).metrics(),
        lambda: history.read(folder / "history.csv"),
        lambda: report.study_row(folder),
        lambda: _html(folder),
    ):
        try:
            use()
        except MienError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _html(folder: Path) -> str:
    from mien.evaluation.html_report import render
    from mien.evaluation.subjects import read_subjects

    return render(read_subjects([str(folder)]))


def _try_film(content: bytes, scratch: Path) -> None:
    from mien.inference.video import open_video, read_frames

    path = scratch / "film.mp4"
    path.write_bytes(content)
    with open_video(str(path), MAX_PIXELS) as video:
        for number, (frame, _) in enumerate(read_frames(video)):
            assert frame.image.width > 0
            if number > 100:
                break


def _work(kind: str, numbers: range, seed: int, pipe: Any) -> None:
    """In a process of its own: try inputs, tell the number of each before it and its end after it."""
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # ffmpeg and libtiff speak for themselves
    with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as scratch:
        for whole in seeds(kind):  # sound ones are read; and all that is imported at first use is there
            attempt(kind, whole, Path(scratch))
        for number in numbers:
            content = make(kind, number, seed)
            pipe.send(("begin", number, _memory()))
            try:
                attempt(kind, content, Path(scratch))
                pipe.send(("end", number, "read", ""))
            except MienError as error:
                fault = "a refusal of several lines" if "\n" in str(error) else ""
                pipe.send(("end", number, "refused", fault))
            except Exception as error:
                pipe.send(("end", number, "fault", f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"))


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fuzz(kind: str, count: int, seed: int, keep: Path | None = None, say: Callable[[str], None] = print) -> Outcome:
    """Try `count` inputs of a kind. A process that dies or hangs is replaced, and goes on behind the input."""
    outcome = Outcome(kind)
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    next_number = 0

    def blame(number: int, what: str) -> None:
        outcome.faults.append(f"{kind} {number}: {what}")
        say(outcome.faults[-1])
        if keep:
            content = make(kind, number, seed)
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}.bin").write_bytes(content)

    while next_number < count:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(kind, range(next_number, count), seed, there), daemon=True)
        process.start()
        there.close()
        try:
            next_number = _follow(here, process, outcome, next_number, count, blame)
        finally:
            process.kill()
            process.join(10)
            here.close()
    outcome.seconds = time.monotonic() - began
    return outcome


def _follow(
    pipe: Any, process: Any, outcome: Outcome, first: int, count: int, blame: Callable[[int, str], None]
) -> int:
    """Listen to a process until it is done, dies or hangs. Returns the number of the next input."""
    number, since, every = first - 1, 0.0, max(1, count // 10)
    while True:
        limit = LONGEST - (time.monotonic() - since) if since else 120.0  # it starts first
        try:
            message = pipe.recv() if pipe.poll(max(limit, 0)) else None
        except EOFError:
            if number == count - 1 and not since:
                return count
            process.join(10)
            outcome.ends["died"] += 1
            outcome.tried += 1
            blame(max(number, first), f"the process died ({process.exitcode})")
            return max(number, first) + 1
        if message is None:
            outcome.ends["hung"] += 1
            outcome.tried += 1
            blame(max(number, first), f"more than {LONGEST:g} s")
            return max(number, first) + 1
        if message[0] == "begin":
            _, number, memory = message
            since = time.monotonic()
            if number % every == 0:
                outcome.memory.append(memory)
            continue
        _, number, end, fault = message
        outcome.slowest = max(outcome.slowest, time.monotonic() - since)
        since = 0.0
        outcome.ends[end] += 1
        outcome.tried += 1
        if fault:
            blame(number, fault)
        if number == count - 1:
            return count


def describe(outcomes: list[Outcome], seed: int) -> str:
    """The section of results/reliability.md."""
    lines = [
        "## Damaged files", "",
        f"`python benchmarks/fuzz.py --seed {seed}`: files mutated from sound ones; one process a kind, "
        f"{platform.machine()}, Python {platform.python_version()}.", "",
        "| kind | tried | read | refused in one line | other exceptions | died | over 5 s | slowest | memory, MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]  # fmt: skip
    for outcome in outcomes:
        ends = outcome.ends
        memory = ", ".join(f"{size / 1e6:,.0f}" for size in outcome.memory)
        lines.append(
            f"| {outcome.kind} | {outcome.tried:,} | {ends['read']:,} | {ends['refused']:,} | {ends['fault']:,} | "
            f"{ends['died']:,} | {ends['hung']:,} | {outcome.slowest:.2f} s | {memory} |"
        )
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    lines += ["", *(f"- {fault}" for fault in faults[:20])]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(COUNTS)} (default: all)")
    parser.add_argument("--share", type=float, default=1.0, help="of the counts (default 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep inputs that failed there")
    parser.add_argument("--report", type=Path, metavar="FILE", help="a Markdown file whose section is written")
    args = parser.parse_args()
    outcomes = []
    for kind in args.kinds or COUNTS:
        if kind not in COUNTS:
            parser.error(f"no kind '{kind}'; there are {', '.join(COUNTS)}")
        outcome = fuzz(kind, max(1, round(COUNTS[kind] * args.share)), args.seed, args.keep)
        outcomes.append(outcome)
        print(
            f"{kind}: {outcome.tried:,} tried in {outcome.seconds:,.0f} s, {dict(outcome.ends)}, slowest "
            f"{outcome.slowest:.2f} s{', memory grew' if outcome.grew else ''}", flush=True,
        )  # fmt: skip
    text = describe(outcomes, args.seed)
    print(text)
    if args.report:
        sys.path.insert(0, str(Path(__file__).parent))
        from serve_hostile import write_section

        write_section(args.report, text)
    return 1 if any(outcome.faults or outcome.grew for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
