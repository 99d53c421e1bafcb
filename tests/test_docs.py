"""The documents say what the files in results/ say, and what they point at is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("README.md", "README.ka.md", "CONTRIBUTING.md", "MODEL_CARD.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]


def test_numbers_in_the_documents_come_from_results():
    done = subprocess.run([sys.executable, ROOT / "docs" / "refresh.py", "--check"])
    assert done.returncode == 0, "run python docs/refresh.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_at_is_there(page):
    text = page.read_text()
    found = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [t for t in found if "://" not in t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_a_page_exist(page):
    from mien.cli.main import COMMANDS

    # Only code can be a command: fenced blocks and `inline` spans.
    code = re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL)
    named = {name for span in code for name in re.findall(r"(?:^|[\n`$ ])mien ([a-z][a-z-]*)", span)}
    assert named <= set(COMMANDS)


def test_no_page_nor_message_installs_mien_from_an_index_where_it_is_not():
    """mien.errors.INSTALL_HINT is the one place that changes when it is published."""
    files = [*PAGES, *(ROOT / "src").rglob("*.py"), *(ROOT / "notebooks").glob("*.py"), ROOT / "Makefile"]
    told = [
        path.name for path in files if re.search(r"pip install[^`\n]*\bmien(\[|`| |$)", path.read_text(), re.MULTILINE)
    ]
    assert [name for name in told if name != "errors.py"] == []


def test_the_cuda_builds_of_torch_can_be_avoided():
    assert "TORCH_INDEX" in (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    for word in (
        "TORCH_INDEX=https://download.pytorch.org/whl/cpu",
        "pytorch.org/get-started",
        "--torch-backend",
        "conda",
    ):
        assert word in readme


def commands(page: Path) -> list[str]:
    """The lines of code and the `inline` code of a page, without comments."""
    text = re.sub(r"<!-- from .*?<!-- end -->", "", page.read_text(), flags=re.DOTALL)
    fenced = [line.split("  #")[0].strip() for block in re.findall(r"```.*?```", text, re.DOTALL)
              for line in block.splitlines()]  # fmt: skip
    return fenced + sorted(re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d[\d.,]*(?<![.,])", text))


def test_the_georgian_readme_has_the_commands_and_numbers_of_the_english_one() -> None:
    english, georgian = ROOT / "README.md", ROOT / "README.ka.md"
    assert commands(georgian) == commands(english)
    assert numbers(georgian.read_text()) == numbers(english.read_text())
    links = [re.findall(r"\]\(([^)]+)\)", page.read_text()) for page in (english, georgian)]
    assert sorted(links[0][1:]) == sorted(links[1][1:])  # the first of each is the other language
    blocks = [re.findall(r"<!-- from .*? -->", page.read_text()) for page in (english, georgian)]
    assert blocks[0] == blocks[1]
