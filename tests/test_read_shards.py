"""`mien read --shard` and `mien merge`: merged parts of a collection equal the output of one job."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mien.cli.main import main
from mien.cli.shard import Shard, parse_shard
from mien.errors import MienError
from read_fixtures import PORTRAIT, make_film, make_model, portrait, tiny_model

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command of mien in this process; returns exit code and standard error."""

    def call(*words: str | Path) -> tuple[int, str]:
        capfd.readouterr()
        return main([str(word) for word in words]), capfd.readouterr().err

    return call


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    (folder / "a").mkdir()
    for i in range(9):
        portrait().resize((80, 80)).save(folder / ("a" if i % 2 else "") / f"{i}.jpg")
    (folder / "half.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    (folder / 'odd "name", with\nbreaks.png').write_bytes(b"none")
    make_film(folder / "film.mp4", seconds=1)
    make_film(folder / "a" / "second.mp4", seconds=1)
    return folder


def read(run: Run, album: Path, *words: str | Path) -> int:
    return run("read", album, "--model", tiny_model(), "--quiet", *words)[0]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_parts_put_together_are_what_one_job_writes(run: Run, album: Path, tmp_path: Path, kind: str) -> None:
    whole, output = tmp_path / f"whole.{kind}", tmp_path / f"out.{kind}"
    assert read(run, album, "-o", whole) == 1
    for number in (1, 2, 3):
        assert read(run, album, "-o", output, "--shard", f"{number}/3") in (0, 1)
    parts = [tmp_path / f"out-{number}-of-3.{kind}" for number in (3, 1, 2)]
    assert run("merge", *parts, "-o", output)[0] == 0
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(output).equals(parquet.read_table(whole))
    else:
        assert output.read_bytes() == whole.read_bytes()


def test_parquet_says_what_csv_says(run: Run, album: Path, tmp_path: Path) -> None:
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    for kind in ("csv", "parquet"):
        read(run, album, "-o", tmp_path / f"out.{kind}")
    table, text = pandas.read_parquet(tmp_path / "out.parquet"), pandas.read_csv(tmp_path / "out.csv")
    assert list(table.columns) == list(text.columns)
    for name in text.columns:
        if text[name].dtype == float or text[name].dtype == int:
            assert (table[name].astype(float) - text[name]).abs().max() < 1e-12 or text[name].isna().all()
        else:
            assert table[name].fillna("").tolist() == text[name].fillna("").tolist()


def test_what_does_not_belong_together_is_refused_in_one_line(run: Run, album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    for number in (1, 2):
        read(run, album, "-o", output, "--shard", f"{number}/2")
    one, two = (tmp_path / f"out-{number}-of-2.csv" for number in (1, 2))
    third = tmp_path / "out-1-of-3.csv"
    third.write_bytes(one.read_bytes())
    swapped = tmp_path / "copy-2-of-2.csv"
    swapped.write_bytes(one.read_bytes())
    cut = tmp_path / "cut-2-of-2.csv"
    cut.write_bytes(two.read_bytes()[:-20])
    late = tmp_path / "out-2-of-2.unfinished.csv"
    late.write_bytes(two.read_bytes())
    other = make_model(tmp_path / "other.onnx", name="other")
    run("read", album, "-o", tmp_path / "other.csv", "--shard", "2/2", "--model", other, "--quiet")
    for parts, words in (
        ([one], "1 of 2 parts are missing: 2"),
        ([one, one, two], "is given more than once"),
        ([third, two], "one of 3 parts"),
        ([one, swapped], "does not belong to part 2 of 2"),
        ([one, cut], "truncated at row"),
        ([one, late], "is not finished"),
        ([one, tmp_path / "nothing-2-of-2.csv"], "there is no part"),
        ([one, tmp_path / "two.csv"], "is not named like a part"),
        ([one, tmp_path / "other-2-of-2.csv"], "the parts were read with the models"),
    ):
        code, err = run("merge", *parts, "-o", output)
        assert (code, err.count("\n")) == (2, 1), err
        assert words in err
        assert not output.exists()
    assert run("merge", one, two, "-o", tmp_path / "out.jsonl")[0] == 2
    assert run("merge", one, two, "-o", output)[0] == 0
    assert run("merge", one, two, "-o", output)[0] == 2  # exists
    assert run("merge", one, two, "-o", output, "--overwrite")[0] == 0


def test_a_part_that_was_killed_goes_on_and_one_that_is_done_is_left_alone(
    run: Run, album: Path, tmp_path: Path
) -> None:
    output, part = tmp_path / "out.csv", tmp_path / "out-1-of-2.csv"
    read(run, album, "-o", output, "--shard", "1/2")
    expected = part.read_bytes()
    part.rename(tmp_path / "out-1-of-2.unfinished.csv")
    (tmp_path / "out-1-of-2.unfinished.csv").write_bytes(expected[: len(expected) // 2])
    assert read(run, album, "-o", output, "--shard", "1/2") == 2  # a day's work, perhaps
    assert read(run, album, "-o", output, "--shard", "1/2", "--resume") in (0, 1)
    assert part.read_bytes() == expected
    assert read(run, album, "-o", output, "--shard", "1/2", "--resume") == 0
    assert read(run, album, "-o", output, "--shard", "1/2") == 2
    assert part.read_bytes() == expected


def test_a_killed_part_in_parquet_leaves_nothing_behind_once_it_is_read_again(
    run: Run, album: Path, tmp_path: Path
) -> None:
    left, other = tmp_path / ".out-1-of-2-0123abcd.parquet", tmp_path / ".out-2-of-2-0123abcd.parquet"
    left.write_bytes(b"half")
    other.write_bytes(b"another job's")
    assert read(run, album, "-o", tmp_path / "out.parquet", "--shard", "1/2", "--resume") in (0, 1)
    assert [left.exists(), other.exists()] == [False, True]


def test_every_name_falls_to_one_shard() -> None:
    names = [f"folder/{i}.jpg" for i in range(500)]
    counts = [sum(Shard(number, 5).owns(name) for name in names) for number in range(1, 6)]
    assert sum(counts) == 500
    assert min(counts) > 60
    assert parse_shard("2/8") == Shard(2, 8)
    for text in ("0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"):
        with pytest.raises(MienError, match="--shard must be I/N"):
            parse_shard(text)


def test_one_file_and_no_file_are_refused(run: Run, album: Path, tmp_path: Path) -> None:
    for words in (
        (album / "0.jpg", "-o", tmp_path / "o.csv"),
        (album,),
        (album, "-o", tmp_path / "o.json"),
        (album, "-o", tmp_path / "o.csv", "--annotate", tmp_path / "copies"),
    ):
        assert run("read", *words, "--shard", "1/2")[0] == 2
