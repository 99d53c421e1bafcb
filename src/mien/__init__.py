"""mien: facial expression recognition, measured honestly.

import mien
for face in mien.read("photo.jpg"):
    print(face.emotion, face.confidence, face.box)
"""

from typing import Any

from mien import errors

__version__ = "0.1.0"
__all__ = ["Face", "Reader", "classify", "errors", "explain", "read"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Reading faces needs OpenCV and onnxruntime; `import mien` and `mien --help` do not wait for them.
    if name in __all__:
        from mien import inference

        return getattr(inference, name)
    raise AttributeError(f"module 'mien' has no attribute {name!r}")
