"""Fill the marked blocks of README.md, MODEL_CARD.md and docs/reading.md from the files in results/, so that no number there is typed by hand.

    python docs/refresh.py           writes
    python docs/refresh.py --check   exits with 1 where a block is not as its file

A block is `<!-- from FILE -->` ... `<!-- end -->`; FILE is Markdown, or JSON of a submission.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "MODEL_CARD.md", "docs/reading.md")
BLOCK = re.compile(r"(<!-- from (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def block(path: Path) -> str:
    """What stands between the marks for a file."""
    if path.suffix == ".md":
        return path.read_text().strip() + "\n"
    made = json.loads(path.read_text())
    found = made["on_the_labelled_rows"]
    low, high = found["accuracy_interval"]
    views = {
        "single": "single view",
        "flip": "picture and mirror averaged",
        "ten": "ten views averaged",
        "turned": "six views averaged (turned by -4, 0 and 4 degrees, and mirrors)",
    }[made["tta"]]
    members = made["trained"] if isinstance(made["trained"], list) else [made["trained"]]
    many = f"{len(members)} networks averaged" if len(members) > 1 else "one network"
    epochs = listed([member["epochs"] for member in members])
    seeds = listed([member["seed"] for member in members])
    return (
        f"`{path.with_suffix('.csv').name}`: PublicTest accuracy **{found['accuracy']:.1%}** "
        f"(95 % interval {low:.1%} to {high:.1%}, {found['n']:,} images), {many}, {views}, "
        f"{epochs} epochs, seed {seeds}. PublicTest was looked at while the recipe was "
        "chosen; the labels of PrivateTest were seen by nobody here.\n"
    )


def listed(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def refreshed(text: str) -> str:
    return BLOCK.sub(lambda m: m[1] + block(ROOT / m[2]) + m[4], text)


def main() -> int:
    stale = 0
    for path in (ROOT / name for name in FILES):
        old = path.read_text()
        new = refreshed(old)
        stale += new != old
        if "--check" not in sys.argv:
            path.write_text(new)
    return int(stale > 0) if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
