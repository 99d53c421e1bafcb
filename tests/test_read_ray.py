"""Very large collections: blocks of a folder, a list, a parquet file and an address give the same results as one job;
and all of it through Ray, if installed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

parquet = pytest.importorskip("pyarrow.parquet")

import pyarrow  # noqa: E402

from mien.cli.collection import blocks_of  # noqa: E402
from mien.cli.main import main  # noqa: E402
from mien.cli.read_ray import BlockReader  # noqa: E402
from mien.cli.records import csv_columns  # noqa: E402
from mien.errors import MienError  # noqa: E402
from mien.labels import EMOTIONS  # noqa: E402
from read_fixtures import PORTRAIT, make_film, portrait, tiny_model  # noqa: E402

COLUMNS = csv_columns(EMOTIONS, videos=True)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    (folder / "a").mkdir()
    for i in range(5):
        portrait().resize((80 + i, 80)).save(folder / ("a" if i % 2 else "") / f"{i}.jpg")
    (folder / "half.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    (folder / ".hidden.jpg").write_bytes(b"")
    make_film(folder / "film.mp4", seconds=1)
    (folder / "no film.mp4").write_bytes(b"no film")
    return folder


@pytest.fixture(scope="module")
def expected(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The table that the local engine writes."""
    output = tmp_path_factory.mktemp("whole") / "whole.parquet"
    assert main(["read", str(album), "-o", str(output), "--model", str(tiny_model()), "--quiet"]) == 1
    return parquet.read_table(output)


def read(collection: str, size: int = 3) -> Any:
    """The table of all blocks of a collection, read in this process."""
    reader = BlockReader(tiny_model().read_bytes(), {}, COLUMNS, 0.2, 0.0)
    tables = []
    import pickle

    for block in blocks_of(collection, size):
        result = reader({"block": [pickle.dumps(block)]})
        assert result["number"] == [block.number]
        assert result["items"] == [len(block.items)]
        tables.append(parquet.read_table(pyarrow.BufferReader(result["table"][0])).replace_schema_metadata())
    return pyarrow.concat_tables(tables)


def test_a_folder_in_blocks_has_the_rows_of_one_job(album: Path, expected: Any) -> None:
    assert read(str(album)).equals(expected)


def test_a_list_and_a_parquet_file_of_paths_have_too(album: Path, expected: Any, tmp_path: Path) -> None:
    names = list(dict.fromkeys(expected.column("source").to_pylist()))
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n\n")
    assert read(str(tmp_path / "list.txt")).equals(expected)
    parquet.write_table(pyarrow.table({"n": range(len(names)), "path": names}), tmp_path / "list.parquet")
    assert read(str(tmp_path / "list.parquet")).equals(expected)


def test_an_address_has_the_same_faces_under_its_names(album: Path, expected: Any) -> None:
    pytest.importorskip("fsspec")
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(album), "/album", recursive=True)
    try:
        table = read("memory://album", 2)
    finally:
        memory.rm("/album", recursive=True)
    for name in COLUMNS:
        if name not in ("source", "error"):
            assert table.column(name).equals(expected.column(name)), name
    for name in ("source", "error"):
        here = [str(text).replace("memory:///album", str(album)) for text in table.column(name).to_pylist()]
        assert here == [str(text) for text in expected.column(name).to_pylist()]


@pytest.mark.parametrize("struct", [False, True])
def test_pictures_may_be_bytes_in_a_parquet_file(album: Path, expected: Any, tmp_path: Path, struct: bool) -> None:
    names = [name for name in dict.fromkeys(expected.column("source").to_pylist()) if name.endswith(".jpg")]
    content: list[Any] = [Path(name).read_bytes() for name in names]
    cells = [{"bytes": value, "path": None} for value in content] if struct else content
    table = pyarrow.table({"image": [*cells, None], "file": [*names, "nothing.jpg"]})
    parquet.write_table(table, tmp_path / "pictures.parquet", row_group_size=2)
    result = read(str(tmp_path / "pictures.parquet"), 4)
    count = result.num_rows - 1
    assert result.column("error").to_pylist()[-1] == "nothing.jpg contains no image"
    assert result.slice(0, count).drop(["error"]).equals(expected.slice(0, count).drop(["error"]))
    parquet.write_table(table.drop(["file"]), tmp_path / "unnamed.parquet")
    assert read(str(tmp_path / "unnamed.parquet")).column("source")[0].as_py().endswith("unnamed.parquet row 1")


