"""Option parsing: argparse whose errors are one line with a suggestion, and whose help reads well."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and help texts that begin in one column."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=28, **options)


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, with a suggestion for a misspelled option or choice.

    words: what was typed behind the command; help may depend on it.
    """

    words: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", Formatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Exit with 2, after one line that says what is wrong and what was probably meant."""
        number = re.search(r"argument (\S+?): invalid (int|float) value: (.+)$", message)
        if number:
            message = f"{number[1]}: {number[3]} is not a {'whole number' if number[2] == 'int' else 'number'}"
        choice = re.search(r"invalid choice: (.+?) \(choose from (.+)\)", message)
        if choice:
            choices = [word.strip(" '\"") for word in choice[2].split(",")]
            suggestion = closest(choice[1].strip("'\""), choices)
        else:
            wrong = message.removeprefix("unrecognized arguments: ").split()[0].split("=")[0]
            unknown = message.startswith("unrecognized arguments: ") and wrong.startswith("-")
            suggestion = closest(wrong, self._option_string_actions) if unknown else ""
        hint = f"did you mean {suggestion}?" if suggestion else f"see '{self.prog} --help'"
        self.exit(2, f"{self.prog}: {message}; {hint}\n")


class Renamed(argparse.Action):
    """An option of mien 0.1 under its old name: it works, and one line says the new name.

    values: old values of the option -> new ones.
    """

    def __init__(self, *args: Any, values: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.values = values or {}

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        flag = "--" + self.dest.replace("_", "-")
        print(f"mien: {option_string} is now {flag}; the next release removes the old name", file=sys.stderr)
        setattr(namespace, self.dest, self.values.get(values, values) if isinstance(values, str) else values)


def closest(word: str, words: Iterable[str]) -> str:
    """The word that was probably meant, "" where none is near."""
    by_name = {other.lstrip("-"): other for other in words}
    near = difflib.get_close_matches(word.lstrip("-"), list(by_name), n=1, cutoff=0.7)
    return by_name[near[0]] if near else ""
