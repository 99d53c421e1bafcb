"""npm tools for the page tests: axe-core, an accessibility checker."""

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
AXE = "node_modules/axe-core/axe.min.js"
# Wide rules first: WCAG 2.1 A and AA, axe's own best practice, and the rule on labels, which is not on by default.
OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}


@lru_cache
def axe_source() -> str:
    """axe-core's script, from node_modules or fetched by npm into a folder of its own; skips the test without npm."""
    path = ROOT / AXE
    if not path.is_file():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed: axe-core cannot be had")
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            pytest.skip(f"npm could not install axe-core: {done.stderr.strip()[:200]}")
    return path.read_text(encoding="utf-8")


def serious_findings(page: Any) -> list[str]:
    """What axe finds of impact serious or critical on a page as it stands, one line each."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(axe_source() + "\n;undefined")
    # Things that fade or glide would be measured half way.
    page.evaluate(
        "Promise.all(document.getAnimations().map((each) => each.effect.getTiming().iterations === Infinity ? null : "
        "each.finished.catch(() => null)))"
    )
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", OPTIONS)
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:120]} {node['failureSummary'][:300]}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in ("serious", "critical")
    ]
