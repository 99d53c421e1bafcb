"""Whatever kind of picture comes in, an upright 8-bit RGB image comes out."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mien
from mien.data.image import open_picture
from mien.errors import MienError
from read_fixtures import PORTRAIT, encoded, portrait, reader

GRADIENT = np.arange(256, dtype=np.uint8).repeat(64).reshape(128, 128)


def test_every_kind_of_source_gives_the_same_face() -> None:
    data = PORTRAIT.read_bytes()
    sources = {
        "str": str(PORTRAIT),
        "Path": PORTRAIT,
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "file": io.BytesIO(data),
        "PIL": portrait(),
        "array": np.asarray(portrait()),
        "floats": np.asarray(portrait()) / 255,
        "uint16": np.asarray(portrait()).astype(np.uint16) * 257,
        "int64": np.asarray(portrait()).astype(np.int64),
        "RGBA array": np.dstack([np.asarray(portrait()), np.full((512, 512), 255, np.uint8)]),
    }
    boxes = {name: [face.box for face in reader().read(source)] for name, source in sources.items()}
    assert len(boxes["str"]) == 1
    assert all(found == boxes["str"] for found in boxes.values()), boxes


def test_an_open_file_is_left_open_and_read_from_its_start() -> None:
    with open(PORTRAIT, "rb") as file:
        file.read(100)
        assert open_picture(file).size == (512, 512)
        assert not file.closed


def test_a_stream_that_cannot_seek_is_read() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.inner = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            return self.inner.readinto(buffer)

    assert open_picture(io.BufferedReader(Pipe(PORTRAIT.read_bytes()))).size == (512, 512)


def test_gray_pictures_and_gray_arrays_are_read() -> None:
    gray = portrait().convert("L")
    array = np.asarray(gray)
    for source in (gray, array, array[..., None], encoded(gray, "PNG"), encoded(gray, "JPEG")):
        assert len(reader().read(source)) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(orientation: int) -> None:
    from PIL import ImageOps

    # The picture as a camera stores it: turned so that applying the orientation gives the portrait again.
    upright = portrait()
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = upright.copy()
    stored.getexif()[0x0112] = back
    stored = ImageOps.exif_transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        picture = open_picture(encoded(stored, kind, exif=exif))
        assert picture.size == upright.size
        difference = np.abs(np.asarray(picture, int) - np.asarray(upright, int)).mean()
        assert difference < 8, kind


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_garbled_exif_leaves_the_picture_as_it_lies() -> None:
    picture = open_picture(encoded(portrait(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\x01\x12"))
    assert picture.size == (512, 512)


def test_transparent_pixels_show_white() -> None:
    rgba = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
    rgba.paste((0, 0, 255, 255), (0, 0, 10, 10))
    palette = rgba.convert("RGB").quantize(4)
    pixels = {
        "RGBA png": np.asarray(open_picture(encoded(rgba, "PNG"))),
        "RGBA webp": np.asarray(open_picture(encoded(rgba, "WEBP", lossless=True))),
        "LA": np.asarray(open_picture(encoded(rgba.convert("LA"), "PNG"))),
        "half": np.asarray(open_picture(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))),
        "key": np.asarray(open_picture(encoded(palette, "PNG", transparency=palette.getpixel((15, 5))))),
    }
    assert pixels["RGBA png"][5, 15].tolist() == [255, 255, 255]
    assert pixels["RGBA png"][5, 5].tolist() == [0, 0, 255]
    assert pixels["RGBA webp"][5, 15].tolist() == [255, 255, 255]
    assert pixels["LA"][5, 15].tolist() == [255, 255, 255]
    assert pixels["key"][5, 15].tolist() == [255, 255, 255]
    assert 120 <= pixels["half"][0, 0, 0] <= 135


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_and_not_clipped(kind: str) -> None:
    deep = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    assert np.array_equal(np.asarray(open_picture(encoded(deep, kind)))[..., 0], GRADIENT)


def test_16_bit_big_endian_and_32_bit_and_float_tiffs() -> None:
    deep = Image.fromarray((GRADIENT.astype(np.uint16) * 257).astype(">u2"))
    assert np.array_equal(np.asarray(open_picture(encoded(deep, "TIFF")))[..., 0], GRADIENT)
    for array in (GRADIENT.astype(np.int32), GRADIENT.astype(np.int32) * 257, (GRADIENT / 255).astype(np.float32)):
        picture = open_picture(encoded(Image.fromarray(array), "TIFF"))
        assert np.array_equal(np.asarray(picture)[..., 0], GRADIENT)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "HSV", "RGBA", "LA", "I;16", "I", "F"])
def test_every_mode_of_pillow_is_read(mode: str) -> None:
    image = portrait()
    if mode in ("I;16", "I"):
        image = image.convert("L").convert("I").point(lambda value: value * 257).convert(mode)
    elif mode == "F":
        image = Image.fromarray(np.asarray(image.convert("L"), np.float32) / 255)
    else:
        image = image.convert("RGB").convert(mode)
    picture = open_picture(image)
    assert picture.mode == "RGB"
    expected = np.asarray(portrait().convert("L"), int)
    assert np.abs(np.asarray(picture.convert("L"), int) - expected).mean() < (90 if mode == "1" else 12)


def test_cmyk_jpegs_and_palette_pngs_show_the_face() -> None:
    for data in (
        encoded(portrait().convert("CMYK"), "JPEG"),
        encoded(portrait().quantize(64), "PNG"),
        encoded(portrait().quantize(64), "GIF"),
    ):
        assert len(reader().read(data)) == 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    black, white = Image.new("RGB", (64, 48)), Image.new("RGB", (64, 48), (255, 255, 255))
    data = encoded(black, kind, save_all=True, append_images=[white, white])
    assert np.asarray(open_picture(data)).max() < 10


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "ICO"])
def test_the_format_is_told_by_content_and_not_by_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "face.txt"
    path.write_bytes(encoded(portrait().resize((128, 128)), kind))
    assert open_picture(path).size == (128, 128)


def test_booleans_are_black_and_white() -> None:
    assert np.asarray(open_picture(GRADIENT > 127))[..., 0].max() == 255


def test_a_file_name_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / 'фото, 笑 "x"\n.jpg'
    path.write_bytes(PORTRAIT.read_bytes())
    assert len(reader().read(path)) == 1
    odd = tmp_path / "\udcff.jpg"
    try:
        odd.write_bytes(b"no picture")
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    with pytest.raises(MienError):
        reader().read(odd)


def test_a_callers_image_is_not_changed() -> None:
    image = portrait()
    before = image.tobytes()
    reader().read(image)
    assert image.tobytes() == before
    assert image.mode == "RGB"


def test_module_level_functions_are_there_and_lazy() -> None:
    assert {"read", "classify", "explain", "Reader", "Face"} <= set(mien.__all__)
    for name in mien.__all__:
        assert getattr(mien, name)
