"""Folders of classes: <class>/*.jpg, or train/<class>/*.jpg beside test/<class>/*.jpg, and what only looks like them.

FER2013 comes in this form, too; there the name of the file (PublicTest_88305051.jpg) tells which of the pictures in
test/ are validation. Elsewhere the part is the folder's (see `mien.data.parts`): train is Training, validation
PublicTest, test PrivateTest; without such folders "".
"""

import os
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

from mien.data import file_names, manifests
from mien.data.class_folders import Search, listed, look
from mien.data.class_names import AS_IS, number_of
from mien.data.dataset import USAGES
from mien.data.folder_tree import Folder, leave_out_junk
from mien.data.parts import part_of
from mien.data.pictures import PART_NAMES, Pictures, Sample
from mien.labels import emotion_of, emotions_of

_NAMED = re.compile(rf"({'|'.join(USAGES)})_[0-9]")
_TOLD_ELSEWHERE = (".csv", ".tsv")  # see `mien.data.sources`
_OF_SYSTEMS = {"thumbs.db", "desktop.ini"}


def find(root: Folder, trusted: bool = False, by_words: bool = True) -> Pictures | None:
    """The pictures in class folders under a folder; None where there are none, or where the folders name no emotions
    and the file names do.

    trusted: folders are classes whatever their names look like (the user gave `classes`). by_words: emotions in the
    file names go before folders that name none. Raises MienError as `mien.data.class_folders.look` does.
    """
    search = Search(root, trusted)
    look(root, "", search)
    if not search.classes:
        return None
    labels = _labels(search)
    emotional = any(emotion_of(label) for label in labels)
    if by_words and not trusted and not emotional and file_names.find_words(root):
        return None
    samples = [
        Sample(file, label, usage)
        for (folder, _, usage), label in zip(search.classes, labels, strict=True) for file in folder.all_pictures()
    ]  # fmt: skip
    listed_samples = _flat_splits(search)
    if listed_samples and not any(sample.usage for sample in samples):
        search.tell("the class folders beside the split that a list labels are train")
        samples = [replace(sample, usage="Training") for sample in samples]
    samples = _parts(samples + listed_samples, search)
    _count_odd(search, len({sample.file for sample in listed_samples}))
    numbers = {label for label in labels if number_of(label) is not None}
    mixed = not trusted and emotional and bool(numbers)
    layout = "pictures in class folders" + (", some numbers and some emotions," if mixed else "")
    return Pictures(
        Path(root.path), layout, samples, unnamed=mixed, decisions=search.decisions, left_out=search.left_out
    )


def _labels(search: Search) -> list[str]:
    """The label of each class folder: its name, or the emotion that it means only among its like, told."""
    names = [unicodedata.normalize("NFC", name) for _, name, _ in search.classes]
    if search.trusted:
        return names
    homes = [os.path.dirname(folder.path) for folder, _, _ in search.classes]
    read = emotions_of(names)
    for home in dict.fromkeys(homes):
        read |= emotions_of(name for name, at in zip(names, homes, strict=True) if at == home)
    among = {name: emotion for name, emotion in read.items() if emotion_of(name) is None}
    if among:
        shown = ", ".join(f"{name!r} as {emotion}" for name, emotion in sorted(among.items()))
        search.tell(f"class names read as emotions, by those beside them: {shown} (as they stand: classes='{AS_IS}')")
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(_spelling(name), name)
    for name in dict.fromkeys(names):
        other = first[_spelling(name)]
        if name.strip().casefold() != other.strip().casefold() and name not in read:
            search.tell(f"{other!r} and {name!r} are one class")
    return [among.get(name) or (name if name in read else first[_spelling(name)]) for name in names]


def _spelling(name: str) -> str:
    """What is the same for very_happy, Very Happy and very-happy; -1 and 1 differ."""
    return re.sub(r"[\s_.-]+", " ", name.strip().casefold())


