"""Parts from the paths in YOLO's data.yaml, and incomplete parquet shards."""

from pathlib import Path

import pytest
from PIL import Image

from data_layouts import SEVEN, picture
from mien.data import Dataset, load


def read(path: Path) -> Dataset:
    return load(path, cache=False)


def given(dataset: Dataset) -> list[int]:
    """How many faces are in train, validation, test and no part."""
    return [int((dataset.usage == usage).sum()) for usage in ("Training", "PublicTest", "PrivateTest", "")]


def yolo(root: Path, text: str, pattern: str = "{kind}/{home}") -> None:
    """21 faces in setA and 7 in setB, with boxes, and data.yaml."""
    for i in range(28):
        home = "setA" if i < 21 else "setB"
        for kind in ("images", "labels"):
            (root / pattern.format(kind=kind, home=home)).mkdir(parents=True, exist_ok=True)
        face = Image.fromarray(picture(SEVEN[i % 7], i))
        face.save(root / pattern.format(kind="images", home=home) / f"{i}.png")
        (root / pattern.format(kind="labels", home=home) / f"{i}.txt").write_text(f"{i % 7} 0.5 0.5 1 1\n")
    (root / "data.yaml").write_text(f"{text}\nnames: [{', '.join(SEVEN)}]\n")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("train: images/setA\nval: images/setB", "{kind}/{home}"),
        ("path: /home/me/faces\ntrain: ../faces/images/setA/\nval: './images/setB'  # held out", "{kind}/{home}"),
        ("train:\n  - images/setA\nval: [images/setB]", "{kind}/{home}"),
        ("train: setA/images\nval: setB/images\ntest:", "{home}/{kind}"),
        ("train: images\nval: images/setB", "{kind}/{home}"),
        ("train: a.txt\nval: b.txt", "{kind}/{home}"),
    ],
)
def test_the_paths_in_data_yaml_are_the_parts(text: str, pattern: str, tmp_path: Path) -> None:
    yolo(tmp_path, text, pattern)
    for name, numbers, home in (("a.txt", range(21), "setA"), ("b.txt", range(21, 28), "setB")):
        (tmp_path / name).write_text("".join(f"./images/{home}/{i}.png\n" for i in numbers))
    dataset = read(tmp_path)
    assert given(dataset) == [21, 7, 0, 0]
    assert any("parts as given by the paths in data.yaml" in line for line in dataset.decisions)


@pytest.mark.parametrize("text", ["train: images\nval: images", "train: elsewhere\nval: other", "nc: 7"])
def test_paths_that_name_no_two_parts_say_none(text: str, tmp_path: Path) -> None:
    yolo(tmp_path, text)
    assert given(read(tmp_path)) == [0, 0, 0, 28]


@pytest.mark.parametrize(
    ("shards", "missing"),
    [
        (["00000-of-00003", "00002-of-00003"], "train-00001-of-00003.parquet"),
        (["00000-of-00002"], "train-00001-of-00002.parquet"),
        (["00000-of-00002", "00001-of-00002"], ""),
        (["1-of-2", "2-of-2"], ""),
    ],
)
def test_a_missing_shard_is_told(shards: list[str], missing: str, tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pixels = [" ".join(map(str, picture(name, i).ravel())) for i, name in enumerate(SEVEN)]
    for shard in shards:
        table = pa.table({"pixels": pixels, "emotion": list(range(7))})
        parquet.write_table(table, tmp_path / f"train-{shard}.parquet")
    told = [line for line in read(tmp_path).decisions if "missing" in line]
    assert told == ([f"missing: {missing}; what is read is not the whole"] if missing else [])
