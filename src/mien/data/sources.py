"""What lies at a path: csv, parquet or npz files of faces in any form, or folders of pictures. Content decides."""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.data import manifests
from mien.data.archives import first_lines
from mien.data.arrow_files import HEADS
from mien.data.class_legends import NO_LEGENDS, Legends, read_legends
from mien.data.csv_columns import columns
from mien.data.fer2013_csv import no_pixels
from mien.data.folder_tree import Folder, scan
from mien.data.image import is_picture
from mien.data.list_tables import LISTS
from mien.data.parts import part_of
from mien.data.picture_layouts import labeled_pictures, names_beside
from mien.data.pictures import Pictures
from mien.data.synthetic.generate import MARKER
from mien.data.tables import SUFFIXES, npz_kind, parquet_columns
from mien.data.unread import CLOSED, left_out, seen
from mien.errors import MienError
from mien.labels import emotions_of

_HEADERS = {"full": "emotion, pixels and Usage", "train": "emotion and pixels", "test": "pixels, no labels"}
_ROLES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_OF_PICTURES = (
    ".json",
    ".jsonl",
    ".ndjson",
    ".yaml",
    ".yml",
    ".names",
    ".xml",
)  # what lies beside pictures and says which they are
_WANTED = (
    "expected FER2013's train.csv, test.csv, icml_face_data.csv, fer2013.csv or fer2013.tar.gz, or pictures in "
    "<class>/ folders; mien data fetch gets FER2013, mien data draw makes a demo"
)


@dataclass(frozen=True)
class File:
    """A file of faces.

    kind: "full" (labels and parts), "train" (labels) or "test" (neither). part: the usage of all its rows, by its name.
    """

    path: Path
    kind: str
    part: str | None = None

    @property
    def shown(self) -> str:
        """Its name for people; with its folder where that names its part, or the name is a number alone."""
        home, stem = self.path.parent.name, self.path.stem
        by_folder = self.part is not None and part_of(stem) is None and part_of(home) == self.part
        return f"{home}/{self.path.name}" if by_folder or stem.isdecimal() else self.path.name


@dataclass(frozen=True)
class Layout:
    """The sources that make up a data set: files of faces, or pictures in folders.

    drawn: mien's own drawn faces. decisions, left_out: see `Dataset`. legends: what lies beside files of faces and
    names the numbers of their labels.
    """

    path: Path
    files: tuple[File, ...] = ()
    pictures: Pictures | None = None
    drawn: bool = False
    decisions: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    legends: Legends = NO_LEGENDS

    @property
    def test(self) -> File | None:
        """The file of test.csv's kind: pixels, no labels."""
        return next((file for file in self.files if file.kind == "test"), None)

    @property
    def full(self) -> File | None:
        """The file with labels and parts."""
        return next((file for file in self.files if file.kind == "full"), None)

    def __str__(self) -> str:
        if self.pictures:
            naming = self.pictures.naming
            n = len(naming.classes) if naming else 0
            usages = sorted({sample.usage for sample in self.pictures.samples} - {""})
            layout = self.pictures.layout.replace("in class folders", f"in {n} class folders")
            return layout + (f" ({', '.join(usages)})" if usages else "")
        return " + ".join(f"{file.shown} ({_HEADERS[file.kind]})" for file in self.files)


def find(path: Path, classes: str | dict[int, str] | None = None) -> Layout:
    """Look at a file or a folder. classes: see `parse_classes`.

    Raises MienError where there is nothing that mien knows, and says what it wants.
    """
    if not path.exists():
        raise MienError(f"there is nothing at {path}; {_WANTED}")
    return _in_folder(path, classes) if path.is_dir() else _in_file(path)


def _in_file(path: Path) -> Layout:
    if not path.is_file():
        raise MienError(f"{path} is not a regular file; give a csv file, or a folder of pictures")
    if is_picture(path.name):
        raise MienError(f"{path} is a single picture; give a folder of them, or read its faces with: mien read {path}")
    kind = _kind(path)
    if kind is None:
        suffix = path.suffix.lower()
        if suffix in LISTS and manifests.names_pictures(path):
            raise MienError(f"{path} names pictures and their labels; give the folder that holds it: {path.parent}")
        if suffix in _OF_PICTURES or (suffix in (".txt", ".lst") and scan(path.parent).count):
            raise MienError(
                f"{path} holds no faces; if it speaks of pictures beside it, give the folder that holds them all: "
                f"{path.parent}"
            )
        raise _no_faces(path)
    part = part_of(path.name.split(".")[0]) if kind == "train" else None
    decisions = []
    if part not in (None, "Training"):
        decisions.append(f"{path.name} is taken as the {_ROLES[str(part)]} part, by its name")
    beside = replace(scan(path.parent), folders=[])
    return Layout(
        path, (File(path, kind, part),), None, (path.parent / MARKER).exists(), tuple(decisions),
        legends=read_legends(beside),
    )  # fmt: skip