def test_what_is_no_collection_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "damaged.parquet").write_text("x")
    parquet.write_table(pyarrow.table({"n": [1]}), tmp_path / "numbers.parquet")
    names = ["a.csv", "damaged.parquet", "numbers.parquet", "nothing.txt"]
    for name in [*(str(tmp_path / name) for name in names), "nowhere://x", "memory://nothing-there"]:
        with pytest.raises(MienError) as caught:
            list(blocks_of(name, 2))
        assert "\n" not in str(caught.value)
    for words in (["-o", "x.csv"], [], ["-o", "x.parquet", "--annotate", "y"], ["-o", "x.parquet", "--cropped"]):
        assert main(["read", str(tmp_path), "--engine", "ray", *words]) == 2


def with_ray(album: Path, output: Path, *words: str) -> list[str]:
    command = [sys.executable, "-m", "mien", "read", str(album), "-o", str(output), "--engine", "ray"]
    return [*command, "--threads", "1", "--model", str(tiny_model()), "--quiet", *words]


def test_ray_writes_the_rows_of_one_job_and_resumes(album: Path, expected: Any, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    output = tmp_path / "out.parquet"
    assert subprocess.run(with_ray(album, output), timeout=180).returncode == 1
    assert parquet.read_table(output).replace_schema_metadata().equals(expected)
    assert subprocess.run(with_ray(album, output), timeout=60).returncode == 2  # exists
    block = output / "block-00000000.parquet"
    before = block.stat().st_mtime_ns
    assert subprocess.run(with_ray(album, output, "--resume"), timeout=60).returncode == 1
    assert block.stat().st_mtime_ns == before
    assert subprocess.run(with_ray(album, output, "--resume", "--min-score", "0.7"), timeout=60).returncode == 2
    (tmp_path / "other.parquet").mkdir()
    (tmp_path / "other.parquet" / "mine.txt").write_text("x")
    assert subprocess.run(with_ray(album, tmp_path / "other.parquet", "--overwrite"), timeout=60).returncode == 2


def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    psutil = pytest.importorskip("psutil")
    folder, output = tmp_path / "many", tmp_path / "out.parquet"
    folder.mkdir()
    for i in range(400):
        (folder / f"{i:03}.jpg").symlink_to(PORTRAIT)
    job = subprocess.Popen(with_ray(folder, output))
    try:
        deadline, killed = time.monotonic() + 120, 0
        while time.monotonic() < deadline and not killed and job.poll() is None:
            time.sleep(0.05)
            if not list(output.glob("block-*")):
                continue
            for process in psutil.Process(job.pid).children(recursive=True):
                if "MapWorker" in " ".join(process.cmdline()):
                    os.kill(process.pid, signal.SIGKILL)
                    killed += 1
        assert job.wait(180) == 0
        assert killed
    finally:
        job.kill()
        job.wait(20)
    sources = parquet.read_table(output).column("source").to_pylist()
    assert sources == [str(folder / f"{i:03}.jpg") for i in range(400)]


def test_s3_has_the_same_faces(album: Path, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    import boto3
    from moto.server import ThreadedMotoServer

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        for path in sorted(album.rglob("*.*")):
            if path.is_file():
                client.upload_file(str(path), "bucket", f"album/{path.relative_to(album)}")
        table = read("s3://bucket/album")
        with pytest.raises(MienError, match="nothing at s3://bucket/elsewhere"):
            list(blocks_of("s3://bucket/elsewhere", 2))
    finally:
        server.stop()
    assert [name.replace("s3://bucket/album", str(album)) for name in table.column("source").to_pylist()] == (
        expected.column("source").to_pylist()
    )
    for name in COLUMNS:
        if name not in ("source", "error"):
            assert table.column(name).equals(expected.column(name)), name
