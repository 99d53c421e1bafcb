"""All six notebooks run from top to bottom, on drawn faces, cut short."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

from mien.data import draw_files  # noqa: E402

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ["base_model", "deep_cnn", "dropout_cnn", "globalpool_cnn", "hybrid_cnn", "model_inference"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    draw_files(folder / "data", n=800, seed=0)
    (folder / "runs").mkdir()
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_runs(name, place, monkeypatch):
    for key, value in {
        "MIEN_DATA": place / "data", "MIEN_RUNS": place / "runs", "MIEN_EPOCHS": 1, "MIEN_TRACKER": "none"
    }.items():  # fmt: skip
        monkeypatch.setenv(key, str(value))
    book = jupytext.read(FOLDER / f"{name}.py")
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert any(cell.get("outputs") for cell in book.cells)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_pair_holds_the_same_code(name):
    script, book = jupytext.read(FOLDER / f"{name}.py"), jupytext.read(FOLDER / f"{name}.ipynb")
    assert [c.source for c in script.cells] == [c.source for c in book.cells]
