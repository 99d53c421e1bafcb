"""The documents say what the files in results/ say, and what they point at is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "MODEL_CARD.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    named = {name for span in code for name in re.findall(r"(?:^|[\n`$ ])mien ([a-z]+)", span)}
    assert named <= set(COMMANDS)
