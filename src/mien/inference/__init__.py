"""Reading faces: pictures, folders and film in, faces with their emotions out. onnxruntime and Pillow, no torch."""

from mien.inference.annotate import annotate
from mien.inference.occlusion import Explanation
from mien.inference.reader import Face, Reader, Reading, classify, explain, read
from mien.inference.tracker import TrackedFace
from mien.inference.video_reader import VideoFrame, read_video

__all__ = [
    "Explanation", "Face", "Reader", "Reading", "TrackedFace", "VideoFrame",
    "annotate", "classify", "explain", "read", "read_video",
]  # fmt: skip
