"""The command line: finds the command, parses, calls. Holds no logic."""

import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence

from mien import __version__
from mien.cli.options import as_options, option, spoken
from mien.cli.parser import Parser, closest
from mien.errors import MienError, MienWarning, install_hint

# name -> (module under mien.cli, one line of help); a module is imported only when its command is given.
COMMANDS = {
    "data": (
        "data",
        "inspect data (info, audit), crop faces in photos (crop), download FER2013 (fetch), draw a demo (draw)",
    ),
    "quickstart": ("quickstart", "train, diagnose, evaluate and write submission.csv, in minutes"),
    "train": ("train", "train a network with a recipe, or resume a run; --list shows the recipes"),
    "finetune": ("finetune", "fine-tune a shipped model on your own faces"),
    "distill-views": ("distill_views", "store teachers' predictions for fixed views of the training images"),
    "study": ("study", "train all networks of the study; writes tables and figures"),
    "report": ("report", "write one HTML report on runs, a study or models, and compare them"),
    "export": ("export", "export a run as an ONNX model for `mien read --model`"),
    "publish": ("publish", "write a folder for a model hub: model card, config, ONNX, safetensors"),
    "evaluate": ("evaluate", "evaluate a model: accuracy with its confidence interval, calibration, confusion"),
    "submit": ("submit", "write submission.csv for Kaggle's test.csv"),
    "merge": ("merge", "merge the parts written by `mien read --shard`"),
    "read": ("read", "detect faces and read their emotions in photos, folders, videos or a camera"),
    "serve": ("serve", "serve a web page and a REST endpoint on this machine"),
    "page": ("page", "write a static web page that reads faces in the visitor's browser"),
    "completion": ("completion", "print a shell completion script for bash, zsh or fish"),
}

# How `mien --help` shows them.
GROUPS = {
    "data": ("data",),
    "training": ("quickstart", "finetune", "train", "distill-views", "study", "export", "publish"),
    "evaluation": ("evaluate", "submit", "report"),
    "reading and serving": ("read", "merge", "serve", "page"),
    "this command line": ("completion",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 2 bad input or usage, else the command's own."""
    for stream in (sys.stdout, sys.stderr):  # names of files may hold bytes that are no letters
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _main(list(sys.argv[1:] if argv is None else argv))
        if sys.stdout:  # there is none where it was closed
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is wrong with the work. What is still to be written at
        # the end of the process goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _main(argv: list[str]) -> int:
    if len(argv) > 1 and argv[0] == "help":
        argv = [*argv[1:], "--help"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"mien {__version__}")
        return 0
    name, words = argv[0], argv[1:]
    if name not in COMMANDS:
        near = closest(name, COMMANDS)
        hint = f"did you mean '{near}'?" if near else "see 'mien --help'"
        print(f"mien: there is no command '{name}'; {hint}", file=sys.stderr)
        return 2
    warnings.showwarning = _print_warning
    _told.clear()
    parser = Parser(prog=f"mien {name}")
    try:
        command = importlib.import_module(f"mien.cli.{COMMANDS[name][0]}")
        add_arguments(parser, name, words)
        return int(command.run(parser.parse_args(words)) or 0)
    except MienError as error:
        _complain(error.naming(option(parser, error.parameter, words)))
        return 2
    except ModuleNotFoundError as error:
        extra = _extra_of(error.name or "")
        if extra is None:
            raise
        print(f"mien: {error.name} is not installed; run: {install_hint(extra)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        # Whatever else the system refuses: a name too long, a folder that may not be entered, a disk that is full.
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}")
        return 2
    except MemoryError:
        _complain("not enough memory; process less at a time, or close other programs")
        return 2
    except KeyboardInterrupt:
        print("mien: stopped", file=sys.stderr)
        return 130


def add_arguments(parser: Parser, name: str, words: Sequence[str] = ()) -> None:
    """Give a parser the description and the options of a command. words: what was typed behind it."""
    command = importlib.import_module(f"mien.cli.{COMMANDS[name][0]}")
    parser.words = words
    parser.description = command.__doc__
    command.add_arguments(parser)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = ["mien: facial expression recognition, measured honestly.", "", "usage: mien COMMAND ..."]
    for heading, names in GROUPS.items():
        lines += ["", f"{heading}:", *(f"  {name:<{width}}  {COMMANDS[name][1]}" for name in names)]
    lines += [
        "",
        "mien COMMAND --help    show the options and examples of a command",
        "mien --version         show the version",
    ]
    return "\n".join(lines)


def _extra_of(module: str) -> str | None:
    """The optional part of mien that brings a missing module."""
    root = module.split(".")[0]
    for extra, roots in {
        "train": {"torch", "lightning_fabric", "lightning", "safetensors", "onnx", "onnxscript", "matplotlib", "rich",
                  "wandb"},
        "trackio": {"trackio"},
        "tensorboard": {"tensorboard"},
        "mlflow": {"mlflow"},
        "serve": {"fastapi", "uvicorn", "starlette", "pydantic", "multipart", "python_multipart"},
        "data": {"kagglehub"},
        "parquet": {"pyarrow"},
        "heic": {"pillow_heif"},
        "ray": {"ray"},
        "hub": {"huggingface_hub"},
    }.items():  # fmt: skip
        if root in roots:
            return extra
    return None


_told: set[str] = set()  # warnings of this command: what is said once is said


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    from mien.training.recipes import FIELDS

    text = as_options(spoken(message), FIELDS) if isinstance(message, MienWarning) else str(message)
    if text not in _told:
        _told.add(text)
        _complain(f"warning: {text}")


def _complain(message: str) -> None:
    """One line on standard error, whatever characters the names in it hold."""
    from mien.cli.table import printable

    print(f"mien: {printable(message)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
