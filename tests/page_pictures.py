"""The 200 pictures on which the static page must give the same results as Python: public-domain photographs and faces
drawn by mien, in common formats, sizes, orientations, color profiles and lighting.

`pictures()` yields them one by one, with names; the same versions of Pillow and numpy give the same bytes.
results/benchmarks/page_parity.csv lists them with the results of Python and the page.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from mien.data.synthetic.generate import draw_face
from mien.labels import EMOTIONS

ROOT = Path(__file__).parents[1]
PHOTOS = {
    "group": ROOT / "docs/images/group.jpg",  # drawn faces, as mien shows them: no photograph
    "portrait": ROOT / "docs/images/portrait.jpg",
    "astronaut": ROOT / "src/mien/inference/sample/astronaut.jpg",
}
ORIENTATION = 0x0112  # the EXIF tag
# For each EXIF orientation, how an upright picture lies in the file.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# Chromaticities of the primaries, adapted to D50 as ICC profiles want them, and the exponent of the tone curve.
PROFILES = {
    "display-p3": (((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841)), 2.2),
    "adobe-rgb": (((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)), 2.2),
    "prophoto": (((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)), 1.8),
}

SCENES = 39  # drawn faces before noise


@dataclass(frozen=True)
class Picture:
    """A picture file. photograph: made from a photograph, not drawn. notes: what was done to it."""

    name: str
    data: bytes
    photograph: bool
    notes: str


def pictures() -> Iterator[Picture]:
    """All 200, photographs and drawn ones mixed, so that every stretch of the list has some of each."""
    photographs, drawn = list(_photographs()), list(_drawn())
    step = len(photographs) / len(drawn)
    order = sorted(
        [*((i, p) for i, p in enumerate(photographs)), *((i * step, p) for i, p in enumerate(drawn))], key=_first
    )
    yield from (picture for _, picture in order)


def _first(pair: tuple[float, Picture]) -> float:
    return pair[0]


def icc_profile(kind: str) -> bytes:
    """A small matrix profile (ICC v2) of a color space wider than sRGB."""
    primaries, exponent = PROFILES[kind]

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = kind.encode()
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + b"\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * 79
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    tags |= {name: xyz(values) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ") + b"\0" * 12 + b"acsp"
    head += b"\0" * 28 + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 90} | options if kind == "JPEG" else options))
    return file.getvalue()


def turned(image: Image.Image, orientation: int, kind: str = "JPEG", **options: object) -> bytes:
    """A picture file that lies turned and says so in EXIF: shown upright it is `image`."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    way = STORED[orientation]
    return encoded(image if way is None else image.transpose(way), kind, exif=exif, **options)


def _photographs() -> Iterator[Picture]:
    photos = {name: ImageOps.exif_transpose(Image.open(path)).convert("RGB") for name, path in PHOTOS.items()}
    for name, photo in photos.items():
        photograph = name != "group"
        yield Picture(f"{name}.jpg", PHOTOS[name].read_bytes(), photograph, "as it is")
        for orientation in STORED:
            data = turned(photo, orientation)
            yield Picture(f"{name}-exif-{orientation}.jpg", data, photograph, f"EXIF orientation {orientation}")
        for kind in PROFILES:
            data = encoded(photo, icc_profile=icc_profile(kind))
            yield Picture(f"{name}-{kind}.jpg", data, photograph, f"color profile {kind}")
        data = turned(photo, 6, icc_profile=icc_profile("display-p3"))
        yield Picture(f"{name}-phone.jpg", data, photograph, "EXIF orientation 6, color profile display-p3")
        yield from _formats(name, photo)
        yield from _sizes(name, photo)
        yield from _lights(name, photo)
    group = photos["group"]
    for i, left in enumerate(range(0, 661, 110)):
        for j, top in enumerate((0, 150, 300)):
            window = group.crop((left, top, left + 330, top + 330))
            yield Picture(f"group-window-{i}-{j}.jpg", encoded(window), False, "a part, faces cut by its edges")
    for i, box in enumerate([(165, 45, 285, 195), (150, 30, 300, 180), (178, 63, 269, 176), (100, 0, 350, 250)]):
        face = photos["astronaut"].crop(box)
        yield Picture(f"face-{i}.png", encoded(face, "PNG"), True, "a face that fills the picture")


