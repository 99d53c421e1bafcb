"""Run notebooks from top to bottom and keep them with their outputs: python notebooks/execute.py [NAME ...]

Finished trainings are taken from MIEN_RUNS (../runs), the data from MIEN_DATA (../data): see story.py.
"""

import sys
from pathlib import Path

import jupytext
import nbclient

FOLDER = Path(__file__).parent
NAMES = ("base_model", "deep_cnn", "dropout_cnn", "globalpool_cnn", "hybrid_cnn", "model_inference")


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        book = jupytext.read(FOLDER / f"{name}.py")
        nbclient.NotebookClient(book, timeout=None, resources={"metadata": {"path": str(FOLDER)}}).execute()
        for cell in book.cells:
            cell.metadata.pop("execution", None)  # clock times: they would change at every run
        jupytext.write(book, FOLDER / f"{name}.ipynb")
        print(name, flush=True)


if __name__ == "__main__":
    main()
