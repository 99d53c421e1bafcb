"""What the readers of label files share: text, numbers, and finding the pictures that a list names."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from mien.data.encodings import decode
from mien.data.folder_tree import Folder
from mien.data.image import is_picture
from mien.data.parts import part_of, rank_of, says_nothing
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError

_MAX_BYTES = 1 << 28  # of a list of labels


class PictureIndex:
    """Finds the pictures that a list names: at the path that it gives, else where the end of that path fits best."""

    def __init__(self, root: Folder) -> None:
        self.root = root.path
        self._folder = root

    # Made when a list first asks: most folders of pictures have no list.
    @cached_property
    def paths(self) -> dict[str, str]:
        """Normalized path -> path, of every picture."""
        return {os.path.normpath(path): path for path in self._pictures()}

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """Name of a file, with its suffix and without -> paths."""
        named: dict[str, list[str]] = defaultdict(list)
        for path in self._pictures():
            name = os.path.basename(path)
            named[name].append(path)
            named[os.path.splitext(name)[0]].append(path)
        return named

    def _pictures(self) -> Iterator[str]:
        return (os.path.join(folder.path, name) for folder in self._folder.walk() for name in folder.pictures)

    def find(self, name: str, folder: str, usage: str = "") -> str | None:
        """The path of a picture by the name in a list; None where it is not there.

        usage: the part of the row, which decides between pictures of one name in train/ and test/. folder: where the
        list lies, which decides after that: train/labels/1.json speaks of train/images/1.png. Raises MienError where
        several pictures fit equally well.
        """
        name = self._plain(name)
        if at := self._at(name, folder):
            return at
        fitting = next((paths for each in self._spellings(name) if (paths := self._fitting(each))), [])
        if len(fitting) > 1:
            fitting = [path for path in fitting if usage and self._part(path) == usage] or fitting
        if len(fitting) > 1:
            fitting = _nearest(fitting, folder)
        if len(fitting) > 1:
            raise MienError(
                f"a list names {name}, which may be {fitting[0]} or {fitting[1]}; write into the list in which folder "
                "it is"
            )
        listed = next((part for word in name.split("/")[:-1] if (part := part_of(word))), "")
        # train/3.png is not test/3.png, even if only that is there.
        return next((path for path in fitting if not listed or self._part(path) in ("", listed)), None)

    def holds(self, name: str, folder: str) -> bool:
        """Whether a name could be that of a picture here."""
        name = self._plain(name)
        return bool(name) and (
            self._at(name, folder) is not None
            or any(self.named.get(each.rsplit("/", 1)[-1]) for each in self._spellings(name))
        )

    def _at(self, name: str, folder: str) -> str | None:
        places = (os.path.normpath(os.path.join(base, name)) for base in (folder, self.root))
        return next((self.paths[place] for place in places if place in self.paths), None)

    def _fitting(self, name: str) -> list[str]:
        """Pictures of that file name that share most of the folders before it."""
        words = name.split("/")
        candidates = [path for path in self.named.get(words[-1], []) if self._may_be(path, words[:-1])]
        if len(candidates) < 2:
            return candidates

        def shared(path: str) -> int:
            folders = os.path.dirname(path).split(os.sep)
            pairs = zip(folders[::-1], words[-2::-1], strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        most = max(map(shared, candidates))
        return [path for path in candidates if shared(path) == most]

    def _may_be(self, path: str, folders: list[str]) -> bool:
        """Whether a picture may be the one that a list names in other folders: S1/3.png is not S2/3.png.

        Where a data set was moved, the last folder mostly stays (C:/me/faces/S1/3.png), or there is none any more.
        """
        here = _telling(os.path.relpath(os.path.dirname(path), self.root).split(os.sep))
        there = _telling(folders)
        moved = folders[:1] == [""] and there != folders[-1]  # what stands before images/ elsewhere tells nothing
        return not here or not there or moved or here.casefold() == there.casefold()

    def _part(self, path: str) -> str:
        folders = os.path.relpath(os.path.dirname(path), self.root).split(os.sep)
        return next((part for folder in folders if (part := part_of(folder))), "")

    @staticmethod
    def _spellings(name: str) -> Iterator[str]:
        """What a picture may be called: as the list says, without suffix (.png that is .jpg since), or without what
        Label Studio puts before the names of files that are uploaded (0a1b2c3d-)."""
        for each in dict.fromkeys((name, re.sub(r"(^|/)[0-9a-f]{8}-(?=[^/]+$)", r"\1", name))):
            yield each
            yield _without_suffix(each)

    @staticmethod
    def _plain(name: str) -> str:
        name = unquote(re.sub(r"[?#].*", "", name)) if "://" in name else name
        return re.sub(r"^(\./)+", "", re.sub(r"^[A-Za-z]:/", "/", name.strip().replace("\\", "/")))


def _nearest(paths: list[str], folder: str) -> list[str]:
    """The paths that share most of the folders that lead to a list."""
    there = folder.split(os.sep)
    shared = [sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path.split(os.sep), there, strict=False)))
              for path in paths]  # fmt: skip
    return [path for path, n in zip(paths, shared, strict=True) if n == max(shared)]


def _without_suffix(name: str) -> str:
    """A picture's name without its suffix; other names as they are."""
    return os.path.splitext(name)[0] if is_picture(name) else name


