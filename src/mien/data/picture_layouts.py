"""Folders of labeled pictures, by the first layout that fits: a published form, class folders, lists, file names."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from mien.data import annotations, coco, file_names, image_folders, manifests, picture_parts, voc
from mien.data.class_legends import find_legend
from mien.data.class_names import AS_IS
from mien.data.folder_tree import Folder
from mien.data.list_tables import lists_in
from mien.data.parts import natural
from mien.data.people import tell_people
from mien.data.pictures import Pictures
from mien.data.unread import seen
from mien.errors import MienError
from mien.labels import emotion_of


def labeled_pictures(root: Folder, classes: str | dict[int, str] | None) -> Pictures | None:
    """The labeled pictures under a folder, by the first layout that fits; None where there are no pictures.

    Folders are classes before lists are, unless none of them is an emotion and a list names other labels. Parts that
    the layout does not give are those of the folders that the pictures lie in, or of their names.
    """
    pictures, folders_are_classes = _labeled(root, classes)
    if pictures is None:
        return None
    return tell_people(picture_parts.by_names(pictures if folders_are_classes else picture_parts.by_folders(pictures)))


def _labeled(root: Folder, classes: str | dict[int, str] | None) -> tuple[Pictures | None, bool]:
    """The labeled pictures, and whether the folders are their classes."""
    if not root.count:
        if n := sum(folder.irregular for folder in root.walk()):
            raise MienError(
                f"{root.path} holds {n:,} names of pictures, all broken links or no files; copy the pictures themselves"
            )
        return None, False
    known = annotations.find(root) or file_names.find(root)
    if known:
        return known, False
    trusted = classes is not None and _names_folders(classes)
    faults: list[MienError] = []

    def look(form: Callable[[], Pictures | None]) -> Pictures | None:
        try:
            return form()
        except MienError as error:
            faults.append(error)
            return None

    folders = look(lambda: image_folders.find(root, trusted=trusted, by_words=classes is None))
    labels = {sample.label for sample in folders.samples} if folders else set()
    if folders and len(labels) > 1 and (trusted or any(emotion_of(label) for label in labels)):
        return _aside(folders, root), True
    for form in (manifests.find, file_names.find_words, coco.find, voc.find):
        other = look(lambda form=form: form(root))  # type: ignore[misc]
        if other is None:
            continue
        told = {sample.label for sample in other.samples}
        if folders and len(labels) > 1:
            if told == labels:
                break
            names = ", ".join(sorted(labels, key=natural)[:6])
            other.decisions.append(f"the folders {names} are no classes: a list or the files' names give the labels")
        return other, False
    if faults and folders and len(labels) > 1 and not all(label.isdecimal() for label in labels):
        fault = faults[-1]
        raise MienError(f"{fault.message}; or take the folders for the classes with {{parameter}} {AS_IS}",
                        parameter="classes")  # fmt: skip
    if folders and len(labels) > 1:
        return _aside(folders, root), True
    if faults:
        raise faults[-1]
    others = seen(root)
    unread = f" and no list of labels among its files ({others})" if others else ""
    if folders is None:
        raise MienError(
            f"{root.path} holds pictures but no class folders{unread}; sort them into {root.path}/<class>/ folders, or "
            "name them in a csv file with the columns image and label"
        )
    raise MienError(
        f"{root.path} holds the single class {labels.pop()!r}{unread}; two or more are needed, each in "
        "its folder, or a csv file with the columns image and label"
    )


def _names_folders(classes: str | dict[int, str]) -> bool:
    """Whether the user spoke of these folders themselves: as they are, or by name; a preset of numbers does not."""
    return classes == "as-is" or isinstance(classes, dict) or bool(re.search(r"(^|,)\s*\D[^=]*=", classes))


def names_beside(root: Folder, pictures: Pictures) -> dict[int, str] | None:
    """The names that a file beside numbered classes gives them (see class_legends); None without such. It is told among
    the decisions. Raises MienError where files differ."""
    legend = find_legend(root, (sample.label for sample in pictures.samples)) if not pictures.numbers else None
    if legend is None:
        return None
    names, file = legend
    pictures.decisions.append(f"the numbers are named by {file}")
    return names


def _aside(pictures: Pictures, root: Folder) -> Pictures:
    """Take the parts that a list gives, where the folders give none; say which lists beside them are not looked at."""
    if not any(sample.usage for sample in pictures.samples):
        parts = manifests.given_parts(root)
        if parts.of:
            samples = [replace(sample, usage=parts.of.get(sample.file, "")) for sample in pictures.samples]
            pictures = replace(pictures, samples=samples, decisions=[*pictures.decisions, *parts.decisions])
    lists = [os.path.relpath(os.path.join(folder.path, name), root.path) for folder in root.walk()
             for name in lists_in(folder)]  # fmt: skip
    named = ""
    with suppress(MienError):  # files that differ are refused when they are asked
        legend = find_legend(root, (sample.label for sample in pictures.samples))
        named = legend[1] if legend else ""
    told = [*pictures.decisions, named]
    if lists := [name for name in lists if not any(name in line for line in told)]:
        pictures.decisions.append(f"left out: {', '.join(lists[:6])}; the class folders give the labels")
    return pictures
