"""Runs as JSON: finished, running, stopped, broken; nothing outside the run folder."""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from mien.server import runs
from mien.server.schemas import RunAnswer, RunSummary
from serve_fixtures import client_of, write_run


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path) as client:
        yield client


def table(client: TestClient) -> dict[str, dict]:
    return {run["name"]: run for run in client.get("/v1/runs").json()["runs"]}


def test_there_need_be_no_folder(client: TestClient) -> None:
    assert client.get("/v1/runs").json() == {"folder": "runs", "runs": []}


def test_a_finished_run_has_its_scores_curves_and_verdict(client: TestClient, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "hybrid", top=0.6)
    row = table(client)["hybrid"]
    assert (row["status"], row["epochs"], row["planned_epochs"], row["parameters"]) == ("done", 6, 6, 304743)
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["accuracy_interval"] == pytest.approx([0.52, 0.68])
    assert row["seconds"] == pytest.approx(63)
    assert row["verdict"] == "good fit"
    assert len(row["curve"]) == 6
    run = client.get("/v1/runs/hybrid").json()
    assert run["history"]["epoch"] == [1, 2, 3, 4, 5, 6]
    assert run["history"]["val_accuracy"][-1] == pytest.approx(row["val_accuracy"])
    assert run["evaluations"]["validation"]["flip"]["n"] == 140
    assert run["verdict_detail"] == {
        "kind": "good fit",
        "epoch": None,
        "evidence": "the gap is small",
        "advice": "longer",
        "title": "good fit",
    }
    assert run["settings"]["learning_rate"] == 0.002
    assert "machine" not in run["settings"]


def test_a_running_training_is_followed_epoch_by_epoch(client: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "deep"
    write_run(folder, epochs=2, planned=20, done=False)
    row = table(client)["deep"]
    assert (row["status"], row["epochs"], row["accuracy"], row["verdict"]) == ("running", 2, None, "too short")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    write_run(folder, epochs=12, planned=20, done=False, overfits=True)
    row = table(client)["deep"]
    assert (row["epochs"], row["verdict"]) == (12, "overfit")
    verdict = client.get("/v1/runs/deep").json()["verdict_detail"]
    assert verdict["title"] == f"overfit since epoch {verdict['epoch']}"
    assert verdict["epoch"] in (1, 2, 3, 4)


def test_an_unfinished_run_that_went_quiet_is_stopped(client: TestClient, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "old", done=False)
    past = time.time() - 7200
    for file in folder.iterdir():
        os.utime(file, (past, past))
    assert table(client)["old"]["status"] == "stopped"
    (folder / "checkpoint.pt").touch()
    assert table(client)["old"]["status"] == "running"


def test_a_copied_run_is_done_whatever_the_dates_of_its_files(client: TestClient, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "copied")
    past = time.time() - 7200
    os.utime(folder / "metrics.json", (past, past))
    assert table(client)["copied"]["status"] == "done"


def test_a_run_that_has_only_begun_is_listed(client: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "new"
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text('{"name": "hybrid", "epochs": 30}')
    row = table(client)["new"]
    assert (row["status"], row["epochs"], row["verdict"], row["val_accuracy"]) == ("running", 0, None, None)
    assert client.get("/v1/runs/new").json()["history"]["epoch"] == []


def test_runs_in_folders_of_folders_are_found_and_what_is_no_run_is_not(client: TestClient, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "study" / "a b")
    write_run(tmp_path / "runs" / "top")
    write_run(tmp_path / "runs" / ".hidden")
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "a file").write_text("")
    assert list(table(client)) == ["study/a b", "top"]
    assert client.get("/v1/runs/study%2Fa%20b").json()["name"] == "study/a b"
    assert client.get("/v1/runs/study/a b").json()["name"] == "study/a b"


@pytest.mark.parametrize("name", ["../secret", "..%2Fsecret", "%2Fetc", "runs", "%2E", "a%00b", "top/../top", "TOP"])
def test_a_name_never_leads_out_of_the_folder(client: TestClient, tmp_path: Path, name: str) -> None:
    write_run(tmp_path / "secret")
    write_run(tmp_path / "runs" / "top")
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "secret")
    response = client.get(f"/v1/runs/{name}")
    assert response.status_code == 404 or response.json()["name"] == "top"
    assert list(table(client)) == ["top"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("recipe.json", "{"),
        ("recipe.json", "[]"),
        ("metrics.json", "null"),
        ("metrics.json", "[" * 100_000),
        ("history.csv", "a,b\n1,2\n"),
        ("history.csv", ""),
        ("history.csv", "\0\0"),
    ],
)
def test_a_broken_file_is_told_and_the_other_runs_are_shown(
    client: TestClient, tmp_path: Path, file: str, text: str
) -> None:
    write_run(tmp_path / "runs" / "sound")
    broken = write_run(tmp_path / "runs" / "broken")
    (broken / file).write_text(text)
    rows = table(client)
    assert rows["sound"]["error"] is None
    assert file in rows["broken"]["error"]
    assert str(tmp_path) not in rows["broken"]["error"]
    assert client.get("/v1/runs/broken").status_code == 200


