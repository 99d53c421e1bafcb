"""Emotions told by file names: KDEF (AF01ANS.JPG), JAFFE (KA.AN1.39.tiff), CK+'s sequences, happy_03.png."""

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

from mien.data.class_names import PRESETS
from mien.data.folder_tree import Folder
from mien.data.label_files import labelled, number_in, read_text
from mien.data.parts import part_of, suspicion
from mien.data.pictures import Pictures, Sample
from mien.labels import emotion_of

_CODES = {"an": "angry", "di": "disgust", "fe": "fear", "af": "fear", "ha": "happy", "sa": "sad", "su": "surprise",
          "ne": "neutral"}  # fmt: skip
_KDEF = re.compile(r"[AB][FM]\d{2}(?P<code>AF|AN|DI|HA|NE|SA|SU)(?P<view>S|HL|HR|FL|FR)(?![A-Za-z])", re.IGNORECASE)
_JAFFE = re.compile(r"[A-Z]{2}[._-](?P<code>AN|DI|FE|HA|NE|SA|SU)\d[._-]\d+(?!\d)", re.IGNORECASE)
_MOST = 0.9  # share of the pictures that must be named so
_APEX = 3  # frames at the end of a CK+ sequence that show its emotion, as CK+48 takes them
_SEQUENCE = re.compile(r"(?P<sequence>S\d+_\d+)_\d+")


def find(root: Folder) -> Pictures | None:
    """The pictures under a folder whose names are KDEF's or JAFFE's, or that lie as CK+'s sequences; None for
    others.
    """
    if (pictures := _ck_plus(root)) is not None:
        return pictures
    for layout, pattern in (("KDEF", _KDEF), ("JAFFE", _JAFFE)):
        samples, left_out = [], Counter[str]()
        views: Counter[str] = Counter()
        for folder in root.walk():
            for name in folder.pictures:
                match = pattern.match(name)
                if match is None:
                    left_out[f"names that are not {layout}'s"] += 1
                    continue
                samples.append(
                    Sample(os.path.join(folder.path, name), _CODES[match["code"].lower()], _usage(root, folder))
                )
                views[match.groupdict().get("view", "").upper()] += 1
        if samples and len(samples) >= _MOST * root.count:
            decisions = [f"emotions read from {layout}'s file names"]
            if profiles := views["FL"] + views["FR"]:
                decisions.append(
                    f"{profiles:,} of the pictures are full profiles (FL, FR), which mien's detector would not find"
                )
            if left_out:
                decisions.append(f"left out: {left_out.total():,} pictures whose names are not {layout}'s")
            return labelled(root, f"{layout} (emotions in file names)", samples, "", decisions, left_out)
    return None


def find_words(root: Folder) -> Pictures | None:
    """Pictures in no class folders whose names each hold one emotion: happy_03.png, Rafd090_01_angry_frontal.jpg."""
    inner = [folder.name for folder in _sole(root).folders if folder.count]
    if inner and suspicion(inner) is None:
        return None
    samples, left_out = [], Counter[str]()
    for folder in root.walk():
        for name in folder.pictures:
            words = re.split(r"[\W_\d]+", os.path.splitext(name)[0])
            emotions = {emotion_of(word) for word in words if word} - {None}
            if len(emotions) == 1:
                samples.append(Sample(os.path.join(folder.path, name), str(emotions.pop()), _usage(root, folder)))
            else:
                left_out["names without an emotion"] += 1
    if len(samples) < _MOST * root.count or len({sample.label for sample in samples}) < 2:
        return None
    decisions = ["emotions read from the words in the file names"]
    if left_out:
        decisions.append(f"left out: {left_out.total():,} pictures whose names hold no emotion, or several")
    return labelled(root, "emotions in file names", samples, "", decisions, left_out)


def _sole(folder: Folder) -> Folder:
    """The first folder below that holds pictures or several folders."""
    while len(folder.folders) == 1 and not folder.pictures:
        folder = folder.folders[0]
    return folder


def _ck_plus(root: Folder) -> Pictures | None:
    """cohn-kanade-images/S005/001/S005_001_00000001.png and Emotion/S005/001/S005_001_00000011_emotion.txt."""
    emotions: dict[str, int] = {}
    for folder in root.walk():
        for file in folder.files:
            if file.endswith("_emotion.txt") and (match := _SEQUENCE.match(file)):
                value = number_in(read_text(os.path.join(folder.path, file)))
                if value is not None:
                    emotions[match["sequence"]] = int(value)
    if not emotions:
        return None
    frames: dict[str, list[str]] = defaultdict(list)
    for path in root.all_pictures():
        if match := _SEQUENCE.match(os.path.basename(path)):
            frames[match["sequence"]].append(path)
    samples, left_out = [], Counter[str]()
    for sequence, paths in frames.items():
        number = emotions.get(sequence)
        if number is None or number not in PRESETS["ck+"]:
            left_out["frames of sequences without an emotion"] += len(paths)
            continue
        samples += [Sample(path, PRESETS["ck+"][number], "") for path in paths[-_APEX:]]
        left_out["frames before the last three of a sequence"] += max(len(paths) - _APEX, 0)
    decisions = [f"CK+: the last {_APEX} frames of each sequence with an emotion are taken, as CK+48 does"]
    decisions += [f"left out: {n:,} {reason}" for reason, n in left_out.items() if n]
    return labelled(root, "CK+ (sequences and *_emotion.txt)", samples, "", decisions, left_out)


def _usage(root: Folder, folder: Folder) -> str:
    """The part that one of the folders between root and a picture names."""
    inside = Path(folder.path).relative_to(root.path).parts
    return next((part for name in inside if (part := part_of(name))), "")
