"""mien: facial expression recognition, measured honestly.

import mien
for face in mien.read("photo.jpg"):
    print(face.emotion, face.confidence, face.box)
"""

from typing import TYPE_CHECKING, Any

from mien import errors

if TYPE_CHECKING:  # what editors and type checkers see; at run time, names are imported when they are used
    from mien.data import load as load_dataset
    from mien.inference import (
        Explanation,
        Face,
        Model,
        Reader,
        ReadResult,
        annotate,
        classify,
        explain,
        read,
        read_video,
        to_frame,
    )
    from mien.inference import open_model as load_model

__version__ = "0.1.0"
__all__ = [
    "Explanation", "Face", "Model", "ReadResult", "Reader", "annotate", "classify", "errors", "explain", "load_dataset",
    "load_model", "read", "read_video", "to_frame",
]  # fmt: skip

# Names that are called otherwise where they are defined: module, name.
_ELSEWHERE = {"load_dataset": ("mien.data", "load"), "load_model": ("mien.inference", "open_model")}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Reading faces needs numpy, Pillow and onnxruntime; `import mien` and `mien --help` do not wait for them.
    if name in __all__:
        import importlib

        module, attribute = _ELSEWHERE.get(name, ("mien.inference", name))
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'mien' has no attribute {name!r}")
