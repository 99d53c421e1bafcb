"""The Python API of the whole job, as docs/python.md shows it: lazy, typed, complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import mien
from mien import data

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"


def test_importing_mien_loads_nothing_heavy():
    code = "import sys, mien; print([name for name in ('numpy', 'onnxruntime', 'PIL', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_listed():
    pytest.importorskip("torch")
    for name in mien.__all__:
        assert getattr(mien, name) is not None
    assert set(mien.__all__) <= set(dir(mien))
    with pytest.raises(AttributeError, match="no attribute 'raed'"):
        mien.raed  # noqa: B018


SCRIPT = """
from pathlib import Path

import mien

dataset = mien.load_dataset("data")
run = mien.train("hybrid", dataset, seed=1, epochs=5, learning_rate=1e-3, progress=True)
folder: Path = run.folder
result = mien.evaluate(run, dataset, parts="validation")
model = mien.load_model(folder)
classes: tuple[str, ...] = mien.evaluate([model, "nano"], dataset).classes
record = mien.submit(model, "data", overwrite=True)
rows: int = record["rows"]
for face in mien.read("photo.jpg", model=folder):
    confidence: float = face.confidence
    explanation = mien.explain(face)
for frame in mien.read_video("film.mp4"):
    numbers: list[int] = [face.id for face in frame.faces]
reader = mien.Reader(flip=True)
faces: list[list[mien.Face]] = list(reader.read_many(["a.jpg"]))
table = mien.to_frame(result)
try:
    mien.resume(run, dataset)
except mien.MienError as error:
    print(error.parameter)
reveal_type(run)
reveal_type(result)
reveal_type(faces[0][0].emotion)
mien.train("hybrid")
mien.read(3.5)
mien.raed("photo.jpg")
"""


def test_type_checkers_see_the_types_and_the_errors(tmp_path):
    """Strict mypy on a user's script: right lines pass, wrong ones are told, and nothing is Any."""
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    config = tmp_path / "mypy.ini"
    # What mien stands on is not part of the question, and torch alone takes a minute to read.
    skipped = ("torch", "lightning_fabric", "safetensors", "onnxruntime", "av", "pandas", "onnx")
    config.write_text(
        "[mypy]\nstrict = True\nfollow_imports = silent\n"
        + "".join(f"[mypy-{name}.*]\nfollow_imports = skip\nignore_missing_imports = True\n" for name in skipped)
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", tmp_path / "cache", script],
        capture_output=True, text=True, env={"MYPYPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    lines = SCRIPT.splitlines()
    told = {}
    for number, kind, text in re.findall(r"script\.py:(\d+): (error|note): (.*)", done.stdout):
        told.setdefault(lines[int(number) - 1], []).append((kind, text))
    revealed = {line: texts for line, texts in told.items() if texts[0][0] == "note"}
    assert "mien.training.run.Run" in revealed["reveal_type(run)"][0][1]
    assert "mien.evaluation.results.EvaluationResult" in revealed["reveal_type(result)"][0][1]
    assert '"builtins.str"' in revealed["reveal_type(faces[0][0].emotion)"][0][1].replace('"str"', '"builtins.str"')
    wrong = {line for line, texts in told.items() if texts[0][0] == "error"}
    assert wrong == {'mien.train("hybrid")', "mien.read(3.5)", 'mien.raed("photo.jpg")'}, done.stdout + done.stderr


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    """All blocks of docs/python.md in order, in one namespace, on drawn faces."""
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    from PIL import Image

    from mien.inference.model_file import WEIGHTS

    monkeypatch.chdir(tmp_path)
    data.draw_files("data", n=200, seed=1)
    picture = next((WEIGHTS.parent / "sample").glob("*.jpg"))
    Image.open(picture).save("photo.jpg")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 6
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert Path("submission.csv").is_file()
    assert names["run"].metrics()["epochs"] == 1


@pytest.fixture(scope="module")
def drawn() -> mien.Dataset:
    return data.draw(120, seed=2)


def test_errors_name_the_parameter_of_python(drawn, tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(mien.MienError, match="did you mean 'learning_rate'"):
        mien.train("hybrid", drawn, runs=tmp_path, learning_rte=1)
    with pytest.raises(mien.MienError, match=r"^rotate = 200 is not possible") as error:
        mien.train("hybrid", drawn, runs=tmp_path, rotate=200)
    assert error.value.parameter == "rotate"
    with pytest.raises(mien.MienError, match="devices = 2"):
        mien.train("hybrid", drawn, runs=tmp_path, devices=2)
    with pytest.raises(mien.MienError, match="did you mean 'hybrid'"):
        mien.train("hybird", drawn, runs=tmp_path)
    with pytest.raises(mien.MienError, match="no part 'tset'"):
        mien.evaluate("nano", drawn, parts="tset")
    for field, value in (("epochs", 1.5), ("epochs", "ten"), ("flip", "yes"), ("batch_size", 8.5), ("seed", "a"),
                         ("threads", "two"), ("teacher", None), ("tracker", "nobody")):  # fmt: skip
        with pytest.raises(mien.MienError) as error:
            mien.train("hybrid", drawn, runs=tmp_path, **{field: value})
        assert error.value.parameter == field
    assert not list(tmp_path.iterdir())


def test_what_is_neither_model_nor_data_is_told(drawn, tmp_path):
    for parameter, ask in (
        ("model", lambda: mien.evaluate(None, drawn)),
        ("model", lambda: mien.evaluate([], drawn)),
        ("dataset", lambda: mien.evaluate("nano", None)),
        ("dataset", lambda: mien.evaluate("nano", drawn.images)),
        ("parts", lambda: mien.evaluate("nano", drawn, parts=None)),
        ("tta", lambda: mien.evaluate("nano", drawn, tta=[3])),
        ("model", lambda: mien.submit(None, tmp_path)),
        ("data", lambda: mien.submit("nano", None, tmp_path / "s.csv")),
        ("output", lambda: mien.submit("nano", tmp_path, None)),
    ):
        with pytest.raises(mien.MienError) as error:
            ask()
        assert error.value.parameter == parameter
    (tmp_path / "s.csv").touch()
    with pytest.raises(mien.MienError, match=r"replace it with overwrite=True$"):
        mien.submit("nano", tmp_path, tmp_path / "s.csv")


@pytest.mark.filterwarnings("ignore:.*is not the data set:mien.MienWarning")
def test_evaluate_takes_a_model_its_name_and_several(drawn):
    model = mien.load_model("nano")
    one = mien.evaluate(model, drawn, parts="validation", tta="single")
    assert one.to_dict() == mien.evaluate("nano", drawn, parts="validation", tta="single").to_dict()
    assert mien.evaluate([model, "hybrid"], drawn, parts="all", tta="single").model.count("+") == 1


@pytest.mark.filterwarnings("ignore:.*is not the data set:mien.MienWarning")
def test_tables_of_data_and_results(drawn):
    pytest.importorskip("pandas")
    table = mien.to_frame(drawn)
    assert len(table) == len(drawn)
    assert table["class"].value_counts().to_dict() == {name: n for name, n in drawn.counts().items() if n}
    result = mien.evaluate("nano", drawn, parts="all")
    assert list(mien.to_frame(result)["tta"]) == ["single", "flip"]
