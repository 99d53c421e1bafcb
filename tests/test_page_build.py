"""Building the static page: files written, invalid input, and no circular script imports."""

import json
import re
import shutil
from pathlib import Path

import pytest

from mien.cli.main import main
from mien.errors import MienError
from mien.page import runtime
from mien.page.build import HERE, LOOK, MARKER, SERVED_ONLY, build_site
from read_fixtures import make_model


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Files that begin as those of onnxruntime-web do; enough to build, not to read."""
    dist = tmp_path / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    (dist / runtime.SCRIPT).write_text(
        "/*!\n * ONNX Runtime Web v1.30.0\n */\nexport {};\n//# sourceMappingURL=x.map\n"
    )
    (dist / runtime.BINARY).write_bytes(b"\0asm" + bytes(1000))
    (dist.parent / "package.json").write_text('{"version": "1.30.0"}')
    return dist.parent


def test_a_site_holds_all_that_it_names_and_no_foreign_address(package: Path, tmp_path: Path) -> None:
    site = build_site(tmp_path / "site", runtime=package)
    html = (site.folder / "index.html").read_text()
    for path in re.findall(r'(?:src|href)="(?!#)([^"]+)"', html):
        assert (site.folder / path).is_file(), path
    data = (site.folder / "static/page_data.js").read_text()
    for path in re.findall(r'"path": "([^"]+)"', data):
        assert (site.folder / path).is_file(), path
    kept = json.loads((site.folder / "service-worker.js").read_text().split("self.PAGE = ", 1)[1].split(";\n", 1)[0])
    for path in kept["files"]:
        assert (site.folder / path).exists(), path
    for path in site.folder.rglob("*"):
        if path.suffix in (".html", ".js", ".css", ".svg"):
            text = path.read_text().replace("http://www.w3.org/", "")
            assert not re.search(r"https?://", text), path
    assert "v1/" not in html
    assert "token" not in html
    assert json.loads((site.folder / MARKER).read_text())["runtime"] == "1.30.0"


def test_the_same_input_gives_the_same_site_and_an_earlier_page_is_built_anew(package: Path, tmp_path: Path) -> None:
    first = build_site(tmp_path / "site", ["nano"], package)
    before = {path.relative_to(first.folder): path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    (first.folder / "static" / "left-over.js").write_text("")
    again = build_site(tmp_path / "site", ["nano"], package)
    after = {path.relative_to(again.folder): path.read_bytes() for path in again.folder.rglob("*") if path.is_file()}
    assert before == after
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_something_else_is_left_alone(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "me.jpg").write_bytes(b"x")
    with pytest.raises(MienError, match="holds something else"):
        build_site(folder, runtime=package)
    assert [path.name for path in folder.iterdir()] == ["me.jpg"]
    with pytest.raises(MienError, match="is a file"):
        build_site(folder / "me.jpg", runtime=package)


def test_the_command_says_what_is_missing_in_one_line(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "site")
    for arguments, said in [
        (["--runtime", str(tmp_path)], "holds no onnxruntime-web"),
        (["--runtime", str(package), "--model", "no-such-model"], "no model 'no-such-model'"),
        (["--runtime", str(package), "--model", "nano", "--model", "nano"], "called the same"),
    ]:
        assert main(["page", "-o", out, *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["page", "-o", out]) == 2
    assert "npm" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
    (package / "dist" / runtime.BINARY).write_bytes(b"<html>")
    with pytest.raises(MienError, match="is not onnxruntime-web"):
        build_site(out, runtime=package)


def test_own_models_come_in_the_order_given(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = make_model(tmp_path / "mine.onnx", ("a", "b"), name="mine")
    assert (
        main(["page", "-o", str(tmp_path / "site"), "--model", str(mine), "--model", "nano", "--runtime", str(package)])
        == 0
    )
    assert "reads with mine, nano" in capsys.readouterr().out
    models = re.findall(r'"name": "([^"]+)"', (tmp_path / "site/static/page_data.js").read_text())
    assert models[0] == "mine"


def test_the_scripts_of_the_site_import_each_other_in_no_circle_and_only_what_is_there() -> None:
    scripts = {path.name: path for path in LOOK.glob("*.js") if path.name not in SERVED_ONLY}
    scripts |= {path.name: path for path in HERE.glob("*.js")}
    given = {"page_data.js", "ort.mjs", *SERVED_ONLY}  # the last come later, where a server answers
    imports = {
        name: re.findall(r'^(?:import|export)[^;]*?from "\./([\w.-]+)"', path.read_text(), re.MULTILINE)
        for name, path in scripts.items()
    }

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        for other in imports.get(name, ()):
            assert other in scripts or other in given - SERVED_ONLY, f"{name} imports {other}"
            walk(other, (*path, name))

    for name in scripts:
        walk(name, ())


def test_what_only_a_server_answers_is_named_rightly() -> None:
    assert {path.name for path in LOOK.iterdir()} >= SERVED_ONLY
