"""Folders of pictures: <class>/*.jpg, or train/<class>/*.jpg beside test/<class>/*.jpg.

FER2013 comes in this form, too; there the usage stands in the file's name (PublicTest_88305051.jpg). Elsewhere it
is the folder's: train is Training, val or validation PublicTest, test PrivateTest; without such folders it is "".
"""

import os
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mien.data.dataset import SIZE, USAGES, Dataset
from mien.errors import MienError
from mien.labels import EMOTIONS

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".jfif")
_SPLITS = {
    "train": "Training", "training": "Training",
    "val": "PublicTest", "valid": "PublicTest", "validation": "PublicTest", "publictest": "PublicTest",
    "test": "PrivateTest", "testing": "PrivateTest", "privatetest": "PrivateTest",
}  # fmt: skip
_NAMED = re.compile(rf"({'|'.join(USAGES)})_[0-9]")


@dataclass(frozen=True)
class Tree:
    """Pictures in folders, not yet read. files: (path, class index, usage), in the order of the rows."""

    root: Path
    classes: tuple[str, ...]
    files: list[tuple[str, int, str]]


def find(root: Path) -> Tree | None:
    """The pictures under a folder, or None where there are none in folders of classes.

    Rows come by usage, then class, then file name with numbers in numeric order. The seven emotions keep FER2013's
    order when they are all there; other classes take the alphabet's. Raises MienError for a class folder without
    pictures, pictures outside of any class folder, and a single class.
    """
    top = root
    while (inner := _subfolders(top)) and len(inner) == 1 and inner[0].name.lower() not in _SPLITS:
        if _has_pictures(inner[0]):
            break
        top = inner[0]
    if not inner:
        if _has_pictures(root):
            raise MienError(f"{root} holds pictures but no class folders; sort them into {root}/<class>/ folders")
        return None
    if all(folder.name.lower() in _SPLITS for folder in inner):
        homes = [(folder, _SPLITS[folder.name.lower()]) for folder in inner]
    else:
        homes = [(top, "")]
    folders = [(c, usage) for home, usage in homes for c in _subfolders(home)]
    found = [(c, usage, sorted(_pictures(c), key=_natural)) for c, usage in folders]
    if not any(files for _, _, files in found):
        return None
    for folder, _, files in found:
        if not files:
            raise MienError(f"the class folder {folder} holds no pictures; put some in or delete it")
    classes = _classes([folder.name for folder, _, _ in found])
    if len(classes) < 2:
        raise MienError(f"{root} holds the single class {classes[0]!r}; two or more are needed")
    number = {name.lower(): i for i, name in enumerate(classes)}
    rows = [
        (file, number[folder.name.lower()], _usage(file, usage)) for folder, usage, files in found for file in files
    ]
    order = ("", *USAGES)
    rows.sort(key=lambda row: (order.index(row[2]), row[1]))  # stable: file names keep their order
    return Tree(root, classes, rows)


def read(tree: Tree) -> Dataset:
    """Read all pictures of a tree: gray, (48, 48). Raises MienError for one that cannot be read."""
    images = np.empty((len(tree.files), SIZE, SIZE), np.uint8)

    def one(i: int) -> None:
        images[i] = read_picture(tree.files[i][0])

    # Here, not in each thread: filters are shared by all threads, and one that puts them back while another is in its
    # own block leaves warnings ignored for good.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # odd metadata; a picture too large is an error all the same
        for _ in pool.map(one, range(len(tree.files))):
            pass
    labels = np.array([label for _, label, _ in tree.files], np.int64)
    usage = np.array([usage for _, _, usage in tree.files], dtype=np.array(USAGES).dtype)
    return Dataset(images, labels, usage, tree.classes, source=str(tree.root))


def read_picture(path: str | Path) -> np.ndarray:
    """One picture of any size, colour or gray, as a (48, 48) uint8 gray image.

    Turned as its camera noted; the middle square of one that is not square; shrunk with a filter as wide as the
    pixels it replaces (no aliasing); what is transparent becomes white. Raises MienError if it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            picture.draft("L", (4 * SIZE, 4 * SIZE))  # large JPEGs: decode at a fraction of their size
            gray = _gray(ImageOps.exif_transpose(picture))
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = "not a picture" if "cannot identify" in reason else reason
        raise MienError(f"{path} cannot be read ({reason}); replace or delete it") from error
    if gray.size != (SIZE, SIZE):
        side = min(gray.size)
        left, top = (gray.width - side) // 2, (gray.height - side) // 2
        gray = gray.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(gray, np.uint8)


def _gray(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):  # 16 bits a pixel, mostly; Pillow would cut off, not scale
        values = np.asarray(picture, np.float32)
        top = 65535.0 if values.max() > 255 else 255.0
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).round().astype(np.uint8))
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("L")


def _subfolders(folder: Path) -> list[Path]:
    """Folders within, but for hidden ones and what macOS and notebooks leave behind."""
    return sorted(
        Path(entry.path) for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith((".", "__"))
    )  # fmt: skip


def _pictures(folder: Path) -> Iterator[str]:
    for home, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(PICTURES) and not name.startswith("."):
                yield os.path.join(home, name)


def _has_pictures(folder: Path) -> bool:
    return any(entry.name.lower().endswith(PICTURES) for entry in os.scandir(folder) if entry.is_file())


def _classes(names: list[str]) -> tuple[str, ...]:
    """Class names in order; Happy and happy are one class, spelt as it comes first."""
    spelt = {name.lower(): name for name in reversed(names)}
    if set(spelt) == set(EMOTIONS):
        return EMOTIONS
    known = {name: i for i, name in enumerate(EMOTIONS)}
    return tuple(spelt[name] for name in sorted(spelt, key=lambda name: (known.get(name, len(known)), _natural(name))))


def _usage(file: str, folder: str) -> str:
    named = _NAMED.match(os.path.basename(file))
    return named[1] if named else folder


def _natural(text: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", text)  # text, number, text, number, ...
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]
