"""Which columns of a table say the part of each row, by what stands in them: one of words, or flags such as is_test."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mien.data.class_names import is_missing
from mien.data.parts import part_of

USAGE_NAMES = ("usage", "split", "set", "subset", "part", "partition", "data_split", "usage_type", "purpose", "phase",
               "dataset", "fold", "type")  # fmt: skip
# Columns of these names hold parts and nothing else, so that what is none is refused.
SURE_USAGES = ("usage", "split", "subset", "data_split", "set", "partition")
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_CELEBA = {"0": "Training", "1": "PublicTest", "2": "PrivateTest"}  # list_eval_partition.csv (Liu et al. 2015)


@dataclass(frozen=True)
class PartColumns:
    """The columns that say the parts: one of words, or one or several flags, each of which speaks of a part.

    flags: those parts, none for a column of words. celeba: the words are CelebA's numbers, 0 train, 1 validation, 2
    test.
    """

    names: tuple[str, ...]
    flags: tuple[str, ...] = ()
    celeba: bool = False

    def part(self, values: Sequence[str]) -> str | None:
        """The part of a row by its values in the columns; None where they tell none, or several."""
        texts = [_plain(value) for value in values]
        if self.celeba:
            return _CELEBA.get(texts[0])
        if not self.flags:
            return part_of(texts[0])
        if any(text not in _FLAGS for text in texts):
            return None
        marked = [part for part, text in zip(self.flags, texts, strict=True) if _FLAGS[text]]
        if marked or "Training" not in self.flags:
            return marked[0] if len(marked) == 1 else None if marked else "Training"
        return "PrivateTest" if len(self.flags) == 1 else None

    def fault(self, values: Sequence[str]) -> str:
        """What is wrong with a row that is in no part, and what to do."""
        shown = ", ".join(ascii(value[:20]) + "..." * (len(value) > 20) for value in values)
        called = ", ".join(map(repr, self.names))
        if len(self.flags) > 1:
            return f"has {shown} in its columns {called}; write 1 into one of them and 0 into the others"
        if self.flags:
            return f"has {shown} in its column {called}; it must be true or false"
        return (
            f"has {shown} in its column {called}, which is no part; write train, validation or test, or rename the "
            "column"
        )

    def told(self) -> str:
        """What was decided, in words; "" where the column is called as FER2013's."""
        several = len(self.names) > 1
        called = " and ".join(filter(None, (", ".join(map(repr, self.names[:-1])), repr(self.names[-1]))))
        if self.celeba:
            return f"the column {called} holds the parts as CelebA's does: 0 is train, 1 validation, 2 test"
        rest = "; rows without a flag are train" if several and "Training" not in self.flags else ""
        if self.names[0].lower() == "usage":
            return ""
        return f"the column{'s' * several} {called} hold{'s' * (not several)} the parts{rest}"


def part_columns(columns: Mapping[str, Collection[str]]) -> PartColumns | None:
    """The columns that say the parts, of some given by name with their distinct values; None where none does.

    First one that is called so and holds parts; then flags; then one of any name that holds several parts and hardly
    anything else; then one that is called so and holds others, whose rows `PartColumns.part` does not know.
    """
    values = {name: [value for value in held if not is_missing(value)] for name, held in columns.items()}
    values = {name: held for name, held in values.items() if held}
    called = sorted((name for name in values if _usual(name) in USAGE_NAMES),
                    key=lambda name: (_usual(name) not in SURE_USAGES, USAGE_NAMES.index(_usual(name))))  # fmt: skip
    for name in called:
        if all(part_of(value) for value in values[name]):
            return PartColumns((name,))
        if _usual(name) == "partition" and {_plain(value) for value in values[name]} == set(_CELEBA):
            return PartColumns((name,), celeba=True)
    if flags := _flags(values):
        return PartColumns(tuple(flags), tuple(flags.values()))
    for name, held in values.items():
        parts = [part for value in held if (part := part_of(value))]
        odd = len(held) - len(parts)  # a word misspelt, next to train and test
        if len(set(parts)) > 1 and (not odd or ("Training" in parts and odd <= len(set(parts)))):
            return PartColumns((name,))
    sure = next((name for name in [*called, *values] if _is_sure(name)), None)
    return PartColumns((sure,), tuple(filter(None, [flagged_part(sure)]))) if sure else None


def may_say_parts(name: str, value: str) -> bool:
    """Whether a column, by its name and a value, may be one that says the parts."""
    return _usual(name) in USAGE_NAMES or part_of(value) is not None or _is_sure(name) or (
        flagged_part(name) is not None and _plain(value) in _FLAGS
    )  # fmt: skip


def flagged_part(header: str) -> str | None:
    """The part that a column of true and false speaks of: is_train, in_test, val; None for other columns."""
    name = header.strip().lower()
    match = re.fullmatch(r"(?:is|in)_?(\w+)", name) or re.fullmatch(r"([^\W_]+)", name)
    return part_of(match[1]) if match else None


def _flags(columns: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The columns of true and false, and the part of which each speaks: all of them, or one that is called train, test
    or is_val. A column valid alone may speak of rows that are to be used."""
    flags = {
        name: part for name, held in columns.items()
        if (part := flagged_part(name)) and all(_plain(value) in _FLAGS for value in held)
    }  # fmt: skip
    flags = {name: part for name, part in flags.items() if name == _first(flags, part)}
    alone = [name for name, part in flags.items() if part == "PublicTest" and part_of(name)]
    return {} if len(flags) == 1 and alone else flags


def _first(flags: Mapping[str, str], part: str) -> str:
    return next(name for name, other in flags.items() if other == part)


def _is_sure(name: str) -> bool:
    """Whether a column is called as those that hold parts alone: split, train, test."""
    return _usual(name) in SURE_USAGES or _usual(name) in ("train", "test", "is_train", "is_test")


def _usual(name: str) -> str:
    return re.sub(r"[ \-.]+", "_", name.strip(" \t\"'").lower())


def _plain(value: str) -> str:
    """A value in lower case, whole numbers without their ".0"."""
    return re.sub(r"^(\d+)\.0*$", r"\1", value.strip(" \t\"'").lower())
