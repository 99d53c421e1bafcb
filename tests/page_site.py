"""The static page for tests and benchmarks: built once, served by a plain web server, with helpers to read its
results."""

import base64
import contextlib
import functools
import gzip
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mien.errors import MienError
from mien.inference.reader import Face, Reader

BOX_PIXELS = 1.0  # by how much an edge of a box may differ
PROBABILITY = 0.01  # by how much a probability may differ

ASK = """async ([base64, type]) => {
    const { readPicture } = await import("./static/answers.js");
    const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
    try {
        const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no answer within 90 s")), 90_000));
        const { width, height, faces } = await Promise.race([readPicture(new Blob([bytes], { type })), late]);
        return { width, height, faces: faces.map(({ crop, ...face }) => face) };
    } catch (error) {
        return { error: error.detail ?? String(error) };
    }
}"""


def runtime_folder() -> str | None:
    """Where onnxruntime-web lies, where MIEN_ORT_WEB says so; else npm brings it."""
    return os.environ.get("MIEN_ORT_WEB")


def can_build() -> bool:
    """Whether the runtime can be had at all."""
    return runtime_folder() is not None or shutil.which("npm") is not None


class _Handler(http.server.SimpleHTTPRequestHandler):
    packs: ClassVar[bool] = False
    extensions_map: ClassVar[dict[str, str]] = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        """Files of pages that do not lie packed are packed on the way, as most web servers do."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not self.packs or not path.is_file() or path.suffix in (".gz", ".jpg"):
            super().do_GET()
            return
        content = _packed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a browser that has gone
            super().handle()


class _PackingHandler(_Handler):
    packs = True


@functools.lru_cache
def _packed(path: Path, stamp: int) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)


@contextlib.contextmanager
def handed_out(folder: Path, packs: bool = False) -> Iterator[str]:
    """The address of a folder, handed out by Python's own web server without further headers. packs: compress files."""
    handler = functools.partial(_PackingHandler if packs else _Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass(frozen=True)
class Comparison:
    """What Python and the page said of one picture. box: the largest difference of an edge, in pixels; probability: the
    largest difference of a probability; fault: what is not the same, "" where nothing is."""

    faces: int
    box: float
    probability: float
    fault: str


def compare(page: Any, reader: Reader, data: bytes) -> Comparison:
    """Have a picture read by both. page: a Playwright page that shows the site."""
    answer = page.evaluate(ASK, [base64.b64encode(data).decode(), ""])
    try:
        faces = reader.read(data)
    except MienError as error:
        return Comparison(0, 0.0, 0.0, "" if "error" in answer else f"Python refuses it ({error}), the page does not")
    if "error" in answer:
        return Comparison(len(faces), 0.0, 0.0, f"the page refuses it: {answer['error']}")
    if len(answer["faces"]) != len(faces):
        return Comparison(len(faces), 0.0, 0.0, f"{len(faces)} faces in Python, {len(answer['faces'])} on the page")
    left = list(answer["faces"])
    box, probability, fault = 0.0, 0.0, ""
    for face in faces:
        other = min(left, key=lambda each: _apart(face, each))
        left.remove(other)
        box = max(box, _apart(face, other))
        shares = other["probabilities"]
        probability = max(probability, *(abs(p - shares[name]) for name, p in face.probabilities.items()))
        if face.emotion != other["emotion"]:
            fault = f"{face.emotion} in Python, {other['emotion']} on the page"
    if box > BOX_PIXELS:
        fault = fault or f"a box is {box:g} pixels off"
    if probability > PROBABILITY:
        fault = fault or f"a probability is {probability:.4f} off"
    return Comparison(len(faces), box, probability, fault)


def _apart(face: Face, other: dict[str, Any]) -> float:
    """The largest distance between edges of two boxes."""
    (x, y, w, h), (a, b, c, d) = face.box, other["box"]
    return float(max(abs(x - a), abs(y - b), abs(x + w - a - c), abs(y + h - b - d)))