def _formats(name: str, photo: Image.Image) -> Iterator[Picture]:
    photograph = name != "group"
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size).point(lambda level: min(255, 2 * level)))
    wide = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    yield Picture(f"{name}.png", encoded(photo, "PNG"), photograph, "PNG")
    yield Picture(f"{name}-alpha.png", encoded(alpha, "PNG"), photograph, "PNG with transparency")
    yield Picture(f"{name}-palette.png", encoded(photo.quantize(128), "PNG"), photograph, "PNG with a palette")
    yield Picture(f"{name}-16-bit.png", encoded(wide, "PNG"), photograph, "gray PNG of 16 bits")
    yield Picture(f"{name}.webp", encoded(photo, "WEBP", quality=85), photograph, "WebP")
    yield Picture(f"{name}-lossless.webp", encoded(photo, "WEBP", lossless=True), photograph, "WebP, lossless")
    yield Picture(f"{name}.bmp", encoded(photo, "BMP"), photograph, "BMP")
    yield Picture(f"{name}-gray.jpg", encoded(photo.convert("L")), photograph, "gray JPEG")
    yield Picture(f"{name}-progressive.jpg", encoded(photo, progressive=True), photograph, "progressive JPEG")
    yield Picture(f"{name}-full-color.jpg", encoded(photo, subsampling=0), photograph, "JPEG, colors not subsampled")
    yield Picture(f"{name}-poor.jpg", encoded(photo, quality=35), photograph, "JPEG of quality 35")


def _sizes(name: str, photo: Image.Image) -> Iterator[Picture]:
    photograph = name != "group"
    for scale in (0.3, 0.6, 1.7, 3.1):
        size = (round(photo.width * scale), round(photo.height * scale))
        data = encoded(photo.resize(size, Image.Resampling.LANCZOS))
        yield Picture(f"{name}-{scale}.jpg", data, photograph, f"{size[0]} x {size[1]}")


def _lights(name: str, photo: Image.Image) -> Iterator[Picture]:
    photograph = name != "group"
    for share in (0.25, 0.5, 1.5):
        data = encoded(ImageEnhance.Brightness(photo).enhance(share))
        yield Picture(f"{name}-light-{share}.jpg", data, photograph, f"{share} times the light")
    yield Picture(f"{name}-blurred.jpg", encoded(photo.filter(ImageFilter.GaussianBlur(2))), photograph, "blurred")
    yield Picture(f"{name}-mirrored.jpg", encoded(ImageOps.mirror(photo)), photograph, "mirrored")
    tilted = photo.rotate(14, Image.Resampling.BICUBIC, fillcolor=(90, 110, 120))
    yield Picture(f"{name}-tilted.jpg", encoded(tilted), photograph, "turned by 14 degrees")


def _drawn() -> Iterator[Picture]:
    seed = 0
    for side in (48, 96, 180, 320):
        for emotion in EMOTIONS:
            face = Image.fromarray(draw_face(emotion, seed, side))
            kind = ("PNG", "JPEG")[seed % 2]
            name = f"drawn-{emotion}-{side}.{kind.lower()}"
            yield Picture(name, encoded(face, kind), False, f"a drawn face of {side} pixels")
            seed += 1
    for columns, rows, side in [(2, 1, 160), (3, 2, 120), (4, 3, 90), (5, 4, 64), (8, 5, 48), (2, 2, 400)]:
        wall = Image.new("RGB", (columns * side, rows * side))
        for i in range(columns * rows):
            face = Image.fromarray(draw_face(EMOTIONS[i % 7], seed, side))
            tint = ImageOps.colorize(face, (20, 10, 15), (255, 225 - i % 40, 200 - i % 60))
            wall.paste(tint, (i % columns * side, i // columns * side))
            seed += 1
        yield Picture(f"drawn-wall-{columns}x{rows}.jpg", encoded(wall), False, f"{columns * rows} drawn faces")
    for i in range(SCENES):
        person = Image.fromarray(draw_face(EMOTIONS[i % 7], 500 + i, 200, plain=True))
        scene = Image.effect_noise((480, 360), 30 + i).convert("RGB")
        scene.paste(person.convert("RGB"), (20 * (i % 13), 8 * (i % 19)))
        yield Picture(f"drawn-scene-{i}.jpg", encoded(scene, quality=80), False, "a drawn face before noise")
