"""Legend files that name the classes of numeric labels: all common forms, and never mistaken for picture names."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data import draw_face, load
from mien.errors import MienError
from mien.labels import EMOTIONS

ALPHABETICAL = sorted(EMOTIONS)  # as Keras numbers class folders
PAIRS = list(enumerate(ALPHABETICAL))
N = 21


def lines(form: str) -> str:
    return "".join(form.format(i=i, n=n) + "\n" for i, n in PAIRS)


LEGENDS = {
    "classes.txt": "\n".join(ALPHABETICAL),
    "labels.txt": lines("{i}. {n}"),
    "class_names.txt": lines("{i}) {n}"),
    "label_names.txt": "id name\n" + lines("{i} {n}"),
    "emotion_labels.txt": lines("{i} - {n}"),
    "emotions.txt": lines("{i} -> {n}"),
    "class_list.txt": ", ".join(ALPHABETICAL),
    "mapping_classes.txt": str(dict(PAIRS)),
    "classes.csv": "id,name\n" + lines("{i},{n}"),
    "label_map.csv": "label;emotion\n" + lines("{i};{n}"),
    "emotions.csv": "name,id\n" + lines("{n},{i}"),
    "class_counts.csv": "id,name,count\n" + lines("{i},{n},3"),
    "label_map.tsv": "index\tlabel\n" + lines("{i}\t{n}"),
    "classes.yaml": lines("{i}: {n}"),
    "dataset.yaml": f"classes: [{', '.join(ALPHABETICAL)}]\n",
    "class_to_idx.json": json.dumps({n: i for i, n in PAIRS}),
    "classes.json": json.dumps({"classes": ALPHABETICAL}),
    "categories.json": json.dumps([{"id": i, "name": n} for i, n in PAIRS]),
    "emotions.json": json.dumps({n: {"id": i} for i, n in PAIRS}),
    "config.json": json.dumps({"hidden": 3, "id2label": dict(PAIRS), "label2id": {n: i for i, n in PAIRS}}),
    "label_map.pbtxt": lines("item {{\n  id: {i}\n  name: '{n}'\n}}"),
    "README.md": "# Faces\n\nLabels:\n" + lines("- {i}: {n}"),
}  # fmt: skip


def folders(root: Path, names: str = "{}") -> None:
    for i, emotion in enumerate(ALPHABETICAL):
        (root / names.format(i)).mkdir(parents=True)
        for j in range(3):
            Image.fromarray(draw_face(emotion, j)).save(root / names.format(i) / f"{i + 7 * j}.png")


def pixels(root: Path, name: str = "data.csv", words: bool = False, n: int = N) -> None:
    root.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{ALPHABETICAL[k % 7] if words else k % 7},{' '.join(map(str, np.full(2304, k).tolist()))}" for k in range(n)
    ]
    (root / name).write_text("\n".join(["emotion,pixels", *rows]) + "\n")


def labels_of(root: Path) -> list[str]:
    dataset = load(root, cache=False)
    return sorted(dataset.classes[label] for label in dataset.labels)


@pytest.mark.parametrize("legend", LEGENDS)
@pytest.mark.parametrize("form", ["folders", "pixels"])
def test_a_legend_names_numbered_classes(legend: str, form: str, tmp_path: Path) -> None:
    (folders if form == "folders" else pixels)(tmp_path)
    (tmp_path / legend).write_text(LEGENDS[legend])
    dataset = load(tmp_path, cache=False)
    assert len(dataset) == N
    assert any("named by" in line and legend in line for line in dataset.decisions)
    if form == "pixels":
        assert [dataset.classes[label] for label in dataset.labels] == [ALPHABETICAL[k % 7] for k in range(N)]
    else:
        assert labels_of(tmp_path) == sorted(ALPHABETICAL * 3)


def test_folders_called_class_000_are_numbers(tmp_path: Path) -> None:
    folders(tmp_path, "class{:03d}")
    (tmp_path / "classes.txt").write_text(LEGENDS["classes.txt"])
    dataset = load(tmp_path, cache=False)
    assert dataset.classes == EMOTIONS
    assert any("named by classes.txt" in line for line in dataset.decisions)


def test_a_legend_beside_one_file_of_pixels(tmp_path: Path) -> None:
    pixels(tmp_path)
    (tmp_path / "classes.txt").write_text(LEGENDS["classes.txt"])
    dataset = load(tmp_path / "data.csv", cache=False)
    assert [dataset.classes[label] for label in dataset.labels[:7]] == ALPHABETICAL


def test_a_legend_of_parquet_and_npz(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    numbers = np.arange(N) % 7
    images = np.stack([np.full((48, 48), k, np.uint8) for k in range(N)])
    for name in ("npz", "parquet"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "classes.txt").write_text(LEGENDS["classes.txt"])
    np.savez(tmp_path / "npz" / "faces.npz", images=images, labels=numbers)
    table = pandas.DataFrame({"pixels": [image.ravel().tolist() for image in images], "label": numbers})
    table.to_parquet(tmp_path / "parquet" / "faces.parquet")
    for name in ("npz", "parquet"):
        dataset = load(tmp_path / name, cache=False)
        assert [dataset.classes[label] for label in dataset.labels] == [ALPHABETICAL[k] for k in numbers]


@pytest.mark.parametrize("form", ["folders", "pixels"])
def test_a_legend_in_an_unknown_form_is_not_passed_over(form: str, tmp_path: Path) -> None:
    (folders if form == "folders" else pixels)(tmp_path)
    (tmp_path / "labels.txt").write_text("happy has the 3, sad the 5 and angry comes before 1\n")
    with pytest.raises(MienError, match=r"labels\.txt names emotions in a form that mien does not know"):
        load(tmp_path, cache=False)
    assert len(load(tmp_path, cache=False, classes="fer2013")) == N


def test_emotions_in_a_readme_are_no_legend(tmp_path: Path) -> None:
    pixels(tmp_path)
    (tmp_path / "README.md").write_text(f"48x48 faces with 7 emotions: {', '.join(ALPHABETICAL)}. Of 2013.\n")
    assert load(tmp_path, cache=False).labels.tolist() == [k % 7 for k in range(N)]


@pytest.mark.parametrize("legend", ["classes.csv", "emotions.csv", "class_counts.csv"])
def test_a_legend_is_no_list_of_pictures(legend: str, tmp_path: Path) -> None:
    for part in ("train", "test"):
        folders(tmp_path / part)
    (tmp_path / legend).write_text(LEGENDS[legend])
    dataset = load(tmp_path, cache=False)
    assert len(dataset) == 2 * N
    assert dataset.classes == EMOTIONS


def test_a_legend_beside_a_list_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for k in range(N):
        Image.fromarray(draw_face(ALPHABETICAL[k % 7], k)).save(tmp_path / "images" / f"{k}.png")
    (tmp_path / "data.csv").write_text("image,label\n" + "".join(f"{k}.png,{k % 7}\n" for k in range(N)))
    (tmp_path / "classes.csv").write_text(LEGENDS["classes.csv"])
    assert labels_of(tmp_path) == sorted(ALPHABETICAL * 3)


def test_names_in_one_file_and_numbers_in_the_other_are_asked(tmp_path: Path) -> None:
    pixels(tmp_path, "train.csv", words=True)
    pixels(tmp_path, "test.csv")
    with pytest.raises(MienError, match=r"labels in train\.csv have names and those in test\.csv are numbers"):
        load(tmp_path, cache=False)
    named = load(tmp_path, cache=False, classes=dict(enumerate(ALPHABETICAL)))
    assert [named.classes[label] for label in named.labels] == [ALPHABETICAL[k % 7] for k in range(N)] * 2
