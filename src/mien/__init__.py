"""mien: facial expression recognition, measured honestly.

import mien
for face in mien.read("photo.jpg"):
    print(face.emotion, face.confidence, face.box)

docs/python.md shows the whole job: load_dataset, train, finetune, evaluate, submit, read.
"""

from typing import TYPE_CHECKING

from mien import errors
from mien.errors import MienError, MienWarning

if TYPE_CHECKING:  # what editors and type checkers see; at run time, names are imported when they are used
    from mien.api import finetune, resume, to_frame, train
    from mien.data import Dataset
    from mien.data import load as load_dataset
    from mien.evaluation.evaluate import evaluate
    from mien.evaluation.results import EvaluationResult
    from mien.evaluation.submit import submit
    from mien.inference import (
        Explanation,
        Face,
        Model,
        Reader,
        ReadResult,
        TrackedFace,
        VideoFrame,
        annotate,
        classify,
        explain,
        read,
        read_video,
    )
    from mien.inference import open_model as load_model
    from mien.training.finetune import FinetuneResult
    from mien.training.run import Run

__version__ = "0.2.0"  # the one place; pyproject.toml reads it, a test compares CITATION.cff
__all__ = [
    "Dataset", "EvaluationResult", "Explanation", "Face", "FinetuneResult", "MienError", "MienWarning", "Model",
    "ReadResult", "Reader", "Run", "TrackedFace", "VideoFrame", "annotate", "classify", "errors", "evaluate", "explain",
    "finetune", "load_dataset", "load_model", "read", "read_video", "resume", "submit", "to_frame", "train",
]  # fmt: skip

if not TYPE_CHECKING:
    # Names that are not in mien.inference, or are called otherwise there: module, name.
    _ELSEWHERE = {
        **{name: ("mien.api", name) for name in ("finetune", "resume", "to_frame", "train")},
        "evaluate": ("mien.evaluation.evaluate", "evaluate"),
        "submit": ("mien.evaluation.submit", "submit"),
        "Dataset": ("mien.data", "Dataset"),
        "EvaluationResult": ("mien.evaluation.results", "EvaluationResult"),
        "FinetuneResult": ("mien.training.finetune", "FinetuneResult"),
        "Run": ("mien.training.run", "Run"),
        "load_dataset": ("mien.data", "load"),
        "load_model": ("mien.inference", "open_model"),
    }

    def __dir__():
        return sorted({*globals(), *__all__})

    def __getattr__(name):
        # Reading faces needs numpy, Pillow and onnxruntime; `import mien` and `mien --help` do not wait for them.
        if name not in __all__:
            raise AttributeError(f"module 'mien' has no attribute {name!r}")
        import importlib

        module, attribute = _ELSEWHERE.get(name, ("mien.inference", name))
        value = globals()[name] = getattr(importlib.import_module(module), attribute)
        return value
