"""Columns that name the parts: recognized by their values under any name; flags; CelebA's numbers; invalid columns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_layouts import SEVEN, picture, put
from mien.data import Dataset, load
from mien.errors import MienError

N = 28
KINDS = ("csv", "parquet", "npz", "list")
Value = Callable[[int], object]


def table(folder: Path, kind: str, columns: dict[str, Value]) -> Path:
    """28 faces of seven emotions with more columns, as a file of pixels or a list of pictures."""
    folder.mkdir()
    cells = {name: [value(i) for i in range(N)] for name, value in columns.items()}
    faces = [picture(SEVEN[i % 7], i) for i in range(N)]
    if kind == "npz":
        np.savez(folder / "a.npz", images=np.array(faces), labels=[i % 7 for i in range(N)], **{
            name: np.array(held) for name, held in cells.items()})  # fmt: skip
    elif kind == "parquet":
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pixels = [" ".join(map(str, face.ravel())) for face in faces]
        parquet.write_table(
            pa.table({"pixels": pixels, "emotion": [i % 7 for i in range(N)]} | cells), folder / "a.parquet"
        )
    else:
        rows = zip(*cells.values(), strict=True)
        if kind == "csv":
            lines = [f"{i % 7},{' '.join(map(str, face.ravel()))}" for i, face in enumerate(faces)]
        else:
            lines = [f"{i}.png,{SEVEN[i % 7]}" for i in range(N)]
            for i in range(N):
                put(folder / f"{i}.png", SEVEN[i % 7], i)
        header = ["emotion,pixels" if kind == "csv" else "image,label", *cells]
        whole = [",".join(header), *(",".join([line, *map(str, row)]) for line, row in zip(lines, rows, strict=True))]
        (folder / "a.csv").write_text("\n".join(whole) + "\n")
    return folder


def given(dataset: Dataset) -> list[int]:
    """How many faces are in train, validation and test."""
    return [int((dataset.usage == usage).sum()) for usage in ("Training", "PublicTest", "PrivateTest")]


def read(path: Path) -> Dataset:
    return load(path, cache=False)


def fault(path: Path) -> str:
    with pytest.raises(MienError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["data_type", "role", "sample", "usage_2", "Train/Test", "train_or_test", "Split Type", "partition"]
)
def test_a_column_of_any_name_that_holds_parts_says_them(name: str, kind: str, tmp_path: Path) -> None:
    name = name.replace("/", "_") if kind == "npz" else name  # names of files in an archive
    dataset = read(table(tmp_path / "a", kind, {name: lambda i: "test" if i % 4 == 0 else "train"}))
    assert given(dataset) == [21, 0, 7]
    told = any(
        name.lower() in line.lower().replace("split_", "split ") and "parts" in line for line in dataset.decisions
    )
    assert told or (kind, name) == ("list", "partition")


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_celeba_s_numbers_says_the_parts(kind: str, tmp_path: Path) -> None:
    dataset = read(table(tmp_path / "a", kind, {"partition": lambda i: (0, 0, 1, 2)[i % 4]}))
    assert given(dataset) == [14, 7, 7]
    assert any("0 is train, 1 validation, 2 test" in line for line in dataset.decisions)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("set", lambda i: "ABC"[i % 3]),
        ("split", lambda i: i % 3),
        ("partition", lambda i: i % 2),
        ("train", lambda i: "ab"[i % 2]),
        ("mode", lambda i: "tset" if i == 3 else "test" if i % 4 == 0 else "train"),
    ],
)
def test_a_column_that_is_called_as_parts_are_and_holds_none_is_refused(
    name: str, value: Value, kind: str, tmp_path: Path
) -> None:
    assert f"in its column {name!r}" in fault(table(tmp_path / "a", kind, {name: value}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [("is_train", "is_val", "is_test"), ("train", "val", "test"), ("is_val", "is_test")])
def test_several_flags_say_the_parts_together(names: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    at = {"train": (0, 1), "val": (2,), "test": (3,)}
    columns = {name: lambda i, name=name: int(i % 4 in at[name.removeprefix("is_")]) for name in names}
    dataset = read(table(tmp_path / "a", kind, columns))  # type: ignore[arg-type]
    assert given(dataset) == [14, 7, 7]
    assert any(all(repr(name) in line for name in names) for line in dataset.decisions)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("marked", [(0, 0, 0), (0, 1, 1)])
def test_a_row_of_no_flag_or_several_is_refused(marked: tuple[int, ...], kind: str, tmp_path: Path) -> None:
    names = ("train", "val", "test")
    columns = {name: lambda i, k=k: marked[k] if i == 5 else int(i % 3 == k) for k, name in enumerate(names)}
    said = fault(table(tmp_path / "a", kind, columns))  # type: ignore[arg-type]
    assert "row 6" in said
    assert "write 1 into one of them" in said


@pytest.mark.parametrize("kind", KINDS)
def test_one_column_called_train_is_a_flag(kind: str, tmp_path: Path) -> None:
    assert given(read(table(tmp_path / "a", kind, {"train": lambda i: int(i % 4 > 0)}))) == [21, 0, 7]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"), [("valid", lambda i: 1), ("name", lambda i: "Val" if i == 0 else f"Ann {i}"), ("fold", str)]
)
def test_other_columns_say_no_parts(name: str, value: Value, kind: str, tmp_path: Path) -> None:
    assert given(read(table(tmp_path / "a", kind, {name: value}))) in ([28, 0, 0], [0, 0, 0])


def test_csv_files_of_two_parts_with_a_column_of_parts_are_both_read(tmp_path: Path) -> None:
    for part, n in (("train", 28), ("test", 14)):
        lines = [f"{i % 7},{' '.join(map(str, picture(SEVEN[i % 7], i).ravel()))},{part}" for i in range(n)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["emotion,pixels,mode", *lines]) + "\n")
    assert given(read(tmp_path)) == [28, 0, 14]
