"""The command line: finds the command, parses, calls. Holds no logic."""

import argparse
import difflib
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from mien import __version__
from mien.errors import MienError, install_hint

# name -> (module under mien.cli, one line of help); a module is imported only when its command is given.
COMMANDS = {
    "quickstart": ("quickstart", "the whole job in minutes: train, diagnose, evaluate, write submission.csv"),
    "data": (
        "data",
        "look at data (info, audit), cut faces out of photos (crop), get FER2013 (fetch), draw a demo (draw)",
    ),
    "train": ("train", "train a network by a recipe, or resume a run"),
    "evaluate": ("evaluate", "measure a run: accuracy with its interval, calibration, confusion"),
    "submit": ("submit", "write submission.csv for Kaggle's test.csv"),
    "study": ("study", "train the whole family of networks; one table, one figure"),
    "report": ("report", "one HTML file about runs, a study or models, with their comparison"),
    "export": ("export", "turn a run into an ONNX model that `mien read --model` takes"),
    "read": ("read", "faces and their emotions from photos, folders, video or a camera"),
    "serve": ("serve", "a web page and a REST endpoint on this machine"),
    "page": ("page", "a web page without a server, which reads faces in the visitor's browser"),
}


# Parameters of the Python API whose option has another name.
OPTIONS = {"dataset": "data", "pretrained_state_dict": "pretrained"}


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, with a suggestion for a misspelt option."""

    def error(self, message: str) -> NoReturn:
        wrong = message.removeprefix("unrecognized arguments: ").split()[0].split("=")[0]
        near = difflib.get_close_matches(wrong, self._option_string_actions, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near and wrong.startswith("-") else f"see '{self.prog} --help'"
        self.exit(2, f"{self.prog}: {message}; {hint}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 2 bad input or usage, else the command's own."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"mien {__version__}")
        return 0
    name, rest = argv[0], argv[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "see 'mien --help'"
        print(f"mien: no command '{name}'; {hint}", file=sys.stderr)
        return 2
    warnings.showwarning = _print_warning
    parser = Parser(prog=f"mien {name}", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    try:
        module = importlib.import_module(f"mien.cli.{COMMANDS[name][0]}")
        parser.description = module.__doc__
        module.add_arguments(parser)
        return int(module.run(parser.parse_args(rest)) or 0)
    except MienError as error:
        _complain(error.naming(_option(parser, error.parameter)))
        return 2
    except ModuleNotFoundError as error:
        extra = _extra_of(error.name or "")
        if extra is None:
            raise
        print(f"mien: {error.name} is not installed; run: {install_hint(extra)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is wrong with the work.
        sys.stderr.close()
        return 0
    except OSError as error:
        # Whatever else the system refuses: a name too long, a folder that may not be entered, a disk that is full.
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}")
        return 2
    except KeyboardInterrupt:
        print("mien: stopped", file=sys.stderr)
        return 130


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "mien: facial expression recognition, measured honestly.",
            "",
            "usage: mien COMMAND ...   (mien COMMAND --help for its options)",
            "",
            *lines,
        ]
    )


def _option(parser: argparse.ArgumentParser, parameter: str | None) -> str | None:
    """How the command line names a parameter of the Python API: its option, where it has one."""
    if parameter is None:
        return None
    wanted = OPTIONS.get(parameter, parameter)
    for action in parser._actions:
        if action.dest == wanted:
            longest = max(action.option_strings, key=len, default=None)
            return longest or str(action.metavar or action.dest).upper()
    return parameter


def _extra_of(module: str) -> str | None:
    """The optional part of mien that brings a missing module."""
    root = module.split(".")[0]
    for extra, roots in {
        "train": {"torch", "lightning_fabric", "lightning", "safetensors", "onnx", "onnxscript", "sklearn",
                  "matplotlib", "rich", "wandb"},
        "trackio": {"trackio"},
        "serve": {"fastapi", "uvicorn", "starlette", "pydantic", "multipart", "python_multipart"},
        "data": {"kagglehub"},
    }.items():  # fmt: skip
        if root in roots:
            return extra
    return None


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    _complain(f"warning: {message}")


def _complain(message: str) -> None:
    """One line on standard error, whatever characters the names in it hold."""
    from mien.cli.table import printable

    print(f"mien: {printable(message)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
