"""A pool of daemon threads: unlike ThreadPoolExecutor's, a hanging thread does not keep the process from ending."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonPool:
    """Runs jobs in `threads` threads, in order of submission."""

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Run `function(*arguments)`; returns a future."""
        future: Future[T] = Future()
        self._jobs.put((future, lambda: function(*arguments)))
        return future

    def close(self, seconds: float) -> bool:
        """Finish submitted jobs, then end the threads. Returns whether they ended within `seconds`."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while job := self._jobs.get():
            future, function = job
            if not future.set_running_or_notify_cancel():
                continue  # cancelled
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            del job, future, function  # do not keep a result alive until the next job
