"""The reference pages of the documentation site, written from the code: command line, Python, HTTP."""

import argparse
import ast
import asyncio
import inspect
import re
import textwrap
from dataclasses import is_dataclass
from typing import Any

import mien
from mien.cli.main import GROUPS, add_arguments
from mien.cli.parser import Parser

TOPICS = {
    "Reading": ("read", "read_video", "classify", "explain", "annotate", "Reader", "load_model"),
    "Data": ("load_dataset",),
    "Training": ("train", "finetune", "resume"),
    "Evaluation": ("evaluate", "submit", "to_frame"),
    "Values": (
        "Face", "TrackedFace", "ReadResult", "VideoFrame", "Explanation", "Model", "Dataset", "Run", "FinetuneResult",
        "EvaluationResult",
    ),
    "Errors": ("MienError", "MienWarning"),
}  # fmt: skip


def command_line_page() -> str:
    """A section for each command: what it does, its arguments and options."""
    lines = [
        "# Command line",
        "",
        "Written from the parsers of the commands: the same as `mien COMMAND --help`. Exit codes: 0 done, 1 something",
        "could not be read, 2 bad input or usage (one line says what), 130 stopped by Ctrl-C.",
        "",
    ]
    for heading, names in GROUPS.items():
        lines += [f"## {heading.capitalize()}", ""]
        for name in names:
            parser = Parser(prog=f"mien {name}")
            add_arguments(parser, name)
            lines += _command(parser, 3)
    return "\n".join(lines)


def _command(parser: argparse.ArgumentParser, level: int) -> list[str]:
    lines = [f"{'#' * level} {parser.prog}", "", *_description(parser.description or ""), ""]
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.help != argparse.SUPPRESS and a.dest != "help"]
        nested = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
        rows = [_row(parser, action) for action in actions if action not in nested]
        if rows:
            lines += ["| " + (group.title or "options").replace("|", "\\|") + " | |", "|---|---|", *rows, ""]
        for action in nested:
            for child in dict.fromkeys(action.choices.values()):
                lines += _command(child, level + 1)
    return lines


def _description(text: str) -> list[str]:
    """Prose as prose, indented examples as a block of code."""
    lines, code = [], False
    for line in inspect.cleandoc(text).splitlines():
        example = line.startswith(("    ", "mien "))
        if example != code and (example or line):
            lines += ["", "```text"] if example else ["```", ""]
            code = example
        lines.append(line.removeprefix("    ") if example else line)
    if code:
        while lines[-1] == "":
            lines.pop()
        lines.append("```")
    return lines


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    names = ", ".join(action.option_strings)
    value = (
        "" if action.nargs == 0 else formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
    )
    if not action.option_strings:
        value = formatter._format_args(action, formatter._get_default_metavar_for_positional(action))
    help_text = formatter._expand_help(action) if action.help else ""
    cells = (f"`{(names + ' ' + value).strip()}`", help_text)
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"


def python_page() -> str:
    """A section for each name of the Python API: signature and docstring."""
    lines = [
        "# Python",
        "",
        "Written from the docstrings. [Use mien in Python](../python.md) shows how they play together. `import mien`",
        "takes a few milliseconds; packages are loaded when a name is first used.",
        "",
    ]
    missing = set(mien.__all__) - {name for names in TOPICS.values() for name in names} - {"errors"}
    for topic, names in (TOPICS | {"More": tuple(sorted(missing))}).items():
        if names:
            lines += [f"## {topic}", ""]
        for name in names:
            lines += _documented(name, getattr(mien, name))
    return "\n".join(lines)


def _documented(name: str, value: Any) -> list[str]:
    lines = [f"### {name}", "", "```python", _signature(f"mien.{name}", value), "```", "", *_docstring(value), ""]
    if not inspect.isclass(value) or issubclass(value, Exception):
        return lines
    for member, attribute in vars(value).items():
        function = attribute.fget if isinstance(attribute, property) else attribute
        function = getattr(function, "__func__", function)
        if member.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        lines += [f"#### {name}.{member}", ""]
        if not isinstance(attribute, property):
            lines += ["```python", _signature(member, function), "```", ""]
        lines += [*_docstring(function), ""]
    return lines


