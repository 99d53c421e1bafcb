"""Crop faces from photographs for training: one image per face, in class folders."""

import csv
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mien.data.folder_tree import scan
from mien.data.image import SUFFIXES
from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.crop import MARGIN, crop_face, frame
from mien.inference.face import Face
from mien.inference.reader import Reader

MAX_FACE_SIDE = 192  # largest side of a cropped face in pixels; smaller ones keep their size, down to MIN_FACE_SIDE
MIN_FACE_SIDE = 48
_FIELDS = ("photo", "faces_found", "files", "note")
_TILE, _COLUMNS, _ROWS = 64, 12, 40  # of the contact sheet


@dataclass
class CropReport:
    """Result of cropping a folder of photos. files: faces written, relative to the output, including an earlier run's.

    no_face, several, small, unreadable: photos without a face, with more than one, whose largest face is smaller than
    48 pixels, and that cannot be read, relative to the folder of photos.
    """

    photos: int = 0
    files: list[str] = field(default_factory=list)
    no_face: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def find_photos(photos: Path, leave_out: Path | None = None) -> list[str]:
    """Pictures in a folder and its subfolders, as relative paths, except those in `leave_out`. Raises MienError if
    there are none or the folder cannot be read."""
    if not photos.exists():
        raise MienError(f"there is nothing at {photos}; give a folder of photos")
    if not photos.is_dir():
        raise MienError(f"{photos} is not a folder; give the folder of photos, with one folder per class in it")
    hidden = str(leave_out.resolve()) + os.sep if leave_out else None
    paths = scan(photos).all_pictures()
    names = [
        os.path.relpath(path, photos) for path in paths if not hidden or not os.path.realpath(path).startswith(hidden)
    ]
    if not names:
        raise MienError(
            f"there are no images in {photos}; give a folder of photos ({', '.join(sorted(SUFFIXES)[:6])}, ...)"
        )
    return names


