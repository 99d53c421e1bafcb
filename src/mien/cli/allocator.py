"""Settings of a process that trains: large blocks of memory are kept, in huge pages; MLflow may write files."""

import ctypes
import os
import sys


def prepare_process() -> None:
    """What only the command may set, for it is of the whole process. Call before torch is imported."""
    keep_large_blocks()
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else MLflow 3 wants a database for runs on this machine


def keep_large_blocks() -> None:
    """Let the allocator keep large blocks instead of handing each back to the system. Call before torch is imported.

    Every step of a training frees and asks for the same tensors of some megabytes; glibc would unmap and remap them
    each time and the kernel would clear every page anew, a quarter of the time of a step on a CPU. Huge pages make
    the remaining faults rarer. A setting of the whole process, so it is the command's to make, not the library's.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another libc than glibc
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt(m_mmap_threshold, 1 << 30)
    mallopt(m_trim_threshold, (1 << 31) - 1)
