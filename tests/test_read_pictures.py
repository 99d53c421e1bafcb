"""Every kind of picture becomes an upright 8-bit RGB image."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mien
from mien.data.image import open_picture, to_square_gray
from mien.errors import MienError, MienWarning
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


def png16(array: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, (H, W, 2 to 4), which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = array.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff16(array: np.ndarray) -> bytes:
    """An uncompressed little-endian TIFF of 16 bits a channel, (H, W, 3), which Pillow cannot write."""
    height, width, channels = array.shape
    pixels = array.astype("<u2").tobytes()
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8 + len(pixels)), (259, 3, 1, 1), (262, 3, 1, 2),
               (273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, len(pixels))]  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    depths = struct.pack("<HHH", 16, 16, 16) + b"\0\0"
    directory = struct.pack("<H", len(entries)) + table + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels) + len(depths)) + pixels + depths + directory


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_values_of_fewer_bits_than_the_pixel_are_scaled_by_the_depth_that_they_use(bits: int) -> None:
    top = (1 << bits) - 1
    deep = np.rint(GRADIENT * (top / 255)).astype(np.uint16)
    color = np.dstack([deep, deep[::-1], deep])
    opaque = np.dstack([color, np.full_like(deep, 65535)])
    sources = {
        "array": deep, "PNG": encoded(Image.fromarray(deep), "PNG"), "TIFF": encoded(Image.fromarray(deep), "TIFF"),
        "int32": deep.astype(np.int32), "color": color, "color PNG": png16(color), "alpha PNG": png16(opaque),
        "color TIFF": tiff16(color), "alpha array": opaque, "gray alpha PNG": png16(opaque[..., 2:]),
    }  # fmt: skip
    for name, source in sources.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pixels = np.asarray(open_picture(source), int)
        assert np.abs(pixels[..., 0] - GRADIENT).max() <= 1, name
        assert [str(w.message) for w in caught if "bits" in str(w.message)] == (
            [f"a picture of 16 bits a pixel holds values up to {top} only: read as one of {bits} bits"]
            if bits in (10, 12, 14) else []
        ), name  # fmt: skip


def test_a_12_bit_photograph_reads_as_its_8_bit_twin() -> None:
    (plain,) = reader().read(portrait())
    deep = np.asarray(portrait()).astype(np.uint16) * 257 >> 4
    with pytest.warns(MienWarning, match="12 bits"):
        (twin,) = reader().read(png16(deep))
    assert np.abs(twin.crop.astype(int) - plain.crop).max() <= 1
    assert twin.emotion == plain.emotion


def test_heic_is_read_where_its_decoder_is_installed(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    openers = set(Image.OPEN)
    path = tmp_path / "phone.heic"
    pillow_heif.from_pillow(portrait()).save(path, quality=90)
    picture = open_picture(path)
    assert picture.mode == "RGB"
    assert np.abs(np.asarray(picture, int) - np.asarray(portrait(), int)).mean() < 8
    assert len(reader().read(path.read_bytes())) == 1
    assert set(Image.OPEN) == openers  # Pillow is left as it was
    with pytest.raises(MienError, match="cut short"):
        open_picture(path.read_bytes()[:3000])


def test_a_picture_is_squared_by_its_middle_and_never_squeezed() -> None:
    wide = Image.new("L", (96, 48), 10)
    wide.paste(portrait().convert("L").resize((48, 48)), (24, 0))
    assert np.array_equal(to_square_gray(wide, 48), np.asarray(wide)[:, 24:72])
    assert np.array_equal(to_square_gray(wide.transpose(Image.Transpose.ROTATE_90), 48), np.rot90(wide)[24:72])
    assert to_square_gray(portrait().resize((301, 200)), 64).shape == (64, 64)
    assert to_square_gray(Image.new("RGB", (1, 3000)), 48).shape == (48, 48)
    assert np.array_equal(reader().read(wide, already_cropped=True)[0].crop, to_square_gray(wide, 48))


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
    with pytest.warns(MienWarning, match="has [23] (frames|pages), and the first is read"):
        assert np.asarray(open_picture(data)).max() < 10


def test_what_alpha_holds_says_nothing_about_the_depth_of_colors() -> None:
    half = np.dstack([np.zeros((8, 8, 3), np.uint16), np.full((8, 8), 32768, np.uint16)])
    assert np.asarray(open_picture(half))[0, 0].tolist() == [127, 127, 127]  # black, half of it over white


def test_very_long_names_are_shortened_and_data_uris_are_named() -> None:
    with pytest.raises(MienError, match="data URI") as caught:
        open_picture("data:image/png;base64," + "A" * 50_000)
    assert len(str(caught.value)) < 200
    for name in ("a" * 50_000, "https://example.org/" + "a" * 50_000):
        with pytest.raises(MienError) as caught:
            open_picture(name)
        assert len(str(caught.value)) < 700


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
    pytest.importorskip("torch")  # some of the names are of the training wing
    assert {"read", "classify", "explain", "Reader", "Face"} <= set(mien.__all__)
    for name in mien.__all__:
        assert getattr(mien, name)
