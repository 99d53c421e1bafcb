"""Labeled picture files, found but not yet read, and their decoding into one `Dataset`."""

import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.cores import cores
from mien.data.class_names import Naming, name_classes
from mien.data.dataset import SIZE, USAGES, Dataset
from mien.data.image import open_picture, to_square_gray
from mien.data.parts import rank_of
from mien.errors import MienError, MienWarning

PART_NAMES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_MIN_BOX_SIDE = 4  # side in pixels of a face box
_MAX_SHOWN = 100  # broken pictures that an error names


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Sample:
    """One labeled face. label: as it stands in the data. usage: "Training", "PublicTest", "PrivateTest" or "".

    box: left, top, right, bottom of the face in pixels, or in shares of the picture (0..1) where `relative`.
    """

    file: str
    label: str
    usage: str
    box: Box | None = None
    relative: bool = False


@dataclass
class Pictures:
    """The labeled pictures under a folder. layout: what it is, for people. numbers: the preset that reads the labels
    when nothing is said. unnamed: the labels are numbers that nothing names. decisions, left_out: see `Dataset`.
    classes: the order and the index of the labels."""

    root: Path
    layout: str
    samples: list[Sample]
    numbers: str = ""
    unnamed: bool = False
    decisions: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    naming: Naming | None = None

    def named(self, classes: str | dict[int, str] | None) -> "Pictures":
        """With class names in place of labels, and the rows in order: by usage, then class, then as they were.

        Raises MienError for fewer than two classes.
        """
        if self.unnamed and not classes:
            numbers = ", ".join(sorted({sample.label for sample in self.samples}))
            raise MienError(
                f"{self.root} is laid out as {self.layout} and nothing names its classes {numbers}; "
                "name them with {parameter} 0=angry,1=happy",
                parameter="classes",
            )
        naming = name_classes((sample.label for sample in self.samples), classes, self.numbers, str(self.root))
        if len(naming.classes) < 2:
            raise MienError(
                f"{self.root} holds the single class {naming.classes[0]!r}; two or more are needed, each in its folder"
            )
        decisions = [*self.decisions, *naming.decisions]
        for usage, part in PART_NAMES.items():
            labels = {naming.index[sample.label] for sample in self.samples if sample.usage == usage}
            missing = [name for i, name in enumerate(naming.classes) if i not in labels]
            if labels and missing:
                decisions.append(f"no pictures of {', '.join(missing)} in {part}")
        samples = sorted(self.samples, key=lambda sample: (rank_of(sample.usage), naming.index[sample.label]))
        return replace(self, samples=samples, naming=naming, decisions=decisions)


def read(pictures: Pictures, skip_broken: bool = False) -> Dataset:
    """Read all pictures: gray, (48, 48). skip_broken: leave out, and count, those that cannot be read.

    Raises MienError that names all broken pictures, where they are not to be skipped or nothing else is left.
    """
    naming, samples = pictures.naming, pictures.samples
    assert naming is not None
    images = np.empty((len(samples), SIZE, SIZE), np.uint8)

    def decode(i: int) -> str | None:
        sample = samples[i]
        try:
            images[i] = read_picture(sample.file, sample.box, sample.relative)
        except MienError as error:
            return str(error)
        return None

    # Here, not in each thread: filters are shared by all threads, and one that puts them back while another is in its
    # own block leaves warnings ignored for good.
    with warnings.catch_warnings(record=True) as said, ThreadPoolExecutor(min(8, cores())) as pool:
        warnings.simplefilter("always")
        faults = list(pool.map(decode, range(len(samples)), chunksize=8))
    broken = [fault for fault in faults if fault is not None]
    if broken and (not skip_broken or len(broken) == len(samples)):
        raise _broken(broken, len(samples))
    left_out = pictures.left_out + Counter({"broken pictures": len(broken)})
    # What Pillow says of odd metadata is passed over; what the decoder says of pixels is told.
    depths: list[str] = []
    others: list[str] = []
    for note in said:
        if issubclass(note.category, MienWarning):
            (depths if "bits" in str(note.message) else others).append(str(note.message))
    notes = [
        f"{len(group):,} pictures {what}, such as: {group[0]}"
        for group, what in (
            (depths, "were scaled to 8 bits by the depth that they use"),
            (others, "are the first of several in their file"),
        )
        if group
    ]
    if broken:
        shown = broken[0].removesuffix("; replace or delete it")
        notes.append(f"left out: {len(broken):,} broken pictures, such as: {shown}")
        left = {naming.index[sample.label] for sample, fault in zip(samples, faults, strict=True) if fault is None}
        emptied = [name for i, name in enumerate(naming.classes) if i not in left]
        notes += [f"all pictures of {', '.join(emptied)} are broken: the class is empty"] if emptied else []
    kept = np.array([fault is None for fault in faults])
    labels = np.array([naming.index[sample.label] for sample in samples], np.int64)
    usage = np.array([sample.usage for sample in samples], dtype=np.array(USAGES).dtype)
    if broken:
        images, labels, usage = images[kept], labels[kept], usage[kept]
    return Dataset(
        images, labels, usage, naming.classes, source=str(pictures.root), decisions=(*pictures.decisions, *notes),
        left_out={reason: n for reason, n in left_out.items() if n},
    )  # fmt: skip


