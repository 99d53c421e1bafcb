"""Models from a hub, downloaded by the real huggingface_hub from a local server; folders for a hub."""

import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from mien.cli.main import main
from mien.errors import MienError
from mien.inference import hub
from mien.inference.model_file import WEIGHTS, read_info, resolve, state_dict

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as a download asks for: files of one repository at one commit, under two names."""

    files: dict[str, bytes]
    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> bytes:
        self.asked.append(self.path)
        words = self.path.split("?")[0].strip("/").split("/")
        code, missing = 404, "RepoNotFound"
        if words[:2] == ["someone", "faces"]:
            revision, name = words[3], "/".join(words[4:])
            missing = "EntryNotFound" if revision in (COMMIT, "main") else "RevisionNotFound"
            if missing == "EntryNotFound" and name in self.files:
                code = 200
        body = self.files[name] if code == 200 else b"{}"
        self.send_response(code)
        if code == 200:
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        else:
            self.send_header("X-Error-Code", missing)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Handler", (Hub,), {"files": {"model.onnx": (WEIGHTS / "nano.onnx").read_bytes()}, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    yield handler
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_model_is_fetched_once_and_its_sum_is_kept(served, revision, tmp_path):
    path = resolve(f"hf:someone/faces@{revision}")
    assert path.read_bytes() == served.files["model.onnx"]
    assert read_info(f"hf:someone/faces@{revision}").classes == read_info("nano").classes
    sums = json.loads((tmp_path / "cache" / hub.SUMS).read_text())
    assert sums == {f"someone/faces@{COMMIT}": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.timeout(60)
def test_a_model_is_read_where_its_sum_cannot_be_kept(served, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "file" / "cache"))
    assert resolve(f"hf:someone/faces@{COMMIT}").is_file()


@pytest.mark.timeout(60)
def test_another_file_of_the_same_commit_is_refused(served, tmp_path):
    source = f"hf:someone/faces@{COMMIT}"
    resolve(source)
    shutil.rmtree(tmp_path / "hub")
    served.files["model.onnx"] = (WEIGHTS / "hybrid.onnx").read_bytes()
    with pytest.raises(MienError, match="brought another file before"):
        resolve(source)


@pytest.mark.timeout(60)
def test_a_file_that_is_not_what_its_config_promises_is_refused(served):
    served.files["config.json"] = json.dumps({"sha256": {"model.onnx": "0" * 64}}).encode()
    with pytest.raises(MienError, match=r"not the one in its config\.json"):
        resolve("hf:someone/faces@main")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf:someone/faces", "write hf:OWNER/NAME@REVISION"),
        ("hf:faces@main", "write hf:OWNER/NAME@REVISION"),
        ("hf:nobody/nothing@main", "no such repository"),
        ("hf:someone/faces@gone", "has no revision gone"),
    ],
)
def test_what_is_not_there_is_one_line(served, source, message, capsys):
    assert main(["read", "photo.jpg", "--model", source]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.timeout(60)
def test_a_repository_without_a_model_is_told(served):
    served.files.clear()
    with pytest.raises(MienError, match=r"contains no model\.onnx"):
        resolve("hf:someone/faces@main")


@pytest.mark.timeout(60)
def test_no_hub_is_asked_for_other_names(served):
    for name in ("champion-fast", "nano"):
        resolve(name)
    with pytest.raises(MienError):
        resolve("someone/faces")
    assert served.asked == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the shipped hybrid: its records in results/, its weights from its model file."""
    pytest.importorskip("onnx")
    numpy = pytest.importorskip("safetensors.numpy")
    folder = tmp_path_factory.mktemp("runs") / "hybrid-1"
    shutil.copytree(Path(__file__).parents[1] / "results/champion/runs/hybrid-1", folder)
    shutil.copyfile(WEIGHTS / "hybrid.onnx", folder / "model.onnx")
    numpy.save_file(state_dict("hybrid"), folder / "weights.safetensors")
    return folder


@pytest.mark.timeout(60)
def test_a_published_run_is_whole_and_reads_from_the_hub(run, served, tmp_path, capsys):
    from safetensors import safe_open

    assert main(["publish", str(run), "--to", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.onnx", "model.safetensors",
    ]  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    for name, digest in config["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    with safe_open(folder / "model.safetensors", framework="np") as file:
        assert len(list(file.keys())) > 4
    card = (folder / "README.md").read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    figures = metrics["evaluations"]["validation"]["single"]
    low, high = figures["accuracy_interval"]
    assert f"{figures['accuracy']:.1%} ({low:.1%} to {high:.1%})" in card
    assert config["data"]["fingerprint"] in card
    assert "seed 1." in card
    assert "--input-normalization none" in card  # this run's, and no longer the recipe's
    assert "28,709 images to train on" in card
    served.files.update({path.name: path.read_bytes() for path in folder.iterdir()})
    assert resolve("hf:someone/faces@main").read_bytes() == (run / "model.onnx").read_bytes()


@pytest.mark.timeout(60)
def test_the_command_of_the_card_is_one_that_mien_takes(run, tmp_path):
    import shlex

    from mien.cli.main import add_arguments
    from mien.cli.parser import Parser
    from mien.evaluation.record import read_record
    from mien.training.publish import _command

    words = shlex.split(_command(read_record(run)))[2:]
    parser = Parser(prog="mien train")
    add_arguments(parser, "train", words)
    args = parser.parse_args(words)
    assert (args.recipe, args.seed, args.input_normalization) == ("hybrid", 1, "none")


@pytest.mark.timeout(60)
def test_publishing_refuses_what_is_not_whole_and_leaves_nothing(run, tmp_path, capsys):
    copy = tmp_path / "half"
    shutil.copytree(run, copy)
    (copy / "weights.safetensors").unlink()
    for arguments, message in (
        ([str(copy), "--to", str(tmp_path / "a")], "lacks weights.safetensors; resume the run"),
        ([str(tmp_path / "none"), "--to", str(tmp_path / "a")], "does not exist"),
        ([str(run), "--to", str(copy)], "exists; give a new folder"),
    ):
        assert main(["publish", *arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error
        assert "\n" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["half"]
