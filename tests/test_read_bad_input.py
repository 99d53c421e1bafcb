"""Unreadable input is refused in one line that names it; nothing is silently read in part."""

import io
import os
import random
import re
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.TiffTags import TAGS_V2

import mien
from mien import Reader
from mien.cli.read_images import save_picture
from mien.data.image import open_picture
from mien.errors import MienError
from mien.inference.model import open_model
from read_fixtures import PORTRAIT, encoded, make_model, portrait, reader, tiny_model

KINDS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")


def refused(source: object, *words: str, **options: int) -> str:
    """Reading must raise a MienError of one line that holds the words."""
    with pytest.raises(MienError) as caught:
        open_picture(source, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    return message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_truncated_picture_is_refused_and_named(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"half.{kind.lower()}"
    data = encoded(portrait(), kind)
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, path.name)


def test_a_truncated_progressive_jpeg_is_refused() -> None:
    data = encoded(portrait(), "JPEG", progressive=True)
    refused(data[: len(data) // 2], "cut short")


@pytest.mark.skipif(sys.platform != "linux", reason="libtiff is found as on Linux")
def test_libtiff_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from mien.cli.main import main

    for kind in ("tiff_lzw", "tiff_adobe_deflate", "group4"):
        data = bytearray(encoded(portrait().convert("1" if kind == "group4" else "RGB"), "TIFF", compression=kind))
        for at in range(len(data) // 3, len(data) // 2, 7):
            data[at] ^= 0x55
        for emotion in ("happy", "sad"):
            (tmp_path / emotion).mkdir(exist_ok=True)
            (tmp_path / emotion / f"{kind}.tif").write_bytes(data)
    for words, code in ((["read", "--model", str(tiny_model()), "--quiet"], 1), (["data", "info"], 2)):
        assert main([*words, str(tmp_path)]) == code
        lines = capfd.readouterr().err.splitlines()
        assert lines
        assert not [line for line in lines if re.search(r"^\w+Decode|not yet in table|code word", line)]


def test_files_that_are_not_open_for_bytes(tmp_path: Path) -> None:
    refused("", "empty")
    with open(PORTRAIT, encoding="latin1") as text:
        refused(text, "'rb'")
    with open(PORTRAIT, "rb") as file:
        pass
    refused(file, "closed")


@pytest.mark.parametrize("option", [
    {"margin": float("nan")}, {"margin": -1}, {"threads": "2"}, {"threads": 0}, {"threads": 10**6},
    {"max_pixels": None},
    {"min_score": 2}, {"min_score": float("nan")}, {"model": None}, {"detector": None},
])  # fmt: skip
def test_options_of_a_reader_that_make_no_sense(option: dict[str, object]) -> None:
    with pytest.raises(MienError, match=next(iter(option))):
        Reader(**option)  # type: ignore[arg-type]


def test_a_detector_of_ones_own_is_checked() -> None:
    def found(rows: object) -> list[mien.Face]:
        return Reader(detector=lambda picture: rows).read(portrait())

    small, large = (10, 10, 50, 50), (100, 100, 200, 200)
    assert [face.box for face in found([small, large, (9000, 0, 5, 5)])] == [large, small]
    for wrong in ([(0, 0, float("nan"), 9)], [(0, 0, 9)], [(0, 0, 9, 0)], "text", [(1, 2, 3, 4), (1, 2)]):
        with pytest.raises(MienError, match="detector"):
            found(wrong)
    scored = [(*small, 0.7), (*large, 0.95)]
    assert len(found(scored)) == 2
    (face,) = Reader(detector=lambda picture: scored, min_score=0.9).read(portrait())
    assert face.box == large
    assert len(Reader(detector=lambda picture: [small], min_score=0.9).read(portrait())) == 1  # without a score
    with pytest.raises(MienError, match="several"):
        next(reader().read_many("photo.jpg"))  # type: ignore[arg-type]


def test_what_is_no_picture(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no picture, only words")
    empty = tmp_path / "empty.png"
    empty.touch()
    refused(text, "notes.jpg", "not a picture")
    refused(empty, "empty.png", "0 bytes")
    refused(b"", "0 bytes")
    refused(b"abc", "not a picture")
    refused(b"\xff\xd8\xff", "cut short")
    refused(tmp_path, "is a folder")
    refused(tmp_path / "missing.jpg", "missing.jpg", "No such file")
    refused("bad\0name.jpg", "name")
    refused(b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture")  # never handed to Ghostscript
    for strange in (None, 3, 4.5, ["photo.jpg"], {"a": 1}, object()):
        refused(strange, type(strange).__name__)


def test_heic_without_its_decoder_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    refused(b"....ftypheic" + bytes(100), "HEIC", "[heic]")


def many_scans(scans: int, size: int = 64) -> bytes:
    """A progressive JPEG whose last scan is there many times over."""
    data = encoded(portrait().resize((size, size)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    assert open_picture(many_scans(20)).size == (64, 64)
    refused(many_scans(600), "scans", "JPEG")
    refused(many_scans(50), "scans", max_pixels=64 * 64)  # fewer, but of as many pixels as may be


def tiff(data: bytes, **tags: int | tuple[int, ...]) -> bytes:
    """A little-endian TIFF of one strip of 64 x 64 pixels, with tags by their names in Pillow's table."""
    numbers = {tag.name: number for number, tag in TAGS_V2.items()}
    tags = {"ImageWidth": 64, "ImageLength": 64, "RowsPerStrip": 64, "StripByteCounts": len(data), **tags}
    behind = 8 + 2 + 12 * (len(tags) + 1) + 4
    triples = b"".join(struct.pack("<3H", *value) for value in tags.values() if isinstance(value, tuple))
    tags["StripOffsets"] = behind + len(triples)
    directory, used = struct.pack("<H", len(tags)), 0
    for number, value in sorted((numbers[name], value) for name, value in tags.items()):
        if isinstance(value, tuple):
            directory += struct.pack("<HHII", number, 3, 3, behind + used)
            used += 6
        else:
            directory += struct.pack("<HHII", number, 4, 1, value)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + triples + data


def test_deep_tiffs_whose_zero_is_white_are_turned() -> None:
    ramp = (np.arange(64 * 64, dtype=np.uint32) * 16).astype("<u2").reshape(64, 64)
    black, white = (
        np.asarray(open_picture(tiff(ramp.tobytes(), BitsPerSample=16, PhotometricInterpretation=kind))).astype(int)
        for kind in (1, 0)
    )
    assert abs(black + white - 255).max() <= 1


@pytest.mark.parametrize(
    ("tags", "size", "word"),
    [
        ({"BitsPerSample": (16, 16, 16), "SamplesPerPixel": 3, "PlanarConfiguration": 2,
          "PhotometricInterpretation": 2}, 6, "in planes"),
        ({"BitsPerSample": 8, "SampleFormat": 2, "PhotometricInterpretation": 1}, 1, "signed pixels"),
        ({"BitsPerSample": 64, "SampleFormat": 3, "PhotometricInterpretation": 1}, 8, "pixels that cannot be read"),
        ({"BitsPerSample": (8, 8, 8), "SamplesPerPixel": 3, "PhotometricInterpretation": 2, "NewSubfileType": 1,
          "SubIFDs": 8}, 3, "raw file"),
    ],
)  # fmt: skip
def test_tiffs_that_would_be_read_wrongly_are_refused(tags: dict[str, Any], size: int, word: str) -> None:
    refused(tiff(bytes(64 * 64 * size), **tags), word)


def test_a_bitmap_whose_alpha_is_zero_everywhere_is_opaque() -> None:
    rgba = np.dstack([np.asarray(portrait()), np.zeros(portrait().size[::-1], np.uint8)])
    data = encoded(Image.fromarray(rgba), "BMP")
    assert np.array_equal(open_picture(data), portrait())


@pytest.mark.parametrize(("name", "side"), [("a.jpg", 65_501), ("a.webp", 16_384)])
def test_a_picture_larger_than_its_format_holds_is_not_written(name: str, side: int, tmp_path: Path) -> None:
    with pytest.raises(MienError, match="pixels are too many for this format"):
        save_picture(Image.new("L", (side, 1)), tmp_path / name)
    save_picture(Image.new("L", (side, 1)), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_paths_and_files_that_python_allows(tmp_path: Path) -> None:
    class Named:
        def __fspath__(self) -> bytes:
            return os.fsencode(PORTRAIT)

    assert open_picture(Named()).size == portrait().size  # type: ignore[arg-type]
    with (tmp_path / "a.jpg").open("wb") as file:
        refused(file, "open for writing only")


@pytest.mark.parametrize("progressive", [False, True])
def test_what_stands_behind_a_jpegs_end_or_in_its_notes_is_no_scan_of_it(progressive: bool) -> None:
    """A phone keeps the film of a motion photo behind it; such bytes look like the beginning of a scan now and then."""
    data = encoded(portrait(), "JPEG", progressive=progressive)
    film = b"\xff\xda" * 1000
    note = b"\xff\xfe" + (len(film) + 2).to_bytes(2) + film
    assert open_picture(data[:2] + note + data[2:] + film).tobytes() == open_picture(data).tobytes()


def test_formats_that_work_long_over_small_files_are_not_taken_from_strangers() -> None:
    data = encoded(portrait().resize((64, 64)), "JPEG2000")
    assert open_picture(data).size == (64, 64)
    refused(data, "JPEG 2000", untrusted=True)
    assert open_picture(encoded(portrait(), "PNG"), untrusted=True).size == (512, 512)
    with pytest.raises(MienError, match="JPEG 2000"):
        Reader(reader().model.path, untrusted=True).read(data)


def test_formats_that_need_more_memory_may_have_fewer_pixels() -> None:
    for kind in ("WEBP", "JPEG2000"):
        refused(encoded(Image.new("RGB", (100, 100)), kind), "limit", max_pixels=19_999)
        assert open_picture(encoded(Image.new("RGB", (100, 100)), kind), max_pixels=20_000).size == (100, 100)


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    broken, circle = tmp_path / "broken.jpg", tmp_path / "circle.jpg"
    broken.symlink_to("nowhere.jpg")
    circle.symlink_to("circle.jpg")
    refused(broken, "broken.jpg", "broken link")
    refused(circle, "circle.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    refused(tmp_path / "pipe.jpg", "not a regular file")


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is of this size, with next to nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    refused(png_header(30_000, 30_000), "30000x30000", "900 million", "80 million", "max_pixels")
    # With the limit raised it is only a broken PNG: the limit was all that stood in its way.
    refused(png_header(3_000, 3_000), "limit", max_pixels=8_999_999)
    refused(png_header(3_000, 3_000), "cut short", max_pixels=9_000_000)


def test_the_limit_can_be_raised_and_is_kept_to_one_call() -> None:
    before = Image.MAX_IMAGE_PIXELS
    large = Image.new("L", (12_000, 8_000), 128)  # 96 million
    refused(large, "96 million")
    assert open_picture(large, max_pixels=100_000_000).size == (12_000, 8_000)
    assert before == Image.MAX_IMAGE_PIXELS
    refused(np.broadcast_to(np.uint8(0), (30_000, 30_000)), "900 million")
    with pytest.raises(MienError, match="limit"):
        Reader(reader().model.path, max_pixels=100).read(portrait())


def test_arrays_of_no_sensible_type_or_shape() -> None:
    picture = np.asarray(portrait())
    refused(np.full((50, 50), np.nan), "NaN")
    refused(np.full((50, 50), np.inf, np.float32), "infinite")
    refused(picture.astype(np.float32), "no known scale")
    refused(picture.astype(np.int32) - 300, "no known scale")
    refused(picture.astype(complex), "complex")
    refused(picture.astype(object), "object")
    refused(picture.astype(str), "<U")
    for shape in ((0, 0), (0, 10), (10, 0, 3), (10,), (), (2, 10, 10, 3), (10, 10, 2), (10, 10, 5)):
        refused(np.zeros(shape, np.uint8), str(shape))


def test_a_picture_of_one_pixel_has_no_face() -> None:
    for source in (Image.new("RGB", (1, 1)), np.zeros((1, 1), np.uint8), np.zeros((1, 3000, 3), np.uint8)):
        assert reader().read(source) == []
        assert len(reader().read(source, already_cropped=True)) == 1


def test_no_face_is_an_empty_list() -> None:
    assert reader().read(Image.new("RGB", (640, 480), (120, 130, 90))) == []


def test_one_bad_file_does_not_end_a_stream(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(PORTRAIT.read_bytes()[:5000])
    readings = list(reader().stream([PORTRAIT, bad, tmp_path / "none.jpg", PORTRAIT]))
    assert [bool(reading.error) for reading in readings] == [False, True, True, False]
    assert [len(reading.faces) for reading in readings] == [1, 0, 0, 1]
    assert "bad.jpg" in str(readings[1].error)
    with pytest.raises(MienError, match=r"bad\.jpg"):
        list(reader().read_many([PORTRAIT, bad]))


def test_impossible_options(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="threads"):
        Reader(reader().model.path, threads=0)
    with pytest.raises(MienError, match="batch"):
        list(reader().read_many([PORTRAIT], batch=0))
    with pytest.raises(MienError, match="neither a shipped model"):
        Reader("no-such-model")
    with pytest.raises(MienError, match="detector"):
        Reader(reader().model.path, detector=reader().model.path)
    with pytest.raises(MienError, match="detector returned"):
        Reader(reader().model.path, detector=lambda image: np.ones((2, 3))).read(portrait())


def test_a_file_that_is_no_mien_model(tmp_path: Path) -> None:
    text = tmp_path / "model.onnx"
    text.write_text("not a model")
    cases = {
        "not an ONNX model": text,
        "not a mien model": make_model(tmp_path / "a.onnx", mien_format=""),
        "which needs a newer version of mien": make_model(tmp_path / "b.onnx", mien_format="3"),
        "for 3 classes": _with_classes(tmp_path / "c.onnx", '["a", "b", "c"]'),
        "its classes are": _with_classes(tmp_path / "d.onnx", '["a", "a", "b", "c", "d", "e", "f"]'),
        "missing or invalid metadata": _with_classes(tmp_path / "e.onnx", "not json"),
        "temperature is nan": make_model(tmp_path / "f.onnx", temperature="nan"),
        "temperature is 0": make_model(tmp_path / "g.onnx", temperature="0"),
        "metadata say 64": make_model(tmp_path / "h.onnx", input_size="64"),
        "could not convert": make_model(tmp_path / "i.onnx", temperature="warm"),
    }
    for words, path in cases.items():
        with pytest.raises(MienError) as caught:
            open_model(path)
        assert words in str(caught.value), str(caught.value)
        assert path.name in str(caught.value)
    with pytest.raises(MienError, match="not 'faces'"):
        open_model(_copy_detector(tmp_path))


def _with_classes(path: Path, classes: str) -> Path:
    import onnx

    model = onnx.load(make_model(path))
    for item in model.metadata_props:
        if item.key == "classes":
            item.value = classes
    onnx.save(model, path)
    return path


def _copy_detector(folder: Path) -> Path:
    """A graph of another kind, with metadata as if it were a classifier."""
    import onnx

    from mien.inference.detector import YUNET

    model = onnx.load(YUNET)
    said = {"mien_format": "1", "classes": '["a", "b"]', "input_size": "48"}
    onnx.helper.set_model_props(model, said)
    onnx.save(model, folder / "detector.onnx")
    return folder / "detector.onnx"


def test_crops_of_the_wrong_kind() -> None:
    model = reader().model.path
    for crops in (
        np.zeros((2, 48, 48), np.float32),
        np.zeros((2, 48, 48), np.int64),
        np.zeros((48, 48, 3), np.uint8),
        np.zeros((2, 48, 48, 3), np.uint8),
        np.zeros((2, 0, 48), np.uint8),
        np.zeros(48, np.uint8),
        [np.zeros((48, 48), np.uint8), np.zeros((40, 40), np.uint8)],
    ):
        with pytest.raises(MienError):
            mien.classify(crops, model=model)  # type: ignore[arg-type]


def test_one_reader_serves_many_threads() -> None:
    expected = reader().read(PORTRAIT)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(3):
            try:
                if reader().read(PORTRAIT) != expected:
                    wrong.append("other faces")
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*KINDS, "PPM", "ICO", "JPEG2000"])
def test_mutated_pictures_give_faces_or_a_clear_error(kind: str) -> None:
    rng = random.Random(kind)
    small = Reader(reader().model.path, max_pixels=300_000)
    whole = encoded(portrait().resize((96, 96)), kind)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8, 40))):
            where = rng.randrange(min(len(data), rng.choice((32, 128, len(data)))))
            change = rng.random()
            if change < 0.5:
                data[where] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            elif change < 0.65:
                del data[where : where + rng.randrange(1, 64)]
            elif change < 0.8:
                data[where:where] = rng.randbytes(rng.randrange(1, 64))
            elif change < 0.9:
                data[where : where + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((0, 1, 2**31, 2**32 - 1)))
            else:
                del data[where:]
            if not data:
                data = bytearray(b"\0")
        try:
            faces = small.read(bytes(data))
        except MienError:
            outcomes["refused"] += 1
        else:
            assert all(isinstance(face, mien.Face) for face in faces)
            outcomes["read"] += 1
    assert outcomes["refused"] > 5
    assert outcomes["read"] > 5 or kind == "PNG"  # whose checksums let nothing pass


@pytest.mark.filterwarnings("ignore")
def test_random_bytes_are_refused() -> None:
    rng = random.Random(0)
    for head in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF", b"P6 9 9 255\n"):
        for _ in range(10):
            with pytest.raises(MienError):
                open_picture(io.BytesIO(head + rng.randbytes(rng.randrange(200))), max_pixels=300_000)