def _signature(name: str, value: Any) -> str:
    """A call as the source has it, a parameter a line where it is long."""
    own = inspect.isclass(value) and "__init__" in vars(value) and not is_dataclass(value)
    function = value.__init__ if own else value
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError):  # the __init__ of C or of a decorator
        return name
    if isinstance(node, ast.ClassDef):  # a dataclass: its fields
        pieces = [ast.unparse(line) for line in node.body if isinstance(line, ast.AnnAssign)]
        pieces = [piece for piece in pieces if not piece.startswith("_")]
        result = ""
    else:
        pieces = [piece for piece in _parameters(node.args) if piece not in ("self", "cls")]
        result = f" -> {ast.unparse(node.returns)}" if node.returns and not inspect.isclass(value) else ""
    line = f"{name}({', '.join(pieces)}){result}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {piece},\n" for piece in pieces) + f"){result}"


def _parameters(arguments: ast.arguments) -> list[str]:
    """The parameters of a function, one by one, with types and defaults."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    pieces = [_parameter(*pair) for pair in zip(plain, defaults, strict=True)]
    if arguments.vararg:
        pieces.append("*" + ast.unparse(arguments.vararg))
    elif arguments.kwonlyargs:
        pieces.append("*")
    pieces += [_parameter(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        pieces.append("**" + ast.unparse(arguments.kwarg))
    return pieces


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    text = ast.unparse(argument).replace("'", "") if argument.annotation else argument.arg
    return text if default is None else f"{text} = {ast.unparse(default)}"


def _docstring(value: Any) -> list[str]:
    """A docstring as Markdown: `name:` at the head of a sentence becomes code, indented lines a block."""
    text = inspect.cleandoc(value.__doc__ or "")
    text = re.sub(r"(?:(?<=\. )|(?<=\n)|^)([a-z_]+(?:, [a-z_]+)*): ", r"`\1`: ", text)
    return text.replace("<", "&lt;").splitlines()


def http_page() -> str:
    """The OpenAPI document of `mien serve` as tables."""
    from mien.server.app import create_app

    async def describe() -> dict[str, Any]:
        app = create_app()
        async with app.router.lifespan_context(app):  # its model's classes stand in the document
            return app.openapi()

    document = asyncio.run(describe())
    lines = [
        "# HTTP API",
        "",
        "Written from the OpenAPI document that `mien serve` hands out at `/openapi.json`; its own page `/docs` has a",
        "form to try each address. [Serve a page and an API](../serving.md) says how to run it.",
        "",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += [f"## {method.upper()} {path}", "", *_plain(operation.get("summary", "")), ""]
            lines += [*_plain(operation.get("description", "")), ""]
            if operation.get("parameters"):
                lines += ["| parameter | | |", "|---|---|---|"]
                for parameter in operation["parameters"]:
                    kind = _type(parameter.get("schema", {}))
                    lines.append(f"| `{parameter['name']}` | {kind} | {_cell(parameter.get('description', ''))} |")
                lines.append("")
            lines += ["| answer | |", "|---|---|"]
            for status, answer in operation["responses"].items():
                content = next(iter(answer.get("content", {}).values()), {})
                kind = _type(content.get("schema", {}))
                lines.append(f"| {status} | {_cell(answer.get('description', ''))}{f' ({kind})' if kind else ''} |")
            lines.append("")
    lines += ["## Objects", ""]
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        lines += [f"### {name}", "", *_plain(schema.get("description", "")), ""]
        if schema.get("properties"):
            lines += ["| field | type | |", "|---|---|---|"]
            for field, value in schema["properties"].items():
                lines.append(f"| `{field}` | {_type(value)} | {_cell(value.get('description', ''))} |")
            lines.append("")
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {})) or 'any'}"
    return str(schema.get("type", ""))


def _plain(text: str) -> list[str]:
    return inspect.cleandoc(text).splitlines()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
