"""Hostile pictures, slow senders and overload: untrusted input costs the server no more than its limits."""

import asyncio
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from mien import Reader
from mien.errors import MienError
from mien.server.batcher import CLOSING_SECONDS, Batcher
from mien.server.decoder import Decoder
from mien.server.metrics import Metrics
from mien.server.problems import Problem
from mien.server.settings import Settings
from mien.server.upload import Intake
from read_fixtures import make_model
from serve_fixtures import PHOTO, serving

unix = pytest.mark.skipif(sys.platform == "win32", reason="limits of CPU time and memory as on Unix")


def progressive_bomb(scans: int, side: int = 3000) -> bytes:
    """A progressive JPEG whose last scan, some eighty bytes, is repeated: each is one more pass over all pixels."""
    file = io.BytesIO()
    Image.new("L", (side, side), 99).save(file, format="JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, last)  # the scan's own Huffman table stands before it
    return data[:-2] + data[tables:-2] * scans + b"\xff\xd9"


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(max_pixels=10_000_000, seconds=2)
    yield decoder
    decoder.close()


def test_a_picture_is_decoded_as_the_reader_decodes_it(decoder: Decoder) -> None:
    with Image.open(io.BytesIO(PHOTO)) as image:
        assert np.array_equal(np.asarray(decoder.decode(PHOTO)), np.asarray(image.convert("RGB")))


@unix
def test_a_decode_is_bounded_in_cpu_time_and_the_next_picture_is_decoded(decoder: Decoder) -> None:
    with pytest.raises(MienError, match=r"this takes more than 2 s to decode|scans"):
        decoder.decode(progressive_bomb(2000))
    assert decoder.decode(PHOTO).size == (512, 512)


@unix
@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep to limits of memory")
def test_a_decode_is_bounded_in_memory(decoder: Decoder) -> None:
    import resource

    file = io.BytesIO()
    Image.new("RGBA", (16_000, 300)).save(file, format="WEBP", lossless=True, method=0)
    bomb = file.getvalue()
    assert decoder.decode(bomb).size == (16_000, 300)
    process = decoder._take()
    pid = process._process.pid
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    # The same pixels where a limit leaves them no room.
    resource.prlimit(pid, resource.RLIMIT_AS, (used + 20_000_000, used + 20_000_000))
    with pytest.raises(MienError, match=r"memory|decoder"):
        process.decode(bomb)
    assert decoder.decode(PHOTO).size == (512, 512)


@unix
def test_a_decoder_that_dies_is_an_error_of_that_picture_alone(decoder: Decoder) -> None:
    process = decoder._take()
    os.kill(process._process.pid, signal.SIGSTOP)  # it hangs
    clock = threading.Timer(0.2, os.kill, (process._process.pid, signal.SIGSEGV))
    clock.start()
    threading.Timer(0.3, os.kill, (process._process.pid, signal.SIGCONT)).start()
    with pytest.raises(MienError, match="this is damaged: its decoder failed"):
        process.decode(PHOTO)
    assert decoder.decode(PHOTO).size == (512, 512)


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"])
def test_jpeg_2000_is_refused_by_name(decoder: Decoder, head: bytes) -> None:
    with pytest.raises(MienError, match="is a JPEG 2000 picture, which is not taken here"):
        decoder.decode(head + bytes(200))


def test_heic_is_read_where_it_is_installed(decoder: Decoder) -> None:
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    with Image.open(io.BytesIO(PHOTO)) as image:
        heif.from_pillow(image.resize((64, 64))).save(file, quality=50)
    assert decoder.decode(file.getvalue()).size == (64, 64)


def test_closing_waits_no_longer_than_the_grace_for_work_that_hangs(tmp_path: Path) -> None:
    for_ever = threading.Event()

    def detector(image: np.ndarray) -> list[list[int]]:
        for_ever.wait()
        return []

    async def go() -> float:
        batcher = Batcher(Reader(make_model(tmp_path / "tiny.onnx"), detector=detector), Settings(timeout=1), Metrics())
        with pytest.raises(Problem):
            await batcher.read([PHOTO])
        began = time.monotonic()
        await asyncio.to_thread(batcher.close)
        return time.monotonic() - began

    assert asyncio.run(go()) < CLOSING_SECONDS + 10
    for_ever.set()


@unix
def test_a_hanging_decoder_leaves_the_server_its_ears_for_sigterm(tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny.onnx")
    options = ["--model", str(model), "--port", "0", "--threads", "2", "--timeout", "2"]
    server = subprocess.Popen([sys.executable, "-m", "mien", "serve", *options], stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        assert server.stderr is not None
        port = int(server.stderr.readline().split(b"/ (API")[0].rpartition(b":")[2])
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=20).status_code == 200
                break
            except httpx.TransportError:
                time.sleep(0.05)
        children = [
            child for file in Path(f"/proc/{server.pid}/task").glob("*/children") for child in file.read_text().split()
        ]
        if not children:
            pytest.skip("needs Linux's list of child processes")
        for child in children:
            os.kill(int(child), signal.SIGSTOP)  # a decoder that hangs for ever, without using any CPU time
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/read", content=PHOTO, timeout=60)
        assert answer.json()["type"] == "/docs#took-too-long"
        server.terminate()
        server.wait(2 + 2 + CLOSING_SECONDS + 20)
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


def connect(url: str, data: bytes) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    client.sendall(data)
    return client


def send_many(client: socket.socket, data: bytes, times: int, pause: float) -> None:
    for _ in range(times):
        client.sendall(data)
        time.sleep(pause)


def everything(client: socket.socket) -> bytes:
    data = b""
    try:
        while chunk := client.recv(65536):
            data += chunk
    except ConnectionError:
        pass
    return data


HALF = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Le"
NO_BODY = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 5000\r\n\r\n"


def test_headers_that_do_not_come_are_given_up_also_when_they_come_byte_by_byte(tmp_path: Path) -> None:
    with serving(tmp_path, header_timeout=0.5) as url:
        with connect(url, b"") as silent:
            assert everything(silent) == b""
        with connect(url, HALF) as half:
            answer = everything(half)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"/docs#too-slow" in answer
        with connect(url, HALF) as dripping, pytest.raises(OSError):
            send_many(dripping, b"x", 1000, 0.02)
        # A second request on a connection that is kept open has the same limit.
        with connect(url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as kept:
            assert kept.recv(65536).startswith(b"HTTP/1.1 200")
            kept.sendall(HALF)
            assert b"408" in everything(kept)


def test_400_half_headers_and_64_missing_bodies_keep_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path, max_connections=40, max_concurrent=2) as url, ExitStack() as stack:
        for data in (HALF,) * 400 + (NO_BODY,) * 64:
            stack.enter_context(connect(url, data))
        answer = httpx.post(f"{url}/v1/read", content=PHOTO, timeout=30)
        assert answer.status_code == 200
        assert len(answer.json()["pictures"][0]["faces"]) == 1
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200


def test_a_body_that_pauses_too_long_is_given_up_before_the_whole_time_is_over(tmp_path: Path) -> None:
    with serving(tmp_path, header_timeout=0.4, timeout=60) as url, connect(url, NO_BODY + b"abc") as client:
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"nothing of it for 0.4 s" in answer


def test_a_client_that_does_not_take_its_answers_is_dropped(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=0.5) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((host, int(port)))
            with pytest.raises(OSError):
                send_many(client, b"GET /sample.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n", 3000, 0.005)
        assert httpx.get(f"{url}/healthz", timeout=30).status_code == 200


def test_all_bodies_together_are_bounded() -> None:
    intake = Intake(100, Metrics())
    with intake.body() as first, intake.body() as second:
        first.add(bytes(60))
        second.add(bytes(40))
        with pytest.raises(Problem) as error:
            second.add(b"x")
        assert error.value.kind == "busy"
        first.clear()
        second.add(b"x")
        assert second.join() == bytes(40) + b"x"
    assert intake.size == 0


def test_thousands_of_parts_are_refused(tmp_path: Path) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="p"; filename="a"\r\n\r\nx\r\n'
    with serving(tmp_path) as url:
        for body in (part * 5000 + b"--b--\r\n", b"--b\r\nX: y\r\n\r\n\r\n" * 5000 + b"--b--\r\n"):
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            assert httpx.post(f"{url}/v1/read", content=body, headers=headers, timeout=30).status_code == 400


def test_a_png_with_a_huge_header_costs_nothing(decoder: Decoder) -> None:
    head = struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    with pytest.raises(MienError, match=r"60000x60000|damaged"):
        decoder.decode(b"\x89PNG\r\n\x1a\n" + head + bytes(20))
