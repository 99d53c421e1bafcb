"""Open ONNX files in onnxruntime: on the CPU, without log output, with a limited number of threads."""

import os
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import Any

from mien.cores import cores
from mien.errors import MienError
from mien.inference.checksum import verify_checksum

CORES = cores()  # more threads than cores gain nothing, and hundreds slow everything down


def open_session(path: Path, threads: int = 1) -> Any:
    """An `onnxruntime.InferenceSession` for `path`, cached by file and threads.

    Sessions are thread-safe. A file that has changed is opened again. Raises MienError if the file is missing, its
    checksum is wrong, or it is not an ONNX graph.
    """
    if not isinstance(threads, Integral) or not 1 <= threads <= 1024:
        raise MienError(f"{{parameter}} must be a number from 1 to 1024, not {threads!r}", parameter="threads")
    try:
        stamp = os.stat(path)
    except OSError as error:
        raise MienError(f"cannot open the model {path}: {error.strerror}") from error
    return _open(path, int(min(threads, CORES)), (stamp.st_mtime_ns, stamp.st_size, stamp.st_ino))


@lru_cache(maxsize=8)
def _open(path: Path, threads: int, stamp: tuple[int, ...]) -> Any:
    import onnxruntime

    try:
        content = path.read_bytes()
    except OSError as error:
        raise MienError(f"cannot open the model {path}: {error.strerror}") from error
    verify_checksum(content, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # No spinning: it makes one call slightly faster and every other program slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen exception classes for invalid files
        reason = " ".join(str(error).split()).rpartition(" : ")[2][-160:]
        version = onnxruntime.__version__
        raise MienError(f"{path} is not an ONNX model that onnxruntime {version} can open: {reason}") from error
