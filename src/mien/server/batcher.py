"""Dynamic batching: faces of concurrent requests are classified together, and the number of requests is limited.

Each picture is decoded in a separate process and searched for faces in a thread pool. Detected faces are classified
together with those of other requests: the first request waits briefly for others, but only while others are in
progress, so a single client never waits.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from mien.cores import cores
from mien.errors import MienError
from mien.inference.detections import Detections
from mien.inference.occlusion import Explanation, explain_crop
from mien.inference.reader import PreparedImage, Reader, ReadResult
from mien.server.decoder import Decoder
from mien.server.metrics import FACES, Metrics
from mien.server.pool import DaemonPool
from mien.server.problems import Problem
from mien.server.settings import Settings
from mien.server.video import read_video

CLOSING_SECONDS = 3.0  # how long closing waits for running work


@dataclass(frozen=True)
class _Request:
    """Pictures of one request whose faces wait to be classified. answer: a future for one ReadResult per picture."""

    pictures: Sequence[Any]
    answer: "Future[list[ReadResult[Any]]]"

    @property
    def faces(self) -> int:
        return sum(len(picture.crops) for picture in self.pictures)


class Batcher:
    """Reads pictures for concurrent requests. Its coroutines belong to one event loop."""

    def __init__(self, reader: Reader, settings: Settings, metrics: Metrics) -> None:
        self.reader, self.settings, self.metrics = reader, settings, metrics
        self.threads = settings.threads or max(1, cores() // settings.workers)
        self.decoder = Decoder(settings.max_pixels, settings.decode_timeout)
        self.pool = DaemonPool(self.threads, "mien-detect")
        self.video_threads = max(1, self.threads // 2)
        self.videos = DaemonPool(self.video_threads, "mien-video")
        self.files = DaemonPool(2, "mien-files")  # for run folders and forms, which must not queue behind pictures
        self.stopping = threading.Event()  # set on shutdown; requests already accepted are finished
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._workers = [
            threading.Thread(target=self._work, name="mien-classify", daemon=True)
            for _ in range(max(1, self.threads // 4) if settings.batch > 1 else 0)
        ]
        for worker in self._workers:
            worker.start()
        self.closing = False
        self.inside = 0  # requests running or waiting
        self._coming = 0  # requests in face detection
        self._videos = 0  # videos being read
        self._seconds = 0.1  # moving average of seconds per request

    @contextmanager
    def place(self) -> Iterator[None]:
        """Reserve a place for one request, from when its body has arrived until its answer is ready.

        Raises Problem busy, with Retry-After, if all are taken, and not-ready if the server is closing.
        """
        if self.closing:
            raise Problem("not-ready", "the server is stopping", {"Retry-After": "5"})
        if self.inside >= self.settings.max_concurrent:
            self.metrics.add("mien_refused_total")
            wait = str(self.retry_after())
            detail = f"all {self.settings.max_concurrent} places are taken; try again in {wait} s"
            raise Problem("busy", detail, {"Retry-After": wait})
        self.inside += 1
        self.metrics.add("mien_inside")
        began = time.monotonic()
        try:
            yield
        finally:
            self.inside -= 1
            self.metrics.add("mien_inside", -1)
            self._seconds += 0.1 * (time.monotonic() - began - self._seconds)

    def retry_after(self) -> int:
        """Whole seconds, 1 to 30, after which a place is likely to be free."""
        return min(30, max(1, round(self._seconds)))

    async def read(self, pictures: Sequence[bytes], already_cropped: bool = False) -> list[ReadResult[Any]]:
        """One result per picture; a picture that cannot be read has its error. already_cropped: each is one face.

        Raises Problem too-many-faces, and took-too-long after the time limit.
        """
        searches = [self.pool.submit(self._detect, data, already_cropped) for data in pictures]
        self._coming += 1
        coming = True
        try:
            async with asyncio.timeout(self.settings.timeout):
                prepared = await asyncio.gather(*(asyncio.wrap_future(search) for search in searches))
                self._coming -= 1
                coming = False
                readings = await asyncio.wrap_future(self._submit(prepared))
        except TimeoutError:
            raise self._late() from None
        finally:
            self._coming -= coming
            for search in searches:
                search.cancel()
        failed = sum(reading.error is not None for reading in readings)
        self.metrics.add('mien_pictures_total{result="read"}', len(readings) - failed)
        self.metrics.add('mien_pictures_total{result="failed"}', failed)
        self.metrics.add("mien_faces_total", sum(len(reading.faces) for reading in readings))
        return readings

    async def explain(self, picture: bytes, emotion: str) -> tuple[Explanation, str | None]:
        """Occlusion saliency of one cropped face for an emotion (its most probable if empty), and the decoder's
        warning.

        Raises MienError for an unreadable picture or an unknown emotion, Problem took-too-long.
        """
        job = self.pool.submit(self._explain, picture, emotion)
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await asyncio.wrap_future(job)
        except TimeoutError:
            raise self._late() from None
        finally:
            job.cancel()

    async def read_video(self, data: bytes, every: float, gone: threading.Event) -> dict[str, Any]:
        """The timeline of a video; see mien.server.video.read_video. Raises MienError, and Problem busy."""
        if self._videos >= self.video_threads:
            self.metrics.add("mien_refused_total")
            detail = "videos are being read already; try again in 20 s"
            raise Problem("busy", detail, {"Retry-After": "20"})
        self._videos += 1
        try:
            job = self.videos.submit(read_video, data, every, self.reader, self.settings, self.stopping, gone)
            timeline = await asyncio.wrap_future(job)
        finally:
            self._videos -= 1
        self.metrics.add("mien_faces_total", sum(len(frame["faces"]) for frame in timeline["frames"]))
        return timeline

    def warm_up(self, picture: bytes) -> None:
        """Read a picture once, without counting it."""
        self.reader.read(self.decoder.decode(picture))

    def close(self) -> None:
        """Finish accepted requests, then end threads and processes; work that takes longer than CLOSING_SECONDS is
        abandoned."""
        self.closing = True
        self.stopping.set()
        until = time.monotonic() + CLOSING_SECONDS
        for pool in (self.pool, self.videos, self.files):
            pool.close(max(0.0, until - time.monotonic()))
        for _ in self._workers:
            self._requests.put(None)
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))
        self.decoder.close()

    def _late(self) -> Problem:
        detail = f"no answer within {self.settings.timeout:g} s"
        return Problem("took-too-long", detail, {"Retry-After": str(self.retry_after())})

    def _detect(self, data: bytes, already_cropped: bool) -> PreparedImage[Any]:
        notes: list[str] = []
        try:
            picture = self.decoder.decode(data, notes)
        except MienError as error:
            return PreparedImage(ReadResult(None, error=error), Detections.empty(), [])
        prepared = self.reader.detect_and_crop(picture, already_cropped, keep=False)
        faces, limit = len(prepared.crops), self.settings.max_faces
        if faces > limit:
            raise Problem("too-many-faces", f"the picture shows {faces} faces, the limit is {limit}; send a part of it")
        reading: ReadResult[Any] = prepared.result
        note = own_words("; ".join(notes), data) or None
        return replace(prepared, result=replace(reading, source=None, note=note))  # its pixels are no longer needed

    def _explain(self, data: bytes, emotion: str) -> tuple[Explanation, str | None]:
        notes: list[str] = []
        prepared = self.reader.detect_and_crop(self.decoder.decode(data, notes), True, keep=False)
        model = self.reader.model
        if not emotion:
            emotion = model.classes[int(self.reader.classify(prepared.crops[0])[0].argmax())]
        explanation = explain_crop(model, prepared.crops[0], emotion, self.reader.flip)
        return explanation, own_words("; ".join(notes), data) or None

    def _submit(self, pictures: Sequence[Any]) -> "Future[list[ReadResult[Any]]]":
        """Classify the faces: in a batch with others', or immediately if batching is off."""
        if not any(picture.crops for picture in pictures) or not self._workers:
            return self.pool.submit(self._classify, pictures)
        answer: Future[list[ReadResult[Any]]] = Future()
        self._requests.put(_Request(pictures, answer))
        return answer

    def _classify(self, pictures: Sequence[Any]) -> list[ReadResult[Any]]:
        faces = sum(len(picture.crops) for picture in pictures)
        if faces:
            self.metrics.observe("mien_batch_faces", "", FACES, faces)
        return list(self.reader.classify_batch(list(pictures)))

    def _work(self) -> None:
        """Worker loop: collect waiting requests, classify their faces in one run, set their results."""
        while first := self._requests.get():
            requests = [first, *self._others(first)]
            try:
                readings = iter(self._classify([picture for request in requests for picture in request.pictures]))
                for request in requests:
                    _set(request.answer, [next(readings) for _ in request.pictures])
            except Exception as error:  # the error belongs to the requests, and the thread must survive
                for request in requests:
                    _set(request.answer, error)

    def _others(self, first: _Request) -> Iterator[_Request]:
        """Further requests that are waiting or arrive within the delay, up to a full batch."""
        faces = first.faces
        until = time.monotonic() + self.settings.max_batch_delay_ms / 1000
        while faces < self.settings.batch:
            try:
                left = until - time.monotonic()
                wait = self._coming > 0 and left > 0
                request = self._requests.get(timeout=left) if wait else self._requests.get_nowait()
            except queue.Empty:
                return
            if request is None:
                self._requests.put(None)  # tells the outer loop to end
                return
            faces += request.faces
            yield request


def _set(future: "Future[Any]", outcome: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return  # its request has timed out
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def unreadable(error: MienError, data: bytes) -> str:
    """A picture's error for clients: without the server's name for the source."""
    return for_client(own_words(str(error), data))


def for_client(text: str) -> str:
    """An error message without the advice that only the server's operator can follow."""
    what, found, _ = text.partition("; raise max_pixels")
    return f"{what}; send a smaller one" if found else text


def own_words(text: str, data: bytes) -> str:
    """A message about a picture's bytes, without the server's name for them."""
    return text.replace(f"{len(data)} bytes", "this", 1)
