"""How many requests mien's server answers, how fast, and whether its memory stays flat; beside a small server around
fer.

    python benchmarks/serve.py                                        mien with batches and without
    python benchmarks/serve.py --model champion --json results/serve.json
    python benchmarks/serve.py --fer build/fer/bin/python             beside fer, in the same run

Everything stays on 127.0.0.1. A client process keeps 1, 8 or 32 connections busy, each sending its next request when
the last was answered. Servers take turns, A B A B, in slices of --seconds, so that what the machine does meanwhile
hits all alike: compare figures of one run only. Client and server share the machine.

photo      POST /v1/read with NASA's portrait of Eileen Collins, 512x512, one face: decode, find, read
face       POST /v1/classify with that face already cropped, 48x48: where batches have the most to give
memory     --requests photos (10,000) at 8 clients; resident memory of the server after each tenth

For --fer, make an environment once (several GB) and name its Python:
    python -m venv build/fer
    build/fer/bin/pip install fer==25.10.3 "setuptools<81" fastapi uvicorn python-multipart
"""

import argparse
import asyncio
import io
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PHOTO = HERE.parent / "src/mien/inference/sample/astronaut.jpg"
BOUNDARY = "mien-benchmark"


@dataclass
class Contender:
    """One server. figures: (workload, clients) -> the slices measured."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    paths: dict[str, str]
    slices: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=4, help="of each slice (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="slices of each server and load (default 3)")
    parser.add_argument("--requests", type=int, default=10_000, help="for the memory's course; 0: leave it out")
    parser.add_argument("--threads", type=int, default=0, help="of the server (default: the cores)")
    parser.add_argument("--fer", metavar="PYTHON", help="a Python that has fer, fastapi, uvicorn and python-multipart")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    args = parser.parse_args()
    bodies = {"photo": PHOTO.read_bytes(), "face": cropped_face()}
    contenders: list[Contender] = []
    try:
        contenders.append(start_mien("mien", args, []))
        contenders.append(start_mien("mien, no batches", args, ["--batch", "1"]))
        if args.fer:
            contenders.append(start_fer(os.path.abspath(args.fer)))
        measure(contenders, bodies, args)
        memory = course(contenders[0], bodies["photo"], args.requests) if args.requests else None
    finally:
        for each in contenders:
            each.process.terminate()
        for each in contenders:
            each.process.wait(60)
    report(contenders, memory, args)


def cropped_face() -> bytes:
    """The portrait's face, 48x48, as PNG."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.convert("L").crop((165, 45, 285, 195)).resize((48, 48)).save(file, format="PNG")
    return file.getvalue()


def start_mien(name: str, args: argparse.Namespace, options: list[str]) -> Contender:
    port = free_port()
    command = [sys.executable, "-m", "mien", "serve", "--port", str(port), "--model", args.model]
    command += ["--threads", str(args.threads), *options]
    return ready(Contender(name, subprocess.Popen(command), port, {"photo": "/v1/read", "face": "/v1/classify"}))


