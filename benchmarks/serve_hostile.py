"""mien's server under honest and hostile requests at once: what it answers, its memory, and how it ends.

    python benchmarks/serve_hostile.py                                     10,000 requests at 32 clients
    python benchmarks/serve_hostile.py --requests 500 --clients 8          the short form, a minute
    python benchmarks/serve_hostile.py --report results/reliability.md     writes the section "Server" there

A server is started on 127.0.0.1 with short limits of time. Each client picks its next request at random (seeded) from
MIX: honest photos, faces and forms, slow senders that do send all, headers and bodies that stop in the middle,
decompression bombs, forms of thousands of parts, broken pictures and videos, addresses that are not there. At the end
the server is told to stop (SIGTERM) while requests are on their way. The exit code is 1 where

- an answer has a status of 500 or more other than 503,
- an honest request gets anything but its right answer or 503,
- the server's memory grows by more than a tenth and 50 MB over the last half,
- a request that was begun before SIGTERM is not answered, or the server does not end within its grace.
"""

import argparse
import asyncio
import io
import json
import os
import platform
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PHOTO = (HERE.parent / "src/mien/inference/sample/astronaut.jpg").read_bytes()
PATIENCE = 60.0  # seconds that a client waits for an answer
HEADER_TIMEOUT, TIMEOUT, DECODE_TIMEOUT = 2.0, 10.0, 2.0


@dataclass
class Outcome:
    """What the clients met. statuses: by kind of request; "closed" where the server closed without an answer."""

    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of honest photos

    def count(self, kind: str, status: str) -> None:
        self.statuses.setdefault(kind, Counter())[status] += 1
        if status.isdigit() and int(status) >= 500 and status != "503":
            self.wrong.append(f"{kind}: {status}")


@dataclass(frozen=True)
class Kind:
    """A kind of request. pieces: the bytes to send, with a pause of `pause` seconds after each. honest: it must be
    answered 200 (or 503). stops: the client sends no more and waits for the server to end it."""

    share: int
    pieces: Callable[[], list[bytes]]
    honest: bool = False
    pause: float = 0.0
    leaves: bool = False  # closes right after sending


