"""Check that a version can be published: python .ci/release.py [--tag v0.2.0] [--python python3.13 ...]

Looks at the version, the changelog and the packages in dist/, installs the wheel with every Python from 3.11 to 3.14
that is here, and lets it read a photograph. Says what was checked, and ends with 1 where something is wrong.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LARGEST = 12_000_000  # bytes of the wheel
NEEDED = (
    "mien/py.typed", "mien/inference/weights/champion-fast.onnx", "mien/inference/weights/yunet.onnx",
    "mien/inference/weights/yunet-LICENSE.txt", "mien/server/static/index.html", "mien/page/static/answers.js",
    "mien/evaluation/static/", "mien/training/conv3x3.c", "mien/training/layers.c", "mien/training/recipe_results.json",
)  # fmt: skip
FOREIGN = re.compile(r"(^|/)(tests?|docs|benchmarks|node_modules|\.venv)/|\.(pyc|so|csv)$")


def version() -> str:
    """mien.__version__, read from its one place."""
    match = re.search(r'^__version__ = "([^"]+)"', (ROOT / "src/mien/__init__.py").read_text(), re.MULTILINE)
    assert match
    return match[1]


def check_version(tag: str) -> list[str]:
    """What is wrong with version, changelog and citation."""
    number, faults = version(), []
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", number):
        faults.append(f"{number} is no version that a release may have")
    heading = re.search(rf"^## {re.escape(number)}(.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if heading is None:
        faults.append(f"CHANGELOG.md has no section {number}")
    elif "not released" in heading[1] and tag:
        faults.append(f"CHANGELOG.md calls {number} not released; write the day")
    if f"version: {number}" not in (ROOT / "CITATION.cff").read_text():
        faults.append(f"CITATION.cff has another version than {number}")
    if tag and tag.removeprefix("v") != number:
        faults.append(f"the tag {tag} is not the version {number}")
    return faults


def check_packages(dist: Path) -> list[str]:
    """What is wrong with the wheel and the sdist."""
    number = version()
    wheel, sdist = dist / f"mien-{number}-py3-none-any.whl", dist / f"mien-{number}.tar.gz"
    missing = [f"{path.name} is not in {dist.name}/; run make dist" for path in (wheel, sdist) if not path.is_file()]
    if missing:
        return missing
    faults = []
    if wheel.stat().st_size > LARGEST:
        faults.append(f"{wheel.name} has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    faults += [f"the wheel lacks {name}" for name in NEEDED if not any(each.startswith(name) for each in names)]
    faults += [f"the wheel holds {name}" for name in names if FOREIGN.search(name)]
    faults += [f"the wheel's metadata lack {key}" for key in ("License-Expression: MIT", "Requires-Python: >=3.11")
               if key not in metadata]  # fmt: skip
    with tarfile.open(sdist) as archive:
        inside = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = ("tests/conftest.py", "docs/zensical.toml", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt")
    return faults + [f"the sdist lacks {name}" for name in wanted if name not in inside]


def interpreters() -> dict[str, str]:
    """The Pythons that are here, by version: on the path, and those of pyenv and uv."""
    places = [*Path.home().glob(".pyenv/versions/*/bin"), *Path.home().glob(".local/share/uv/python/*/bin")]
    here = {}
    for number in PYTHONS:
        near = [str(place / f"python{number}") for place in places]
        for candidate in (*near, shutil.which(f"python{number}")):
            if number not in here and candidate and _runs(candidate):  # a shim of pyenv may not
                here[number] = candidate
    return here


def _runs(python: str) -> bool:
    try:
        return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install_and_read(python: str, wheel: Path) -> str:
    """Install the wheel into a fresh environment and read a photograph; "" where that works, else what failed."""
    with tempfile.TemporaryDirectory(prefix="mien-release-") as folder:
        binaries = Path(folder) / "env" / "bin"
        photo = ROOT / "docs/images/portrait.jpg"
        for command in (
            [python, "-m", "venv", str(binaries.parent)],
            [str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q", str(wheel)],
            [str(binaries / "mien"), "read", str(photo), "--json"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
            if done.returncode:
                return f"{' '.join(command[:4])}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"
        return "" if '"happy"' in done.stdout else f"the portrait was read otherwise: {done.stdout[:200]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="", help="the tag that is being published")
    parser.add_argument("--python", nargs="*", help="interpreters (default: all that are here)")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    args = parser.parse_args()
    faults = [*check_version(args.tag), *check_packages(args.dist)]
    here = interpreters() if args.python is None else dict(zip(args.python, args.python, strict=True))
    if not faults:
        wheel = args.dist / f"mien-{version()}-py3-none-any.whl"
        for number, python in here.items():
            fault = install_and_read(python, wheel)
            print(f"Python {number}: {fault or 'installs and reads'}")
            faults += [f"Python {number}: {fault}"] if fault else []
        missing = [number for number in PYTHONS if number not in here]
        if missing and args.python is None:
            print(f"not here, and not tried: Python {', '.join(missing)}")
    for fault in faults:
        print(f"release: {fault}", file=sys.stderr)
    if not faults:
        print(f"mien {version()} can be published")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
