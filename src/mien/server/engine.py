"""From requests to the Reader: a bounded number of places, threads that find faces, batches that name them.

Each picture is decoded and searched for faces on its own, in a pool of threads. The faces found are classified together
with those of other requests: the first waits a moment for others, but only while others are on their way, so that a
single client never waits.
"""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mien.errors import MienError
from mien.inference.occlusion import Explanation, explain_crop
from mien.inference.reader import Reader, Reading
from mien.server.metrics import FACES, Metrics
from mien.server.problems import Problem
from mien.server.settings import Settings


@dataclass(frozen=True)
class _Ask:
    """Pictures of one request whose faces wait to be classified. answer: gets a Reading for each picture."""

    seen: Sequence[Any]
    answer: "Future[list[Reading[bytes]]]"

    @property
    def faces(self) -> int:
        return sum(len(each.crops) for each in self.seen)


class Engine:
    """Reads pictures for concurrent requests. Its coroutines belong to one event loop."""

    def __init__(self, reader: Reader, settings: Settings, metrics: Metrics) -> None:
        self.reader, self.settings, self.metrics = reader, settings, metrics
        cores = os.cpu_count() or 1
        self.threads = settings.threads or max(1, cores // settings.workers)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="mien-see")
        self._asked: queue.SimpleQueue[_Ask | None] = queue.SimpleQueue()
        self._namers = [
            threading.Thread(target=self._name, name="mien-name", daemon=True)
            for _ in range(max(1, self.threads // 4) if settings.batch > 1 else 0)
        ]
        for thread in self._namers:
            thread.start()
        self.closing = False
        self.inside = 0  # requests that hold a place
        self._coming = 0  # requests whose pictures are still being searched
        self._seconds = 0.1  # a request takes, lately

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request, from before its body is read until its answer is ready.

        Raises Problem busy, with Retry-After, where all are taken, and not-ready when the server is closing.
        """
        if self.closing:
            raise Problem("not-ready", "the server is stopping", {"Retry-After": "5"})
        if self.inside >= self.settings.places:
            self.metrics.add("mien_refused_total")
            wait = str(self.retry_after())
            raise Problem(
                "busy", f"all {self.settings.places} places are taken; try again in {wait} s", {"Retry-After": wait}
            )
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

    async def read(self, pictures: Sequence[bytes], whole: bool = False) -> list[Reading[bytes]]:
        """What each picture shows; a picture that cannot be read has its error. whole: take each as one face.

        Raises Problem too-many-faces, and took-too-long where the time limit passes.
        """
        looking = [self._pool.submit(self._see, data, whole) for data in pictures]
        self._coming += 1
        coming = True
        try:
            async with asyncio.timeout(self.settings.timeout):
                seen = await asyncio.gather(*(asyncio.wrap_future(each) for each in looking))
                self._coming -= 1
                coming = False
                readings = await asyncio.wrap_future(self._ask(seen))
        except TimeoutError:
            raise self._late() from None
        finally:
            self._coming -= coming
            for each in looking:
                each.cancel()
        failed = sum(reading.error is not None for reading in readings)
        self.metrics.add('mien_pictures_total{result="read"}', len(readings) - failed)
        self.metrics.add('mien_pictures_total{result="failed"}', failed)
        self.metrics.add("mien_faces_total", sum(len(reading.faces) for reading in readings))
        return readings

    async def explain(self, picture: bytes, emotion: str) -> Explanation:
        """Which pixels of one cropped face spoke for an emotion; for its likeliest where emotion is empty.

        Raises MienError for an unreadable picture or an unknown emotion, Problem took-too-long.
        """
        job = self._pool.submit(self._explain, picture, emotion)
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await asyncio.wrap_future(job)
        except TimeoutError:
            raise self._late() from None
        finally:
            job.cancel()

    def close(self) -> None:
        """Finish what was taken in, then end the threads."""
        self.closing = True
        self._pool.shutdown(wait=True)
        for _ in self._namers:
            self._asked.put(None)
        for thread in self._namers:
            thread.join()

    def _late(self) -> Problem:
        limit = self.settings.timeout
        return Problem(
            "took-too-long", f"no answer within {limit:g} s", {"Retry-After": str(self.retry_after())}
        )  # fmt: skip

    def _see(self, data: bytes, whole: bool) -> Any:
        seen = self.reader.see(data, whole, keep=False)
        if len(seen.crops) > self.settings.max_faces:
            found, limit = len(seen.crops), self.settings.max_faces
            raise Problem("too-many-faces", f"the picture shows {found} faces, the limit is {limit}; send a part of it")
        return seen

    def _explain(self, data: bytes, emotion: str) -> Explanation:
        seen = self.reader.see(data, True, keep=False)
        if seen.reading.error:
            raise seen.reading.error
        model = self.reader.model
        if not emotion:
            emotion = model.classes[int(model.classify(seen.crops[0])[0].argmax())]
        return explain_crop(model, seen.crops[0], emotion)

    def _ask(self, seen: Sequence[Any]) -> "Future[list[Reading[bytes]]]":
        """Have the faces classified: in a batch with others', or here and now where batches are off."""
        if not any(each.crops for each in seen) or not self._namers:
            return self._pool.submit(self._classify, seen)
        answer: Future[list[Reading[bytes]]] = Future()
        self._asked.put(_Ask(seen, answer))
        return answer

    def _classify(self, seen: Sequence[Any]) -> list[Reading[bytes]]:
        faces = sum(len(each.crops) for each in seen)
        if faces:
            self.metrics.observe("mien_batch_faces", "", FACES, faces)
        return list(self.reader.tell(list(seen)))

    def _name(self) -> None:
        """The work of a naming thread: take what has come, classify it in one run, hand it out."""
        while True:
            first = self._asked.get()
            if first is None:
                return
            asks = [first, *self._others(first)]
            try:
                readings = iter(self._classify([each for ask in asks for each in ask.seen]))
                for ask in asks:
                    _settle(ask.answer, [next(readings) for _ in ask.seen])
            except Exception as error:  # it belongs to the requests, and the thread must live on
                for ask in asks:
                    _settle(ask.answer, error)

    def _others(self, first: _Ask) -> Iterator[_Ask]:
        """What else is there or comes within the window, up to a full batch."""
        faces = first.faces
        until = time.monotonic() + self.settings.window_ms / 1000
        while faces < self.settings.batch:
            try:
                left = until - time.monotonic()
                ask = self._asked.get(timeout=left) if self._coming and left > 0 else self._asked.get_nowait()
            except queue.Empty:
                return
            if ask is None:
                self._asked.put(None)  # the end, for the loop outside
                return
            faces += ask.faces
            yield ask


def _settle(future: "Future[Any]", outcome: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return  # its request gave up waiting
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def unreadable(error: MienError, data: bytes) -> str:
    """A picture's error as a client should see it: without the server's words for the source."""
    text = str(error).replace(f"{len(data)} bytes", "this", 1)
    return text.split("; raise it with")[0]