def read_picture(
    path: str | Path, box: tuple[float, float, float, float] | None = None, relative: bool = False
) -> NDArray[np.uint8]:
    """One picture of any size, color or gray, as a (48, 48) uint8 gray image: decoded and squared as `mien read` does.

    box: left, top, right, bottom of the face to cut out first, in pixels, or in shares of the picture where `relative`.
    Raises MienError if it cannot be read, or the box lies outside.
    """
    try:
        picture = open_picture(path)
    except MienError as error:
        raise MienError(f"{_reason(str(error), str(path))}; replace or delete it") from error
    return to_square_gray(_cut(picture, box, relative, str(path)) if box else picture, SIZE)


def _cut(picture: Image.Image, box: tuple[float, float, float, float], relative: bool, name: str) -> Image.Image:
    left, top, right, bottom = box
    if relative:
        left, top, right, bottom = (
            left * picture.width, top * picture.height, right * picture.width, bottom * picture.height,
        )  # fmt: skip
    inside = (
        max(round(left), 0),
        max(round(top), 0),
        min(round(right), picture.width),
        min(round(bottom), picture.height),
    )
    width, height = inside[2] - inside[0], inside[3] - inside[1]
    if min(width, height) < _MIN_BOX_SIDE:
        what = "lies outside of the picture" if min(width, height) <= 0 else f"has {width}x{height} pixels"
        if right <= left or bottom <= top:
            what = f"ends where it begins or before: {left:g}, {top:g} to {right:g}, {bottom:g}"
        raise MienError(f"{name} cannot be read (its face box {what}); correct or delete its label")
    return picture.crop(inside)


def _reason(message: str, path: str) -> str:
    """The decoder's message as "PATH cannot be read (reason)"."""
    inner = message.removeprefix("cannot open ").removeprefix(path).removeprefix(" is ").removeprefix(": ")
    inner = "not a picture" if inner.startswith("not a picture") else inner.replace("; ", ", ")
    return f"{path} cannot be read ({inner})"


def _broken(faults: list[str], n: int) -> MienError:
    if len(faults) == 1:
        return MienError(f"{faults[0]}, or leave it out with {{parameter}}", parameter="skip_broken")
    shown = "; ".join(fault.removesuffix("; replace or delete it") for fault in faults[:_MAX_SHOWN])
    more = f"; and {len(faults) - _MAX_SHOWN:,} more" if len(faults) > _MAX_SHOWN else ""
    return MienError(
        f"{len(faults):,} of {n:,} pictures are broken: {shown}{more}; replace or delete them, or leave them out with "
        "{parameter}",
        parameter="skip_broken",
    )
