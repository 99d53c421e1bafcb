"""A pool of daemon threads: one that hangs does not keep the process from ending, as ThreadPoolExecutor's do."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonPool:
    """Runs jobs in `threads` threads, in the order in which they come."""

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Have `function(*arguments)` run; its result or exception is that of the future."""
        future: Future[T] = Future()
        self._jobs.put((future, lambda: function(*arguments)))
        return future

    def close(self, seconds: float) -> bool:
        """Finish what was submitted, then end the threads. Whether they ended within so many seconds."""
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
                continue  # nobody waits for it any more
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            del job, future, function  # a result must not be kept until the next job comes
