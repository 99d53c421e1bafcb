"""What lies at a path: FER2013's csv files in any of their forms, or folders of pictures. Content decides, not names."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mien.data import image_folders
from mien.data.fer2013_csv import Columns, columns, no_pixels
from mien.data.synthetic.generate import MARKER
from mien.errors import MienError

_HEADER = 1 << 12  # bytes in which a header line must end
_MEMBERS = 20  # files of an archive that are looked at
_HEADERS = {"full": "emotion, pixels and Usage", "train": "emotion and pixels", "test": "pixels, no labels"}
_WANTED = (
    "expected FER2013's train.csv, test.csv, icml_face_data.csv, fer2013.csv or fer2013.tar.gz, or pictures in "
    "<class>/ folders; mien data fetch gets FER2013, mien data draw makes a demo"
)


@dataclass(frozen=True)
class Layout:
    """The sources that make up a data set. full: csv with labels and usages; train: with labels; test: with neither.

    tree: pictures in folders (then there is no csv). drawn: mien's own drawn faces.
    """

    path: Path
    full: Path | None = None
    train: Path | None = None
    test: Path | None = None
    tree: image_folders.Tree | None = None
    drawn: bool = False

    def sources(self) -> dict[str, Path]:
        """The csv files that are read, by kind: full and test, or train and test, or one of them."""
        kinds = {"full": self.full, "train": None if self.full else self.train, "test": self.test}
        return {kind: path for kind, path in kinds.items() if path}

    def __str__(self) -> str:
        if self.tree:
            usages = sorted({usage for _, _, usage in self.tree.files} - {""})
            return f"pictures in {len(self.tree.classes)} class folders" + (f" ({', '.join(usages)})" if usages else "")
        return " + ".join(f"{path.name} ({_HEADERS[kind]})" for kind, path in self.sources().items())


def find(path: Path) -> Layout:
    """Look at a file or a folder. Raises MienError where there is nothing that mien knows, and says what it wants."""
    if not path.exists():
        raise MienError(f"there is nothing at {path}; {_WANTED}")
    return _in_folder(path) if path.is_dir() else _in_file(path)


@contextmanager
def open_csv(path: Path) -> Iterator[BinaryIO]:
    """The csv text of a file, be it plain, gzipped, in a tar archive or both; compressed data is checked to its end.

    Raises MienError for damaged or cut off archives, also while the text is read.
    """
    try:
        with path.open("rb") as raw:
            head = raw.peek(512)[:512]
            if head.startswith(b"PK\x03\x04"):
                raise MienError(f"{path} is a zip archive; unpack it and give the folder")
            if not head.startswith(b"\x1f\x8b"):
                with _unpacked(raw, head, path) as stream:
                    yield stream
                return
            with gzip.open(raw) as text:
                inner = text.read(512)
                text.seek(0)
                with _unpacked(cast(BinaryIO, text), inner, path) as stream:
                    yield stream
                    read_to_the_end = not stream.read(1)
                while read_to_the_end and text.read(1 << 20):
                    pass  # gzip compares its check sum at the very end
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise MienError(f"{path} is cut off or damaged ({error}); fetch it again (mien data fetch)") from error


@contextmanager
def _unpacked(stream: BinaryIO, head: bytes, path: Path) -> Iterator[BinaryIO]:
    """The stream itself, or if it is a tar archive the first csv file of faces in it."""
    if head[257:262] != b"ustar":
        yield stream
        return
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member, _ in zip(archive, range(_MEMBERS), strict=False):
            file = archive.extractfile(member) if member.isfile() else None
            if file is None or not member.size:
                continue
            header = cast(io.BufferedReader, file).peek().split(b"\n")[0]
            if header.strip() and columns(header, f"{path}:{member.name}"):
                yield cast(BinaryIO, file)
                return
    raise MienError(f"{path} holds no csv file of faces; give fer2013.tar.gz or its unpacked folder")


def _header(path: Path) -> bytes:
    with open_csv(path) as stream:
        return stream.readline(_HEADER)


def _in_file(path: Path) -> Layout:
    if path.suffix.lower() in image_folders.PICTURES:
        raise MienError(f"{path} is a single picture; give a folder of them, or read its faces with: mien read {path}")
    header = _header(path)
    layout = columns(header, str(path))
    if layout is None:
        raise no_pixels(header, str(path))
    return _layout(path, {layout.kind: path}, (path.parent / MARKER).exists())


def _in_folder(path: Path) -> Layout:
    found: dict[str, list[Path]] = {"full": [], "train": [], "test": []}
    faults = []
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.name.startswith(".") or file.suffix.lower() in image_folders.PICTURES:
            continue
        try:
            layout: Columns | None = columns(_header(file), str(file))
        except MienError as error:
            if file.suffix.lower() == ".csv":
                raise
            faults.append(error)
            continue
        if layout:
            found[layout.kind].append(file)
    drawn = (path / MARKER).exists()
    if any(found.values()):
        return _layout(path, {kind: _best(files, kind) for kind, files in found.items() if files}, drawn)
    if tree := image_folders.find(path):
        return Layout(path, tree=tree, drawn=drawn)
    inner = [folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith((".", "__"))]
    if len(inner) == 1:
        return _in_folder(inner[0])
    raise faults[0] if faults else MienError(f"there are no faces in {path}; {_WANTED}")


def _layout(path: Path, files: dict[str, Path], drawn: bool) -> Layout:
    return Layout(path, files.get("full"), files.get("train"), files.get("test"), drawn=drawn)


def _best(files: list[Path], kind: str) -> Path:
    """Of several files of one kind, the one to read: the same data under several names is common, other data not."""
    if kind == "full":
        packed = [file.suffix.lower() != ".csv" for file in files]  # slower to read
        return min(zip(packed, (-file.stat().st_size for file in files), files, strict=True))[2]
    named = [file for file in files if file.stem.lower() == kind]
    if len(files) > 1 and not named:
        raise MienError(
            f"{files[0].parent} holds several {kind} files ({', '.join(file.name for file in files)}); "
            f"give one of them, or name it {kind}.csv"
        )
    return named[0] if named else files[0]