def request(path: str, body: bytes, kind: str = "image/jpeg", method: str = "POST") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    if method == "POST":
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def form(parts: list[bytes]) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="p"; filename="a"\r\n\r\n'
    return b"".join(head + part + b"\r\n" for part in parts) + b"--b--\r\n"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def png_claiming(width: int, height: int, pixels: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def scan_bomb(scans: int, side: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(Image.new("L", (side, side), 99), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, last)
    return data[:-2] + data[tables:-2] * scans + b"\xff\xd9"


def mix() -> dict[str, Kind]:
    """The kinds of requests, with their shares in a thousand."""
    with Image.open(io.BytesIO(PHOTO)) as photo:
        face = encoded(photo.convert("L").crop((165, 45, 285, 195)).resize((48, 48)), "PNG")
    read = request("/v1/read", PHOTO)
    multipart = "multipart/form-data; boundary=b"
    two = request("/v1/read", form([PHOTO, face]), multipart)
    parts = request("/v1/read", form([b"x"] * 5000), multipart)
    bombs = {
        "scans": scan_bomb(600, 2000),
        "PNG": png_claiming(6000, 6000, bytes(6000 * 18_001)),
        "PNG of a huge claim": png_claiming(60_000, 60_000),
        "WebP": encoded(Image.new("RGBA", (6000, 3000)), "WEBP", lossless=True, method=0),
        "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(1700),
    }
    noise = random.Random(0)
    return {
        "photo": Kind(560, lambda: [read], honest=True),
        "cropped face": Kind(120, lambda: [request("/v1/classify", face, "image/png")], honest=True),
        "form of two": Kind(40, lambda: [two], honest=True),
        "slow sender": Kind(40, lambda: [read[i : i + 12_000] for i in range(0, len(read), 12_000)], honest=True,
        pause=0.1),
        "half a header": Kind(40, lambda: [read[:70]]),
        "body that never comes": Kind(20, lambda: [read[:200]]),
        "leaves in the middle": Kind(40, lambda: [read[: len(read) // 2]], leaves=True),
        "bomb": Kind(20, lambda: [request("/v1/read", bombs[noise.choice(list(bombs))])]),
        "thousands of parts": Kind(20, lambda: [parts]),
        "broken picture": Kind(40, lambda: [request("/v1/read", PHOTO[: noise.randrange(len(PHOTO) - 9000)])]),
        "noise": Kind(20, lambda: [noise.randbytes(noise.randrange(1, 3000))]),
        "no video": Kind(10, lambda: [request("/v1/videos", noise.randbytes(2000), "video/mp4")]),
        "page": Kind(20, lambda: [request(noise.choice(["/", "/static/app.js", "/none", "/v1/runs"]), b"",
        method="GET")]),
        "too large": Kind(10, lambda: [request("/v1/read", bytes(3_000_000))]),
    }  # fmt: skip


async def send(kind: str, spec: Kind, port: int, outcome: Outcome) -> None:
    began = time.perf_counter()
    answer = b""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for piece in spec.pieces():
                    writer.write(piece)
                    await writer.drain()
                    if spec.pause:
                        await asyncio.sleep(spec.pause)
                if spec.leaves:
                    outcome.count(kind, "left")
                    return
                while chunk := await reader.read(65536):
                    answer += chunk
            except ConnectionError:
                pass  # closed before all was sent: what was answered counts
    except (TimeoutError, OSError) as error:
        outcome.wrong.append(f"{kind}: no answer within {PATIENCE:g} s ({type(error).__name__})")
        return
    finally:
        if writer:
            writer.close()
    match = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    status = match[1].decode() if match else "closed"
    outcome.count(kind, status)
    if kind == "photo" and status == "200":
        outcome.seconds.append(time.perf_counter() - began)
    if spec.honest and not (status == "503" or (status == "200" and b'"emotion"' in answer)):
        outcome.wrong.append(f"{kind}: {status}, not its answer")


async def drive(port: int, requests: int, clients: int, memory: Callable[[], float]) -> tuple[Outcome, list[float]]:
    """So many requests by so many clients; and megabytes before and after each tenth."""
    kinds, outcome, course, done = mix(), Outcome(), [memory()], 0
    chosen = iter(random.Random(1).choices(list(kinds), [kind.share for kind in kinds.values()], k=requests))

    async def client() -> None:
        nonlocal done
        for kind in chosen:
            await send(kind, kinds[kind], port, outcome)
            done += 1
            if done % max(1, requests // 10) == 0:
                course.append(memory())

    await asyncio.gather(*(client() for _ in range(clients)))
    return outcome, course


async def metrics(port: int) -> bytes:
    """The server's own counts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("/metrics", b"", method="GET"))
    answer = await reader.read()
    writer.close()
    return answer


async def stop(server: "subprocess.Popen[bytes]", port: int) -> tuple[int, int, float]:
    """Tell the server to stop while requests are half sent. Returns how many were begun and answered, and the
    seconds."""
    message = request("/v1/read", PHOTO)
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
    for _, writer in streams:
        writer.write(message[: len(message) // 2])
        await writer.drain()
    async with asyncio.timeout(TIMEOUT / 2):  # until it has taken them in; it closes what is late itself
        while f"mien_receiving {len(streams)}".encode() not in await metrics(port):
            await asyncio.sleep(0.1)
    server.send_signal(signal.SIGTERM)
    began = time.monotonic()
    await asyncio.sleep(0.5)
    answered = 0
    for reader, writer in streams:
        writer.write(message[len(message) // 2 :])
        await writer.drain()
        answered += (await reader.read(15)).startswith(b"HTTP/1.1 200")
        writer.close()
    await asyncio.to_thread(server.wait, PATIENCE)
    return len(streams), answered, time.monotonic() - began


def resident(pid: int) -> float:
    """Megabytes of one process that are in memory, 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def start(args: argparse.Namespace) -> tuple["subprocess.Popen[bytes]", int]:
    """The server and its port."""
    options = ["--port", "0", "--model", args.model, "--max-bytes", "2M", "--header-timeout", f"{HEADER_TIMEOUT:g}",
               "--timeout", f"{TIMEOUT:g}", "--decode-timeout", f"{DECODE_TIMEOUT:g}"]  # fmt: skip
    command = [sys.executable, "-m", "mien", "serve", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert server.stderr is not None
    ready = re.search(rb":(\d+)/ \(API", server.stderr.readline())
    if not ready:
        server.kill()
        raise SystemExit("the server did not start")
    # Its log is read on, for a full pipe would stop it.
    threading.Thread(target=server.stderr.read, daemon=True).start()
    return server, int(ready[1])


def report(
    outcome: Outcome,
    course: list[float],
    decoders: list[float],
    ending: tuple[int, int, float],
    args: argparse.Namespace,
) -> str:
    """The section "Server", in Markdown."""
    begun, answered, seconds = ending
    times = sorted(outcome.seconds)
    lines = [
        "## Server", "",
        f"`python benchmarks/serve_hostile.py`: {args.requests:,} requests at {args.clients} clients on loopback, "
        f"honest and",
        f"hostile mixed; model {args.model}, {os.cpu_count()} cores ({platform.machine()}), limits: headers "
        f"{HEADER_TIMEOUT:g} s,",
        f"body and answer {TIMEOUT:g} s, decoding {DECODE_TIMEOUT:g} s.", "",
        "| request | answers |", "|---|---|",
        *(f"| {kind} | {', '.join(f'{status}: {n:,}' for status, n in sorted(counts.items()))} |"
          for kind, counts in outcome.statuses.items()), "",
        f"- Wrong answers to honest requests, and statuses of 500 or more other than 503: {len(outcome.wrong)}.",
        f"- Memory of the server in MB, at the start, after each tenth and 3 s later: "
        f"{', '.join(f'{mb:.0f}' for mb in course)};",
        f"  of its {len(decoders)} decoders at the end: {', '.join(f'{mb:.0f}' for mb in decoders)}.",
        f"- SIGTERM with {begun} requests half sent: {answered} were answered, and it ended {seconds:.1f} s later.",
    ]  # fmt: skip
    if times:
        middle, late = times[len(times) // 2], times[int(0.99 * (len(times) - 1))]
        lines.append(f"- Time of an honest photo amid this: median {middle:.2f} s, 99 of 100 within {late:.2f} s.")
    return "\n".join(lines) + "\n"


def write_section(path: Path, text: str) -> None:
    """Put the section in its place in a Markdown file; the other sections stay."""
    old = path.read_text() if path.exists() else "# Reliability\n\n"
    title = text.split("\n", 1)[0]
    pattern = re.compile(rf"^{re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    new = pattern.sub(lambda _: text + "\n", old) if pattern.search(old) else old.rstrip("\n") + "\n\n" + text
    path.write_text(new.rstrip("\n") + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--report", type=Path, help="a Markdown file whose section Server is written")
    parser.add_argument("--json", type=Path, help="write the counts there")
    args = parser.parse_args()
    server, port = start(args)
    try:
        outcome, course = asyncio.run(drive(port, args.requests, args.clients, lambda: resident(server.pid)))
        time.sleep(3)
        course.append(resident(server.pid))
        decoders = [resident(child) for child in children(server.pid)]
        ending = asyncio.run(stop(server, port))
    finally:
        server.kill()
        server.wait()
    text = report(outcome, course, decoders, ending, args)
    print(text)
    for wrong, count in Counter(outcome.wrong).items():
        print(f"wrong: {wrong} ({count} times)")
    if args.report:
        write_section(args.report, text)
    if args.json:
        args.json.write_text(
            json.dumps(
                {"statuses": outcome.statuses, "memory_mb": course, "decoders_mb": decoders, "wrong": outcome.wrong}
            )
            + "\n"
        )
    grown = course[-1] > 1.1 * course[len(course) // 2] + 50
    late = ending[1] < ending[0] or ending[2] > TIMEOUT + 10
    if grown:
        print("wrong: memory grows")
    if late:
        print("wrong: it did not end as it should")
    return int(bool(outcome.wrong) or grown or late)


if __name__ == "__main__":
    sys.exit(main())