def _telling(folders: list[str]) -> str:
    """The innermost folder whose name tells its pictures from those of others, as images/ and train/ do not; ""."""
    return next((f for f in reversed(folders) if f not in ("", ".", "..") and not says_nothing(f)), "")


def read_text(path: str, decisions: list[str] | None = None) -> str:
    """A list of labels as text: UTF-8, UTF-16, or else as `decode` finds, which is added to the decisions. Raises
    MienError for one that is too large."""
    if os.path.getsize(path) > _MAX_BYTES:
        raise MienError(f"{path} is too large for a list of labels; delete or move it")
    raw = Path(path).read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace").replace("\0", "")
    if len(raw) >= 8 and not raw[1:512:2].strip(b"\0"):  # without its mark
        return raw.decode("utf-16-le", "replace")
    text, encoding = decode(raw)
    if encoding and decisions is not None:
        decisions.append(f"{os.path.basename(path)} is no UTF-8 and is read as {encoding}")
    return text.replace("\0", "")


def files_named(root: Folder, name: str) -> list[tuple[Folder, str]]:
    """Regular files of that name (lower case) anywhere: their folder and path."""
    return [
        (folder, os.path.join(folder.path, file))
        for folder in root.walk()
        for file in folder.files
        if file.lower() == name
    ]


def tell_missing(left_out: Counter[str], decisions: list[str], path: str) -> None:
    """Say how many rows of a list were left out because their picture is missing."""
    if n := left_out["rows whose picture is missing"]:
        decisions.append(f"left out: {n:,} rows of {os.path.basename(path)} whose picture is missing")


def part_of_folder(folder: Folder, root: str) -> str:
    """The part that a folder's name tells, "" for none. The name of the whole data set's own folder tells nothing."""
    return "" if folder.path == root else part_of(folder.name) or ""


def number_in(text: str) -> float | None:
    """The finite number that a text is; None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def labeled(
    root: Folder, layout: str, samples: list[Sample], numbers: str, decisions: list[str], left_out: Counter[str]
) -> Pictures:
    """Labeled pictures in a layout. Raises MienError where there are none, with the reasons in `left_out`."""
    if not samples:
        reasons = ", ".join(f"{reason}: {n:,}" for reason, n in left_out.items() if n)
        raise MienError(
            f"{root.path} is laid out as {layout} and has no labeled pictures ({reasons or 'its list is empty'})"
        )
    return Pictures(Path(root.path), layout, samples, numbers, decisions=decisions, left_out=+left_out)


def tell_unnamed(root: Folder, samples: list[Sample], left_out: Counter[str], decisions: list[str]) -> None:
    """Count the pictures that no list names."""
    if n := root.count - len({sample.file for sample in samples}):
        left_out["pictures that no list names"] += n
        decisions.append(f"left out: {n:,} pictures that no list names")


def once_each(samples: list[Sample], left_out: Counter[str], decisions: list[str]) -> list[Sample]:
    """One sample a face: rows that repeat it are counted once, by the label of most rows; its part is the one that
    holds it out where rows differ. Ties are left out. All of it is told."""
    rows: dict[tuple[str, object], list[Sample]] = defaultdict(list)
    for sample in samples:
        rows[sample.file, sample.box].append(sample)
    if len(rows) == len(samples):
        return samples
    kept, disputed, moved = [], 0, 0
    for same in rows.values():
        (label, n), *others = Counter(sample.label for sample in same).most_common(2)
        disputed += bool(others)
        if others and others[0][1] == n:
            left_out["rows that contradict each other"] += len(same)
            continue
        usages = {sample.usage for sample in same} - {""}
        moved += len(usages) > 1
        kept.append(replace(same[0], label=label, usage=max(usages, key=rank_of, default="")))
    decisions.append(f"{len(samples) - len(rows):,} rows name a face again; each face is taken once")
    if disputed:
        decisions.append(
            f"{disputed:,} faces have rows with several labels; the label of most is taken, and where two are as "
            f"frequent the face is left out ({left_out['rows that contradict each other']:,} rows)"
        )
    if moved:
        decisions.append(f"{moved:,} faces are named in several parts; they stay in the one that is held out")
    return kept