def _kind(path: Path) -> str | None:
    """What a file of faces can give; None where it holds none. Raises MienError for one that is damaged or empty."""
    with path.open("rb") as file:
        head = file.read(4)
    if head in HEADS:
        layout = parquet_columns(path)
        return layout.kind if layout else None
    if head == b"PK\x03\x04" and path.suffix.lower() == ".npz":
        return npz_kind(path)
    first, second = first_lines(path)
    layout_columns = columns(first, str(path), second)
    return layout_columns.kind if layout_columns else None


def _no_faces(path: Path) -> MienError:
    if path.suffix.lower() in SUFFIXES:
        return MienError(
            f"{path} holds no pictures; name them images (N, 48, 48) or pixels, with labels (N,) or emotion"
        )
    return no_pixels(first_lines(path)[0], str(path))


def _in_folder(path: Path, classes: str | dict[int, str] | None) -> Layout:
    files, faults = [], []
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.name.startswith(".") or is_picture(file.name):
            continue
        known = file.suffix.lower() in (".csv", ".tsv", *SUFFIXES)
        try:
            kind = _kind(file)
        except MienError as error:
            if known:
                raise
            faults.append(error)
            continue
        if kind:
            files.append(File(file, kind, part_of(file.name.split(".")[0])))
        elif known:
            faults.insert(0, _no_faces(file))
    drawn = (path / MARKER).exists()
    root = scan(path)
    if files:
        others = [
            str(fault).split(" has no ")[0].rsplit(os.sep, 1)[-1]
            for fault in faults
            if " has no 'pixels' column" in str(fault)
        ]
        layout = _choose(path, files, drawn)
        note = (f"left out: {', '.join(sorted(others)[:6])}, which holds no pixels",) if others else ()
        told = (*layout.decisions, *note, *_pictures_beside(root))
        return _told(replace(layout, decisions=told, legends=read_legends(root)), root)
    pictures = labeled_pictures(root, classes)
    if pictures:
        pictures = pictures.named(classes or names_beside(root, pictures))
        return _told(Layout(path, (), pictures, drawn), root)
    nested = _nested_tables(path)
    if nested:
        return _told(replace(_choose(path, nested, drawn), legends=read_legends(root)), root)
    inner = [folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith((".", "__"))]
    if len(inner) == 1:
        return _told(_in_folder(inner[0], classes), root)
    unread = [file.name for file in path.iterdir() if file.suffix.lower() in CLOSED]
    if faults and (unread or (faults[0].message.startswith(str(path)) and any(
            file.suffix.lower() in (".csv", ".tsv", ".parquet") for file in path.iterdir()))):  # fmt: skip
        raise faults[0]
    tables = [file.name for file in path.iterdir() if file.suffix.lower() in (".json", ".jsonl", ".ndjson")]
    if tables and not faults:
        raise MienError(
            f"{path / sorted(tables)[0]} is JSON, which mien does not read as pixels; save it as csv or parquet "
            "(pandas: read_json(..., lines=True), then to_parquet)"
        )
    if faults:
        raise faults[0]
    found = f" (it holds {files_seen}; names of pictures end in .png, .jpg, ...)" if (files_seen := seen(root)) else ""
    raise MienError(f"there are no faces in {path}{found}; {_WANTED}")


def _told(layout: Layout, root: Folder) -> Layout:
    """The layout with a word on what lies beside it and is not read."""
    told = [*layout.decisions, *(layout.pictures.decisions if layout.pictures else ())]
    return replace(
        layout, decisions=(*layout.decisions, *left_out(root, [*told, *(f.path.name for f in layout.files)]))
    )


def _pictures_beside(root: Folder) -> tuple[str, ...]:
    """A word on folders of pictures beside a file of faces, which are not read."""
    folders = [folder for folder in root.folders if folder.count]
    if not folders:
        return ()
    n = sum(folder.count for folder in folders)
    names = ", ".join(f"{folder.name}/" for folder in folders[:6])
    return (f"left out: {n:,} pictures in {names}, for files of faces are read; to read them, give that folder",)


def _nested_tables(path: Path) -> list[File]:
    """Files of faces in folders below, as Hugging Face has them: data/train-00000-of-00001.parquet, or with the part as
    a folder, default/train/0000.parquet or train/faces.csv."""
    files = []
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() not in (".csv", ".tsv", *SUFFIXES) or not file.is_file():
            continue
        if any(part.startswith((".", "__")) for part in file.relative_to(path).parts):
            continue
        kind = _kind(file)
        if kind:
            files.append(File(file, kind, part_of(file.stem) or part_of(file.parent.name)))
    homes = [file.path.parent.parent if part_of(file.path.parent.name) else file.path.parent for file in files]
    for part in {file.part for file in files}:
        several = sorted({home for home, file in zip(homes, files, strict=True) if file.part == part})
        if len(several) > 1:
            raise MienError(
                f"{path} holds several data sets, each with its parts ({', '.join(home.name for home in several)}); "
                f"which one is meant? Give it: {several[0]}"
            )
    return files


