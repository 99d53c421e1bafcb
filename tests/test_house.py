"""House rules: one-way imports, no long functions or files, no hidden side effects."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "mien"
FILES = sorted(SOURCE.rglob("*.py"))
# What each wing may import of the others. The command line may import all of them.
BELOW = {
    "cores": set(), "labels": set(), "errors": set(), "files": {"errors"},
    "data": {"cores", "labels", "errors", "files"},
    "inference": {"cores", "labels", "errors", "files", "data"},
    "evaluation": {"cores", "labels", "errors", "files", "data", "inference"},
    "training": {"cores", "labels", "errors", "files", "data", "inference", "evaluation"},
    "server": {"cores", "labels", "errors", "files", "data", "inference", "evaluation"},
    "page": {"cores", "labels", "errors", "files", "data", "inference"},
}  # fmt: skip
TORCH = {"torch", "lightning_fabric", "safetensors"}
MOST_LINES, MOST_POSITIONAL, LONGEST_FILE = 80, 7, 350


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(tree: ast.Module, only_top: bool = False) -> set[str]:
    """Names of all modules that are imported, also inside functions unless only_top."""
    nodes = tree.body if only_top else list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def wing(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
class TestEveryFile:
    def test_is_short_and_so_are_its_functions(self, path):
        assert len(path.read_text().splitlines()) <= LONGEST_FILE
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                positional = len(node.args.posonlyargs) + len(node.args.args)
                assert lines <= MOST_LINES, f"{node.name} has {lines} lines"
                assert positional <= MOST_POSITIONAL, f"{node.name} takes {positional} positional parameters"

    def test_imports_downwards_only(self, path):
        own = wing(path)
        if own not in BELOW:  # cli, __init__, __main__
            return
        allowed = BELOW[own] | {own}
        for name in imports(tree_of(path)):
            parts = name.split(".")
            if parts[0] == "mien" and len(parts) > 1 and not parts[1].startswith("__"):
                assert parts[1] in allowed, f"{own} imports {name}"

    def test_leaves_torch_to_the_training_wing(self, path):
        if wing(path) not in ("training", "cli"):
            assert not {name.split(".")[0] for name in imports(tree_of(path))} & TORCH

    def test_says_in_its_first_line_what_it_is(self, path):
        docstring = ast.get_docstring(tree_of(path))
        if path.name != "__main__.py":
            assert docstring

    def test_does_nothing_behind_the_callers_back(self, path):
        if wing(path) in ("cli", "__main__", "server"):
            return
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print", f"print in line {node.lineno}"
                assert called not in ("os.umask", "logging.basicConfig", "logging.disable", "os.environ.setdefault")
                if called == "warnings.simplefilter":
                    assert "warnings.catch_warnings(" in path.read_text()


# Options that are no options of mien: those of the programs that trackers come with, in the line that says how to look.
FOREIGN = {("training/tracking.py", "--project"), ("training/tracking.py", "--logdir"),
           ("training/tracking.py", "--backend-store-uri")}  # fmt: skip


@pytest.mark.parametrize("path", [p for p in FILES if wing(p) != "cli"], ids=lambda path: str(path.relative_to(SOURCE)))
def test_texts_of_the_library_name_parameters_and_no_options(path):
    tree = tree_of(path)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list) and node.body]
    docstrings = {id(node.value) for node in bodies if isinstance(node, ast.Expr)}
    # Lists of words are the arguments of another process: git, npm, the compiler, `mien train` in the study's queue.
    arguments = {id(word) for node in ast.walk(tree) if isinstance(node, ast.List) for word in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | arguments:
            options = set(re.findall(r"(?<![\w(\"-])--[a-z][a-z-]*", node.value))  # var(--color) is CSS
            options -= {option for file, option in FOREIGN if path == SOURCE / file}
            assert not options, f"line {node.lineno}: {node.value!r}"


def test_no_module_is_imported_in_a_circle():
    names = {
        ".".join(("mien", *p.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): p for p in FILES
    }
    graph = {}
    for name, path in names.items():
        direct = {other for other in imports(tree_of(path), only_top=True) if other in names}
        graph[name] = {other for other in direct if not name.startswith(other + ".")} - {name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_importing_mien_loads_nothing_heavy():
    code = (
        "import sys, mien; heavy = {'numpy', 'onnxruntime', 'torch', 'PIL', 'av'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_check_sums_are_of_the_constraints():
    """constraints-hashed.txt, which .ci/hashes.py writes, pins what constraints.txt does, each with its check sums."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    del pinned["torch"]  # from an index of its own
    text = (ROOT / "constraints-hashed.txt").read_text()
    entries = re.findall(r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE)
    hashed = {name.replace("_", "-").lower(): version for name, version, _ in entries}
    del hashed["setuptools"]  # builds mien
    assert hashed == {name.replace("_", "-").lower(): version for name, version in pinned.items()}
    assert len(entries) == text.count("==")
