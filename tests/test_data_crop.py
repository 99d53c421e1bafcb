"""`mien data crop`: faces detected, cropped and counted; class folders kept; resumed and never overwritten."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mien import inference
from mien.cli.main import main
from mien.data import load
from mien.inference import Reader

SAMPLE = Path(inference.__path__[0]) / "sample" / "astronaut.jpg"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("glad", "glum"):
        (root / name).mkdir(parents=True)
    with Image.open(SAMPLE) as sample:
        face = sample.convert("RGB")
    face.save(root / "glad" / "one.jpg", quality=95)
    ImageOps.mirror(face).save(root / "glum" / "mirrored.png")
    two = Image.new("RGB", (face.width * 2, face.height), "gray")
    two.paste(face, (0, 0))
    two.paste(face.resize((face.width // 2, face.height // 2)), (face.width, 0))
    two.save(root / "glum" / "two.png")
    Image.new("RGB", (300, 200), "gray").save(root / "glum" / "nobody.png")
    (root / "glum" / "broken.jpg").write_bytes(b"no picture")
    return root


def crop(photos: Path, output: Path, *options: str) -> int:
    return main(["data", "crop", str(photos), "-o", str(output), *options])


def listed(output: Path) -> dict[str, tuple[str, str]]:
    with output.with_name(f"{output.name}-crops.csv").open(newline="") as file:
        return {row["photo"]: (row["faces_found"], row["note"].split(":")[0]) for row in csv.DictReader(file)}


def test_the_largest_face_of_each_photo(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "faces"
    assert crop(photos, output) == 1  # one photo cannot be read
    out = capsys.readouterr().out
    assert "5 photos, 3 faces cropped" in out
    assert "1 no face found (left out): glum/nobody.png" in out
    assert "1 several faces (only the largest cropped" in out
    assert "1 cannot be read (left out): glum/broken.jpg" in out
    assert sorted(str(p.relative_to(output)) for p in output.rglob("*.png")) == [
        "glad/one.png", "glum/mirrored.png", "glum/two.png"
    ]  # fmt: skip
    assert listed(output) == {
        "glad/one.jpg": ("1", ""), "glum/broken.jpg": ("0", "cannot be read"), "glum/mirrored.png": ("1", ""),
        "glum/nobody.png": ("0", "no face"), "glum/two.png": ("2", "2 faces"),
    }  # fmt: skip
    dataset = load(output)
    assert dataset.classes == ("glad", "glum")
    assert dataset.left_out == {}
    # What training gets is what reading sees.
    (face,) = Reader().read(photos / "glad" / "one.jpg")
    assert abs(dataset.images[0].astype(int) - face.crop.astype(int)).mean() < 4
    with Image.open(tmp_path / "faces-sheet.png") as sheet:
        assert min(sheet.size) > 100


def test_every_face(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces"
    crop(photos, output, "--all")
    assert {p.name for p in (output / "glum").iterdir()} == {"mirrored.png", "two.png", "two_2.png"}


def test_nothing_is_overwritten_and_what_is_done_is_not_done_again(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "faces"
    crop(photos, output)
    first = capsys.readouterr().out
    assert crop(photos, output) == 2
    assert "is not empty; continue with --resume" in capsys.readouterr().err
    (output / "glad" / "one.png").unlink()  # as if stopped on the way
    kept = (output / "glum" / "two.png").stat().st_mtime_ns
    crop(photos, output, "--resume")
    assert capsys.readouterr().out == first
    assert (output / "glad" / "one.png").is_file()
    assert (output / "glum" / "two.png").stat().st_mtime_ns == kept
    assert len(listed(output)) == 5


def test_photos_of_one_name_keep_apart(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with Image.open(SAMPLE) as sample:
        for name in ("a.jpg", "a.png"):
            sample.convert("RGB").save(tmp_path / "photos" / name)
    assert crop(tmp_path / "photos", tmp_path / "faces") == 0
    assert {p.name for p in (tmp_path / "faces").iterdir()} == {"a.png", "a-2.png"}


@pytest.mark.parametrize(
    ("path", "words"), [("absent", "there is nothing at"), ("empty", "no images in"), ("file", "not a folder")]
)
def test_what_is_no_folder_of_photos(path: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert crop(tmp_path / path, tmp_path / "faces") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "faces").exists()


def test_small_faces_are_not_enlarged_beyond_48(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    with Image.open(SAMPLE) as sample:
        scale = 40 / max(Reader().read(sample)[0].box[2:])
        small = sample.convert("RGB").resize((round(sample.width * scale), round(sample.height * scale)))
    page = Image.new("RGB", (400, 300), "gray")
    page.paste(small, (10, 10))
    page.save(tmp_path / "photos" / "a.png")
    crop(tmp_path / "photos", tmp_path / "faces")
    assert "fewer than 48 pixels" in capsys.readouterr().out
    with Image.open(tmp_path / "faces" / "a.png") as face:
        assert face.size == (48, 48)
        assert np.asarray(face).ndim == 2


def test_labels_of_a_list_go_with_the_faces(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("glad/one.jpg", "glum/mirrored.png", "glum/two.png"):
        (photos / name).rename(flat / Path(name).name)
    (flat / "list.csv").write_text("file,emotion,set\none.jpg,happy,train\nmirrored.png,sad,test\ntwo.png,sad,train\n")
    output = tmp_path / "faces"
    assert crop(flat, output, "--all") == 0
    assert f"labels of the faces: {output / 'labels.csv'}" in capsys.readouterr().out
    dataset = load(output)
    assert dataset.classes == ("happy", "sad")
    assert sorted(zip(dataset.usage, dataset.labels, strict=True)) == [
        ("PrivateTest", 1), ("Training", 0), ("Training", 1), ("Training", 1)
    ]  # fmt: skip


def test_folders_of_classes_need_no_list(photos: Path, tmp_path: Path) -> None:
    crop(photos, tmp_path / "faces")
    assert not (tmp_path / "faces" / "labels.csv").exists()
