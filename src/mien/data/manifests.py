"""Lists that name pictures, with a label each: csv files as Kaggle's of RAF-DB, Hugging Face's metadata, json, text."""

import itertools
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.data.class_names import PRESETS, is_missing
from mien.data.csv_columns import is_prediction
from mien.data.folder_tree import Folder, scan
from mien.data.image import is_picture
from mien.data.label_files import PictureIndex, labeled, once_each, tell_missing, tell_unnamed
from mien.data.list_columns import ListColumns, label_in, list_columns, part_in, told_of
from mien.data.list_tables import ListTable, table_at, tables
from mien.data.parts import rank_of
from mien.data.pictures import Pictures, Sample
from mien.errors import MienError

_MISSING = "rows whose picture is missing"
_SOME, _FEW = 5, 0.05  # faces of which two lists differ, and the share, up to which rows are wrong and no list is


def find(root: Folder) -> Pictures | None:
    """Pictures that lists name, with a label each: columns such as image and label, and split and boxes where they
    have them. None without such a list.

    Raises MienError where lists name pictures and give no labels, or pictures that are not here.
    """
    index = PictureIndex(root)
    samples: list[Sample] = []
    left_out, decisions, unread = Counter[str](), list[str](), list[str]()
    fault, numbers = "", ""
    by_list: dict[str, list[Sample]] = {}
    for table in tables(root, index):
        if reason := no_labels(table):
            decisions.append(f"left out: {os.path.relpath(table.path, root.path)}, {reason}")
            continue
        columns = list_columns(table, index)
        if columns is None:
            unread.append(table.name)
            continue
        if columns.label is None and not columns.one_hot:
            unread.append(table.name)
            if columns.parts is None and not table.usage:
                fault = fault or _without_labels(table, columns)
            continue
        affectnet = "subdirectory_filepath" in table.header
        numbers = "affectnet" if affectnet else numbers
        found, missing = _samples(table, columns, index, affectnet)
        left_out += missing
        if not found:
            reasons = ", ".join(f"{reason}: {n:,}" for reason, n in missing.items())
            fault = fault or (
                f"{table.path} names no picture that is here, with a label ({reasons or 'it has no rows'}); put it "
                "beside the pictures, and correct their names"
            )
        samples += found
        by_list[table.path] = found
        decisions.append(f"{os.path.relpath(table.path, root.path)} names {len(found):,} pictures and their labels")
        decisions += table.decisions + told_of(table, columns)
        tell_missing(missing, decisions, table.path)
        others = ((reason, n) for reason, n in missing.items() if reason != _MISSING)  # which are told already
        decisions += [f"left out: {n:,} {reason} in {table.name}" for reason, n in others]
    if not samples:
        if fault:
            raise MienError(fault)
        return None
    _refuse_contradicting(by_list)
    samples, lists = _parts_beside(root, samples, decisions)
    unread = [name for name in unread if name not in lists]
    tell_unnamed(root, samples, left_out, decisions)
    samples = once_each(samples, left_out, decisions)
    if unread:
        decisions.append(f"left out: {', '.join(unread[:6])}, which names no pictures with labels")
    return labeled(root, "pictures named by a list", samples, numbers, decisions, left_out)


def _without_labels(table: ListTable, columns: ListColumns) -> str:
    """What is wrong with a list that names pictures and has no column of labels, and what to do."""
    taken = {columns.file, *(columns.box.fields if columns.box else ())}
    others = [name for i, name in enumerate(table.header) if i not in taken and any(table.values(i))]
    passed = [told for told in table.decisions if told.startswith("passed over")]
    reasons = "".join(f"; {told}" for told in [*(f"{n:,} {reason}" for reason, n in table.left_out.items()), *passed])
    if not others:
        return f"{table.path} names pictures and gives none of them a label{reasons}; label them there"
    return (
        f"{table.path} names pictures and has no column of labels; call that column 'label', or the attribute of that "
        f"export (it has {', '.join(others[:8])}{reasons})"
    )


def _parts_beside(root: Folder, samples: list[Sample], decisions: list[str]) -> tuple[list[Sample], set[str]]:
    """The samples in the parts that other lists give, where their own gives none, and the names of those lists."""
    given = GivenParts() if any(sample.usage for sample in samples) else given_parts(root)
    if len({given.of.get(sample.file, "") for sample in samples}) < 2:  # they speak of pictures without labels
        return samples, set()
    decisions += given.decisions
    samples = [replace(sample, usage=given.of.get(sample.file, "")) for sample in samples]
    return samples, {os.path.basename(name) for name in given.lists}


def no_labels(table: ListTable) -> str:
    """Why a list that names pictures holds no labels of people: a model's answers, or a form for them; "" else."""
    if {"source", "error", "faces", "emotion", "confidence"} <= set(table.header):
        return "which mien read has written: a model's answers are no labels"
    stem = Path(table.path).stem
    if table.path.endswith(".manifest"):  # output.manifest of SageMaker's labelers
        return ""
    if is_prediction(stem) or re.search(r"submission|submit", stem, re.IGNORECASE):
        return "whose name says that it holds answers and no labels"
    return ""


