"""Run notebooks from top to bottom and keep them with their outputs: python notebooks/execute.py [NAME ...]

The data are taken from MIEN_DATA (../data), short trainings go to MIEN_RUNS (../runs/notebooks): see story.py. Cells
tagged "real-faces" show faces of the data: on FER2013, whose pictures may not be passed on, they are kept without
output.
"""

import os
import sys
from pathlib import Path

import jupytext
import nbclient

FOLDER = Path(__file__).parent
NAMES = ("base_model", "deep_cnn", "dropout_cnn", "globalpool_cnn", "hybrid_cnn", "model_inference")
REAL_FACES = "real-faces"
MINUTES = 10  # the most that a cell may take


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        book = jupytext.read(FOLDER / f"{name}.py")
        nbclient.NotebookClient(book, timeout=60 * MINUTES, resources={"metadata": {"path": str(FOLDER)}}).execute()
        for cell in book.cells:
            cell.metadata.pop("execution", None)  # clock times: they would change at every run
            if REAL_FACES in cell.metadata.get("tags", []):
                cell.outputs, cell.execution_count = [], None
        jupytext.write(book, FOLDER / f"{name}.ipynb")
        print(name, os.path.getsize(FOLDER / f"{name}.ipynb") // 1000, "kB", flush=True)


if __name__ == "__main__":
    main()
