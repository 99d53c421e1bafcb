#!/usr/bin/env python3
"""Writes constraints-hashed.txt: what constraints.txt names, with the SHA-256 of each file that may serve mien.

    python .ci/hashes.py

For pip install --require-hashes. The files are source packages, and wheels for CPython 3.11 to 3.14 on Linux (x86-64,
ARM), macOS and Windows. Torch is left out: it comes from an index of its own, by machine. Setuptools builds mien.
"""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

ROOT = Path(__file__).parent.parent
HEAD = """# constraints.txt with check sums, made by .ci/hashes.py:
# pip install --require-hashes --no-deps -r constraints-hashed.txt
"""
PYTHONS = {"cp311", "cp312", "cp313", "cp314"}
PLATFORMS = re.compile(r"any|(manylinux|linux)\w*_(x86_64|aarch64)|macosx_\w+|win_amd64")


def serves(tag: Tag) -> bool:
    if not PLATFORMS.fullmatch(tag.platform):
        return False
    own = tag.interpreter in PYTHONS and tag.abi in (tag.interpreter, "none")
    return own or tag.interpreter == "py3" or (tag.abi == "abi3" and tag.interpreter.startswith("cp3"))


def wanted(file: dict[str, Any], version: Version) -> bool:
    try:
        if file["filename"].endswith(".whl"):
            _, own, _, tags = parse_wheel_filename(file["filename"])
            return own == version and any(map(serves, tags))
        return parse_sdist_filename(file["filename"])[1] == version
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False


def entry(name: str, version: str) -> str:
    """The lines of one package. Raises SystemExit where no file of this version serves."""
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    request = urllib.request.Request(f"https://pypi.org/simple/{name}/", headers=accept)
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    sums = sorted(file["hashes"]["sha256"] for file in files if wanted(file, Version(version)))
    if not sums:
        raise SystemExit(f"{name} {version}: no file of it serves; look at its version in constraints.txt")
    return " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{one}" for one in sums)]) + "\n"


def main() -> None:
    found = re.findall(r"^([a-zA-Z0-9][\w.-]*)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    pins = [(canonicalize_name(name), version) for name, version in found if name != "torch"]
    entries = [entry(*pin) for pin in sorted([*pins, ("setuptools", "84.2.1")])]
    (ROOT / "constraints-hashed.txt").write_text(HEAD + "".join(entries))


if __name__ == "__main__":
    main()
