"""Concurrent requests: batches, places, time limits, graceful shutdown."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import Reader
from mien.server.batcher import Batcher
from mien.server.metrics import Metrics, make_file
from mien.server.problems import Problem
from mien.server.settings import Settings
from read_fixtures import make_model
from serve_fixtures import PHOTO, client_of


def run(tmp_path: Path, work: Callable[[Batcher], Awaitable[Any]], detector: Any = "yunet", **settings: Any) -> Any:
    """`work` with an batcher in an event loop; the batcher is closed afterwards."""
    reader = Reader(make_model(tmp_path / "tiny.onnx"), detector=detector)

    async def go() -> Any:
        batcher = Batcher(reader, Settings(**settings), Metrics())
        try:
            return await work(batcher)
        finally:
            await asyncio.to_thread(batcher.close)

    return asyncio.run(go())


def whole(image: np.ndarray) -> list[list[int]]:
    """A detector that takes each picture as one face."""
    return [[0, 0, image.shape[1], image.shape[0]]]


def shades(n: int) -> list[bytes]:
    """n small pictures, each another one."""
    rng = np.random.default_rng(0)
    return [b"P5 8 8 255 " + rng.integers(0, 255, 64, np.uint8).tobytes() for _ in range(n)]


def test_requests_at_once_share_batches_and_each_gets_its_own_faces(tmp_path: Path) -> None:
    pictures = shades(24)

    async def work(batcher: Batcher) -> tuple[list, float, float]:
        readings = await asyncio.gather(*(batcher.read([picture]) for picture in pictures))
        return readings, batcher.metrics.value("mien_batch_faces_count"), batcher.metrics.value("mien_batch_faces_sum")

    readings, batches, faces = run(tmp_path, work, whole, threads=4, max_batch_delay_ms=500, batch=24)
    assert faces == 24
    assert batches < 24
    reader = Reader(tmp_path / "tiny.onnx", detector=whole)
    for (reading,), picture in zip(readings, pictures, strict=True):
        (expected,) = reader.read(picture)
        assert reading.faces[0].probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_a_batch_is_never_awaited_by_a_single_client(tmp_path: Path) -> None:
    async def work(batcher: Batcher) -> int:
        return len((await batcher.read(shades(1)))[0].faces)

    # Nobody else is on the way: waiting for the window would run into the time limit.
    assert run(tmp_path, work, whole, threads=1, max_batch_delay_ms=60_000, timeout=20) == 1


def test_without_batches_each_request_is_classified_on_its_own(tmp_path: Path) -> None:
    async def work(batcher: Batcher) -> float:
        await asyncio.gather(*(batcher.read([picture]) for picture in shades(6)))
        return batcher.metrics.value("mien_batch_faces_count")

    assert run(tmp_path, work, whole, threads=2, batch=1) == 6


def test_a_full_house_answers_503_with_retry_after(tmp_path: Path) -> None:
    with client_of(tmp_path, max_concurrent=2) as client:
        batcher = client.app.state.batcher
        with batcher.place(), batcher.place():
            for response in (client.post("/v1/read", content=PHOTO), client.get("/readyz")):
                assert response.status_code == 503
                assert response.json()["type"] == "/docs#busy"
                assert 1 <= int(response.headers["retry-after"]) <= 30
            assert client.get("/healthz").status_code == 200
        assert client.post("/v1/read", content=PHOTO).status_code == 200
        assert client.get("/readyz").status_code == 200
        assert "mien_refused_total 1" in client.get("/metrics").text


def test_places_are_given_back_after_errors(tmp_path: Path) -> None:
    with client_of(tmp_path, max_concurrent=1) as client:
        for _ in range(3):
            assert client.post("/v1/read", content=b"?").status_code == 422
        assert client.post("/v1/read", content=PHOTO).status_code == 200


def test_what_takes_too_long_is_given_up_and_the_next_is_served(tmp_path: Path) -> None:
    slow = threading.Event()

    def detector(image: np.ndarray) -> list[list[int]]:
        slow.wait(20)
        return whole(image)

    async def work(batcher: Batcher) -> Problem:
        batcher.decoder.decode(shades(1)[0])  # its process takes a moment to start
        with pytest.raises(Problem) as error:
            await batcher.read(shades(1))
        slow.set()
        assert len((await batcher.read(shades(1)))[0].faces) == 1
        return error.value

    problem = run(tmp_path, work, detector, threads=1, timeout=1)
    assert (problem.kind, problem.status) == ("took-too-long", 503)
    assert int(problem.headers["Retry-After"]) >= 1


def test_a_fault_in_one_batch_does_not_stop_the_next(tmp_path: Path) -> None:
    async def work(batcher: Batcher) -> int:
        name = batcher.reader.classify_batch
        batcher.reader.classify_batch = lambda waiting: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        with pytest.raises(ZeroDivisionError):
            await batcher.read(shades(1))
        batcher.reader.classify_batch = name  # type: ignore[method-assign]
        return len((await batcher.read(shades(1)))[0].faces)

    assert run(tmp_path, work, whole) == 1


def test_faults_are_told_without_their_words(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        client.app.state.batcher.reader.classify_batch = lambda waiting: {}["secret"]
        response = client.post("/v1/read", content=PHOTO)
        assert response.status_code == 500
        assert response.json()["type"] == "/docs#failed"
        assert "secret" not in response.text
        assert response.headers["content-security-policy"]


def test_closing_finishes_what_was_taken_in(tmp_path: Path) -> None:
    begun = threading.Event()

    def detector(image: np.ndarray) -> list[list[int]]:
        begun.set()
        time.sleep(0.1)
        return whole(image)

    async def work(batcher: Batcher) -> int:
        asked = asyncio.create_task(batcher.read(shades(1)))
        await asyncio.to_thread(begun.wait)
        closing = asyncio.create_task(asyncio.to_thread(batcher.pool.close, 10))
        faces = len((await asked)[0].faces)
        await closing
        batcher.closing = True
        with pytest.raises(Problem, match="stopping"), batcher.place():
            pass
        return faces

    assert run(tmp_path, work, detector, threads=1) == 1


def test_workers_count_together_and_a_new_one_goes_on_where_its_forerunner_ended(tmp_path: Path) -> None:
    import os

    table = tmp_path / "metrics"
    make_file(table, 2)
    first, second = Metrics(table), Metrics(table)
    first.add("mien_faces_total", 3)
    second.add("mien_faces_total", 4)
    assert first.value("mien_faces_total") == second.value("mien_faces_total") == 7
    first.add("mien_inside")
    os.close(first._held)  # type: ignore[arg-type]
    third = Metrics(table)
    third.add("mien_faces_total")
    assert second.value("mien_faces_total") == 8
    assert second.value("mien_inside") == 0
    assert "mien_faces_total 8\n" in second.render()
