"""The documents agree with the files in results/, their links resolve, and their code runs."""

import csv
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OWN = ("README.md", "README.ka.md", "CONTRIBUTING.md", "MODEL_CARD.md")
PAGES = [*(ROOT / name for name in OWN), *sorted(DOCS.rglob("*.md"))]
MADE_BY_THE_BUILD = ("reference/command-line.md", "reference/python.md", "reference/http.md", "page/index.html")
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def test_numbers_in_the_documents_come_from_results():
    done = subprocess.run([sys.executable, DOCS / "refresh.py", "--check"], timeout=60)
    assert done.returncode == 0, "run python docs/refresh.py"


def test_the_standard_error_of_a_hidden_score_is_the_binomial_one() -> None:
    record = json.loads((ROOT / "results/submissions/hidden.json").read_text())
    words = []
    for name, n in (("accuracy", 3589), ("without_the_288_images_whose_pixels_stand_in_training", 3589 - 288)):
        scored = record[name].values()
        words.append(" to ".join(f"{100 * (p * (1 - p) / n) ** 0.5:.2f}" for p in (max(scored), min(scored))))
    said = f"a standard error of {words[0]} points, without the copies {words[1]}"
    assert said in (ROOT / "README.md").read_text()


def test_the_table_of_the_study_and_the_list_of_recipes_say_the_same() -> None:
    from mien.cli.recipe_list import RESULTS

    listed = json.loads(RESULTS.read_text())
    with open(ROOT / "results/study/study.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["training"] in ("study", "modern")]
    assert len(rows) >= 14
    for row in rows:
        name = f"study/{row['network']}" if row["training"] == "study" else row["network"]
        reached = listed[name]["reached"]
        assert reached["validation_accuracy"] == pytest.approx(float(row["val_accuracy"]), abs=1e-4), name
        assert " ".join(map(str, reached["seeds"])) == row["seeds"]


def test_the_samples_on_the_page_about_reading_are_what_is_printed(tmp_path, monkeypatch, capsys) -> None:
    """Numbers may differ in their last digit from machine to machine, and so may the end of a bar."""
    from mien.cli.main import main

    page = (DOCS / "reading.md").read_text()
    shutil.copyfile(ROOT / "src/mien/inference/sample/astronaut.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    sample = page.partition("$ mien read photo.jpg\n")[2].partition("```")[0]
    assert main(["read", "photo.jpg"]) == 0
    printed = capsys.readouterr().out
    number = r"\d+(?:\.\d+)?|[\u2580-\u258f]+"
    assert re.sub(number, "", sample).split() == re.sub(number, "", printed).split()
    measured = [[int(found) for found in re.findall(r"\d+", text)] for text in (sample, printed)]
    assert measured[0] == pytest.approx(measured[1], abs=1)

    assert main(["read", "photo.jpg", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    (face,) = record["faces"]
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    (sampled,) = shown["faces"]
    assert list(shown) == list(record)
    assert list(sampled) == list(face)
    assert sampled["quality"].pop("flags") == face["quality"].pop("flags")
    assert sampled["quality"] == pytest.approx(face["quality"], rel=0.01)
    assert sampled["box"] == pytest.approx(face["box"], abs=1)
    comments = r"# 'happy', ([\d.]+).*?'angry': ([\d.]+), ..., 'neutral': ([\d.]+)"
    in_python = [float(text) for text in re.findall(comments, page, re.DOTALL)[0]]
    read = [face["confidence"], face["probabilities"]["angry"], face["probabilities"]["neutral"]]
    assert in_python == pytest.approx(read, abs=0.003)
    assert sampled["confidence"] == pytest.approx(face["confidence"], abs=0.003)
    assert sampled["probabilities"]["angry"] == pytest.approx(face["probabilities"]["angry"], abs=0.003)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_a_page_points_at_is_there(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [t for t in targets if "://" not in t and not t.endswith(MADE_BY_THE_BUILD)]
    assert [t for t in missing if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
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


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_options_on_a_page_exist(page):
    """Every `mien ...` line of a shell block is taken by the parser of its command."""
    pytest.importorskip("torch")
    from mien.cli.main import add_arguments
    from mien.cli.parser import Parser

    for line in shell_lines(re.sub(r"\$\w+", "1", page.read_text())):
        name, *words = shlex.split(line, comments=True)[1:]
        if name.startswith("-") or "--help" in words:
            continue
        parser = Parser(prog=f"mien {name}")
        add_arguments(parser, name, words)
        try:
            parser.parse_args(words)
        except SystemExit:
            pytest.fail(f"not taken: {line}")


def shell_lines(text: str) -> list[str]:
    """The commands of mien in the shell blocks of a page; a line may go on after a backslash."""
    blocks = re.findall(r"```(?:sh|text)\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if re.match(r"\s*(\$ )?mien [a-z]", line)]


PYTHON_PAGES = [
    page for page in sorted(DOCS.rglob("*.md")) if "```python" in page.read_text() and page.name not in ("python.md",)
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.name)
def test_python_on_a_page_runs(page, tmp_path, monkeypatch, capsys):
    """All blocks of a page in order, in one namespace; docs/python.md has a test of its own."""
    import json

    import numpy as np
    from PIL import Image

    import mien
    from mien.inference.video_writer import open_video_writer

    monkeypatch.chdir(tmp_path)
    photo = Image.open(ROOT / "src/mien/inference/sample/astronaut.jpg").convert("RGB")
    photo.save("photo.jpg")
    with open_video_writer(Path("film.mp4"), 2) as writer:
        for i in range(3):
            writer.write(photo.crop((100, 0, 356, 256)), i / 2, 1 / 2)
    Path("film.csv").write_text("source,id,emotion\nfilm.mp4,1,happy\n")
    Path("my_faces/happy").mkdir(parents=True)
    Path("my_faces/sad").mkdir()
    for i in range(12):
        Image.fromarray(np.full((48, 48), 20 * i, np.uint8)).save(f"my_faces/{('happy', 'sad')[i % 2]}/{i}.png")
    faces = mien.read("photo.jpg")
    # What pages take for granted: a picture, its faces, crops, a list of paths.
    names = {
        "mien": mien, "json": json, "paths": ["photo.jpg"], "image": photo, "face": faces[0],
        "crops": np.zeros((2, 48, 48), np.uint8),
    }  # fmt: skip
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.timeout(120)
def test_the_tutorial_of_kaggle_runs(tmp_path, monkeypatch, capsys):
    """Its marked blocks in order, on drawn faces: from data to a submission with a number for every row. The training
    itself is left out, for its time: the shipped nano stands in its run folder."""
    from mien.cli.main import main
    from mien.inference.model_file import WEIGHTS

    monkeypatch.chdir(tmp_path)
    Path("runs/first").mkdir(parents=True)
    shutil.copyfile(WEIGHTS / "nano.onnx", "runs/first/model.onnx")
    blocks = re.findall(r"<!-- run -->\n```sh\n(.*?)```", (DOCS / "tutorial/kaggle.md").read_text(), flags=re.DOTALL)
    commands = [shlex.split(line)[1:] for line in "\n".join(blocks).splitlines() if line]
    assert [words[0] for words in commands] == ["data", "data", "train", "evaluate", "submit"]
    for words in commands:
        assert words[0] == "train" or main(words) == 0
    rows = Path("submission.csv").read_text().split()
    assert rows
    assert set(rows) <= set("0123456")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("zensical")
    pytest.importorskip("fastapi")
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, DOCS / "build_site.py", "--no-page", "-o", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


class Links(HTMLParser):
    """The ids of a page, what it links to, and what the browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        self.loaded += [values[name] for name in ("src", "poster") if values.get(name)]
        if tag == "link" and "canonical" not in values.get("rel", ""):
            self.loaded.append(values["href"])


@pytest.mark.timeout(200)
def test_the_site_has_no_broken_link_and_loads_nothing_from_elsewhere(site):
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 30
    broken = []
    for path, links in pages.items():
        assert [url for url in links.loaded if "://" in url or url.startswith("//")] == [], path
        if path.name == "404.html":
            continue
        for target in [*links.links, *links.loaded]:
            if "://" in target or target.startswith(("mailto:", "data:")) or "page/index.html" in target:
                continue
            file, _, anchor = target.partition("#")
            there = (path.parent / file.split("?")[0]).resolve() if file else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists() or (anchor and there in pages and anchor not in pages[there].ids):
                broken.append(f"{path.relative_to(site)}: {target}")
    assert broken == []


def test_search_finds_and_the_dark_is_dark(site):
    api = pytest.importorskip("playwright.sync_api")
    from page_site import handed_out
    from serve_fixtures import chromium

    if chromium() is None:
        pytest.skip("no Chromium")
    with handed_out(site) as url, api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        levels = []
        for scheme in ("light", "dark"):
            page = browser.new_context(color_scheme=scheme).new_page()
            page.set_default_timeout(60_000)
            page.goto(url)
            color = page.evaluate("getComputedStyle(document.body).backgroundColor")
            levels.append(sum(map(int, re.findall(r"\d+", color)[:3])))
        assert levels[0] > 700 > 100 > levels[1]
        box = page.get_by_role("combobox", name="Search")
        for _ in range(60):  # the key does nothing until the page's scripts have run
            page.keyboard.press("Control+k")
            page.wait_for_timeout(500)
            if box.count() and box.first.is_visible():
                break
        box.first.fill("temperature")
        page.get_by_text(re.compile(r"^\d+ results$")).wait_for()
        browser.close()


def test_every_page_stands_in_the_navigation(site):
    config = (DOCS / "zensical.toml").read_text()
    named = set(re.findall(r'= "([^"]+\.md)"', config))
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert there <= named
    missing = named - there - {name for name in MADE_BY_THE_BUILD if name.endswith(".md")}
    assert missing <= {"story.md", *builder().OWN_PAGES.values()}


def builder() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location("build_site", DOCS / "build_site.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS))
    return module