def crop_photos(
    photos: Path,
    output: Path,
    reader: Reader | None = None,
    *,
    every_face: bool = False,
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> CropReport:
    """Detect the faces in all photos of a folder and write each as a gray square PNG under `output`.

    The class folder of each photo is kept. If a photo has several faces, the largest is taken; every_face: all. The
    framing is the same as in reading, so a model trained on these faces sees the same kind of input later. A list is
    written beside `output` (see `list_of`), one row per photo, as soon as its faces are. resume: skip photos in that
    list. advance: called after each photo.

    Raises MienError if `output` is not empty and resume is not set, or nothing can be written.
    """
    names = find_photos(photos, output)
    finished = _finished(output) if resume else {}
    if not resume and output.exists() and any(output.iterdir()):
        raise MienError(
            f"{output} is not empty; continue with {{parameter}}, or choose another folder", parameter="resume"
        )
    reader = reader or Reader()
    report = CropReport(len(names))
    used = {file for row in finished.values() for file in _names(row)}
    waiting = [name for name in names if name not in finished]
    for name in names:
        if name in finished:
            _count(report, name, finished[name])
            advance()
    output.mkdir(parents=True, exist_ok=True)
    with _Rows(list_of(output), finished) as rows:
        for reading in reader.stream([photos / name for name in waiting], keep=True):
            name = os.path.relpath(reading.source, photos)
            row = {"photo": name, "faces_found": str(len(reading.faces)), "files": "[]", "note": ""}
            if reading.error:
                row["note"] = f"cannot be read: {reading.error}"
            elif reading.picture is not None:
                faces = reading.faces if every_face else reading.faces[:1]
                files = [_place(name, i if every_face and len(faces) > 1 else 0, used) for i in range(len(faces))]
                for face, file in zip(faces, files, strict=True):
                    _write(reading.picture, face, output / file)
                row["files"] = json.dumps(files, ensure_ascii=False)
                row["note"] = _note(reading.faces)
            rows.write(row)
            _count(report, name, row)
            advance()
    return report


def list_of(output: Path) -> Path:
    """The csv file with the result of each photo: beside the folder of faces, not in it."""
    return output.with_name(f"{output.name}-crops.csv")


def faces_by_photo(output: Path) -> dict[str, list[str]]:
    """The faces cropped from each photo, relative to `output`, from its list."""
    return {photo: _names(row) for photo, row in _finished(output).items()}


def contact_sheet(output: Path, files: Sequence[str], path: Path) -> Path:
    """Write a contact sheet to check the faces: one row per class folder, up to twelve evenly chosen faces. Raises
    MienError if it cannot be written."""
    rows: dict[str, list[str]] = {}
    for file in files:
        rows.setdefault(os.path.dirname(file) or ".", []).append(file)
    shown = list(rows.items())[:_ROWS]
    step = _TILE + 4
    sheet = Image.new("L", (160 + _COLUMNS * step, 8 + len(shown) * step), 255)
    pen = ImageDraw.Draw(sheet)
    for y, (name, members) in enumerate(shown):
        top = 8 + y * step
        pen.text(
            (8, top + 20),
            f"{name[-22:]}\n{len(members):,} faces".encode("latin-1", "replace").decode("latin-1"),
            fill=0,
        )
        for x, i in enumerate(np.linspace(0, len(members) - 1, min(_COLUMNS, len(members))).astype(int)):
            with Image.open(output / members[i]) as face:
                sheet.paste(face.convert("L").resize((_TILE, _TILE)), (160 + x * step, top))
    with atomic_write(path) as temporary:
        sheet.save(temporary, "PNG")
    return path


def _note(faces: Sequence[Face]) -> str:
    if not faces:
        return "no face"
    notes = [f"{len(faces)} faces"] if len(faces) > 1 else []
    if max(faces[0].box[2:]) < MIN_FACE_SIDE:
        notes.append("small")
    return ", ".join(notes)


def _count(report: CropReport, name: str, row: dict[str, str]) -> None:
    note = row["note"]
    report.files += _names(row)
    if note.startswith("cannot be read"):
        report.unreadable.append(name)
    elif note == "no face":
        report.no_face.append(name)
    if "faces" in note and note != "no face" and name not in report.unreadable:
        report.several.append(name)
    if note.endswith("small"):
        report.small.append(name)


def _place(name: str, number: int, used: set[str]) -> str:
    """Path of a face: the photo's name as .png, numbered from the second face and the second photo of one name on."""
    stem = os.path.splitext(name)[0]
    file = f"{stem}.png" if number == 0 else f"{stem}_{number + 1}.png"
    again = 2
    while file in used:
        file, again = f"{stem}-{again}.png" if number == 0 else f"{stem}-{again}_{number + 1}.png", again + 1
    used.add(file)
    return file


def _write(picture: Image.Image, face: Face, path: Path) -> None:
    row = np.array(face.box, np.float64)
    side = frame(row, MARGIN)[2]
    size = int(min(max(round(side), MIN_FACE_SIDE), MAX_FACE_SIDE))
    with atomic_write(path) as temporary:
        Image.fromarray(crop_face(picture, row, size)).save(temporary, "PNG")


def _finished(output: Path) -> dict[str, dict[str, str]]:
    """Rows of the photos that an earlier run finished: those whose faces all exist."""
    path = list_of(output)
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = [row for row in csv.DictReader(file) if set(row) == {*_FIELDS} and None not in row.values()]
    return {row["photo"]: row for row in rows if all((output / name).is_file() for name in _names(row))}


def _names(row: dict[str, str]) -> list[str]:
    """The faces of a row; empty if the row is incomplete."""
    try:
        return [str(name) for name in json.loads(row["files"])]
    except ValueError:
        return []


class _Rows:
    """The open list; each row is flushed to the file at once."""

    def __init__(self, path: Path, rows: dict[str, dict[str, str]]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise MienError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
        self.writer = csv.DictWriter(self.file, _FIELDS)
        self.writer.writeheader()
        self.writer.writerows(rows.values())
        self.file.flush()

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, row: dict[str, str]) -> None:
        self.writer.writerow(row)
        self.file.flush()
