"""The parts that YOLO's data.yaml gives: train, val and test as paths of folders or of lists of pictures."""

import os
import re
from pathlib import PurePosixPath

from mien.data.folder_tree import Folder
from mien.data.label_files import PictureIndex, read_text
from mien.data.manifests import GivenParts
from mien.data.parts import rank_of

_KEYS = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
_KEY = re.compile(r"^(train|val|test):[ \t]*(\[[^\]]*\]|[^\n]*)((?:\n[ \t]*-[^\n]*)*)", re.MULTILINE)


def yaml_parts(root: Folder) -> GivenParts:
    """The parts of the pictures under a folder by the first yaml file that names folders or lists of it for several
    parts; a picture of several is in the one that is held out. Without such a file, none."""
    index = PictureIndex(root)
    for folder in root.walk():
        for name in folder.files:
            if not name.lower().endswith((".yaml", ".yml")):
                continue
            parts: dict[str, str] = {}
            for usage, path in _paths(read_text(os.path.join(folder.path, name))):
                for picture in _pictures(path, root, index):
                    parts[picture] = max(usage, parts.get(picture, ""), key=rank_of)
            if len(set(parts.values())) > 1:
                rest = sum(path not in parts for path in index.paths.values())
                told = f"; {rest:,} pictures are in none of them" if rest else ""
                return GivenParts(parts, (name,), (f"parts as given by the paths in {name}{told}",))
    return GivenParts()


def _paths(text: str) -> list[tuple[str, str]]:
    """The part and the path of each entry: `train: images/a`, `train: [a, b]`, or lines "- a" below it."""
    text = re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE)
    found = []
    for key, value, block in _KEY.findall(text):
        items = value.strip("[] \t").split(",") + re.findall(r"-[ \t]*(.*)", block)
        found += [(_KEYS[key], path) for item in items if (path := item.strip(" \t\r'\""))]
    return found


def _pictures(path: str, root: Folder, index: PictureIndex) -> list[str]:
    """The pictures in the folder or list that a path names, by the end of it, as data sets are moved."""
    words = [word for word in PurePosixPath(path.replace("\\", "/")).parts if word not in ("/", ".", "..")]
    while words:
        folders = [f for f in root.walk() if f is not root and _ends(f.path, words)]
        lists = [(f, name) for f in root.walk() for name in f.files if _ends(os.path.join(f.path, name), words)]
        if len(folders) == 1:
            return folders[0].all_pictures()
        if len(lists) == 1 and words[-1].lower().endswith(".txt"):
            home, name = lists[0]
            lines = read_text(os.path.join(home.path, name)).splitlines()
            return [found for line in lines if line.strip() and (found := index.find(line, home.path))]
        words = words[1:]
    return []


def _ends(path: str, words: list[str]) -> bool:
    return path.split(os.sep)[-len(words) :] == words
