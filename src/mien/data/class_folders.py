"""Where the class folders of a tree lie: below splits, people and folds, beside them, or with the splits within."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from mien.data.class_names import AS_IS
from mien.data.folder_tree import Folder
from mien.data.parts import class_and_part, other_form_of, part_of, suspicion
from mien.errors import MienError
from mien.labels import emotion_of, emotions_of, plain_name

# Words in the names of copies and of folders that nobody has named.
_COPY_WORDS = {"copy", "copie", "kopie", "copia", "backup", "bak", "old", "копия"}
_NEW_FOLDERS = {"new folder", "untitled folder", "neuer ordner", "nouveau dossier", "nueva carpeta", "новая папка"}


@dataclass
class Search:
    """The class folders found so far, as (folder, label, usage), and what was decided on the way."""

    root: Folder
    trusted: bool  # the user named the classes: folders are taken as they are
    classes: list[tuple[Folder, str, str]] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    empty: list[Folder] = field(default_factory=list)  # with files, none of them a picture by its suffix
    flat: list[tuple[Folder, str]] = field(default_factory=list)  # splits without class folders, and their parts

    def tell(self, decision: str) -> None:
        """Note a decision, once."""
        if decision not in self.decisions:
            self.decisions.append(decision)

    def leave_out(self, folders: list[Folder], why: str) -> None:
        """Count the pictures of folders as left out, aloud."""
        for folder in folders:
            name = os.path.relpath(folder.path, self.root.path)
            self.tell(f"left out: {name}/ ({folder.count:,} pictures), {why}")
            if folder.count:
                self.left_out[f"{name}/"] += folder.count


def look(top: Folder, usage: str, search: Search) -> None:
    """Add the class folders under `top` to the search; usage: the part that the folders above have named.

    Raises MienError for a class folder without pictures, for folders that look like people, folds, splits or parts of
    a layout and not like classes, for several data sets side by side, and for splits that only some classes have.
    """
    top = _sole(top)
    inner = [folder for folder in top.folders if folder.count]
    if not inner:
        return
    parts = {folder.name: part_of(folder.name) for folder in top.folders}
    both = [class_and_part(folder.name) for folder in inner]
    nested = any(parts[folder.name] and _within(folder) for folder in inner)
    if any(parts.values()) and (nested or not search.trusted):
        _split_folders(top, parts, usage, search)
    elif any(_splits_of(folder) for folder in inner) and not any(_is_data_set(folder) for folder in inner):
        _class_then_split(top, inner, search)
    elif all(both) and len({part for _, part in filter(None, both)}) > 1 and not search.trusted:
        search.tell(f"{listed([folder.name for folder in inner])}: their names give both the class and the part")
        search.classes += [(f, name, part) for f, (name, part) in zip(inner, filter(None, both), strict=True)]
    else:
        _class_folders(top, usage, search)


def listed(names: list[str]) -> str:
    """Names for a message, six at most."""
    shown = ", ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown


def emotions_below(folder: Folder) -> set[str]:
    """The emotions that the folders within name; where these name none, those within them, and so on."""
    inner = _within(folder)
    named = set(emotions_of(f.name for f in inner).values())
    return named or {emotion for f in inner for emotion in emotions_below(f)}


def _within(folder: Folder) -> list[Folder]:
    return [inner for inner in folder.folders if inner.count]


def _sole(top: Folder) -> Folder:
    """The first folder below that holds more than a folder of no meaning."""
    while len(top.folders) == 1:
        only = top.folders[0]
        if part_of(only.name) or emotion_of(only.name) or only.pictures or not only.count:
            break
        top = only
    return top


def _split_folders(top: Folder, parts: dict[str, str | None], usage: str, search: Search) -> None:
    """Folders of which some are named as splits: train/ beside test/, and what else stands there."""
    splits = [folder for folder in top.folders if parts[folder.name] and folder.count]
    others = [folder for folder in top.folders if not parts[folder.name]]
    flat = [folder for folder in splits if not _within(folder)]
    nested = [folder for folder in splits if folder not in flat]
    emotions = emotions_of(folder.name for folder in others)
    classes = [folder for folder in others if folder.count and folder.name in emotions]
    if len(classes) >= 2 and (flat == splits or all(parts[folder.name] != "Training" for folder in nested)):
        # angry/, happy/ and test/ side by side.
        others = [folder for folder in others if folder not in classes]
        search.tell(
            f"{listed([folder.name for folder in classes])} are classes; {listed([s.name for s in splits])} beside "
            f"them {'are' if len(splits) > 1 else 'is'} no class"
        )
        search.classes += [(folder, folder.name, "Training" if nested else usage) for folder in classes]
    elif flat == splits:
        return  # train/*.jpg without classes: file names or a list may tell them
    if any(parts[folder.name] == "Training" for folder in flat):
        raise MienError(
            f"{top.path}: {listed([f.name for f in flat])} holds pictures in no class folders, and a split is no "
            "class; is it one? Sort its pictures into <class>/ folders, or move it away"
        )
    in_doubt = [folder.name for folder in others if len(_within(folder)) > 1]
    if in_doubt and not usage and not search.classes and all(parts[folder.name] != "Training" for folder in splits):
        raise MienError(
            f"{top.path} holds {listed([s.name for s in splits])} and no train folder; is it {listed(in_doubt)}? "
            "Rename it train, or move it away"
        )
    search.flat += [(folder, parts[folder.name] or "") for folder in flat]  # a list may label their pictures
    search.leave_out([folder for folder in others if folder.count], "it is neither a split nor a class")
    for folder in nested:
        if plain := other_form_of(folder.name, [f.name for f in nested]):
            search.leave_out([folder], f"it is another form of {plain}/ (if its faces are others, move them into that)")
        else:
            look(folder, parts[folder.name] or usage, search)


def _is_data_set(folder: Folder) -> bool:
    """Whether a folder that names no emotion holds splits with class folders: fer/train/angry."""
    return not emotion_of(folder.name) and any(part_of(f.name) and len(_within(f)) > 1 for f in folder.folders)


def _splits_of(folder: Folder) -> list[Folder]:
    """The splits in a class folder: angry/train/, angry/test/."""
    return [] if _is_data_set(folder) else [part for part in _within(folder) if part_of(part.name)]


def _class_then_split(top: Folder, inner: list[Folder], search: Search) -> None:
    _refuse_doubtful(top, inner, search)
    whole = [folder.name for folder in inner if not _splits_of(folder)]
    if whole:
        example = next(splits[0] for folder in inner if (splits := _splits_of(folder)))
        raise MienError(
            f"{top.path}: some classes are divided ({os.path.relpath(example.path, top.path)}/) and some are not "
            f"({listed(whole)}); divide all alike, or move the others away"
        )
    for folder in inner:
        splits = _splits_of(folder)
        search.classes += [(part, folder.name, part_of(part.name) or "") for part in splits]
        search.leave_out([f for f in _within(folder) if f not in splits], "it is no split of its class")
        if folder.pictures:
            search.leave_out([Folder(folder.path, "", folder.pictures)], "outside of its split folders")


def _class_folders(top: Folder, usage: str, search: Search) -> None:
    inner = _within(top)
    if not search.trusted:
        emotions = emotions_of(folder.name for folder in inner)
        if not emotions and _deeper(top, inner, usage, search):
            return
        _refuse_doubtful(top, inner, search)
        if emotions:
            inner = _without_others(inner, emotions, usage, search)
    for folder in top.folders:
        if folder.count:
            continue
        if n := sum(len(f.files) for f in folder.walk()):
            search.empty.append(folder)
            search.tell(f"left out: {folder.name}/, it holds no pictures, as none of its {n:,} files has their suffix")
        elif not usage:
            raise MienError(f"the class folder {folder.path} holds no pictures; put some in or delete it")
        else:
            search.tell(f"the class folder {os.path.relpath(folder.path, search.root.path)}/ is empty")
    search.classes += [(_own_pictures(folder, search), folder.name, usage) for folder in inner]


def _own_pictures(folder: Folder, search: Search) -> Folder:
    """A class folder without the folders within that name another emotion; what else is within belongs to it, told."""
    own = emotion_of(folder.name) if not search.trusted else None
    strange = [f for f in _within(folder) if own and emotion_of(f.name) not in (None, own)]
    search.leave_out(strange, f"it lies in the class folder {folder.name}/ and names another emotion")
    kept = [f for f in folder.folders if f not in strange]
    if named := [f.name for f in kept if f.count]:
        search.tell(f"the pictures in {listed([f'{folder.name}/{name}' for name in named])} count as {folder.name}")
    return replace(folder, folders=kept) if strange else folder


def _without_others(inner: list[Folder], emotions: dict[str, str], usage: str, search: Search) -> list[Folder]:
    """The folders without those that are no classes beside emotions: copies, and what holds emotions in turn."""
    others = [folder for folder in inner if folder.name not in emotions]
    left = [folder for folder in others if len(set(emotions.values())) > 1 and _is_left_behind(folder.name)]
    search.leave_out(left, f"by its name a copy or left behind; if it is a class, say so with classes='{AS_IS}'")
    groups = [folder for folder in others if folder not in left and emotions_below(folder)]
    found = [*set(emotions.values()), *(emotion for folder in groups for emotion in emotions_below(folder))]
    if len(set(found)) < len(found):
        search.leave_out(groups, "it holds class folders of its own, as those beside it")
    elif groups:
        search.tell(f"{listed([f.name for f in groups])} are no classes: the folders within them name emotions")
        for folder in groups:
            look(folder, usage, search)
    return [folder for folder in inner if folder not in left and folder not in groups]


def _deeper(top: Folder, inner: list[Folder], usage: str, search: Search) -> bool:
    """Look for the classes within folders that name no emotion; False where they are classes themselves."""
    names = [folder.name for folder in inner]
    emotions = {folder.name: emotions_below(folder) for folder in inner}
    together = {emotion for found in emotions.values() for emotion in found}
    holding = [folder for folder in inner if emotions[folder.name]] if len(together) > 1 else []
    doubt = suspicion(names)
    if doubt in ("people", "folds") and all(folder.folders and not folder.pictures for folder in inner):
        _refuse_unclear_groups(top, inner, doubt, bool(holding))
        search.tell(f"{listed(names)} look like {doubt}: the folders within them are the classes")
        holding = holding or inner
    elif holding:
        apart = sum(len(found) for found in emotions.values()) == len(together)  # positive/happy, negative/sad
        if len(holding) > 1 and not apart and not all(_carries_its_name(folder) for folder in holding):
            raise _several(top, holding, "class folders")
        if len(holding) > 1:
            shown = listed([folder.name for folder in holding])
            search.tell(f"{shown} are no classes: the folders within them name emotions")
    else:
        holding = [f for f in inner if any(part_of(s.name) == "Training" and len(s.folders) > 1 for s in f.folders)]
        if len(holding) > 1:
            raise _several(top, holding, "splits")
    search.leave_out(
        [folder for folder in inner if holding and folder not in holding],
        f"the classes are in {listed([folder.name for folder in holding])}/",
    )
    for folder in holding:
        look(folder, usage, search)
    return bool(holding)


def _refuse_unclear_groups(top: Folder, groups: list[Folder], doubt: str, emotional: bool) -> None:
    """Refuse folds of one data set, each a whole split, and people whose folders name no classes."""
    parts = [{part_of(folder.name) for folder in _within(_sole(group))} - {None} for group in groups]
    if doubt == "folds" and sum("Training" in found and len(found) > 1 for found in parts) > 1:
        raise MienError(
            f"{top.path} holds several folds, each a whole split ({listed([f.name for f in groups])}); which one is "
            f"meant? Give it: {groups[0].path}"
        )
    counts = Counter(folder.name for group in groups for folder in _within(group))
    digits = "".join(sorted(counts))
    numbered = all(name.isdecimal() for name in counts) and digits not in ("0123456", "1234567", "01234567")
    seldom = len(groups) > 1 and 2 * sum(n > 1 for n in counts.values()) < len(counts)
    if not emotional and not any(parts) and (numbered or seldom):
        raise MienError(
            f"{top.path}: the folders {listed([f.name for f in groups])} look like {doubt}, and those within them "
            f"({listed(list(counts))}) name no emotions; sort the pictures into <class>/ folders (CK+ needs its folder "
            "Emotion/ with the labels)"
        )


def _refuse_doubtful(top: Folder, inner: list[Folder], search: Search) -> None:
    """Refuse folders that look like people, folds or parts of a layout, and not like classes."""
    names = [folder.name for folder in inner]
    doubt = None if search.trusted else suspicion(names)
    if doubt and (len(names) > 1 or doubt != "parts of a layout"):
        raise MienError(
            f"{top.path}: the folders {listed(names)} look like {doubt}, not like classes; are they? Then say so with "
            f"{{parameter}} {AS_IS}; else sort the pictures into <class>/ folders",
            parameter="classes",
        )


def _carries_its_name(folder: Folder) -> bool:
    """Whether all folders within bear the name of the folder, as aia/aia_anger and aia/aia_joy do."""
    own = set(plain_name(folder.name).split())
    return all(own < set(plain_name(f.name).split()) for f in _within(folder))


def _is_left_behind(name: str) -> bool:
    plain = re.sub(r" \d+$", "", plain_name(name))
    return plain in {plain_name(new) for new in _NEW_FOLDERS} or bool(_COPY_WORDS & set(plain.split()))


def _several(top: Folder, sets: list[Folder], what: str) -> MienError:
    return MienError(
        f"{top.path} holds several data sets, each with its {what} ({listed([f.name for f in sets])}); which one is "
        f"meant? Give it: {sets[0].path}; or, if they are one, sort the pictures of all into <class>/ folders"
    )
