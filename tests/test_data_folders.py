"""Folders of pictures: FER2013's own layout, custom class folders, and all kinds of picture files."""

import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data import Dataset, load, load_test, split
from mien.data.parts import part_of
from mien.data.pictures import read_picture
from mien.errors import MienError
from mien.labels import EMOTIONS, emotion_of, emotions_of


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


def usages(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(dataset.usage.tolist()))


def numbered(folder: str, usage: str, n: int) -> list[str]:
    """n pictures of either class, named as FER2013's are."""
    return [f"{folder}/{name}/{usage}_{i}.png" for name in ("angry", "happy") for i in range(n)]


def test_the_folder_gives_the_part_and_fer2013s_file_names_only_divide_test(tmp_path: Path) -> None:
    train, public, private = (
        numbered("train", "Training", 3),
        numbered("test", "PublicTest", 2),
        numbered("test", "PrivateTest", 1),
    )
    whole = load(put(tmp_path / "whole", *train, *public, *private))
    assert usages(whole) == {"Training": 6, "PublicTest": 4, "PrivateTest": 2}
    assert not any("another part" in line for line in whole.decisions)
    resplit = load(put(tmp_path / "resplit", *train, *public, *private, *numbered("val", "Training", 1)))
    assert usages(resplit) == {"Training": 6, "PublicTest": 2, "PrivateTest": 6}
    assert any(line.startswith("6 pictures have names of another part") for line in resplit.decisions)
    assert usages(load(put(tmp_path / "public", *train, *public))) == {"Training": 6, "PrivateTest": 4}
    own = load(put(tmp_path / "own", *train, *numbered("test", "Training", 2)))
    assert usages(own) == {"Training": 6, "PrivateTest": 4}


def test_pictures_whose_names_tell_no_part_beside_those_that_do(tmp_path: Path) -> None:
    names = ["a/Training_1.png", "b/Training_2.png", "a/PublicTest_3.png", "b/PublicTest_4.png", "a/own_5.png"]
    dataset = load(put(tmp_path, *names))
    assert usages(dataset) == {"": 1, "Training": 2, "PublicTest": 2}
    assert any("1 pictures are in no part, such as a/own_5.png" in line for line in dataset.decisions)


def test_names_stay_as_they_stand_in_splits_too(tmp_path: Path) -> None:
    put(tmp_path, "train/Anger/1.png", "train/joy/1.png", "test/Anger/1.png", "test/joy/1.png")
    for classes, expected in (("as-is", ("Anger", "joy")), ({"joy": "glee"}, ("angry", "glee"))):
        dataset = load(tmp_path, classes=classes)
        assert dataset.classes == expected
        assert usages(dataset) == {"Training": 2, "PrivateTest": 2}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("AN DI FE HA SA SU NE", "angry disgust fear happy sad surprise neutral"),
        ("ang dis fea hap neu sad sur", "angry disgust fear happy neutral sad surprise"),
        ("Ang Disg Fear Hap", "angry disgust fear happy"),
        ("dfh_anger_h dfh_fear_h", "angry fear"),
        ("aia_joy aia_sadness", "happy sad"),
        ("AN HA", None),
        ("sa su mo tu", None),
        ("happy_low happy_high sad_low sad_high", None),
        ("happily_surprised sadly_angry", None),
        ("not_happy not_sad", None),
    ],
)
def test_names_that_are_emotions_among_their_like(names: str, expected: str | None) -> None:
    read = emotions_of(names.split())
    assert [read[name] for name in names.split() if name in read] == (expected.split() if expected else [])


@pytest.mark.parametrize(
    ("emotion", "names"),
    [
        ("angry", "क्रोध गुस्सा furious irritated angy злой 憤怒 rabia woede gniew злість гнів خشم"),
        ("disgust", "घृणा 厭惡 repugnancia відраза"),
        ("fear", "डर भय terrified 恐怖 temor 두려움"),
        ("happy", "खुशी खुश happpy 快樂 felice szczęście радість щастя"),
        ("sad", "दुख उदास sorrow verdriet buồn смуток"),
        ("surprise", "आश्चर्य astonished suprized გაკვირვება подив"),
        ("neutral", "तटस्थ सामान्य нейтрально нейтральный doğal 無表情"),
    ],
)  # fmt: skip
def test_emotions_in_more_languages(emotion: str, names: str) -> None:
    assert {emotion_of(name) for name in names.split()} == {emotion}


