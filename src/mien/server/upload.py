"""Pictures and videos in requests: read into memory within limits and parsed there. Nothing is written to disk."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from fastapi import Request
from python_multipart.multipart import parse_options_header

from mien.server.batcher import Batcher
from mien.server.metrics import Metrics
from mien.server.problems import Problem
from mien.server.settings import Settings

DRAIN = 4  # how much of an oversized body is still read and discarded, as a multiple of the limit
MAX_HEADER = 8_192  # largest headers of one part, in bytes
MAX_FIELDS = 256  # most parts of a form that are not files
CLOSE = {"Connection": "close"}
LARGE = 1_000_000  # bodies above this size, in bytes, are parsed in a thread


@dataclass(frozen=True)
class Upload:
    """One uploaded picture or video. name: the client's file name; quoted, never opened."""

    name: str
    data: bytes


class Intake:
    """Bytes of all request bodies in memory, and how many bodies are still arriving.

    most: bytes; a body that would exceed it is answered 503, so that many slow senders cannot fill the memory.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self.most, self.metrics = most, metrics
        self.size = 0

    @contextmanager
    def body(self) -> Iterator["Body"]:
        """Context with a body that is released at the end."""
        body = Body(self)
        try:
            yield body
        finally:
            self.size -= body.size


class Body:
    """The received part of one request's body. size: bytes."""

    def __init__(self, intake: Intake) -> None:
        self.intake, self.size = intake, 0
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """Add received bytes. Raises Problem busy if all bodies together are too large."""
        if self.intake.size + len(chunk) > self.intake.most:
            raise Problem("busy", "too much is being sent at once; try again in 2 s", {"Retry-After": "2"})
        self._chunks.append(chunk)
        self.size += len(chunk)
        self.intake.size += len(chunk)

    def clear(self) -> None:
        """Release the memory."""
        self._chunks.clear()
        self.intake.size -= self.size
        self.size = 0

    def join(self) -> bytes:
        """The whole body."""
        whole = b"".join(self._chunks)
        self._chunks = [whole]
        return whole


async def pictures_of(request: Request, settings: Settings, batcher: Batcher, body: Body) -> list[Upload]:
    """The pictures of a request: its body as one, or the file parts of multipart/form-data.

    Raises Problem: wrong-type, too-large, too-slow, busy, bad-request for no or too many pictures and invalid
    multipart.
    """
    return await _files_of(request, "image", settings.max_bytes, settings.max_pictures, settings, batcher, body)


async def video_of(request: Request, settings: Settings, batcher: Batcher, body: Body) -> Upload:
    """The single video of a request, sent like pictures. Raises Problem as pictures_of does."""
    if not settings.max_video_bytes:
        raise Problem("wrong-type", "this server reads no videos: its setting max_video_bytes is 0")
    (video,) = await _files_of(request, "video", settings.max_video_bytes, 1, settings, batcher, body)
    return video


async def _files_of(
    request: Request, media: str, limit: int, most: int, settings: Settings, batcher: Batcher, body: Body
) -> list[Upload]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    multipart = kind == b"multipart/form-data"
    if not (multipart or kind.startswith(f"{media}/".encode()) or kind in (b"application/octet-stream", b"")):
        shown = kind.decode("latin-1")[:60]
        detail = f"a body of type {shown!r}; send {media}/..., or multipart/form-data with files"
        raise Problem("wrong-type", detail)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem("wrong-type", f"a body with Content-Encoding {encoding[:40]!r}; send it as it is, without one")
    data = await read_body(request, body, limit, settings)
    if not multipart:
        if not data:
            raise Problem("bad-request", f"the body is empty; send {'a picture' if media == 'image' else 'a video'}")
        return [Upload("", data)]
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise Problem("bad-request", "multipart/form-data without a boundary in Content-Type")
    if len(data) < LARGE:
        files = split_parts(data, boundary, most, media)
    else:  # parsing takes a while: other requests continue meanwhile
        files = await asyncio.wrap_future(batcher.files.submit(split_parts, data, boundary, most, media))
    if not files:
        raise Problem("bad-request", "no file in the form; send each file as a part with a filename")
    return files