def test_numbers_that_json_lacks_become_null(client: TestClient, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "lost", done=False)
    text = (folder / "history.csv").read_text().splitlines()
    cells = text[-1].split(",")
    cells[1], cells[3] = "nan", "inf"
    (folder / "history.csv").write_text("\n".join([*text[:-1], ",".join(cells)]) + "\n")
    run = client.get("/v1/runs/lost").json()
    assert run["history"]["train_loss"][-1] is None
    assert run["verdict"] == "unstable"


def test_metrics_of_odd_shape_do_no_harm(client: TestClient, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "odd")
    (folder / "metrics.json").write_text(json.dumps({"evaluations": [1], "verdict": {"kind": 1}, "epochs": 6}))
    assert table(client)["odd"]["accuracy"] is None
    assert client.get("/v1/runs/odd").json()["evaluations"] == {}


def test_metrics_of_0_1_and_of_today_are_read_alike(client: TestClient, tmp_path: Path) -> None:
    old = write_run(tmp_path / "runs" / "old") / "metrics.json"
    metrics = json.loads(old.read_text())
    figures = metrics["evaluations"]["validation"]["single"]
    views = {"single": figures, "ten": figures, "ten, no copies": figures}
    old.write_text(json.dumps(metrics | {"evaluations": {"validation": views}}))
    new = write_run(tmp_path / "runs" / "new") / "metrics.json"
    views = {"single": figures, "shift10": {**figures, "without_duplicates": figures}}
    new.write_text(json.dumps(metrics | {"format": 2, "evaluations": {"validation": views}}))
    evaluations = [client.get(f"/v1/runs/{name}").json()["evaluations"] for name in ("old", "new")]
    assert evaluations[0] == evaluations[1]
    assert table(client)["old"]["accuracy"] == table(client)["new"]["accuracy"] == pytest.approx(0.6)
    new.write_text(json.dumps(metrics | {"format": 99}))
    assert "needs a newer version of mien" in table(client)["new"]["error"]
    assert client.get("/v1/runs/new").status_code == 200


def test_recipes_of_0_1_and_of_today_are_read_alike(client: TestClient, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "old", shift=0.08, ema=0.99, data={"fingerprint": "00ff", "copies_crossing": 3})
    changes = {"format": 2, "translate": 0.08, "ema_decay": 0.99, "data": {"fingerprint": "00ff", "leaked": 3}}
    write_run(tmp_path / "runs" / "new", **changes)
    for name in ("old", "new"):
        run = client.get(f"/v1/runs/{name}").json()
        assert (run["settings"]["translate"], run["settings"]["ema_decay"], run["data"]["leaked"]) == (0.08, 0.99, 3)
        assert run["error"] is None
    write_run(tmp_path / "runs" / "later", format=99)
    assert "newer than this version of mien" in table(client)["later"]["error"]


def test_who_asks_again_is_sent_nothing_until_something_is_new(client: TestClient, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "a")
    first = client.get("/v1/runs")
    again = client.get("/v1/runs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    (folder / "metrics.json").unlink()
    assert client.get("/v1/runs", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_long_curves_are_thinned_for_the_table(tmp_path: Path) -> None:
    write_run(tmp_path / "long", epochs=300, planned=300)
    (row,) = runs.summaries(tmp_path)
    detail = runs.detail(tmp_path, "long")
    assert detail is not None
    assert len(row["curve"]) == runs.SPARKS
    assert row["curve"][0] == detail["history"]["val_accuracy"][0]
    assert row["curve"][-1] == detail["history"]["val_accuracy"][-1]


def odd_run(folder: Path, file: str, make: Callable[[Path], None]) -> Path:
    """A sound run of which one file is something else."""
    path = write_run(folder)
    (path / file).unlink()
    make(path / file)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="files as on Unix")
@pytest.mark.parametrize("file", ["recipe.json", "history.csv", "metrics.json"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "a link out of the run folder"),
        (lambda path: path.symlink_to("/etc/passwd"), "a link out of the run folder"),
        (lambda path: path.symlink_to("nothing"), "a link to nothing"),
        (lambda path: path.symlink_to(path.name), "link"),
        (lambda path: path.mkdir(), "regular file|directory"),
        (lambda path: path.write_bytes(bytes(5_000_000)), "larger than 4,000,000 bytes"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "decode"),
    ],
)
def test_a_run_with_an_odd_file_is_one_marked_row(
    client: TestClient, tmp_path: Path, file: str, make: Callable[[Path], None], words: str
) -> None:
    odd_run(tmp_path / "runs" / "odd", file, make)
    write_run(tmp_path / "runs" / "sound")
    rows = table(client)
    assert rows["sound"]["error"] is None
    assert re.search(words, rows["odd"]["error"])
    assert str(tmp_path) not in rows["odd"]["error"]
    assert client.get("/v1/runs/odd").json()["error"] == rows["odd"]["error"]


