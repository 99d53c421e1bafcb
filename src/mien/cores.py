"""The number of processor cores that this process may use."""

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's CPU quota: microseconds of processor time per period


def cores() -> int:
    """The cores in the process's affinity mask (taskset, cpuset), or fewer if a container's CPU quota is lower."""
    if hasattr(os, "sched_getaffinity"):
        n = len(os.sched_getaffinity(0))
    else:
        n = os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        n = min(n, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no cgroups, or no limit: "max"
        pass
    return max(1, n)
