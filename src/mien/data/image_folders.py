"""Folders of classes: <class>/*.jpg, or train/<class>/*.jpg beside test/<class>/*.jpg, and what only looks like them.

FER2013 comes in this form, too; there the usage stands in the file's name (PublicTest_88305051.jpg). Elsewhere it is
the folder's (see `mien.data.parts`): train is Training, validation PublicTest, test PrivateTest; without such folders
"".
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mien.data.dataset import USAGES
from mien.data.folder_tree import Folder
from mien.data.parts import part_of, suspicion
from mien.data.pictures import PART_NAMES, Pictures, Sample
from mien.errors import MienError
from mien.labels import emotion_of

_NAMED = re.compile(rf"({'|'.join(USAGES)})_[0-9]")


@dataclass
class _Search:
    """The class folders found so far, as (folder, label, usage), and what was decided on the way."""

    root: Folder
    trusted: bool  # the user named the classes: folders are taken as they are
    classes: list[tuple[Folder, str, str]] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def leave_out(self, folders: list[Folder], why: str) -> None:
        """Count the pictures of folders as left out, aloud."""
        for folder in folders:
            name = os.path.relpath(folder.path, self.root.path)
            self.decisions.append(f"left out: {name}/ ({folder.count:,} pictures), {why}")
            if folder.count:
                self.left_out[f"{name}/"] += folder.count


def find(root: Folder, trusted: bool = False) -> Pictures | None:
    """The pictures in class folders under a folder, or None where there are none.

    trusted: folders are classes whatever their names look like (the user gave `classes`). Raises MienError for a
    class folder without pictures, for folders that look like people, folds, splits or parts of a layout and not like
    classes, and for several data sets side by side.
    """
    search = _Search(root, trusted)
    _look(root, "", search)
    if not search.classes:
        return None
    samples = [
        Sample(file, label, _usage(file, usage))
        for folder, label, usage in search.classes for file in folder.all_pictures()
    ]  # fmt: skip
    usages = Counter(sample.usage for sample in samples)
    if set(usages) - {""}:
        shown = ", ".join(
            f"{PART_NAMES.get(usage, 'no part')} {usages[usage]:,}" for usage in ("", *USAGES) if usages[usage]
        )
        homes = sorted({name for folder, _, _ in search.classes if (name := _split_name(folder, root))}) or [
            "file names"
        ]
        search.decisions.insert(0, f"parts as given by {_listed(homes)}: {shown}")
    _count_odd(search)
    return Pictures(
        Path(root.path), "pictures in class folders", samples, decisions=search.decisions, left_out=search.left_out
    )


def _look(top: Folder, usage: str, search: _Search) -> None:
    """Add the class folders under `top` to the search; usage: the part that the folders above have named."""
    while (
        len(top.folders) == 1
        and part_of(top.folders[0].name) is None
        and not top.folders[0].pictures
        and top.folders[0].count
    ):
        top = top.folders[0]
    inner = top.folders
    if not any(folder.count for folder in inner):
        return
    parts = {folder.name: part_of(folder.name) for folder in inner}
    if any(parts.values()) and not search.trusted:
        _split_folders(top, parts, usage, search)
    elif _class_then_split(inner):
        for folder in inner:
            search.classes += [(part, folder.name, part_of(part.name) or "") for part in folder.folders if part.count]
            search.leave_out(
                [Folder(folder.path, "", folder.pictures)] if folder.pictures else [], "outside of its split folders"
            )
    else:
        _class_folders(top, usage, search)


def _split_folders(top: Folder, parts: dict[str, str | None], usage: str, search: _Search) -> None:
    """Folders of which some are named as splits: train/ beside test/, and what else stands there."""
    splits = [folder for folder in top.folders if parts[folder.name] and folder.count]
    others = [folder for folder in top.folders if not parts[folder.name]]
    flat = [folder for folder in splits if not any(inner.count for inner in folder.folders)]
    nested = [folder for folder in splits if folder not in flat]
    classes = [folder for folder in others if folder.count and emotion_of(folder.name)]
    if len(classes) >= 2 and (flat == splits or all(parts[folder.name] != "Training" for folder in nested)):
        # angry/, happy/ and test/ side by side.
        others = [folder for folder in others if folder not in classes]
        search.decisions.append(
            f"{_listed([folder.name for folder in classes])} are classes; {_listed([s.name for s in splits])} beside "
            f"them "
            f"{'are' if len(splits) > 1 else 'is'} no class"
        )
        search.classes += [(folder, folder.name, "Training" if nested else usage) for folder in classes]
    elif flat == splits:
        return  # train/*.jpg without classes: file names or a list may tell them
    if any(parts[folder.name] == "Training" for folder in flat):
        raise MienError(
            f"{top.path}: {_listed([f.name for f in flat])} holds pictures in no class folders, and a split is no "
            f"class; "
            "is it one? Sort its pictures into <class>/ folders, or move it away"
        )
    search.leave_out(flat, "it holds no class folders, so its pictures have no labels")
    search.leave_out([folder for folder in others if folder.count], "it is neither a split nor a class")
    for folder in nested:
        _look(folder, parts[folder.name] or usage, search)


def _class_then_split(inner: list[Folder]) -> bool:
    """Whether each folder is a class that is split within: angry/train/, angry/test/."""
    return all(
        folder.folders
        and all(part_of(part.name) for part in folder.folders if part.count)
        and any(part.count for part in folder.folders)
        and not any(sum(below.count > 0 for below in part.folders) > 1 for part in folder.folders)
        for folder in inner
    )


def _class_folders(top: Folder, usage: str, search: _Search) -> None:
    inner = [folder for folder in top.folders if folder.count]
    empty = [folder for folder in top.folders if not folder.count]
    names = [folder.name for folder in inner]
    below = [folder for folder in inner if sum(emotion_of(f.name) is not None for f in folder.folders if f.count) >= 2]
    doubt = None if search.trusted else suspicion(names)
    if doubt in ("people", "folds") and all(folder.folders and not folder.pictures for folder in inner):
        search.decisions.append(f"{_listed(names)} look like {doubt}: the folders within them are the classes")
        for folder in inner:
            search.classes += [(f, f.name, usage) for f in folder.folders if f.count]
        return
    if below and not search.trusted and not any(emotion_of(name) for name in names):
        if len(below) > 1:
            raise MienError(
                f"{top.path} holds several data sets, each with class folders ({_listed([f.name for f in below])}); "
                f"which one "
                f"is meant? Give it: {below[0].path}"
            )
        search.leave_out([folder for folder in inner if folder is not below[0]], f"the classes are in {below[0].name}/")
        _look(below[0], usage, search)
        return
    inside = [f for f in inner if any(part_of(s.name) == "Training" and len(s.folders) > 1 for s in f.folders)]
    if inside and not search.trusted:
        if len(inside) > 1:
            raise MienError(
                f"{top.path} holds several data sets, each with its splits ({_listed([f.name for f in inside])}); "
                f"which one is "
                f"meant? Give it: {inside[0].path}"
            )
        search.leave_out(
            [folder for folder in inner if folder is not inside[0]], f"the splits are in {inside[0].name}/"
        )
        _look(inside[0], usage, search)
        return
    if doubt and (len(names) > 1 or doubt != "parts of a layout"):
        raise MienError(
            f"{top.path}: the folders {_listed(names)} look like {doubt}, not like classes; are they? Then say so with "
            f"{{parameter}} as-is; else sort the pictures into <class>/ folders",
            parameter="classes",
        )
    for folder in empty:
        if any(True for f in folder.walk() if f.files):
            search.decisions.append(f"left out: {folder.name}/, it holds no pictures")
        elif not usage:
            raise MienError(f"the class folder {folder.path} holds no pictures; put some in or delete it")
        else:
            search.decisions.append(f"the class folder {os.path.relpath(folder.path, search.root.path)}/ is empty")
    search.classes += [(folder, folder.name, usage) for folder in inner]


def _count_odd(search: _Search) -> None:
    """Count what lies about: pictures outside of class folders, and names that are no regular files."""
    inside = sum(folder.count for folder, _, _ in search.classes)
    outside = search.root.count - inside - search.left_out.total()
    if outside > 0:
        search.left_out["pictures outside of class folders"] += outside
        search.decisions.append(f"left out: {outside:,} pictures outside of class folders")
    if irregular := sum(folder.irregular for folder in search.root.walk()):
        search.left_out["pipes, devices and broken links"] += irregular
        search.decisions.append(f"left out: {irregular:,} names of pictures that are pipes, devices or broken links")


def _split_name(folder: Folder, root: Folder) -> str | None:
    """The folder between root and a class folder, or that folder itself, which names a part."""
    names = os.path.relpath(folder.path, root.path).split(os.sep)
    return next((name for name in reversed(names) if part_of(name)), None)


def _usage(file: str, folder: str) -> str:
    named = _NAMED.match(os.path.basename(file))
    return named[1] if named else folder


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown
