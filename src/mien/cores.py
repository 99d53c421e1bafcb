"""How many processor cores this process may use."""

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor time, and in how many


def cores() -> int:
    """The cores of the process's affinity (taskset, cpuset), or fewer where a container's quota gives less time."""
    if hasattr(os, "sched_getaffinity"):
        n = len(os.sched_getaffinity(0))
    else:
        n = os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        n = min(n, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such system, or no limit: "max"
        pass
    return max(1, n)
