"""Reading faces: pictures, folders and film in, faces with their emotions out. onnxruntime and Pillow, no torch."""

from mien.recognition.explain import Explanation
from mien.recognition.reader import Face, Reader, Reading, classify, explain, read

__all__ = ["Explanation", "Face", "Reader", "Reading", "classify", "explain", "read"]
