"""The command line as a whole: help without heavy imports, suggestions, old names, completion, the list of recipes."""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mien.cli.completion import SHELLS, commands, script
from mien.cli.main import COMMANDS, GROUPS, add_arguments, main
from mien.cli.parser import Parser

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "lightning_fabric",
    "onnxruntime",
    "matplotlib",
    "rich",
    "wandb",
    "av",
    "fastapi",
    "onnx",
    "safetensors",
)


def run(*words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"import sys\n{before}\nfrom mien.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)


def test_the_help_shows_every_command_in_a_group(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert {name for names in GROUPS.values() for name in names} == set(COMMANDS)
    for heading, names in GROUPS.items():
        assert f"\n{heading}:\n" in text
        for name in names:
            assert f"\n  {name} " in text


def test_help_of_every_command_needs_no_heavy_package():
    block = f"for name in {HEAVY}: sys.modules[name] = None"
    names = ["", *COMMANDS]
    code = f"""
import contextlib, sys
{block}
from mien.cli.main import main
for name in {names}:
    with contextlib.suppress(SystemExit):
        main([*name.split(), "--help"])
main(["train", "--list"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    for name in COMMANDS:
        assert f"usage: mien {name}" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_s_help_has_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["help", name])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    examples = [line for line in text.splitlines() if line.strip().startswith(f"mien {name}") and "usage" not in line]
    assert len(examples) >= 2


def parsers() -> list[tuple[str, Parser]]:
    """Every parser of the command line by its words: of commands, and of subcommands in them."""
    result = []
    for name in COMMANDS:
        parser = Parser(prog=f"mien {name}")
        add_arguments(parser, name)
        below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        result += [
            (name, parser),
            *((f"{name} {key}", each) for action in below for key, each in action.choices.items()),
        ]
    return result


@pytest.mark.parametrize(("words", "parser"), [pytest.param(*each, id=each[0]) for each in parsers()])
def test_every_help_has_two_examples_that_parse(words, parser):
    """Of commands and subcommands; each example is one that the command line takes."""
    examples = re.findall(
        rf"^ *(mien {words}\b.*)$", f"{parser.description}\n{parser.epilog or ''}", flags=re.MULTILINE
    )
    assert len(examples) >= 2
    for example in examples:
        line = shlex.split(re.split(r"  +| [<>] ", example.replace("$(openssl rand -hex 16)", "secret"))[0])
        command = words.split()[0]
        taken = Parser(prog=f"mien {command}")
        add_arguments(taken, command, line[2:])
        with contextlib.suppress(SystemExit) if "--help" in line else contextlib.nullcontext():
            taken.parse_args(line[2:])


def test_train_s_help_says_of_every_field_what_it_is_its_range_and_its_default(capsys):
    from mien.training.recipes import FIELDS, RECIPES

    with pytest.raises(SystemExit):
        main(["train", "hybrid", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--learning-rate X Peak learning rate (above 0; default 0.004)" in text
    assert "--rotate X Maximum rotation in either direction (degrees; 0 to 180; default 12)" in text
    for name, field in FIELDS.items():
        if name != "name":
            assert f"--{name.replace('_', '-')}" in text
            assert " ".join(field.metadata["help"].rstrip(".").split()) in text
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    rates = [recipe.learning_rate for recipe in RECIPES.values()]
    assert f"(above 0; default {min(rates):g} to {max(rates):g})" in text


def test_a_pipe_that_closes_early_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m mien train --help | head -1", shell=True, capture_output=True, text=True
    )  # fmt: skip
    assert done.stdout.startswith("usage: mien train")
    assert done.stderr == ""
    code = (
        "import os, sys; sys.stdout.flush(); from mien.cli.main import main; os.close(0); sys.exit(main(['train', "
        "'--list']))"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["train", "hybrid", "--optimizer", "adm"], "did you mean adam?"),
        (["train", "hybrid", "--learning-rat", "1"], "did you mean --learning-rate?"),
        (["train", "hybrid", "--frobnicate", "3"], "see 'mien train --help'"),
        (["train", "hybrid", "--tracker", "zzz"], "see 'mien train --help'"),
        (["train", "hybird"], "did you mean 'hybrid'?"),
        (["trian", "hybrid"], "did you mean 'train'?"),
        (["data", "inof", "x"], "did you mean info?"),
        (["completion", "bahs"], "did you mean bash?"),
        (["train", "hybrid", "--rotate", "200"], "--rotate = 200"),
        (["train"], "no recipe given; try: mien train hybrid"),
    ],
)
def test_a_wrong_word_gets_one_line_with_a_suggestion(argv, words):
    done = run(*argv)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_warning_is_told_once_and_in_options(capsys, monkeypatch):
    from mien.cli import main as command
    from mien.errors import MienWarning

    monkeypatch.setattr(command, "_told", set())
    for _ in range(2):
        command._print_warning(MienWarning("copies cross the split; duplicates='group' keeps them on one side"))
    said = "mien: warning: copies cross the split; --duplicates group keeps them on one side\n"
    assert capsys.readouterr().err == said


def test_a_missing_file_is_told_once(tmp_path):
    missing = str(tmp_path / "missing")
    for argv in (["evaluate", "nano", "--data", missing], ["data", "info", missing], ["read", missing + ".jpg"]):
        done = run(*argv)
        assert done.returncode != 0
        assert (done.stdout + done.stderr).count(missing) == 1


def test_options_of_mien_0_1_still_work_and_say_the_new_name():
    from mien.evaluation.record import RENAMED
    from mien.training.recipes import recipe

    command = __import__("mien.cli.train", fromlist=["train"])
    for old, new in RENAMED.items():
        parser = Parser(prog="mien train")
        command.add_arguments(parser)
        field = recipe("hybrid").__dict__.get(new)
        value = {"checkpoint_metric": "best", "teacher_input": "view"}.get(new, "1")
        args = parser.parse_args(["hybrid", "--" + old.replace("_", "-"), value])
        wanted = {"checkpoint_metric": "val_accuracy", "teacher_input": "augmented"}.get(new)
        assert getattr(args, new) == (wanted or (type(field)(1) if isinstance(field, int | float) else "1"))


def test_a_sweep_may_write_options_with_underscores(capsys):
    parser = Parser(prog="mien train")
    __import__("mien.cli.train", fromlist=["train"]).add_arguments(parser)
    args = parser.parse_args(["hybrid", "--learning_rate", "0.5", "--no-batch_norm"])
    assert (args.learning_rate, args.batch_norm) == (0.5, False)
    assert "--learning_rate" not in parser.format_help()


def test_the_list_has_every_recipe(capsys):
    from mien.training.recipes import RECIPES

    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(RECIPES)]] == list(RECIPES)


def test_the_list_says_what_the_runs_in_results_say():
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "recipe_results.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_mien
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_commands_options_and_choices(tmp_path):
    (tmp_path / "mien.bash").write_text(script("bash"))

    def complete(*words: str) -> list[str]:
        argv = ["bash", "-c", COMPLETE, "bash", str(tmp_path / "mien.bash"), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()

    assert complete("mien", "tr") == ["train"]
    assert complete("mien", "help", "ev") == ["evaluate"]
    assert "study/hybrid" in complete("mien", "train", "study/")
    assert complete("mien", "train", "hybrid", "--optimizer", "ad") == ["adam", "adamw"]
    assert complete("mien", "train", "hybrid", "--learning") == ["--learning-rate"]
    assert complete("mien", "data", "inf") == ["info"]
    assert complete("mien", "data", "info", "--sh") == ["--sheet"]
    assert complete("mien", "train", "--data", "x") == []  # then bash offers files


ZSH = """
source "$1"; shift; setopt ksh_arrays
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_mien
print -l -- "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_zsh_and_fish_complete_where_they_are_installed(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    path = tmp_path / "script"
    path.write_text(script(shell))
    for line, wanted in (
        ("mien tr", ["train"]), ("mien help ev", ["evaluate"]), ("mien train study/hy", ["study/hybrid"]),
        ("mien train hybrid --optimizer ad", ["adam", "adamw"]), ("mien data info --sh", ["--sheet"]),
        ("mien train hybrid --learning", ["--learning-rate"]), ("mien data inf", ["info"]),
    ):  # fmt: skip
        if shell == "zsh":
            argv = ["zsh", "-f", "-c", ZSH, "zsh", str(path), *line.split()]
        else:
            argv = ["fish", "-c", f"source {path}; complete -C '{line}'"]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)}
        )
        # zsh itself leaves out what does not begin with the word, as it does for every function of bash's.
        offered = [each.split("\t")[0] for each in done.stdout.splitlines() if each.startswith(line.split()[-1])]
        assert offered == wanted, (line, done.stderr)


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_sound_to_the_shells_that_are_here(shell, tmp_path):
    path = tmp_path / "script"
    path.write_text(script(shell))
    for command in commands():
        assert command.name.split()[-1] in path.read_text()
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_version_stands_in_one_place():
    import tomllib

    import mien

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mien.__version__"}
    assert f"\nversion: {mien.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_texts_of_the_library_are_printed_with_options():
    from mien.cli.options import as_options, option

    advice = "more (flip=True, rotate=12, ema_decay=0.998); a smaller learning_rate, epochs=60: so (schedule='cosine')"
    assert as_options(advice, ("flip", "rotate", "learning_rate", "epochs", "schedule", "ema_decay")) == (
        "more (--flip --rotate 12 --ema-decay 0.998); a smaller --learning-rate, --epochs 60: so (--schedule cosine)"
    )
    decision = "numbers of FER2013 (another order: classes=...; classes='1=sad,2=happy')"
    assert as_options(decision, ("classes",)) == (
        "numbers of FER2013 (another order: --classes ...; --classes 1=sad,2=happy)"
    )
    names = {}
    for command, words in (("data", ["crop", "photos"]), ("train", []), ("evaluate", [])):
        parser = Parser(prog=f"mien {command}")
        add_arguments(parser, command, words)
        names[command] = [option(parser, name, words) for name in ("resume", "classes", "parts", "dataset")]
    assert names["data"] == ["--resume", "classes", "parts", "dataset"]
    assert names["train"] == ["--resume", "--classes", "parts", "--data"]
    assert names["evaluate"] == ["mien train --resume", "--classes", "--part", "--data"]