@pytest.mark.parametrize(
    ("usage", "names"),
    [
        ("Training", "entraînement addestramento treinamento 训练集 train_augmented"),
        ("PublicTest", "validación validação Validierung convalida 验证集"),
        ("PrivateTest", "test_easy test-hard 测试集 prueba"),
    ],
)
def test_parts_in_more_languages_and_forms(usage: str, names: str) -> None:
    assert {part_of(name) for name in names.split()} == {usage}


def test_one_name_in_several_spellings_is_one_class(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "désolé")
    put(tmp_path, "train/very_happy/1.png", "test/very happy/1.png", "train/désolé/1.png", f"test/{decomposed}/1.png")
    dataset = load(tmp_path)
    assert dataset.classes == ("désolé", "very happy")
    assert "'very happy' and 'very_happy' are one class" in dataset.decisions
    assert len(load(put(tmp_path / "b", "-1/1.png", "1/1.png", "x/1.png"))) == 3


def test_class_and_part_in_one_name(tmp_path: Path) -> None:
    names = ["happy_train/1.png", "happy_test/1.png", "sad_train/1.png", "sad_test/1.png"]
    flat = load(put(tmp_path / "flat", *names))
    assert flat.classes == ("happy", "sad")
    assert usages(flat) == {"Training": 2, "PrivateTest": 2}
    within = load(put(tmp_path / "within", *(f"{'train' if 'train' in name else 'test'}/{name}" for name in names)))
    assert within.classes == ("happy", "sad")
    assert usages(within) == {"Training": 2, "PrivateTest": 2}


def test_what_is_no_class_beside_emotions_is_left_out_and_told(tmp_path: Path) -> None:
    put(tmp_path, "happy/1.png", "happy/@eaDir/t.png", "sad/1.png", "@eaDir/1.png", "$RECYCLE.BIN/1.png",
        "node_modules/1.png", "lost+found/1.png", "happy - Copy/1.png", "sad_old/1.png", "new folder/1.png",
        "more/happy/1.png", "more/sad/1.png")  # fmt: skip
    dataset = load(tmp_path)
    assert dataset.classes == ("happy", "sad")
    assert len(dataset) == 2
    assert dataset.left_out == {
        "@eaDir/": 2, "$RECYCLE.BIN/": 1, "node_modules/": 1, "lost+found/": 1, "happy - Copy/": 1, "sad_old/": 1,
        "new folder/": 1, "more/": 2,
    }  # fmt: skip
    assert all(any(name in line for line in dataset.decisions) for name in dataset.left_out)


def test_files_without_a_pictures_suffix_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "happy/1.png", "sad/1.png")
    for name in ("happy/2", "sad/3.tga", "sad/4.jpg_large", "sad/5.mp4", "sad/Thumbs.db", "angry/6"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    dataset = load(tmp_path)
    assert dataset.left_out == {"files without a picture's suffix": 5}
    assert any("none of its 1 files" in line and "angry/" in line for line in dataset.decisions)
    assert any("(none 2, .tga 1, .jpg_large 1, .mp4 1)" in line for line in dataset.decisions)


@pytest.mark.parametrize("folders", [("train/0", "train/1", "test/happy", "test/sad"), ("0", "1", "happy", "sad")])
def test_numbers_and_emotions_as_classes_are_asked_about(folders: tuple[str, ...], tmp_path: Path) -> None:
    put(tmp_path, *(f"{folder}/1.png" for folder in folders))
    assert "some numbers and some emotions" in fault(tmp_path)
    assert load(tmp_path, classes="0=sad,1=happy").classes == ("happy", "sad")


def test_kdef_names_that_contradict_their_folders_are_told(tmp_path: Path) -> None:
    dataset = load(put(tmp_path, "happy/AF01HAS.JPG", "happy/AF02ANS.JPG", "angry/AF03ANS.JPG"))
    assert dataset.labels.tolist() == [0, 0, 1]
    assert any(line.startswith("1 pictures lie in a folder of another emotion") for line in dataset.decisions)