def _choose(path: Path, files: list[File], drawn: bool) -> Layout:
    """Which of the files make up the data set, with a word for each that does not."""
    full = [file for file in files if file.kind == "full"]
    labeled = [file for file in files if file.kind == "train"]
    unlabeled = [file for file in files if file.kind == "test"]
    decisions: list[str] = []
    left: list[tuple[File, str]] = []
    chosen: list[File] = []
    if len(full) > 1 and all(file.part for file in full) and len({file.part for file in full}) == len(full):
        full, labeled = [], [*full, *labeled]  # train.csv and test.csv, each with a column of parts
    if full:
        packed = [file.path.suffix.lower() not in (".csv", ".parquet") for file in full]  # slower to read
        best = min(
            zip(packed, (-file.path.stat().st_size for file in full), (f.path for f in full), full, strict=True)
        )[3]
        chosen.append(File(best.path, "full"))
        left += [(file, f"{best.path.name} holds the same kind of rows") for file in full if file is not best]
        left += [(file, f"{best.path.name} holds the labeled rows and their parts") for file in labeled]
    elif labeled:
        chosen += _by_part(labeled, left, decisions)
    tests = [file for file in unlabeled if file.part == "PrivateTest" or file.path.stem.lower() == "test"] or unlabeled
    if len(tests) > 1 and len(set(emotions_of(file.path.stem for file in tests).values())) == len(tests):
        raise MienError(
            f"{path} holds a file of pixels for each class ({', '.join(file.shown for file in tests)}); join them into "
            "one csv file with the columns emotion and pixels"
        )
    if len(tests) > 1:
        raise _several(tests, "test")
    if any(file.part == "PrivateTest" for file in chosen):
        left += [(file, "the labeled test file is used") for file in tests]
    else:
        chosen += [File(file.path, "test") for file in tests]
    left += [(file, f"{tests[0].path.name} is used") for file in unlabeled if file not in tests]
    decisions += [f"left out: {file.path.name}, for {why}" for file, why in left]
    if missing := _missing_shards([file.path for file in chosen]):
        decisions.append(f"missing: {', '.join(missing[:6])}; what is read is not the whole")
    if len(files) > 1:
        decisions.insert(0, f"read: {', '.join(file.shown for file in chosen)}")
    return Layout(path, tuple(chosen), None, drawn, tuple(decisions))


def _missing_shards(paths: list[Path]) -> list[str]:
    """Names of the files that are not there of those numbered as train-00000-of-00003.parquet."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for path in paths:
        if match := re.fullmatch(r"(.*?)(\d+)-of-(\d+)(.*)", path.name):
            found.setdefault((match[1], match[3], match[4]), set()).add(match[2])
    missing = []
    for (before, n, after), numbers in found.items():
        first = int(n) in map(int, numbers)  # counted from 1 where the last is as high as their number
        wanted = [str(i).zfill(len(min(numbers))) for i in range(first, int(n) + first)]
        missing += [f"{before}{number}-of-{n}{after}" for number in wanted if number not in numbers]
    return missing


def _by_part(labeled: list[File], left: list[tuple[File, str]], decisions: list[str]) -> list[File]:
    """Labeled files without a column of parts: each is the part that its name tells, shards of one part together."""
    if len(labeled) == 1:
        return labeled
    named = [file for file in labeled if file.part]
    unnamed = [file for file in labeled if not file.part]
    chosen: list[File] = []
    for part in _ROLES:
        of_part = [file for file in named if file.part == part]
        shards = all(re.search(r"\d+-of-\d+", file.path.name) or file.path.stem.isdecimal() for file in of_part)
        plain = [file for file in of_part if file.path.stem.lower() in ("train", "val", "valid", "validation", "test")]
        if len(of_part) > 1 and not shards and len(plain) != 1:
            raise _several(of_part, _ROLES[part])
        use = of_part if shards or len(of_part) < 2 else plain
        chosen += use
        left += [(file, f"{use[0].path.name} is used") for file in of_part if file not in use]
        if use:
            decisions.append(f"{', '.join(file.shown for file in use)}: the {_ROLES[part]} part, by name")
    if not any(file.part == "Training" for file in chosen) and len(unnamed) == 1:
        decisions.append(f"{unnamed[0].path.name}: the train part")
        return [File(unnamed[0].path, "train", "Training"), *chosen]
    if not chosen:
        raise _several(labeled, "train")
    left += [(file, "its name tells no part") for file in unnamed]
    return chosen


def _several(files: list[File], kind: str) -> MienError:
    return MienError(
        f"{files[0].path.parent} holds several {kind} files ({', '.join(file.shown for file in files)}); "
        f"give one of them, or name it {kind}.csv"
    )
