"""Lists of labels beside pictures, in their published forms: FER+'s votes, RAF-DB's, ExpW's and AffectNet's."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from mien.data import ferplus, yolo
from mien.data.folder_tree import Folder
from mien.data.label_files import PictureIndex, files_named, labeled, number_in, part_of_folder, read_text, tell_missing
from mien.data.parts import part_of
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError
from mien.labels import CONTEMPT, EMOTIONS


def find(root: Folder) -> Pictures | None:
    """The pictures under a folder labeled by a list in a published form: FER+, RAF-DB, ExpW, AffectNet or YOLO."""
    for form in (_ferplus, _rafdb, _expw, _affectnet, yolo.find):
        pictures = form(root)
        if pictures is not None:
            return pictures
    return None


def _ferplus(root: Folder) -> Pictures | None:
    """FER2013Train/, FER2013Valid/, FER2013Test/, each with label.csv: a name, a box and ten votes a row."""
    lists = [
        (folder, path) for folder, path in files_named(root, "label.csv") if part_of(folder.name) and folder.pictures
    ]
    if not lists:
        return None
    samples, left_out, index = [], Counter[str](), PictureIndex(root)
    for folder, path in lists:
        rows = [row for row in csv.reader(io.StringIO(read_text(path))) if len(row) >= 12 and row[0].strip()]
        votes = [[int(float(v)) for v in row[-10:]] for row in rows if all(number_in(v) is not None for v in row[-10:])]
        if not rows or len(votes) < len(rows):
            raise MienError(
                f"{path} holds no votes: each row has a picture's name, its box and ten counts; fetch it again from "
                "github.com/microsoft/FERPlus"
            )
        for row, label in zip(rows, ferplus.majority(np.array(votes)), strict=True):
            file = index.find(row[0], folder.path)
            if label < 0:
                left_out["no majority, unknown or no face, by the votes"] += 1
            elif file is None:
                left_out["rows whose picture is missing"] += 1
            else:
                samples.append(Sample(file, (*EMOTIONS, CONTEMPT)[label], part_of_folder(folder, root.path)))
    decisions = ["labels by the majority of FER+'s ten votes (Barsoum et al. 2016)"]
    if n := left_out["no majority, unknown or no face, by the votes"]:
        decisions.append(f"left out: {n:,} pictures without a majority, of unknown emotion or no face")
    tell_missing(left_out, decisions, lists[0][1])
    return labeled(root, "FER+ (label.csv in each folder)", samples, "", decisions, left_out)


def _rafdb(root: Folder) -> Pictures | None:
    """list_patition_label.txt: "train_00001.jpg 5" a row; the aligned pictures are called train_00001_aligned.jpg."""
    lists = files_named(root, "list_patition_label.txt") + files_named(root, "list_partition_label.txt")
    if not lists:
        return None
    samples, left_out, index = [], Counter[str](), PictureIndex(root)
    aligned = 0
    for name, label in _pairs(read_text(lists[0][1])):
        stem = os.path.splitext(name)[0]
        file = next(iter(index.named.get(f"{stem}_aligned", [])), None)
        aligned += file is not None
        file = file or index.find(name, lists[0][0].path)
        if file is None:
            left_out["rows whose picture is missing"] += 1
        else:
            samples.append(Sample(file, label, part_of(re.split(r"[_\d]", name)[0]) or ""))
    decisions = [
        f"RAF-DB's list {os.path.basename(lists[0][1])} gives labels and parts; {aligned:,} pictures are aligned faces"
    ]
    tell_missing(left_out, decisions, lists[0][1])
    return labeled(root, "RAF-DB (list_patition_label.txt)", samples, "rafdb", decisions, left_out)


def _expw(root: Folder) -> Pictures | None:
    """label.lst: name, face, top, left, right, bottom, confidence, expression (0..6 in FER2013's order) a row."""
    lists = files_named(root, "label.lst")
    if not lists:
        return None
    samples, left_out, index = [], Counter[str](), PictureIndex(root)
    for number, line in enumerate(read_text(lists[0][1]).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 8 or any(number_in(word) is None for word in words[1:]):
            raise MienError(
                f"{lists[0][1]} line {number} is not ExpW's: a name, the face's number, top, left, right, bottom, "
                "confidence and expression; correct or delete it"
            )
        top, left, right, bottom = (float(word) for word in words[2:6])
        file = index.find(words[0], lists[0][0].path)
        if file is None:
            left_out["rows whose picture is missing"] += 1
        else:
            samples.append(Sample(file, words[7], "", (left, top, right, bottom)))
    decisions = ["faces cut out of the photos by the boxes of ExpW's label.lst"]
    tell_missing(left_out, decisions, lists[0][1])
    return labeled(root, "ExpW (label.lst)", samples, "expw", decisions, left_out)


def _affectnet(root: Folder) -> Pictures | None:
    """images/5.jpg beside annotations/5_exp.npy, in train_set/ and val_set/."""
    samples, left_out = [], Counter[str]()
    for folder in root.walk():
        images, annotations = folder.child("images"), folder.child("annotations")
        if images is None or annotations is None or not any(name.endswith("_exp.npy") for name in annotations.files):
            continue
        known = set(annotations.files)
        for path in images.all_pictures():
            name = f"{os.path.splitext(os.path.basename(path))[0]}_exp.npy"
            label = _npy_number(os.path.join(annotations.path, name)) if name in known else None
            if label is None or label > 7:
                left_out["no emotion by its annotation"] += 1
            else:
                samples.append(Sample(path, str(label), part_of_folder(folder, root.path)))
    if not samples:
        return None
    decisions = ["AffectNet's annotations (*_exp.npy) give the labels"]
    if n := left_out["no emotion by its annotation"]:
        decisions.append(f"left out: {n:,} pictures without an emotion in their annotation")
    return labeled(root, "AffectNet (images/ and annotations/)", samples, "affectnet", decisions, left_out)


def _npy_number(path: str) -> int | None:
    try:
        return int(float(str(np.load(path, allow_pickle=False))))
    except (OSError, ValueError, EOFError):
        return None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = line.replace(",", " ").split()
        if len(words) == 2:
            yield words[0], words[1]