def _flat_splits(search: Search) -> list[Sample]:
    """The pictures of splits without class folders that a list labels; the others are left out, aloud, and splits that
    no list labels are taken from the search."""
    samples = []
    flat, search.flat = search.flat, []
    for folder, usage in flat:
        found = manifests.labels_beside(search.root, folder, usage, search.decisions)
        samples += found
        search.flat += [(folder, usage)] if found else []
        if rest := folder.count - len({sample.file for sample in found}):
            what = "the others have" if found else "it holds no class folders, so its pictures have"
            name = os.path.relpath(folder.path, search.root.path)
            search.tell(f"left out: {name}/ ({rest:,} pictures), {what} no labels")
            search.left_out[f"{name}/"] += rest
    return samples


def _parts(samples: list[Sample], search: Search) -> list[Sample]:
    """The samples, each in its part: its folder's, and where that says less, the one that FER2013's file names tell."""
    named = [match[1] if (match := _NAMED.match(os.path.basename(s.file))) else "" for s in samples]
    in_test = {name for s, name in zip(samples, named, strict=True) if s.usage == "PrivateTest"}
    divided = {"PublicTest", "PrivateTest"} <= in_test and not any(s.usage == "PublicTest" for s in samples)
    told, against = [], []
    for sample, name in zip(samples, named, strict=True):
        usage = sample.usage or name
        if divided and usage == "PrivateTest" and name == "PublicTest":
            usage = name
        elif name and name != usage:
            against.append(sample)
        told.append(Sample(sample.file, sample.label, usage))
    usages = Counter(sample.usage for sample in told)
    if not set(usages) - {""}:
        return told
    shown = ", ".join(
        f"{PART_NAMES.get(usage, 'no part')} {usages[usage]:,}" for usage in ("", *USAGES) if usages[usage]
    )
    homes = {name for folder, _, _ in search.classes if (name := _split_name(folder, search.root))}
    homes |= {folder.name for folder, _ in search.flat}
    by_names = ["file names"] if divided or any(n and not s.usage for s, n in zip(samples, named, strict=True)) else []
    by_folders = sorted(homes) or (["folder names"] if any(s.usage for s in samples) else [])
    search.decisions.insert(0, f"parts as given by {listed(by_folders + by_names)}: {shown}")
    root = search.root.path
    if against:
        search.tell(
            f"{len(against):,} pictures have names of another part than their folder's, which counts "
            f"({os.path.relpath(against[0].file, root)})"
        )
    if usages[""]:
        example = next(sample.file for sample in told if not sample.usage)
        search.tell(f"{usages['']:,} pictures are in no part, such as {os.path.relpath(example, root)}")
    return told


def _count_odd(search: Search, listed_pictures: int) -> None:
    """Count what lies about: pictures outside of class folders that no list labels, files that are no pictures by their
    names, junk, and names that are no regular files."""
    inside = sum(folder.count for folder, _, _ in search.classes) + listed_pictures
    outside = search.root.count - inside - search.left_out.total()
    if outside > 0:
        search.left_out["pictures outside of class folders"] += outside
        search.tell(f"left out: {outside:,} pictures outside of class folders")
    leave_out_junk(search.root, search.decisions, search.left_out)
    suffixes = Counter(
        os.path.splitext(name)[1].lower() or "none"
        for folder in [*(f for f, _, _ in search.classes), *search.empty] for within in folder.walk()
        for name in within.files
        if name.lower() not in _OF_SYSTEMS and not name.lower().endswith(_TOLD_ELSEWHERE)
    )  # fmt: skip
    if suffixes:
        shown = listed([f"{suffix} {n:,}" for suffix, n in suffixes.most_common()])
        search.left_out["files without a picture's suffix"] += suffixes.total()
        search.tell(f"left out: {suffixes.total():,} files in class folders without a picture's suffix ({shown})")
    if irregular := sum(folder.irregular for folder in search.root.walk()):
        search.left_out["pipes, devices and broken links"] += irregular
        search.tell(f"left out: {irregular:,} names of pictures that are pipes, devices or broken links")


def _split_name(folder: Folder, root: Folder) -> str | None:
    """The folder between root and a class folder, or that folder itself, which names a part."""
    names = os.path.relpath(folder.path, root.path).split(os.sep)
    return next((name for name in reversed(names) if part_of(name)), None)
