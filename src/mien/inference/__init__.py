"""Reading faces: pictures, folders and film in, faces with their emotions out. onnxruntime and Pillow, no torch."""

from mien.inference.annotate import annotate
from mien.inference.face import Face, to_frame
from mien.inference.model import Model, open_model
from mien.inference.occlusion import Explanation
from mien.inference.reader import Reader, ReadResult, classify, explain, read
from mien.inference.tracker import TrackedFace
from mien.inference.video_reader import VideoFrame, read_video

__all__ = [
    "Explanation",
    "Face",
    "Model",
    "ReadResult",
    "Reader",
    "TrackedFace",
    "VideoFrame",
    "annotate",
    "classify",
    "explain",
    "open_model",
    "read",
    "read_video",
    "to_frame",
]  # fmt: skip
