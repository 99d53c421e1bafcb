"""Fuzzing the server: schemathesis over the OpenAPI document, and a corpus of malformed uploads."""

import io
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from read_fixtures import portrait
from serve_fixtures import PHOTO, serving, write_run

ADDRESSES = ("/v1/read", "/v1/classify", "/v1/explain")
OPERATIONS = [
    ("POST", "/v1/read"), ("POST", "/v1/classify"), ("POST", "/v1/explain"), ("GET", "/v1/model"), ("GET", "/v1/runs"),
    ("GET", "/v1/runs/{name}"), ("GET", "/v1/compare"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"),
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serve")
    write_run(folder / "runs" / "hybrid")
    with serving(folder, max_bytes=3_000_000, max_pixels=4_000_000, timeout=20) as address:
        yield address


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_keeps_to_its_document(url: str, method: str, path: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    wanted = [
        not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
        checks.response_schema_conformance, checks.response_headers_conformance, checks.unsupported_method,
    ]  # fmt: skip
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]

    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def try_it(case: Any) -> None:
        case.call_and_validate(checks=wanted, timeout=20)

    try_it()


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def png_claiming(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header claims a size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def corpus() -> dict[str, bytes]:
    small = portrait().resize((160, 160))
    whole = {kind: save(small, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO")}
    noise = random.Random(0)
    files = {f"{kind} cut": data[: len(data) // 3] for kind, data in whole.items()}
    for kind, data in whole.items():
        spoilt = bytearray(data)
        for _ in range(40):
            spoilt[noise.randrange(20, len(spoilt))] = noise.randrange(256)
        files[f"{kind} spoilt"] = bytes(spoilt)
        files[f"{kind} head"] = data[:24]
    return files | {
        "one byte": b"\0",
        "noise": noise.randbytes(5000),
        "zeros": bytes(100_000),
        "text": b"<html>" * 100,
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "zip": b"PK\x03\x04" + bytes(200),
        "pdf": b"%PDF-1.7\n" + bytes(200),
        "huge claim": png_claiming(60_000, 60_000),
        "bomb": png_claiming(3000, 1300, bytes(3_901_300 * 3)),
        "bomb of one line": png_claiming(4_000_000, 1, bytes(12_000_001)),
        "no width": png_claiming(0, 10),
        "bad exif": b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II*\0\xff\xff\xff\xff" + bytes(14) + PHOTO[2:],
        "two pictures": PHOTO + PHOTO,
        "one pixel": save(Image.new("RGB", (1, 1)), "PNG"),
        "a thread": save(Image.new("L", (1, 3000)), "PNG"),
        "16 bit": save(Image.new("I;16", (40, 40)), "PNG"),
        "palette with transparency": save(small.convert("P"), "PNG", transparency=0),
        "cmyk": save(small.convert("CMYK"), "JPEG"),
        "animation": save(small, "GIF", save_all=True, append_images=[small] * 3),
    }


CORPUS = corpus()


def sound(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code
    assert "Traceback" not in response.text
    assert "site-packages" not in response.text


@pytest.mark.parametrize("address", ADDRESSES)
def test_malformed_pictures_alone_and_together(url: str, address: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        for name, data in CORPUS.items():
            sound(client.post(address, content=data, headers={"Content-Type": "image/png"}))
            sound(client.post(address, files=[("p", (name, data))]))
        names = list(CORPUS)
        for start in range(0, len(names), 8):
            sound(client.post(address, files=[("p", (name, CORPUS[name])) for name in names[start : start + 8]]))
        assert client.post("/v1/read", content=PHOTO).json()["pictures"][0]["faces"]


FORMS = {
    "no part": b"--b--\r\n",
    "no blank line": b"--b\r\nContent-Disposition: form-data; name=p; filename=a\r\n--b--\r\n",
    "no header": b"--b\r\n\r\nabc\r\n--b--\r\n",
    "empty file": b'--b\r\nContent-Disposition: form-data; name="p"; filename="a"\r\n\r\n\r\n--b--\r\n',
    "nothing at all in it": b'--b\r\nContent-Disposition: form-data; name="p"; filename="a"\r\n\r\n--b--\r\n',
    "not closed": b'--b\r\nContent-Disposition: form-data; name="p"; filename="a"\r\n\r\nabc',
    "another boundary": b"--c\r\n\r\nabc\r\n--c--\r\n",
    "only breaks": b"\r\n" * 5000,
    "many parts": b"--b\r\n\r\n\r\n" * 5000 + b"--b--",
    "many files": b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n' * 500 + b"--b--",
    "long header": b"--b\r\nX: " + b"y" * 50_000 + b"\r\n\r\nabc\r\n--b--\r\n",
    "odd name": b'--b\r\nContent-Disposition: form-data; filename="\xff\xfe\x00\x1b[31m\\"\r\n\r\nabc\r\n--b--\r\n',
    "odd disposition": b"--b\r\nContent-Disposition: ;;;=;filename\r\n\r\nabc\r\n--b--\r\n",
    "text before": b"hello\r\n--b--\r\n",
    "noise": random.Random(1).randbytes(20_000),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_malformed_forms(url: str, address: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        for body in FORMS.values():
            for boundary in ("b", '"b"', "", "x" * 300, "b; b"):
                response = client.post(
                    address, content=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
                )
                sound(response)
                assert response.status_code in (400, 422) or "problem" in response.text


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /%ff%fe%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /v1/runs/%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_malformed_requests_end_in_a_4xx_or_a_closed_connection(url: str, raw: bytes) -> None:
    host, port = url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=20) as client:
        try:
            client.sendall(raw)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65536):
                answer += chunk
        except OSError:
            pass  # it was closed before all was said
    assert answer == b"" or answer.split(b" ", 2)[1].startswith(b"4")
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_body_that_is_too_large_is_refused_while_it_comes(url: str) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 65_536
            yield bytes(65_536)

    try:
        response = httpx.post(f"{url}/v1/read", content=endless(), timeout=30)
        assert response.status_code == 413
    except httpx.TransportError:
        pass  # the server closes the door on who goes on and on
    assert sent < 400 * 65_536
    assert httpx.post(f"{url}/v1/read", content=bytes(5_000_000), timeout=30).status_code == 413


def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=0.3) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc")
            answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"/docs#too-slow" in answer
