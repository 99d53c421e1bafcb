"""One way of opening an ONNX file: on the CPU, quiet, with as many threads as asked for and no more."""

import os
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import Any

from mien.cores import cores
from mien.errors import MienError
from mien.inference.checksum import verify_checksum

CORES = cores()  # more threads than these are asked for in vain, and by hundreds slow everything down


def open_session(path: Path, threads: int = 1) -> Any:
    """An `onnxruntime.InferenceSession` of `path`, shared by all who ask for the same file and threads.

    Sessions may be run from many threads at once. A file that was replaced since is opened anew.
    Raises MienError where there is no such file, its check sum is wrong, or it holds no ONNX graph.
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
    # Waiting threads sleep: spinning makes one call a little faster and every other program slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes of its own for a file that is no model
        reason = " ".join(str(error).split()).rpartition(" : ")[2][-160:]
        version = onnxruntime.__version__
        raise MienError(f"{path} is not an ONNX model that onnxruntime {version} can open: {reason}") from error
