"""Emotions told by file names: KDEF (AF01ANS.JPG), JAFFE (KA.AN1.39.tiff), BU-3DFE, frames of CREMA-D's and RAVDESS's
films, CK+'s sequences, happy_03.png."""

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

from mien.data.class_names import PRESETS
from mien.data.folder_tree import Folder, leave_out_junk
from mien.data.label_files import labeled, number_in, read_text
from mien.data.parts import part_of
from mien.data.pictures import Pictures, Sample
from mien.labels import NEGATIONS, emotion_of, emotions_of

_CODES = {"an": "angry", "di": "disgust", "fe": "fear", "af": "fear", "ha": "happy", "sa": "sad", "su": "surprise",
          "ne": "neutral"}  # fmt: skip
_CREMA_CODES = {"ang": "angry", "dis": "disgust", "fea": "fear", "hap": "happy", "neu": "neutral", "sad": "sad"}
_RAVDESS_CODES = {"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fear",
                  "07": "disgust", "08": "surprise"}  # fmt: skip
_KDEF = re.compile(r"[AB][FM]\d{2}(?P<code>AF|AN|DI|HA|NE|SA|SU)(?P<view>S|HL|HR|FL|FR)(?![A-Za-z])", re.IGNORECASE)
_JAFFE = re.compile(r"[A-Z]{2}[._-](?P<code>AN|DI|FE|HA|NE|SA|SU)\d[._-]\d+(?!\d)", re.IGNORECASE)
_BU3DFE = re.compile(r"[FM]\d{4}_(?P<code>AN|DI|FE|HA|NE|SA|SU)\d{2}[A-Z]{2}_F[23]D", re.IGNORECASE)
_CREMA = re.compile(r"\d{4}_[A-Z]{3}_(?P<code>ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)(?![A-Za-z])", re.IGNORECASE)
_RAVDESS = re.compile(r"0[12]-0[12]-(?P<code>0[1-8])-0[12]-0[12]-0[12]-(0[1-9]|1\d|2[0-4])(?!\d)")
_FORMS = (("KDEF", _KDEF, _CODES), ("JAFFE", _JAFFE, _CODES), ("BU-3DFE", _BU3DFE, _CODES),
          ("CREMA-D", _CREMA, _CREMA_CODES), ("RAVDESS", _RAVDESS, _RAVDESS_CODES))  # fmt: skip
_MIN_NAMED_SHARE = 0.9  # share of the pictures that must be named so
_APEX = 3  # frames at the end of a CK+ sequence that show its emotion, as CK+48 takes them
_SEQUENCE = re.compile(r"(?P<sequence>S\d+_\d+)_\d+")


def find(root: Folder) -> Pictures | None:
    """The pictures under a folder whose names are of one of `_FORMS`, or that lie as CK+'s sequences; None for
    others.
    """
    if (pictures := _ck_plus(root)) is not None:
        return pictures
    for layout, pattern, codes in _FORMS:
        samples, left_out, against = list[Sample](), Counter[str](), list[str]()
        views: Counter[str] = Counter()
        for folder in root.walk():
            usage, emotion = _usage(root, folder), _emotion_of_folder(root, folder)
            for name in folder.pictures:
                match = pattern.match(name)
                if match is None:
                    left_out[f"names that are not {layout}'s"] += 1
                    continue
                file = os.path.join(folder.path, name)
                samples.append(Sample(file, codes[match["code"].lower()], usage))
                if emotion not in (None, samples[-1].label):
                    against.append(os.path.relpath(file, root.path))
                views[match.groupdict().get("view", "").upper()] += 1
        if samples and len(samples) >= _MIN_NAMED_SHARE * root.count:
            decisions = [f"emotions read from {layout}'s file names"]
            if profiles := views["FL"] + views["FR"]:
                decisions.append(
                    f"{profiles:,} of the pictures are full profiles (FL, FR), which mien's detector would not find"
                )
            if against:
                decisions.append(
                    f"{len(against):,} pictures lie in a folder of another emotion than their name's, which counts "
                    f"({against[0]})"
                )
            if left_out:
                decisions.append(f"left out: {left_out.total():,} pictures whose names are not {layout}'s")
            leave_out_junk(root, decisions, left_out)
            return labeled(root, f"{layout} (emotions in file names)", samples, "", decisions, left_out)
    return None


def find_words(root: Folder) -> Pictures | None:
    """Pictures whose names each hold one emotion, and whose folders name none: happy_03.png in male/, female/ or none.

    None where the folders name emotions, or fewer than two emotions are in the names.
    """
    if any(len({*emotions_of(f.name for f in folder.folders if f.count).values()}) > 1 for folder in root.walk()):
        return None
    samples, left_out = [], Counter[str]()
    known: dict[str, str | None] = {}
    for folder in root.walk():
        usage = _usage(root, folder)
        for name in folder.pictures:
            words = {word for word in re.split(r"[\W_\d]+", os.path.splitext(name)[0]) if word}
            known |= {word: _meant(word) for word in words if word not in known}
            emotions = {known[word] for word in words} - {None}
            # Neither not_happy nor happily_surprised is one of the emotions.
            if len(emotions) == 1 and not NEGATIONS & {word.casefold() for word in words}:
                samples.append(Sample(os.path.join(folder.path, name), str(emotions.pop()), usage))
            else:
                left_out["names without an emotion"] += 1
    if len(samples) < _MIN_NAMED_SHARE * root.count or len({sample.label for sample in samples}) < 2:
        return None
    inner = [folder.name for folder in _sole(root).folders if folder.count and not part_of(folder.name)]
    beside = f"; the folders ({', '.join(inner[:6])}{' ...' if len(inner) > 6 else ''}) name none" if inner else ""
    decisions = [f"emotions read from the words in the file names{beside}"]
    if left_out:
        decisions.append(f"left out: {left_out.total():,} pictures whose names hold no emotion, or several")
    leave_out_junk(root, decisions, left_out)
    return labeled(root, "emotions in file names", samples, "", decisions, left_out)


def _meant(word: str) -> str | None:
    """The emotion of a word, or of the adjective that an adverb is made of: sadly, happily."""
    return emotion_of(word) or emotion_of(re.sub(r"(?i)ily$", "y", word)) or emotion_of(re.sub(r"(?i)ly$", "", word))


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
    return labeled(root, "CK+ (sequences and *_emotion.txt)", samples, "", decisions, left_out)


def _emotion_of_folder(root: Folder, folder: Folder) -> str | None:
    """The emotion that the folders between root and a picture name, the innermost first."""
    inside = Path(folder.path).relative_to(root.path).parts
    return next((emotion for name in reversed(inside) if (emotion := emotion_of(name))), None)


def _usage(root: Folder, folder: Folder) -> str:
    """The part that one of the folders between root and a picture names."""
    inside = Path(folder.path).relative_to(root.path).parts
    return next((part for name in inside if (part := part_of(name))), "")
