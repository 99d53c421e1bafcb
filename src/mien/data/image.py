"""The image decoder: any picture in, one upright 8-bit RGB image out; what is no whole picture is refused by name."""

import importlib
import io
import os
import shlex
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mien.data.jpeg_scans import check_scans
from mien.data.pixel_depth import colors_to_uint8, load_deep, to_uint8
from mien.data.tiff_kinds import check_tiff, turned, white_is_zero
from mien.errors import MienError, MienWarning, install_hint
from mien.files import refuse_address, shortened

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[Any]

MAX_PIXELS = 80_000_000  # below the size at which Pillow starts to warn of decompression bombs
MEMORY = {"WEBP": 2, "JPEG2000": 2}  # formats whose decoders take this many times the memory of others for a pixel
BACKGROUND = (255, 255, 255)  # under transparent pixels, as viewers and web pages show them

# Decoders that are safe on files from strangers: Pillow's others start Ghostscript, or take any bytes for theirs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM", "WEBP", "TIFF", "MPO", "ICO", "JPEG2000", "AVIF", "HEIF")
# A JPEG 2000 of two kilobytes can keep a processor busy for minutes.
UNTRUSTED_FORMATS = tuple(known for known in FORMATS if known != "JPEG2000")
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".webp",
    ".tif", ".tiff", ".mpo", ".ico", ".jp2", ".avif", ".heic", ".heif", ".hif",
))  # fmt: skip
# What a file may hold.
SEVERAL = {"GIF": "frames", "PNG": "frames", "WEBP": "frames", "AVIF": "frames", "TIFF": "pages"}
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def is_picture(name: str) -> bool:
    """Whether a name ends as a picture's."""
    return os.path.splitext(name.strip())[1].lower() in SUFFIXES