def test_commands_are_printed_as_this_shell_can_run_them(monkeypatch, tmp_path):
    """After `make quickstart`, mien lies in .venv/bin, which is on no PATH."""
    from mien.cli.quickstart import _program

    program = tmp_path / "bin" / "mien"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _program() == str(program)
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py"])
    assert _program() == f"{shlex.quote(sys.executable)} -m mien"
    monkeypatch.setenv("PATH", str(program.parent))
    assert _program() == "mien"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_is_told_what_is_done_where_nothing_else_is(tmp_path):
    code = (
        "import time; from mien.cli.progress import Busy, Progress\n"
        "with Busy('reading data'): time.sleep(1.3)\n"
        "with Progress(None, 'faces', alone=True, before='reading more') as progress: time.sleep(1.3)\n"
    )
    import pty

    here, there = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stderr=there, stdout=subprocess.PIPE, timeout=60)
    shown = os.read(here, 4096).decode()
    assert done.returncode == 0
    assert "reading data ... 1 s" in shown
    assert "reading more ... 1 s" in shown
    assert shown.endswith("\r")  # the line is gone at the end
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert piped.stderr == ""


def test_every_command_that_writes_a_file_refuses_to_replace_one_in_silence(tmp_path, capsys):
    there = tmp_path / "there.onnx"
    there.write_text("precious")
    for argv in (["export", "run"], ["evaluate", "nano"], ["submit", "nano"], ["report", "nano"], ["read", "a.jpg"]):
        more = ["--jsonl"] if argv[0] == "read" else []
        assert main([*argv, "-o", str(there), *more]) == 2, argv
        assert "--overwrite" in capsys.readouterr().err
    assert there.read_text() == "precious"
