"""Videos sent to the API: a timeline within limits on size, length and time; only single video files are opened."""

import asyncio
import io
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from mien import Reader
from mien.errors import MienError
from mien.server.app import create_app
from mien.server.batcher import Batcher
from mien.server.settings import Settings
from mien.server.video import _VideoProcess, read_video
from read_fixtures import PORTRAIT, make_model
from serve_fixtures import client_of

MP4 = {"Content-Type": "video/mp4"}


def film(seconds: float = 1.0, fps: int = 10, side: int = 256) -> bytes:
    """An MP4 of the portrait, then of a gray picture for as long."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container, Image.open(PORTRAIT) as portrait:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width = stream.height = side
        face = np.asarray(portrait.convert("RGB").resize((side, side)))
        for index in range(round(2 * seconds * fps)):
            pixels = face if index < seconds * fps else np.full_like(face, 128)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture(scope="module")
def video() -> bytes:
    return film()


def test_a_video_is_answered_with_its_timeline(tmp_path: Path, video: bytes) -> None:
    with client_of(tmp_path) as client:
        answers = [
            client.post("/v1/videos?every=0.25", content=video, headers=MP4).json(),
            client.post("/v1/videos?every=0.25", files={"video": ("me.mp4", video)}).json(),
        ]
        assert [answer.pop("name") for answer in answers] == ["", "me.mp4"]
        assert answers[0] == answers[1]
        (answer, _) = answers
        assert (answer["width"], answer["height"], answer["note"]) == (256, 256, None)
        assert answer["length"] == pytest.approx(2)
        assert answer["length"] == round(answer["length"], 6)
        times = [frame["time"] for frame in answer["frames"]]
        assert len(times) in (7, 8, 9)
        assert times == sorted(times)
        early = [frame for frame in answer["frames"] if frame["time"] < 0.95]
        late = [frame for frame in answer["frames"] if frame["time"] >= 1]
        assert all(len(frame["faces"]) == 1 for frame in early)
        assert {face["id"] for frame in early for face in frame["faces"]} == {1}
        assert not any(frame["faces"] for frame in late)
        assert 'mien_requests_total{route="/v1/videos",status="200"} 2' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"no film", MP4, 422, "unreadable-video"),
        (PORTRAIT.read_bytes(), MP4, 422, "unreadable-video"),
        (b"", MP4, 400, "bad-request"),
        (b"x", {"Content-Type": "image/jpeg"}, 415, "wrong-type"),
        (bytes(2_000_000), MP4, 413, "too-large"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", {"Content-Type": "video/mpegurl"}, 422, "unreadable-video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", MP4, 422, "unreadable-video"),
    ],
)
def test_what_is_no_video_is_a_problem(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    with client_of(tmp_path, max_video_bytes=1_000_000) as client:
        answer = client.post("/v1/videos", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"/docs#{kind}"
    assert "/proc" not in answer.text
    assert "/tmp" not in answer.text


def test_a_cut_video_gives_what_there_is_of_it_or_a_problem(tmp_path: Path, video: bytes) -> None:
    with client_of(tmp_path) as client:
        for size in (40, len(video) // 2, len(video) - 100):
            answer = client.post("/v1/videos", content=video[:size], headers=MP4)
            assert answer.status_code in (200, 422), answer.text


def test_a_film_that_was_kept_in_a_file_is_deleted_also_when_its_decoder_was_killed(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a system has no files in memory."""
    monkeypatch.delattr("os.memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    process = _VideoProcess(video, 0.0, Settings())
    assert len(list((tmp_path / "kept").rglob("video"))) == 1
    next(process.frames())
    process.kill()
    assert list((tmp_path / "kept").iterdir()) == []
    process = _VideoProcess(video, 0.25, Settings())
    assert len(list(process.frames())) in (7, 8, 9)
    process.kill()
    assert list((tmp_path / "kept").iterdir()) == []


def test_one_video_is_read_at_a_time(tmp_path: Path, video: bytes) -> None:
    with client_of(tmp_path) as client:
        both = [("video", ("a.mp4", video)), ("video", ("b.mp4", video))]
        answer = client.post("/v1/videos", files=both)
    assert answer.status_code == 400
    assert "more than 1 video in one request" in answer.json()["detail"]


def test_videos_can_be_refused(tmp_path: Path, video: bytes) -> None:
    with client_of(tmp_path, max_video_bytes=0) as client:
        assert client.post("/v1/videos", content=video, headers=MP4).status_code == 415
        assert client.get("/v1/model").json()["limits"]["video_bytes"] == 0


def read(tmp_path: Path, video: bytes, stopping: bool = False, pause: float = 0.0, **settings: float) -> dict:
    """What is answered of a video. pause: seconds that looking for faces takes longer, in each frame."""
    event = threading.Event()
    if stopping:
        event.set()

    def detector(image: np.ndarray) -> list[list[int]]:
        time.sleep(pause)
        return [[0, 0, 100, 100]]

    reader = Reader(make_model(tmp_path / "tiny.onnx"), detector=detector if pause else "yunet")
    return read_video(video, 0.1, reader, Settings(**settings), event)  # type: ignore[arg-type]


def test_a_video_is_read_up_to_its_limits_and_the_rest_is_told(tmp_path: Path, video: bytes) -> None:
    short = read(tmp_path, video, max_video_seconds=1)
    assert short["note"] == "only the first 1 s were read"
    assert max(frame["time"] for frame in short["frames"]) <= 1
    assert "the server is stopping" in read(tmp_path, video, stopping=True)["note"]
    with pytest.raises(MienError, match="256x256"):
        read(tmp_path, video, max_pixels=10_000)


def test_a_video_that_takes_too_long_is_cut_and_said_to_be(tmp_path: Path) -> None:
    timeline = read(tmp_path, film(seconds=30), pause=0.05, video_timeout=6.0, decode_timeout=1.0)
    assert "limit" in timeline["note"]
    assert 0 < len(timeline["frames"]) < 200


def test_a_client_that_leaves_ends_its_video(tmp_path: Path) -> None:
    seen, left = threading.Event(), threading.Event()

    def detector(image: np.ndarray) -> list[list[int]]:
        seen.set()
        left.wait(20)
        return []

    app = create_app(Settings(model=str(make_model(tmp_path / "tiny.onnx")), threads=1, runs=str(tmp_path)))
    body = film(seconds=20)
    sent: list[dict] = []

    async def ask(batcher: Batcher) -> None:
        messages = [{"type": "http.request", "body": body}]

        async def receive() -> dict:
            if messages:
                return messages.pop()
            while not seen.is_set():
                await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_later(0.1, left.set)
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/v1/videos", "raw_path": b"/v1/videos", "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"video/mp4")], "http_version": "1.1",
            "scheme": "http", "server": ("localhost", 80), "client": ("localhost", 1), "root_path": "",
        }  # fmt: skip
        await app(scope, receive, send)

    with TestClient(app, base_url="http://localhost") as client:
        batcher: Batcher = app.state.batcher
        batcher.reader = Reader(batcher.reader.model.path, detector=detector)
        client.portal.call(ask, batcher)  # type: ignore[union-attr]
        answer = json.loads(b"".join(message.get("body", b"") for message in sent))
        assert "the client has left" in answer["note"]
        assert len(answer["frames"]) < 5
        assert client.post("/v1/videos?every=1", content=film(), headers=MP4).status_code == 200  # there is place again


def test_one_video_at_a_time_in_one_thread(tmp_path: Path, video: bytes) -> None:
    with client_of(tmp_path, threads=1) as client:
        client.app.state.batcher._videos = 1  # type: ignore[attr-defined]
        answer = client.post("/v1/videos", content=video, headers=MP4)
        assert (answer.status_code, answer.json()["type"]) == (503, "/docs#busy")
        assert answer.headers["retry-after"]
        client.app.state.batcher._videos = 0  # type: ignore[attr-defined]


def test_the_document_describes_videos(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        assert isinstance(client, TestClient)
        operation = client.get("/openapi.json").json()["paths"]["/v1/videos"]["post"]
    assert set(operation["requestBody"]["content"]) == {"video/*", "multipart/form-data"}