def _refuse_contradicting(by_list: dict[str, list[Sample]]) -> None:
    """Raises MienError where two lists differ in the labels of many faces, as those of two people or of a model do."""
    labels = {path: {(s.file, s.box): s.label for s in samples} for path, samples in by_list.items()}
    for (one, first), (other, second) in itertools.combinations(labels.items(), 2):
        shared = first.keys() & second.keys()
        differing = sum(first[face] != second[face] for face in shared)
        if differing >= _SOME and differing > _FEW * len(shared):
            raise MienError(
                f"{one} and {other} give {differing:,} faces different labels; which list is meant? Move the other away"
            )


def names_pictures(path: Path) -> bool:
    """Whether a list names pictures and their labels. Raises MienError where it cannot be read."""
    index = PictureIndex(scan(path.parent))
    table = table_at(str(path), str(path.parent), index)
    columns = list_columns(table, index) if table else None
    return columns is not None and (columns.label is not None or bool(columns.one_hot))


def labels_beside(root: Folder, folder: Folder, usage: str, decisions: list[str]) -> list[Sample]:
    """The pictures of a split without class folders, labeled by lists; none without such lists. What is used is told.

    usage: the part of the folder, which rows of another part do not speak of.
    """
    index, wanted = PictureIndex(root), set(folder.all_pictures())
    samples: list[Sample] = []
    for table in tables(root, index):
        if no_labels(table):
            continue
        try:
            columns = list_columns(table, index)
            if columns is None or (columns.label is None and not columns.one_hot):
                continue
            found, _ = _samples(table, columns, index, "subdirectory_filepath" in table.header)
        except MienError:  # the list speaks of other pictures, perhaps; that it is not used is told
            continue
        here = [replace(each, usage=usage) for each in found if each.file in wanted and each.usage in ("", usage)]
        if here:
            name = os.path.relpath(table.path, root.path)
            decisions.append(f"{name} gives {len(here):,} pictures of {folder.name}/ their labels")
            decisions += table.decisions + told_of(table, columns)
        samples += here
    return once_each(samples, Counter(), decisions)


@dataclass(frozen=True)
class GivenParts:
    """The parts that lists give to pictures. of: {path: usage}. lists: the names of those lists. decisions: see
    `Dataset`."""

    of: dict[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


def given_parts(root: Folder) -> GivenParts:
    """The parts that lists give to pictures: a column of parts beside their names, or the name of the list, train.txt
    or test.csv. Where no list names train, the pictures that none names are train's; a picture of several parts, as in
    dev.txt and trainval.txt, is in the one that is held out. Without several parts, none.
    """
    index = PictureIndex(root)
    parts: dict[str, str] = {}
    several: set[str] = set()
    lists = []
    for table in tables(root, index):
        columns = list_columns(table, index)
        if columns is None or not (columns.parts is not None or table.usage):
            continue
        named = _parts_in(table, columns, index)
        if named:
            several |= {path for path in named.keys() & parts.keys() if named[path] != parts[path]}
            parts |= {path: max(usage, parts.get(path, ""), key=rank_of) for path, usage in named.items()}
            lists.append(os.path.relpath(table.path, root.path))
    rest = [path for path in index.paths.values() if path not in parts] if parts else []
    if rest and "Training" not in parts.values():
        parts |= dict.fromkeys(rest, "Training")
        told = f"; no list names train, so the other {len(rest):,} pictures are"
    else:
        told = f"; {len(rest):,} pictures are in none of them" if rest else ""
    if several:
        told += f"; {len(several):,} pictures are in lists of several parts and stay in the one that is held out"
    if len(set(parts.values())) < 2:
        return GivenParts()
    return GivenParts(parts, tuple(lists), (f"parts as given by {', '.join(lists)}{told}",))


def _parts_in(table: ListTable, columns: ListColumns, index: PictureIndex) -> dict[str, str]:
    """{path: usage} of the pictures that a list names. Raises MienError where a name may be several pictures; a list
    that has labels, too, may need them to tell which, and is passed over then."""
    parts = {}
    try:
        for row in table.rows:
            usage = part_in(row, columns, table)
            picture = index.find(row[columns.file], table.folder, usage) if usage else None
            if picture:
                parts[picture] = usage
    except MienError:
        if columns.label is None:
            raise
        return {}
    return parts


def _samples(
    table: ListTable, columns: ListColumns, index: PictureIndex, affectnet: bool
) -> tuple[list[Sample], Counter[str]]:
    samples, missing, renamed = [], Counter(table.left_out), 0
    boxes, relative = columns.box.boxes(table) if columns.box else ([None] * len(table.rows), False)
    for row, box in zip(table.rows, boxes, strict=True):
        label = label_in(row, columns, table)
        usage = part_in(row, columns, table)
        if affectnet and label not in {str(number) for number in PRESETS["affectnet"]}:
            missing["no emotion by its annotation"] += 1
        elif is_missing(label):
            missing["rows without a label"] += 1
        elif (picture := index.find(row[columns.file], table.folder, usage)) is None:
            missing[_MISSING] += 1
        else:
            samples.append(Sample(picture, label, usage, box, relative and box is not None))
            name = row[columns.file].strip()
            renamed += is_picture(name) and os.path.splitext(name)[1].lower() != os.path.splitext(picture)[1].lower()
    if whole := sum(sample.box is None for sample in samples) if columns.box else 0:
        table.decisions.append(f"{table.name}: {whole:,} rows have no box; their whole pictures are taken")
    if renamed:
        table.decisions.append(f"{table.name}: {renamed:,} names have another suffix than their pictures")
    return samples, +missing