def test_a_link_within_the_folder_is_followed(client: TestClient, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "first")
    odd_run(tmp_path / "runs" / "second", "metrics.json", lambda path: path.symlink_to("../first/metrics.json"))
    assert table(client)["second"]["error"] is None
    assert table(client)["second"]["parameters"] == 304743


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("recipe.json", {"epochs": "30"}, "recipe.json: epochs"),
        ("recipe.json", {"seed": [1]}, "recipe.json: seed"),
        ("recipe.json", {"name": {"a": 1}}, "recipe.json: name"),
        ("recipe.json", {"classes": 7}, None),
        ("recipe.json", {"data": "here"}, None),
        ("recipe.json", {"note": 10**400}, None),
        ("metrics.json", {"parameters": "many"}, "metrics.json: parameters"),
        ("metrics.json", {"parameters": 10**400}, "metrics.json: parameters"),
        ("metrics.json", {"epochs": True}, "metrics.json: epochs"),
        ("metrics.json", {"temperature": "1.1"}, "metrics.json: temperature"),
        ("metrics.json", {"evaluations": {"validation": {"single": {"accuracy": "0.6"}}}}, "metrics.json: accuracy"),
        ("metrics.json", {"evaluations": {"validation": {"single": {"accuracy_interval": 1}}}}, "accuracy_interval"),
        ("metrics.json", {"evaluations": [1]}, "metrics.json: evaluations"),
        ("metrics.json", {"verdict": {"kind": [1], "epoch": {}}}, None),
        ("metrics.json", {"evaluations": {"validation": 1, "test": {"single": []}}}, "metrics.json: evaluations"),
    ],
)
def test_values_of_the_wrong_type_are_told_and_none_reaches_the_table(
    client: TestClient, tmp_path: Path, file: str, changes: dict, words: str | None
) -> None:
    path = write_run(tmp_path / "runs" / "odd") / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    row = table(client)["odd"]
    if words:
        assert words in row["error"]
    else:
        assert row["error"] is None
    RunSummary.model_validate(row, strict=True)
    RunAnswer.model_validate(client.get("/v1/runs/odd").json(), strict=True)


def test_deep_nesting_is_told(client: TestClient, tmp_path: Path) -> None:
    path = write_run(tmp_path / "runs" / "deep") / "recipe.json"
    path.write_text('{"a": ' + "[" * 900 + "]" * 900 + "}")
    assert "nested more than 32 levels" in table(client)["deep"]["error"]
    assert client.get("/v1/runs/deep").status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="names as on Unix")
def test_names_with_line_breaks_and_bytes_are_shown_with_escapes_and_can_be_opened(
    client: TestClient, tmp_path: Path
) -> None:
    for name in (b"a\nb", b"a\x1b[31m", b"a\xff", "a\u202eb".encode(), b"a\\nb"):
        write_run(Path(os.fsdecode(os.fsencode(tmp_path / "runs") + b"/" + name)))
    rows = table(client)
    assert len(rows) == 5
    assert all(name.isprintable() for name in rows)
    for name in rows:
        assert client.get(f"/v1/runs/{quote(name, safe='')}").json()["name"] == name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="permissions as on Unix")
def test_a_folder_that_may_not_be_entered_is_a_marked_row() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_run(folder / "open")
        (folder / "closed").mkdir(mode=0o000)
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            with suppress(OSError):
                if os.geteuid() == 0:  # root may enter any folder: ask as somebody else
                    os.setuid(65534)
                os.write(write_end, json.dumps(runs.summaries(folder)).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as answer:
            rows = {row["name"]: row for row in json.loads(answer.read())}
        os.waitpid(child, 0)
        (folder / "closed").chmod(0o700)
    assert rows["open"]["error"] is None
    assert rows["closed"]["error"] == "the folder cannot be opened: Permission denied"
    assert rows["closed"]["status"] == "stopped"
