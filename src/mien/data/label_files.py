"""What the readers of label files share: text, numbers, and finding the pictures that a list names."""

import os
from collections import Counter
from pathlib import Path

import numpy as np

from mien.data.folder_tree import Folder
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError

_BYTES = 1 << 28  # of a list of labels


class PictureIndex:
    """Finds the pictures that a list names: below the list's own folder, else by their name anywhere."""

    def __init__(self, root: Folder) -> None:
        self.paths: dict[str, str] = {}
        for folder in root.walk():
            for name in folder.pictures:
                path = os.path.join(folder.path, name)
                self.paths.setdefault(os.path.normpath(path), path)
                self.paths.setdefault(name, path)
                self.paths.setdefault(os.path.splitext(name)[0], path)

    def find(self, name: str, folder: str) -> str | None:
        """The path of a picture by the name in a list; None where it is not there."""
        name = name.strip().replace("\\", "/").removeprefix("./")
        below = self.paths.get(os.path.normpath(os.path.join(folder, name)))
        return below or self.paths.get(os.path.basename(name))


def read_text(path: str) -> str:
    if os.path.getsize(path) > _BYTES:
        raise MienError(f"{path} is too large for a list of labels; delete or move it")
    raw = Path(path).read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return raw.decode(encoding, "replace").replace("\0", "")


def files_named(root: Folder, name: str) -> list[tuple[Folder, str]]:
    """Regular files of that name (lower case) anywhere: their folder and path."""
    return [
        (folder, os.path.join(folder.path, file))
        for folder in root.walk()
        for file in folder.files
        if file.lower() == name
    ]


def tell_missing(left_out: Counter[str], decisions: list[str], path: str) -> None:
    if n := left_out["rows whose picture is missing"]:
        decisions.append(f"left out: {n:,} rows of {os.path.basename(path)} whose picture is missing")


def number_in(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def labelled(
    root: Folder, layout: str, samples: list[Sample], numbers: str, decisions: list[str], left_out: Counter[str]
) -> Pictures:
    if not samples:
        reasons = ", ".join(f"{reason}: {n:,}" for reason, n in left_out.items() if n)
        raise MienError(
            f"{root.path} is laid out as {layout} and has no labelled pictures ({reasons or 'its list is empty'})"
        )
    return Pictures(Path(root.path), layout, samples, numbers, decisions=decisions, left_out=+left_out)
