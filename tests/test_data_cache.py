"""The cache: keyed by content, memory-mapped, written atomically, and never required."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.data import Dataset, cache, draw_files, load
from mien.data.pictures import read_picture

LOAD = "import sys; from mien.data import load; print(load(sys.argv[1]).fingerprint)"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kept"
    monkeypatch.setenv("MIEN_CACHE", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw_files(tmp_path / "data", n=40, seed=0)
    return tmp_path / "data"


def files(kept: Path) -> list[Path]:
    return sorted(kept.glob("*.faces"))


def mapped(dataset: Dataset) -> bool:
    base = dataset.images
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base  # type: ignore[assignment]
    return isinstance(base, np.memmap)


def equal(a: Dataset, b: Dataset) -> bool:
    return (a.fingerprint, a.source, a.drawn, a.classes) == (b.fingerprint, b.source, b.drawn, b.classes) and (
        a.usage.dtype == b.usage.dtype and a.labels.dtype == b.labels.dtype
    )


def test_the_second_time_is_mapped_and_equal(kept: Path, data: Path) -> None:
    first, second = load(data), load(data)
    assert equal(first, second)
    assert not mapped(first)
    assert mapped(second)
    assert len(files(kept)) == 1


def test_what_is_mapped_can_be_changed_without_harm(kept: Path, data: Path) -> None:
    first, second = load(data), load(data)
    second.images[:] = 0
    assert equal(first, load(data))


def test_without_cache_nothing_is_read_or_kept(kept: Path, data: Path) -> None:
    load(data, cache=False)
    assert not kept.exists()


def test_a_change_of_content_is_seen_even_with_size_and_time_unchanged(kept: Path, data: Path) -> None:
    file = data / "train.csv"
    first = load(file)
    state, content = file.stat(), file.read_bytes()
    swapped = bytes([ord("1") + (content[-2] == ord("1"))])
    file.write_bytes(content[:-2] + swapped + content[-1:])
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size
    second = load(file)
    assert second.fingerprint != first.fingerprint
    assert second.fingerprint == load(file, cache=False).fingerprint


def test_the_hash_of_a_settled_file_is_remembered_and_checked(
    kept: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_SETTLED", -1.0)
    file = data / "train.csv"
    digest = cache.content(file)
    (note,) = kept.glob("*.json")
    monkeypatch.setattr(cache, "_hash", lambda *_: "taken again")
    assert cache.content(file) == digest
    os.utime(file, (1, 1))
    assert cache.content(file) == "taken again"
    note.write_text("{")
    assert cache.content(file) == "taken again"


def test_a_copy_under_another_name_finds_the_same_file(kept: Path, data: Path, tmp_path: Path) -> None:
    load(data / "train.csv")
    shutil.copy(data / "train.csv", tmp_path / "copy.csv")
    copy = load(tmp_path / "copy.csv")
    assert mapped(copy)
    assert copy.source == str(tmp_path / "copy.csv")
    assert not copy.drawn  # the note that says so is not beside it
    assert len(files(kept)) == 1


def damaged(path: Path) -> list[bytes]:
    content = path.read_bytes()
    middle, last = bytearray(content), bytearray(content)
    middle[5000] ^= 1
    last[-1] ^= 1
    return [
        b"",
        b"{}",
        content[:4000],
        content[:-1],
        content + b"x",
        bytes(middle),
        bytes(last),
        b"\xff" * len(content),
    ]


def test_a_damaged_file_is_made_anew(kept: Path, data: Path) -> None:
    first = load(data)
    (path,) = files(kept)
    whole = path.read_bytes()
    for content in damaged(path):
        path.write_bytes(content)
        again = load(data)
        assert equal(again, first)
        assert not mapped(again)
        assert path.read_bytes() == whole
    path.unlink()
    path.mkdir()  # not even this stops the work
    assert equal(load(data), first)


def test_a_folder_that_cannot_be_written_does_no_harm(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "file" / "cache"))
    assert equal(load(data), load(data, cache=False))


def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache.folder() == Path("/a")
    monkeypatch.delenv("MIEN_CACHE")
    assert cache.folder() == Path("/b/mien")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == Path.home() / ".cache/mien"


def test_processes_side_by_side(kept: Path, data: Path) -> None:
    expected = load(data, cache=False).fingerprint
    start = [subprocess.Popen([sys.executable, "-c", LOAD, data], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0].strip() for process in start] == [expected] * 3
    assert mapped(load(data))
    assert sorted(p.suffix for p in kept.iterdir() if p.name.startswith(".")) == []


def test_the_least_recently_used_go_first(kept: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(data / "train.csv")
    (old,) = files(kept)
    left = kept / ".half-written.faces"
    left.write_bytes(b"x")
    os.utime(old, (1, 1))
    os.utime(left, (1, 1))
    load(data / "icml_face_data.csv")
    assert old.exists()
    assert not left.exists()
    monkeypatch.setattr(cache, "_LIMIT", 100_000)
    os.utime(old, (1, 1))
    load(data / "test.csv")
    assert not old.exists()


def test_pictures_are_read_anew_when_one_changes(kept: Path, tmp_path: Path) -> None:
    from PIL import Image

    root = tmp_path / "faces"
    for name, shade in (("a", 10), ("b", 200)):
        (root / name).mkdir(parents=True)
        Image.new("L", (48, 48), shade).save(root / name / "1.png")
    first = load(root)
    assert first.images[:, 0, 0].tolist() == [10, 200]
    assert mapped(load(root))
    assert equal(first, load(root))
    Image.new("L", (48, 48), 30).save(root / "a" / "1.png")
    assert load(root).images[:, 0, 0].tolist() == [30, 200]
    assert read_picture(root / "a" / "1.png")[0, 0] == 30


def test_decisions_and_what_was_left_out_are_kept(kept: Path, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("anger", "joy", "anger"):
        (tmp_path / "faces" / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (48, 48), len(name)).save(tmp_path / "faces" / name / "1.png")
    (tmp_path / "faces" / "joy" / "2.png").write_bytes(b"")
    first, second = (load(tmp_path / "faces", skip_broken=True) for _ in range(2))
    assert mapped(second)
    assert second.decisions == first.decisions != ()
    assert second.left_out == first.left_out == {"broken pictures": 1}
    assert load(tmp_path / "faces", skip_broken=True, classes="as-is").classes == ("anger", "joy")


def test_a_flipped_bit_anywhere_is_noticed(kept: Path, data: Path) -> None:
    first = load(data / "train.csv")
    (path,) = files(kept)
    whole = path.read_bytes()
    header = len(whole.split(b"\0")[0])
    for at in [*range(header), len(whole) // 2, len(whole) - 1]:
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(bytes(changed))
        assert cache.load(path.stem) is None
    path.write_bytes(whole)
    assert cache.load(path.stem).fingerprint == first.fingerprint  # type: ignore[union-attr]


def test_the_folder_is_its_owners_alone(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load(data)
    place = tmp_path / "xdg" / "mien"
    assert place.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in place.iterdir()} == {0o600}
    place.chmod(0o777)
    load(data)
    assert place.stat().st_mode & 0o777 == 0o700


def test_what_others_may_write_is_not_read(kept: Path, data: Path) -> None:
    load(data)
    (path,) = files(kept)
    path.chmod(0o666)
    assert not mapped(load(data))  # and written anew
    kept.chmod(0o777)
    assert cache.own_folder() is None
    assert not mapped(load(data))
    kept.chmod(0o700)
    elsewhere = path.rename(kept.parent / path.name)
    path.symlink_to(elsewhere)
    assert not mapped(load(data))


def test_without_a_home_nothing_is_kept_and_nothing_fails(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache.folder() is None
    assert len(load(data)) == 40


def test_clear(kept: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mien.cli.main import main

    load(data)
    assert main(["data", "cache"]) == 0
    out = capsys.readouterr().out
    assert str(kept) in out
    assert "--clear" in out
    assert main(["data", "cache", "--clear"]) == 0
    assert list(kept.iterdir()) == []
    assert "deleted" in capsys.readouterr().out
