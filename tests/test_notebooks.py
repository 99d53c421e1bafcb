"""All six notebooks run from start to end without data, on drawn faces, shortened; the committed ones have outputs and
no face of FER2013."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

from mien.data import draw_files  # noqa: E402

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ["base_model", "deep_cnn", "dropout_cnn", "globalpool_cnn", "hybrid_cnn", "model_inference"]
LARGEST = 500_000  # bytes of a committed notebook


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    draw_files(folder / "runs" / "drawn-faces", n=600, seed=0)  # fewer than a notebook would draw itself
    return folder


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NAMES)
def test_runs_without_data(name, place, monkeypatch):
    for key, value in {
        "MIEN_DATA": place / "nothing", "MIEN_RUNS": place / "runs", "MIEN_EPOCHS": 1, "MIEN_TRACKER": "none"
    }.items():  # fmt: skip
        monkeypatch.setenv(key, str(value))
    book = jupytext.read(FOLDER / f"{name}.py")
    nbclient.NotebookClient(book, timeout=200, resources={"metadata": {"path": str(FOLDER)}}).execute()
    printed = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))
    assert "600 faces drawn by mien" in printed


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_pair_holds_the_same_code(name):
    script, book = jupytext.read(FOLDER / f"{name}.py"), jupytext.read(FOLDER / f"{name}.ipynb")
    assert [c.source for c in script.cells] == [c.source for c in book.cells]


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_outputs_are_small_whole_and_show_no_real_face(name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert any("35,887 faces of FER2013" in json.dumps(cell["outputs"]) for cell in cells)
    for cell in cells:
        shows_data = "real-faces" in cell["metadata"].get("tags", [])
        source = "".join(cell["source"])
        assert shows_data == ("sample_faces(dataset" in source or "show_rows(dataset" in source)
        assert not (shows_data and cell["outputs"]), source
        assert not any(output["output_type"] == "error" for output in cell["outputs"]), source
        assert "/site-packages/" not in json.dumps(cell["outputs"])
        assert str(Path.home()) + "/" not in json.dumps(cell["outputs"])