def open_picture(source: Source, max_pixels: int = MAX_PIXELS, untrusted: bool = False) -> Image.Image:
    """Decode `source` to an upright 8-bit Pillow image of mode RGB.

    source: a path; the bytes of a picture file, or a file open for reading bytes; a Pillow image; or an array
    (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, of uint16, or of floats in 0..1.
    EXIF orientation is applied, transparency is laid over white, an animation gives its first frame and a TIFF its
    first page, with a MienWarning. 16 bits are scaled to 8 by the depth that the values use (8, 10, 12, 14 or 16 bits),
    with a MienWarning where that is not all 16.
    max_pixels: width times height above which a picture is refused before it is decoded; half of that for formats whose
    decoders take more memory. untrusted: refuse formats that let a small file work for minutes (JPEG 2000).

    Raises MienError, naming the source, for what is missing, not a picture, damaged, truncated or too large.
    """
    name = describe(source)
    formats = UNTRUSTED_FORMATS if untrusted else FORMATS
    if isinstance(source, np.ndarray):
        return _from_array(source, name, max_pixels)
    if isinstance(source, Image.Image):
        # load() may fail on a lazily opened file; the caller's image itself stays as it is.
        return _upright_rgb(source, name, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        file: Any = io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        if not path:
            raise MienError("the name of the picture is empty; give a path")
        refuse_address(path)
        file = _open_file(Path(path), name)
    elif hasattr(source, "read") and hasattr(source, "seekable"):
        file = source
    else:
        raise MienError(f"cannot read a picture from {name}; give a path, bytes, a Pillow image or a numpy array")
    if isinstance(file, io.TextIOBase) or getattr(file, "closed", False):
        raise MienError(f"{name} is {'closed' if file.closed else 'open as text'}; open it with 'rb'")
    if not getattr(file, "readable", lambda: True)():
        raise MienError(f"{name} is open for writing only; open it with 'rb'")
    try:
        if not file.seekable():
            file = io.BytesIO(file.read())
        file.seek(0)
        return _decode(file, name, max_pixels, formats)
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
    """How messages name a source: its path, shortened where it is very long, or what kind of object it is."""
    if isinstance(source, (str, os.PathLike)):
        return shortened(os.fsdecode(source))
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
            f"{name} is {width}x{height}, {_pixels(width * height)} pixels: the limit is {_pixels(max_pixels)}; "
            "raise {parameter} if you trust the file",
            parameter="max_pixels",
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


def _decode(file: BinaryIO, name: str, max_pixels: int, formats: tuple[str, ...]) -> Image.Image:
    try:
        image = _identify(file, formats)
    except Exception as error:  # damaged files raise nearly every class there is, in every decoder
        raise _damaged(name, error) from error
    if image is None:
        raise MienError(_not_a_picture(file, name, formats))
    _check_bounds(image, name, max_pixels)
    if image.format in ("JPEG", "MPO"):
        check_scans(file, image.width * image.height, name, max_pixels)
    if image.format == "TIFF":
        check_tiff(image, name)
    if (rawmode := _rawmode(image))[:-1] in ("RGB;16", "RGBA;16", "LA;16"):
        try:
            image = load_deep(image, rawmode, lambda: _again(file, formats), name)
        except Exception as error:
            raise _damaged(name, error) from error
    picture = _upright_rgb(image, name, max_pixels)
    if image.format in SEVERAL:
        _say_others(file, image, name, formats)
    return picture


def _say_others(file: BinaryIO, image: Image.Image, name: str, formats: tuple[str, ...]) -> None:
    """Warn where a file holds more pictures than the one that is read."""
    try:
        # Pillow walks through the file to count them.
        count = getattr(_again(file, formats) if image.format in ("GIF", "TIFF") else image, "n_frames", 1)
    except Exception:  # damaged behind the first picture, which is whole
        return
    if count > 1:
        command = f"; all of them as a film: ffmpeg -i {shlex.quote(name)} film.mp4"
        film = command if image.format in ("GIF", "PNG") and os.path.isfile(name) else ""
        what = SEVERAL[image.format or ""]
        warnings.warn(f"{name} has {count:,} {what}, and the first is read{film}", MienWarning, stacklevel=2)


def _identify(file: BinaryIO, formats: tuple[str, ...]) -> Image.Image | None:
    """What Image.open does, with three differences: only `formats`; for JPEG and PNG no other decoder is imported (the
    others take as long as a small photo); and no limit of pixels that belongs to the whole process."""
    head = file.read(32)
    file.seek(0)
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS and "HEIF" in formats:
        heif = _heif_decoder()
        return heif(file, "") if heif else None
    if head.startswith(b"\xff\xd8\xff"):
        importlib.import_module("PIL.JpegImagePlugin")
    elif head.startswith(b"\x89PNG\r\n"):
        importlib.import_module("PIL.PngImagePlugin")
    else:
        Image.init()
    fault: Exception | None = None
    for known in formats:
        # AVIF depends on how Pillow was built.
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


def _again(file: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """The picture of a file that was identified before, to be decoded in another way."""
    file.seek(0)
    image = _identify(file, formats)
    assert image is not None
    return image


def _heif_decoder() -> Callable[[BinaryIO, str], Image.Image] | None:
    """pillow-heif's class of images, where it is installed; Pillow itself is left as it is."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        return None
    return HeifImageFile


def _accepted(accept: Any, head: bytes) -> bool:
    try:
        return accept(head) is True  # a string is Pillow's complaint about a missing library
    except (struct.error, IndexError):  # a head too short to look at
        return False


def _upright_rgb(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    _check_bounds(image, name, max_pixels)
    try:
        image.load()
        return _rgb(_upright(image), name)
    except MienError:
        raise
    except Exception as error:
        raise _damaged(name, error) from error


def _check_bounds(image: Image.Image, name: str, max_pixels: int) -> None:
    check_size(image.width, image.height, name, max_pixels // MEMORY.get(image.format or "", 1))
    if image.width == 0 or image.height == 0:
        raise MienError(f"{name} is empty: {image.width}x{image.height} pixels")


def _rawmode(image: Image.Image) -> str:
    """How the bytes of the file's pixels are laid out, such as "RGB;16B"; "" where it is not known."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    rawmode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return rawmode if isinstance(rawmode, str) else ""


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
        pixels = np.asarray(image)
        return Image.fromarray(to_uint8(turned(pixels) if white_is_zero(image) else pixels, name)).convert("RGB")
    if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getextrema()[1]:
        return image.convert("RGB")  # its fourth byte is no alpha, or nothing could be seen
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _on_background(image)
    return image.convert("RGB")


def _on_background(image: Image.Image) -> Image.Image:
    """Lay transparent pixels over BACKGROUND, some rows at a time: all at once would take four times the memory."""
    flat = Image.new("RGB", image.size)
    rows = max(1, (1 << 20) // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip.info = image.info
        strip = strip.convert("RGBA")
        below = Image.new("RGBA", strip.size, (*BACKGROUND, 255))
        flat.paste(Image.alpha_composite(below, strip).convert("RGB"), (0, top))
    return flat


def _from_array(array: NDArray[Any], name: str, max_pixels: int) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise MienError(f"{name} is not a picture; give (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA")
    check_size(array.shape[1], array.shape[0], name, max_pixels)
    pixels = colors_to_uint8(array, name)
    if channels == 1:
        pixels = pixels.reshape(pixels.shape[:2])
    return _rgb(Image.fromarray(np.ascontiguousarray(pixels)), name)


def _not_a_picture(file: BinaryIO, name: str, formats: tuple[str, ...]) -> str:
    try:
        file.seek(0)
        head = file.read(32)
    except Exception:
        head = b"?"
    if not head:
        return f"{name} is empty (0 bytes)"
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        return f"{name} is a HEIC photo; install what decodes it with: {install_hint('heic')}"
    if "JPEG2000" not in formats and head.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")):
        return f"{name} is a JPEG 2000 picture, which is not taken here; send it as JPEG or PNG"
    return f"{name} is not a picture of a known format (JPEG, PNG, WebP, GIF, BMP, TIFF, ...)"


def _damaged(name: str, error: BaseException) -> MienError:
    said = " ".join(str(error).split())[:160] or type(error).__name__
    if "unknown pixel mode" in said:  # Pillow's word for a TIFF of floats or of a rare depth, which is whole
        return MienError(f"{name} is a TIFF of pixels that cannot be read; save it with 8 bits a color")
    return MienError(f"{name} is damaged or cut short: {said}")