def start_fer(python: str) -> Contender:
    port = free_port()
    command = [python, "-m", "uvicorn", "serve_fer:app", "--port", str(port), "--log-level", "warning"]
    return ready(Contender("fer", subprocess.Popen(command, cwd=HERE), port, {"photo": "/read"}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ready(contender: Contender) -> Contender:
    """Wait until it answers; TensorFlow takes its time."""
    for _ in range(600):
        if contender.process.poll() is not None:
            raise SystemExit(f"{contender.name} ended before it answered; what it said stands above")
        try:
            socket.create_connection(("127.0.0.1", contender.port), timeout=1).close()
            return contender
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{contender.name} did not answer within two minutes")


def measure(contenders: list[Contender], bodies: dict[str, bytes], args: argparse.Namespace) -> None:
    for contender in contenders:
        for workload, path in contender.paths.items():
            load(contender.port, path, bodies[workload], 2, seconds=1)  # warm up
    for workload, body in bodies.items():
        for clients in args.clients:
            for _ in range(args.rounds):
                for contender in contenders:
                    if path := contender.paths.get(workload):
                        found = load(contender.port, path, body, clients, seconds=args.seconds)
                        contender.slices.setdefault((workload, clients), []).append(found)


def course(contender: Contender, body: bytes, requests: int) -> list[float]:
    """Resident megabytes of the server before and after each tenth of so many requests."""
    pid = contender.process.pid
    megabytes = [resident(pid)]
    for _ in range(10):
        found = load(contender.port, contender.paths["photo"], body, 8, requests=requests // 10)
        if found["errors"]:
            raise SystemExit(f"{found['errors']} errors while memory was watched")
        megabytes.append(resident(pid))
    return megabytes


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def load(port: int, path: str, body: bytes, clients: int, seconds: float = 0, requests: int = 0) -> dict[str, Any]:
    """Busy clients for so many seconds, or until so many requests are answered, from a process of their own."""
    order = json.dumps({"port": port, "path": path, "clients": clients, "seconds": seconds, "requests": requests})
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HERE)!r}); import serve; "
                                                 f"serve.client()", order],
                          input=body, capture_output=True, check=True)  # fmt: skip
    return json.loads(done.stdout)


def client() -> None:
    """The client process: its order in argv, the picture on standard input, what it saw on standard output."""
    order = json.loads(sys.argv[1])
    body = sys.stdin.buffer.read()
    print(json.dumps(asyncio.run(drive(body=body, **order))))


async def drive(port: int, path: str, clients: int, seconds: float, requests: int, body: bytes) -> dict[str, Any]:
    form = (
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        + body
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(form)}\r\n\r\n"
    )
    message = head.encode() + form
    times: list[float] = []
    errors = 0
    began = time.perf_counter()
    left = requests or None

    def go_on() -> bool:
        nonlocal left
        if left is None:
            return time.perf_counter() - began < seconds
        left -= 1
        return left >= 0

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while go_on():
            start = time.perf_counter()
            writer.write(message)
            await writer.drain()
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            found = await reader.readexactly(length)
            times.append(time.perf_counter() - start)
            errors += b" 200 " not in answer.split(b"\r\n")[0] or b"happy" not in found
        writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return {"seconds": time.perf_counter() - began, "times": times, "errors": errors}


def report(contenders: list[Contender], memory: list[float] | None, args: argparse.Namespace) -> None:
    rows = []
    print(f"\n{'workload':<9}{'clients':>8}  {'server':<18}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}")
    for workload in ("photo", "face"):
        for clients in args.clients:
            for contender in contenders:
                slices = contender.slices.get((workload, clients))
                if not slices:
                    continue
                times = sorted(1000 * t for part in slices for t in part["times"])
                row = {
                    "workload": workload, "clients": clients, "server": contender.name,
                    "requests_per_second": statistics.median(len(part["times"]) / part["seconds"] for part in slices),
                    "p50_ms": times[len(times) // 2], "p99_ms": times[int(0.99 * (len(times) - 1))],
                    "requests": len(times), "errors": sum(part["errors"] for part in slices),
                }  # fmt: skip
                rows.append(row)
                print(f"{workload:<9}{clients:>8}  "
                      f"{contender.name:<18}{row['requests_per_second']:>11.1f}{row['p50_ms']:>9.1f}"
                      f"{row['p99_ms']:>9.1f}{row['errors']:>8}")  # fmt: skip
    if memory:
        print(f"\nmemory, MB, over {args.requests:,} photos: " + " ".join(f"{mb:.0f}" for mb in memory))
    if args.json:
        value = {"rows": rows, "memory_mb": memory, "requests": args.requests, "model": args.model,
        "rounds": args.rounds,
                 "seconds": args.seconds, "cores": os.cpu_count(), "machine": platform.machine(),
                 "python": platform.python_version()}  # fmt: skip
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    main()
