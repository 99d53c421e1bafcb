"""Reading faces: pictures, folders and film in, faces with their emotions out. onnxruntime and Pillow, no torch."""

from mien.inference.occlusion import Explanation
from mien.inference.reader import Face, Reader, Reading, classify, explain, read

__all__ = ["Explanation", "Face", "Reader", "Reading", "classify", "explain", "read"]