async def read_body(request: Request, body: Body, limit: int, settings: Settings) -> bytes:
    """The whole body, at most `limit` bytes, within the time limit and without a pause longer than header_timeout.

    Raises Problem too-large, too-slow or busy, after reading part of what is still arriving: a client whose connection
    is closed while it sends would not see the answer.
    """
    declared = request.headers.get("content-length", "")
    detail = f"the body is larger than {limit:,} bytes; send fewer or smaller files"
    too_large = Problem("too-large", detail, CLOSE)
    if declared.isdecimal() and int(declared) > limit and "expect" in request.headers:
        raise too_large  # the client sent Expect: 100-continue and waits
    size, pause = 0, settings.header_timeout
    loop = asyncio.get_running_loop()
    body.intake.metrics.add("mien_receiving")
    try:
        async with asyncio.timeout(settings.timeout) as clock:
            end = clock.when() or 0.0
            clock.reschedule(min(end, loop.time() + pause))
            async for chunk in _chunks(request):
                clock.reschedule(min(end, loop.time() + pause))
                size += len(chunk)
                if size <= limit:
                    body.add(chunk)
                else:
                    body.clear()
                    if size > DRAIN * limit:
                        break
    except TimeoutError:
        seconds = min(settings.timeout, pause)
        detail = f"the body did not arrive within {settings.timeout:g} s, or nothing of it for {seconds:g} s"
        raise Problem("too-slow", detail, CLOSE) from None
    finally:
        body.intake.metrics.add("mien_receiving", -1)
    if size > limit:
        raise too_large
    return body.join()


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem("bad-request", "the connection ended before the body did")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def split_parts(body: bytes, boundary: bytes, most: int, media: str = "image") -> list[Upload]:
    """The files in a multipart body (RFC 7578), without parts that have no filename. Raises Problem bad-request."""
    mark = b"\r\n--" + boundary
    first = -2 if body.startswith(mark[2:]) else body.find(mark)  # the first boundary has no line break before it
    if first == -1:
        raise Problem("bad-request", "the multipart body does not hold its boundary")
    at = first + len(mark)
    files: list[Upload] = []
    for _ in range(most + MAX_FIELDS):
        if body.startswith(b"--", at):
            return files
        line = body.find(b"\r\n", at, at + 100)
        head = body.find(b"\r\n\r\n", line, line + MAX_HEADER)
        if line < 0 or body[at:line].strip(b" \t") or head < 0:
            raise Problem("bad-request", f"the multipart body is broken: no part begins at byte {at:,}")
        end = body.find(mark, head + 2)
        if end < 0:
            raise Problem("bad-request", "the multipart body is cut short: its last boundary is missing")
        name = _filename(body[line + 2 : head])
        if name is not None:
            if len(files) == most:
                noun = ("picture" if media == "image" else "video") + ("" if most == 1 else "s")
                raise Problem("bad-request", f"more than {most} {noun} in one request; send them in several")
            files.append(Upload(name, body[head + 4 : end]))
        at = end + len(mark)
    raise Problem("bad-request", f"more than {most + MAX_FIELDS:,} parts in one form; send it in several requests")


def _filename(headers: bytes) -> str | None:
    for line in headers.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"content-disposition":
            if coded := re.search(rb";\s*filename\*\s*=\s*\"?([\w-]+)'[^']*'([^;\s\"]*)", value, re.IGNORECASE):
                return _clean(unquote_to_bytes(coded[2]), coded[1].decode("ascii", "replace"))
            options = parse_options_header(value.strip())[1]
            return _clean(options[b"filename"]) if b"filename" in options else None
    return None


def _clean(raw: bytes, charset: str = "utf-8") -> str:
    """A file name safe to quote: the last part of a path, printable, at most 120 characters."""
    known = charset.lower() if charset.lower() in ("utf-8", "iso-8859-1") else "utf-8"  # the charsets of RFC 8187
    text = raw.decode(known, "replace").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c if c.isprintable() else "?" for c in text)[:120]
