"""The parts of labeled pictures that nothing else has given: by the folders they lie in, or by their own names."""

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from mien.data.dataset import USAGES
from mien.data.parts import part_of
from mien.data.pictures import PART_NAMES, Pictures


def by_folders(pictures: Pictures) -> Pictures:
    """The pictures, each in the part that a folder between root and it names, where these are several parts and
    nothing has given any; it is told."""

    @cache
    def told(folder: str) -> tuple[str, str]:
        for name in reversed(Path(folder).relative_to(pictures.root).parts):
            if part := part_of(name):
                return part, f"{name}/"
        return "", ""

    return _given(pictures, lambda file: told(os.path.dirname(file)), "the pictures' folders")


def by_names(pictures: Pictures) -> Pictures:
    """The pictures, each in the part that its file name begins or ends with, where all names do so, they tell train
    and another part, and nothing has given any; it is told."""
    for place in ("begin", "end"):
        told = partial(_word, place=place)
        given = _given(pictures, told, f"the file names, which {place} with", every=True)
        if given is not pictures:
            return given
    return pictures


def _given(pictures: Pictures, told: Callable[[str], tuple[str, str]], what: str, every: bool = False) -> Pictures:
    """told: the part and the word for it of a file, "" for none. every: all pictures need to have one."""
    if any(sample.usage for sample in pictures.samples):
        return pictures
    found = []
    for sample in pictures.samples:
        found.append(told(sample.file))
        if every and not found[-1][0]:
            return pictures
    counts = Counter(part for part, _ in found)
    if len(set(counts) - {""}) < 2 or (every and "Training" not in counts):  # Dev and Val are names of people, too
        return pictures
    words = list(dict.fromkeys(word for _, word in found if word))
    shown = ", ".join(f"{PART_NAMES[usage]} {counts[usage]:,}" for usage in USAGES if counts[usage])
    decisions = [f"parts as given by {what} ({', '.join(words[:6])}): {shown}"]
    if counts[""]:
        file = next(s.file for s, (part, _) in zip(pictures.samples, found, strict=True) if not part)
        decisions.append(f"{counts['']:,} pictures are in no part, such as {os.path.relpath(file, pictures.root)}")
    samples = [replace(sample, usage=part) for sample, (part, _) in zip(pictures.samples, found, strict=True)]
    return replace(pictures, samples=samples, decisions=[*pictures.decisions, *decisions])


def _word(file: str, place: str) -> tuple[str, str]:
    """The part that a file name begins or ends with, and its words for it: train_00001.png, 7-public-test.png."""
    words = [word for word in re.split(r"[\W_\d]+", os.path.splitext(os.path.basename(file))[0]) if word]
    for n in (1, 2):
        several = words[:n] if place == "begin" else words[-n:]
        if part := part_of(" ".join(several)):
            return part, "_".join(several)
    return "", ""
