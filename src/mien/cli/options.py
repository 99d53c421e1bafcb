"""Python parameters in the words of the command line: `classes='rafdb'` as `--classes rafdb`, `dataset` as `--data`."""

import re
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from collections.abc import Iterable, Sequence
from typing import Any

from mien.errors import MienError, MienWarning

# Parameters of the Python API whose option has another name.
OPTIONS = {
    "dataset": "data",
    "pretrained_state_dict": "pretrained",
    "model": "source",
    "sources": "source",
    "track": "tracker",
    "parts": "part",
}
# What another command does; it is named where the present one has no such option.
COMMANDS = {"resume": "mien train --resume", "pretrained": "mien train RECIPE --pretrained"}


def option(parser: ArgumentParser, parameter: str | None, words: Sequence[str] = ()) -> str | None:
    """How the command line names a parameter of the Python API: its option, where it has one.

    words: what was typed behind the command; of several subcommands, the one among them is meant.
    """
    if parameter is None:
        return None
    wanted = OPTIONS.get(parameter, parameter)
    for action in sorted(actions(parser, words), key=lambda action: action.help == SUPPRESS):  # old names last
        if action.dest in (wanted, parameter):
            longest = max(action.option_strings, key=len, default=None)
            return longest or str(action.metavar or action.dest).upper()
    return COMMANDS.get(parameter, parameter)


def actions(parser: ArgumentParser, words: Sequence[str] = ()) -> list[Any]:
    """The options and arguments of a parser, and of the subcommand that stands in `words`."""
    result = []
    for action in parser._actions:
        result.append(action)
        if isinstance(action, _SubParsersAction):
            for word in words:
                if word in action.choices:
                    result += actions(action.choices[word], words)
                    break
    return result


def spoken(message: MienError | MienWarning) -> str:
    """An error or warning that is told while the work goes on, with its parameter as an option."""
    return message.naming(message.parameter and flag(message.parameter))


def flag(parameter: str) -> str:
    """skip_broken -> --skip-broken."""
    return "--" + OPTIONS.get(parameter, parameter).replace("_", "-")


def as_options(text: str, names: Iterable[str]) -> str:
    """Text of the library in which `name=value` is written as the command line has it.

    names: of the parameters. flip=True becomes --flip, epochs=20 --epochs 20, classes='rafdb' --classes rafdb; a name
    of several words, such as learning_rate, becomes its option also without a value.
    """
    several = sorted(names, key=len, reverse=True)
    value = r"(?:'[^']*'|[\w.+-]*[\w.])"
    pattern = rf"\b(?:(?P<name>{'|'.join(several)})=(?P<value>{value})(?P<comma>,(?= \w+=))?|(?P<bare>"
    pattern += rf"{'|'.join(name for name in several if '_' in name) or '(?!)'})\b)"

    def written(match: re.Match[str]) -> str:
        if match["bare"]:
            return flag(match["bare"])
        given = match["value"].strip("'")
        if given in ("True", "False"):
            return flag(match["name"] if given == "True" else f"no_{match['name']}")
        return f"{flag(match['name'])} {given}"

    return re.sub(pattern, written, text)
