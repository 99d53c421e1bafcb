"""Any picture in, one upright RGB image out; everything that is not a whole picture is refused by name."""

import importlib
import io
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mien.errors import MienError

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray

MAX_PIXELS = 80_000_000  # below the size at which Pillow starts to warn of decompression bombs
BACKGROUND = (255, 255, 255)  # under transparent pixels, as viewers and web pages show them

# Decoders that are safe on files from strangers: Pillow's others start Ghostscript, or take any bytes for theirs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM", "WEBP", "TIFF", "MPO", "ICO", "JPEG2000", "AVIF", "HEIF")
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".webp",
    ".tif", ".tiff", ".mpo", ".ico", ".jp2", ".avif", ".heic", ".heif",
))  # fmt: skip


def open_picture(source: Source, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode `source` to an upright 8-bit Pillow image of mode RGB.

    source: a path; the bytes of a picture file, or a file open for reading bytes; a Pillow image; or an array
    (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, of uint16 (0..65535), or of floats in 0..1.
    EXIF orientation is applied, transparency is laid over white, 16-bit gray is scaled to 8, an animation gives
    its first frame. max_pixels: width times height above which a picture is refused before it is decoded.

    Raises MienError, naming the source, for what is missing, not a picture, damaged, truncated or too large.
    """
    name = describe(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, name, max_pixels)
    if isinstance(source, Image.Image):
        # load() may fail on a lazily opened file; the caller's image itself stays as it is.
        return _upright_rgb(source, name, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        file: Any = io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        if not os.fspath(source):
            raise MienError("the name of the picture is empty; give a path")
        file = _open_file(Path(source), name)
    elif hasattr(source, "read") and hasattr(source, "seekable"):
        file = source
    else:
        raise MienError(f"cannot read a picture from {name}; give a path, bytes, a Pillow image or a numpy array")
    if isinstance(file, io.TextIOBase) or getattr(file, "closed", False):
        raise MienError(f"{name} is {'closed' if file.closed else 'open as text'}; open it with 'rb'")
    try:
        if not file.seekable():
            file = io.BytesIO(file.read())
        file.seek(0)
        return _decode(file, name, max_pixels)
    finally:
        if file is not source:
            file.close()


def to_square_gray(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The middle square of a picture, gray: (size, size) uint8, rows downwards.

    The one way in which mien squares a picture, in training and in reading alike: nothing is squeezed. Shrunk and
    enlarged bilinearly, with a filter as wide as the pixels it replaces (no aliasing).
    """
    gray = image if image.mode == "L" else image.convert("L")
    width, height = gray.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    if (width, height) != (side, side):
        gray = gray.crop((left, top, left + side, top + side))
    if side != size:
        gray = gray.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(gray)


def describe(source: object) -> str:
    """How messages name a source: its path, or what kind of object it is."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    if isinstance(source, np.ndarray):
        return f"array {source.shape} {source.dtype}"
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or f"{source.mode} image {source.width}x{source.height}")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    return str(getattr(source, "name", "") or f"a {type(source).__name__}")


def check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    """Raise MienError where a picture of this size would take more memory than allowed."""
    if width * height > max_pixels:
        raise MienError(
            f"{name} is {width}x{height}, {_pixels(width * height)} pixels: the limit is {_pixels(max_pixels)}; raise it with --max-pixels (max_pixels= in Python) if you trust the file"
        )


def _pixels(count: int) -> str:
    return f"{count / 1e6:,.0f} million" if count >= 10_000_000 else f"{count:,}"


def _open_file(path: Path, name: str) -> BinaryIO:
    # os.path, not pathlib: that one raises where a folder may not be entered or a name is too long.
    if os.path.isdir(path):
        raise MienError(f"{name} is a folder; read the pictures in it with: mien read {name}")
    try:
        pipe_or_device = os.path.exists(path) and not os.path.isfile(path)  # reading it would block or never end
        if not pipe_or_device:
            return open(path, "rb")
    except OSError as error:
        broken = " (a broken link)" if os.path.islink(path) and isinstance(error, FileNotFoundError) else ""
        raise MienError(f"cannot open {name}: {error.strerror}{broken}") from error
    except ValueError as error:
        raise MienError(f"cannot open {name!r}: not a possible file name") from error
    raise MienError(f"{name} is not a regular file")


def _decode(file: BinaryIO, name: str, max_pixels: int) -> Image.Image:
    try:
        image = _identify(file)
    except Exception as error:  # damaged files raise nearly every class there is, in every decoder
        raise MienError(f"{name} is damaged or cut short: {_one_line(error)}") from error
    if image is None:
        raise MienError(_not_a_picture(file, name))
    return _upright_rgb(image, name, max_pixels)


def _identify(file: BinaryIO) -> Image.Image | None:
    """What Image.open does, with three differences: only FORMATS; for JPEG and PNG no other decoder is imported (the
    others take as long as a small photo); and no limit of pixels that belongs to the whole process."""
    head = file.read(32)
    file.seek(0)
    if head.startswith(b"\xff\xd8\xff"):
        importlib.import_module("PIL.JpegImagePlugin")
    elif head.startswith(b"\x89PNG\r\n"):
        importlib.import_module("PIL.PngImagePlugin")
    else:
        Image.init()
    fault: Exception | None = None
    for known in FORMATS:
        # AVIF depends on how Pillow was built; HEIF is there where the user has registered pillow-heif.
        factory, accept = Image.OPEN.get(known, (None, None))
        if factory is None or (accept and not _accepted(accept, head[:16])):
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            fault = fault or error  # the head looks like this format, the rest does not
    if fault:
        raise fault
    return None


def _accepted(accept: Any, head: bytes) -> bool:
    try:
        return accept(head) is True  # a string is Pillow's complaint about a missing library
    except (struct.error, IndexError):  # a head too short to look at
        return False


def _upright_rgb(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    check_size(image.width, image.height, name, max_pixels)
    if image.width == 0 or image.height == 0:
        raise MienError(f"{name} is empty: {image.width}x{image.height} pixels")
    try:
        image.load()
        turned = _upright(image)
        return _rgb(turned, name)
    except MienError:
        raise
    except Exception as error:
        raise MienError(f"{name} is damaged or cut short: {_one_line(error)}") from error


def _upright(image: Image.Image) -> Image.Image:
    # Reading EXIF costs an import; most pictures have none.
    if image.format in ("JPEG", "PNG", "WEBP") and not {"exif", "Raw profile type exif", "xmp"} & {*image.info}:
        return image
    try:
        turned = image.getexif().get(0x0112, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # garbled EXIF says nothing about the pixels: show them as they lie
        return image


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_uint8(np.asarray(image), name)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        below = Image.new("RGBA", image.size, (*BACKGROUND, 255))
        return Image.alpha_composite(below, image).convert("RGB")
    return image.convert("RGB")


def _from_array(array: np.ndarray, name: str, max_pixels: int) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise MienError(f"{name} is not a picture; give (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA")
    check_size(array.shape[1], array.shape[0], name, max_pixels)
    pixels = _to_uint8(array, name)
    if channels == 1:
        pixels = pixels.reshape(pixels.shape[:2])
    return _rgb(Image.fromarray(np.ascontiguousarray(pixels)), name)


def _to_uint8(array: np.ndarray, name: str) -> np.ndarray:
    """Scale any sensible pixel values to uint8 0..255."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind not in "iuf":
        raise MienError(f"{name}: pixels of type {array.dtype} are not numbers; give uint8 (0..255)")
    low, high = float(array.min()), float(array.max())
    if kind == "f":
        if not np.isfinite([low, high]).all():  # min and max of an array with NaN are NaN
            raise MienError(f"{name} holds NaN or infinite values; give finite pixels")
        if low >= 0 and high <= 1:
            return np.rint(array * 255).astype(np.uint8)
    elif low >= 0 and high <= 255 and not (kind == "u" and array.dtype.itemsize == 2):
        return array.astype(np.uint8)
    elif low >= 0 and high <= 65535:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257
    raise MienError(
        f"{name}: pixels from {low:g} to {high:g} have no known scale; give uint8 (0..255), uint16 or floats in 0..1"
    )


def _not_a_picture(file: BinaryIO, name: str) -> str:
    try:
        file.seek(0)
        head = file.read(32)
    except Exception:
        head = b"?"
    if not head:
        return f"{name} is empty (0 bytes)"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"hevc", b"heim", b"heis"):
        return f"{name} is a HEIC photo, which Pillow cannot decode; save it as JPEG, or register pillow-heif"
    return f"{name} is not a picture of a known format (JPEG, PNG, WebP, GIF, BMP, TIFF, ...)"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
