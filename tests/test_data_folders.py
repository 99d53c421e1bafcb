"""Folders of pictures: FER2013's own layout, trees of one's own classes, and pictures of every kind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data import load, load_test, split
from mien.data.pictures import read_picture
from mien.errors import MienError
from mien.labels import EMOTIONS


def put(root: Path, *files: str) -> Path:
    """Gray pictures, each of another shade: the n-th of shade n."""
    for shade, name in enumerate(files):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (48, 48), shade).save(file)
    return root


def fault(path: Path) -> str:
    with pytest.raises(MienError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_fer2013_as_pictures(tmp_path: Path) -> None:
    names = [f"train/{emotion}/Training_{n}.png" for emotion in sorted(EMOTIONS) for n in (10, 9)]
    names += [
        f"test/{emotion}/{usage}_77.png" for emotion in sorted(EMOTIONS) for usage in ("PublicTest", "PrivateTest")
    ]
    put(tmp_path / "archive", *names)
    dataset = load(tmp_path)
    assert dataset.classes == EMOTIONS
    assert dataset.usage.tolist() == ["Training"] * 14 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    assert dataset.labels.tolist() == [i // 2 for i in range(14)] + list(range(7)) * 2
    # Numbers in names count as numbers: 9 before 10. The shade tells which picture it is.
    first = [names[shade] for shade in dataset.images[:2, 0, 0]]
    assert first == ["train/angry/Training_9.png", "train/angry/Training_10.png"]
    assert len(split(dataset, "official").validation) == 7
    with pytest.raises(MienError, match=r"no test\.csv"):
        load_test(tmp_path)


def test_own_classes(tmp_path: Path) -> None:
    dataset = load(put(tmp_path, "wow/a.png", "calm/b.png", "calm/deep/down/c.png", ".hidden/d.png", "__MACOSX/e.png"))
    assert dataset.classes == ("calm", "wow")
    assert dataset.labels.tolist() == [0, 0, 1]
    assert dataset.usage.tolist() == ["", "", ""]
    assert dataset.images[:, 0, 0].tolist() == [1, 2, 0]


def test_own_classes_with_own_splits(tmp_path: Path) -> None:
    dataset = load(put(tmp_path, "test/a/1.png", "train/a/1.png", "train/B/1.png", "val/b/1.png", "test/b/1.png"))
    assert dataset.classes == ("a", "b")  # B and b are one
    assert dataset.usage.tolist() == ["Training", "Training", "PublicTest", "PrivateTest", "PrivateTest"]
    assert dataset.labels.tolist() == [0, 1, 1, 0, 1]


def test_a_few_emotions_keep_their_order(tmp_path: Path) -> None:
    assert load(put(tmp_path, "sad/1.png", "Happy/1.png", "bored/1.png")).classes == ("happy", "sad", "bored")


def test_all_seven_emotions_take_their_own_names(tmp_path: Path) -> None:
    assert load(put(tmp_path, *(f"{name.upper()}/1.png" for name in EMOTIONS))).classes == EMOTIONS


def test_the_last_empty_class_folder_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "c").mkdir()
    assert f"class folder {tmp_path / 'c'} holds no pictures" in fault(tmp_path)


def test_pictures_without_classes(tmp_path: Path) -> None:
    assert "no class folders" in fault(put(tmp_path, "1.png", "2.png"))
    assert "single picture" in fault(tmp_path / "1.png")


def test_a_single_class(tmp_path: Path) -> None:
    assert "single class 'a'" in fault(put(tmp_path, "a/1.png"))


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b" / "2.jpg").write_bytes(b"no picture")
    assert f"{tmp_path / 'b' / '2.jpg'} cannot be read (not a picture); replace or delete it" in fault(tmp_path)
    whole = (tmp_path / "a" / "1.png").read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        (tmp_path / "b" / "2.jpg").write_bytes(content)
        assert "2.jpg cannot be read" in fault(tmp_path)


def checks(side: int) -> np.ndarray:
    return (np.indices((side, side)).sum(axis=0) % 2 * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (48, 48), (200, 200, 200)),
        Image.new("RGB", (1000, 1000), (200, 200, 200)),
        Image.new("L", (20, 20), 200),
        Image.new("L", (48, 200), 200),
        Image.new("P", (64, 64), 0).convert("P"),
        Image.new("LA", (48, 48), (200, 255)),
        Image.new("RGBA", (48, 48), (200, 200, 200, 255)),
        Image.new("CMYK", (48, 48), (0, 0, 0, 55)),
        Image.fromarray(np.full((60, 60), 200 * 257, np.uint16)),
        Image.new("1", (48, 48), 1),
    ],
)
def test_every_kind_of_picture_becomes_gray_48(picture: Image.Image, tmp_path: Path) -> None:
    expected = {"P": 0, "1": 255}.get(picture.mode, 200)
    file = tmp_path / ("x.tif" if picture.mode == "CMYK" else "x.png")
    picture.save(file)
    gray = read_picture(file)
    assert gray.shape == (48, 48)
    assert gray.dtype == np.uint8
    assert abs(gray.astype(int) - expected).max() <= 1


def test_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (48, 48), (0, 0, 0, 0)).save(tmp_path / "x.png")
    assert (read_picture(tmp_path / "x.png") == 255).all()


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    Image.fromarray(checks(331)).save(tmp_path / "x.png")
    assert abs(read_picture(tmp_path / "x.png").astype(int) - 127).max() < 12
    ramp = np.tile(np.linspace(0, 255, 480).astype(np.uint8), (480, 1))
    Image.fromarray(ramp).save(tmp_path / "y.png")
    means = ramp.reshape(48, 10, 48, 10).mean(axis=(1, 3))
    assert abs(read_picture(tmp_path / "y.png") - means).max() < 3


def test_pictures_of_48_are_left_as_they_are(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "x.png")
    assert np.array_equal(read_picture(tmp_path / "x.png"), image)


def test_a_camera_that_was_turned(tmp_path: Path) -> None:
    picture = Image.new("L", (96, 96), 0)
    picture.paste(255, (0, 0, 96, 48))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    picture.save(tmp_path / "x.jpg", exif=exif, quality=95)
    gray = read_picture(tmp_path / "x.jpg")
    assert gray[:, 30:].mean() > 250
    assert gray[:, :18].mean() < 5


def test_a_wide_picture_keeps_its_middle_undistorted(tmp_path: Path) -> None:
    picture = Image.new("L", (200, 100), 0)
    picture.paste(255, (50, 0, 150, 100))
    picture.save(tmp_path / "x.png")
    assert read_picture(tmp_path / "x.png").min() > 250
