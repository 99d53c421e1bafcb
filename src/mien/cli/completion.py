"""Print a shell completion script for bash, zsh or fish.

    mien completion bash > ~/.local/share/bash-completion/completions/mien
    mien completion zsh > ~/.mien-completion.zsh     (then in ~/.zshrc: source ~/.mien-completion.zsh)
    mien completion fish > ~/.config/fish/completions/mien.fish

The script is static: it does not run Python while you type. Print it again after you update mien.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from mien.cli.parser import Parser

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Option:
    """An option: its flags, the first sentence of its help, whether a value follows, and the values there are, if
    few."""

    flags: tuple[str, ...]
    help: str
    value: bool
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command such as "train" or "data info": its options, and the words that may stand in place of a file."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    print(script(args.shell), end="")


def script(shell: str) -> str:
    """The script for one of SHELLS."""
    table = list(commands())
    return fish(table) if shell == "fish" else bash(table, zsh=shell == "zsh")


def commands() -> Iterator[Command]:
    """Every command, and behind one that has them its subcommands, as its parser has them."""
    from mien.cli.main import COMMANDS, add_arguments

    for name, (_, text) in COMMANDS.items():
        parser = Parser(prog=f"mien {name}")
        add_arguments(parser, name)
        yield from _of(parser, name, text)


def _of(parser: argparse.ArgumentParser, name: str, text: str) -> Iterator[Command]:
    options: list[Option] = []
    words: list[str] = []
    below: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            words += action.choices
            for subname, subparser in action.choices.items():
                below += _of(subparser, f"{name} {subname}", texts.get(subname, ""))
        elif action.help is argparse.SUPPRESS:
            continue
        elif action.option_strings:
            value = action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction)
            choices = tuple(map(str, action.choices or ()))
            options.append(Option(tuple(action.option_strings), _sentence(action.help), value, choices))
        else:
            words += map(str, action.choices or ())
    if name == "train":
        from mien.training.recipes import RECIPES

        words += RECIPES
    yield Command(name, text, tuple(options), tuple(words))
    yield from below


def _sentence(text: str | None) -> str:
    return (text or "").replace("%%", "%").split(". ")[0].split(" (")[0].rstrip(".")


def bash(table: list[Command], zsh: bool = False) -> str:
    """A function for bash's `complete`; zsh takes it by its bashcompinit."""
    words, values = [], []
    for command in table:
        flags = " ".join(flag for option in command.options for flag in option.flags)
        words.append(f'    "{command.name}") options="{flags}"; words="{" ".join(command.words)}" ;;')
        for option in command.options:
            if option.value:
                patterns = "|".join(f'"{command.name} {flag}"' for flag in option.flags)
                values.append(f'    {patterns}) values="{" ".join(option.choices)}"; value=yes ;;')
    top = [command.name for command in table if " " not in command.name]
    nested = sorted({command.name.split()[0] for command in table if " " in command.name})
    head = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" if zsh else ""
    lines = "\n".join
    return f"""# {"zsh" if zsh else "bash"} completion of mien, printed by: mien completion {"zsh" if zsh else "bash"}
{head}_mien() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}"
  local options="" words="" values="" value=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ] || {{ [ "$COMP_CWORD" -eq 2 ] && [ "$command" = help ]; }}; then
    COMPREPLY=($(compgen -W "{" ".join(top)} help --help --version" -- "$current"))
    return
  fi
  case "$command" in
    {"|".join(nested)}) [ "$COMP_CWORD" -gt 2 ] && command="$command ${{COMP_WORDS[2]}}" ;;
  esac
  case "$command" in
{lines(words)}
  esac
  case "$command $before" in
{lines(values)}
  esac
  if [ -n "$value" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [ "${{current:0:1}}" = - ]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}}
complete -o default -F _mien mien
"""


def fish(table: list[Command]) -> str:
    """fish's `complete` lines."""
    top = " ".join(command.name for command in table if " " not in command.name)
    lines = [
        "# fish completion of mien, printed by: mien completion fish",
        "complete -c mien -n __fish_use_subcommand -f -a help -d 'show the options and examples of a command'",
        f"complete -c mien -n '__fish_seen_subcommand_from help' -f -a {_quoted(top)}",
    ]
    for command in table:
        first, *rest = command.name.split()
        here = f"__fish_seen_subcommand_from {first}"
        if rest:
            lines.append(f"complete -c mien -n {_quoted(here)} -a {rest[0]} -d {_quoted(command.help)}")
            here += f"; and __fish_seen_subcommand_from {rest[0]}"
        else:
            lines.append(f"complete -c mien -n __fish_use_subcommand -f -a {first} -d {_quoted(command.help)}")
            if command.words and not any(other.name.startswith(f"{first} ") for other in table):
                lines.append(f"complete -c mien -n {_quoted(here)} -a {_quoted(' '.join(command.words))}")
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            value = " -r" if option.value else ""
            if option.choices:
                value = f" -x -a {_quoted(' '.join(option.choices))}"
            lines.append(f"complete -c mien -n {_quoted(here)} {flags}{value} -d {_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text as one word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
