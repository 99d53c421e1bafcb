"""Build the documentation site, without a network: python docs/build_site.py [-o build/docs] [--no-page]

The pages are docs/**/*.md and the repository's own (MODEL_CARD.md, CHANGELOG.md, ...); the reference is written from
the parsers, the docstrings and the server's OpenAPI document (reference_pages.py). Files of the repository that pages
link to come along, where they are results or pictures. The static page of `mien page` becomes the site's page/. Look at
the site with: python -m http.server --directory build/docs/site
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from reference_pages import command_line_page, http_page, python_page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Files of the repository -> pages of the site.
OWN_PAGES = {
    "MODEL_CARD.md": "model-card.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "README.md": "index.md",
}
GENERATED = {
    "reference/command-line.md": command_line_page,
    "reference/python.md": python_page,
    "reference/http.md": http_page,
}
TAKEN_ALONG = (".md", ".png", ".svg", ".webp", ".jpg", ".txt", ".csv", ".json")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|!?\[[^\]]*\]\([^)]*\)|\[[^\]]*\])*)\]\(([^)\s]+)\)")
IMAGE = re.compile(r'(<img src=")([^"]+)(")')


class Pages:
    """The Markdown of the site, by path from its top, and where in the repository each of them comes from."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.files: dict[str, Path] = {}  # pictures and results, by path from the site's top
        self.places: dict[Path, str] = {}  # a file of the repository -> its path in the site
        for path in sorted(DOCS.rglob("*.md")):
            self.places[path] = path.relative_to(DOCS).as_posix()
        for name, page in OWN_PAGES.items():
            if name != "README.md":
                self.places[ROOT / name] = page
        self.places[ROOT / "README.md"] = OWN_PAGES["README.md"]

    def collect(self) -> None:
        """Fill texts and files: every page, with its links as the site needs them."""
        for path in sorted((DOCS / "images").iterdir()):
            self._place(path)
        waiting = [path for path in self.places if path != ROOT / "README.md"]
        while waiting:
            path = waiting.pop()
            known = set(self.places)
            if path.suffix == ".md":
                self.texts[self.places[path]] = self._linked(path)
            else:
                self.files[self.places[path]] = path
            waiting += [path for path in self.places if path not in known]
        for page, make in GENERATED.items():
            self.texts[page] = make()

    def _linked(self, source: Path) -> str:
        """The text of a file with its links changed; code is left alone."""
        parts = re.split(r"(^```.*?^```)", source.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for i in range(0, len(parts), 2):
            parts[i] = LINK.sub(lambda match: self._link(source, match), parts[i])
            parts[i] = IMAGE.sub(lambda m: m[1] + self._image(source, m[2]) + m[3], parts[i])
        return "".join(parts)

    def _image(self, source: Path, target: str) -> str:
        """Where a picture in HTML lies; zensical leaves HTML alone, and a page is a folder."""
        page = self.places[source]
        above = "" if page.endswith("index.md") and "/" not in page else "../"
        return above + _relative(self._place((source.parent / target).resolve()), page)

    def _link(self, source: Path, match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        text = LINK.sub(lambda inner: self._link(source, inner), text)
        file, _, anchor = target.partition("#")
        if "://" in target or not file:
            return f"{mark}[{text}]({target})"
        path = (source.parent / file).resolve()
        generated = os.path.relpath(path, DOCS)
        if generated in GENERATED:
            place = generated
        elif path in self.places or (path.is_file() and path.suffix in TAKEN_ALONG):
            place = self._place(path)
        else:
            return text  # a folder or a script of the repository: the site has none
        if path == ROOT / "README.md":
            anchor = ""
        return f"{mark}[{text}]({_relative(place, self.places[source])}{'#' + anchor if anchor else ''})"

    def _place(self, path: Path) -> str:
        if path not in self.places:
            base = DOCS if path.is_relative_to(DOCS) else ROOT
            self.places[path] = path.relative_to(base).as_posix()
        return self.places[path]


def _relative(target: str, page: str) -> str:
    return os.path.relpath(target, os.path.dirname(page) or ".")


def write_sources(folder: Path) -> None:
    """Everything that zensical reads, into `folder`: pages/ and zensical.toml."""
    pages = Pages()
    pages.collect()
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in pages.texts.items():
        path = folder / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, source in pages.files.items():
        path = folder / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
    shutil.copyfile(DOCS / "mien.css", folder / "pages" / "mien.css")
    config = (DOCS / "zensical.toml").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "zensical.toml").write_text("".join(line for line in config if _exists(line, pages)), encoding="utf-8")


def _exists(line: str, pages: Pages) -> bool:
    """Whether a line of the configuration names no page, or one that is there."""
    page = re.search(r'= "([^"]+\.md)"', line)
    return page is None or page[1] in pages.texts


def build(folder: Path) -> Path:
    """Build the site; returns its folder. Ends the program where zensical finds a broken link."""
    write_sources(folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(folder / "zensical.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return folder / "site"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "build" / "docs")
    parser.add_argument("--runtime", help="a folder with onnxruntime-web (default: download it with npm)")
    parser.add_argument("--no-page", action="store_true", help="leave the page that reads faces out")
    args = parser.parse_args()
    site = build(args.out.resolve())
    if not args.no_page:
        from mien.page.build import build_site

        build_site(site / "page", (), args.runtime)
    print(f"{site}: look at it with python -m http.server --directory {site}")


if __name__ == "__main__":
    main()
