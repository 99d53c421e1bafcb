"""A folder as it lies on the disk: its folders, pictures and other files, listed once. Nothing is opened."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from mien.data.encodings import decode
from mien.data.image import is_picture
from mien.data.parts import natural

# What systems and programs leave behind, in lower case: thumbnails of a file server, waste, packages.
_JUNK = {"@eadir", "$recycle.bin", "system volume information", "lost+found", "node_modules", "thumbs", "#recycle",
         "@recycle", "recycler"}  # fmt: skip


@dataclass
class Folder:
    """One folder. pictures: names of regular files with a picture's suffix, numbers in numeric order.

    files: names of other regular files. folders: those within, but for hidden ones and what macOS and notebooks leave
    behind. junk: folders within that systems leave behind, such as @eaDir; they are in no count and in no walk.
    irregular: pictures by name that are pipes, devices, broken links or links to such; they are never opened.
    """

    path: str
    name: str
    pictures: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    folders: list["Folder"] = field(default_factory=list)
    junk: list["Folder"] = field(default_factory=list)
    irregular: int = 0

    @cached_property
    def count(self) -> int:
        """Pictures in it and below."""
        return len(self.pictures) + sum(folder.count for folder in self.folders)

    def walk(self) -> Iterator["Folder"]:
        """The folder and all below."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_pictures(self) -> list[str]:
        """Paths of the pictures in it and below, numbers in numeric order."""
        paths = [os.path.join(folder.path, name) for folder in self.walk() for name in folder.pictures]
        return sorted(paths, key=natural)

    def child(self, name: str) -> "Folder | None":
        """The folder within of that name, whatever its case."""
        return next((folder for folder in self.folders if folder.name.lower() == name), None)


def _readable(name: str) -> str:
    """A name whose bytes are no UTF-8, as archives of other systems leave it, in letters."""
    return name if name.isprintable() or name.isascii() else decode(os.fsencode(name))[0]


def leave_out_junk(root: Folder, decisions: list[str], left_out: Counter[str]) -> None:
    """Count the pictures in junk folders as left out, aloud."""
    counts = Counter[str]()
    for folder in root.walk():
        for junk in folder.junk:
            counts[f"{junk.name}/"] += junk.count
    for name, n in (+counts).items():
        decisions.append(f"left out: {name} ({n:,} pictures), which a system or a program has left behind")
    left_out.update(+counts)


def scan(path: str | os.PathLike[str], _entered: frozenset[tuple[int, int]] = frozenset()) -> Folder:
    """List a folder and all below; a folder that links back to one above it is not entered. Raises OSError."""
    here = os.stat(path)
    entered = _entered | {(here.st_dev, here.st_ino)}
    folder = Folder(os.fspath(path), _readable(PurePath(path).name))
    with os.scandir(path) as listing:
        entries = sorted(listing, key=lambda entry: natural(entry.name))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        has_suffix = is_picture(entry.name)
        try:
            state = entry.stat()
        except OSError:  # a broken or circular link
            folder.irregular += has_suffix
            continue
        if stat.S_ISDIR(state.st_mode):
            if not entry.name.startswith("__") and (state.st_dev, state.st_ino) not in entered:
                if entry.name.lower() not in _JUNK:
                    folder.folders.append(scan(entry.path, entered))
                elif os.access(entry.path, os.R_OK | os.X_OK):  # lost+found is the administrator's alone
                    folder.junk.append(scan(entry.path, entered))
        elif not stat.S_ISREG(state.st_mode):
            folder.irregular += has_suffix
        elif has_suffix:
            folder.pictures.append(entry.name)
        else:
            folder.files.append(entry.name)
    return folder
