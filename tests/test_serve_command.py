"""`mien serve` as a process: startup, warnings, errors, shared counters, graceful shutdown."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mien.cli.main import main
from read_fixtures import make_model
from serve_fixtures import PHOTO

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")


@contextmanager
def process(tmp_path: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen, int, str]]:
    """A server, its port, and what it said before it was ready."""
    model = make_model(tmp_path / "tiny.onnx")
    command = [sys.executable, "-m", "mien", "serve", "--model", str(model), "--port", "0", *options]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    server = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    said = ""
    try:
        while not (ready := re.search(r"http://[^/\s]+:(\d+)/\S* \(API", said)):
            line = server.stderr.readline()
            assert line, f"the server ended: {said}"
            said += line
        yield server, int(ready[1]), said
    finally:
        server.terminate()
        server.wait(30)
        server.stderr.close()


def get(port: int, address: str, **headers: str) -> tuple[int, bytes]:
    """One request, tried until the server answers."""
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", address, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("the server does not answer")


def takes_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


def test_a_request_that_was_begun_is_finished_when_the_server_is_told_to_stop(tmp_path: Path) -> None:
    with process(tmp_path) as (server, port, _):
        assert get(port, "/readyz")[0] == 200
        half = len(PHOTO) // 2
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            head = (
                f"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: "
                f"{len(PHOTO)}\r\n\r\n"
            )
            client.sendall(head.encode() + PHOTO[:half])
            while b"mien_receiving 1" not in get(port, "/metrics")[1]:
                time.sleep(0.02)
            server.send_signal(signal.SIGTERM)
            while takes_in(port):  # until it takes nobody else in
                time.sleep(0.02)
            client.sendall(PHOTO[half:])
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"faces":[{"number":1' in answer
        assert server.wait(30) in (0, -signal.SIGTERM)


def test_workers_answer_together_and_count_together(tmp_path: Path) -> None:
    with process(tmp_path, "--workers", "2", "--threads", "1", "--access-log") as (_, port, _):
        for _ in range(12):
            assert get(port, "/v1/model")[0] == 200
        sums = {
            get(port, "/metrics")[1].decode().split('route="/v1/model",status="200"} ')[1].split("\n")[0]
            for _ in range(6)
        }
        assert sums == {"12"}


@pytest.mark.parametrize("words", [("--token", ""), ("--token=",), ("--allow-host", "http://faces.example")])
def test_a_token_that_is_empty_and_an_address_as_a_name_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *words, "--port", "0"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words[0].rstrip("=") in err


def test_an_empty_token_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIEN_TOKEN", "")
    assert main(["serve", "--port", "0"]) == 2
    assert "MIEN_TOKEN is empty" in capsys.readouterr().err


def test_an_open_address_warns_unless_there_is_a_token(tmp_path: Path) -> None:
    with process(tmp_path, "--host", "0.0.0.0") as (_, port, said):
        assert "mien: warning: 0.0.0.0 is open to other machines" in said
        assert get(port, "/v1/model")[0] == 200
    with process(tmp_path, "--host", "0.0.0.0", MIEN_TOKEN="s3cret") as (_, port, said):
        assert "warning" not in said
        assert get(port, "/v1/model")[0] == 401
        assert get(port, "/v1/model", Authorization="Bearer s3cret")[0] == 200


def test_options_of_0_1_work_with_a_line_that_says_the_new_ones(tmp_path: Path) -> None:
    with process(tmp_path, "--queue", "7", "--window-ms", "1.5") as (_, port, said):
        assert "mien: warning: --queue is now called --max-concurrent" in said
        assert "mien: warning: --window-ms is now called --max-batch-delay-ms" in said
        assert get(port, "/readyz")[0] == 200


def test_nothing_of_a_picture_is_logged(tmp_path: Path) -> None:
    with process(tmp_path, "--access-log") as (server, port, _):
        get(port, "/readyz")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        form = (
            b'--b\r\nContent-Disposition: form-data; name="p"; filename="my-diary.jpg"\r\n\r\n'
            + PHOTO
            + b"\r\n--b--\r\n"
        )
        connection.request("POST", "/v1/read", form, {"Content-Type": "multipart/form-data; boundary=b"})
        assert b"my-diary.jpg" in connection.getresponse().read()
        connection.request("GET", "/%1b%5b31mred")  # what a terminal would obey
        connection.getresponse().read()
        connection.close()
        server.terminate()
        server.wait(30)
        log = server.stderr.read()
    assert "POST /v1/read" in log
    assert "diary" not in log
    assert "\x1b" not in log
    assert len(log) < 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "none.onnx"], "no model 'none.onnx'"),
        (["--threads", "0"], "--threads = 0 is not possible"),
        (["--runs", "nowhere"], "--runs nowhere is not a folder"),
        (["--workers", "0"], "--workers must be a number from 1 to"),
        (["--host", "no.such.host.invalid"], "is no address of this machine"),
        (["--cors", "*"], "--cors takes origins"),
        (["--max-bytes", "10"], "--max-bytes must be a number from"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = [] if "--model" in options else ["--model", str(make_model(tmp_path / "tiny.onnx"))]
    assert main(["serve", "--port", "0", *model, *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mien: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--model", str(make_model(tmp_path / "tiny.onnx")), "--port", str(port)]) == 2
    assert f"port {port}: Address already in use; choose another --port" in capsys.readouterr().err
