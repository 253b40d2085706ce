"""What this machine is and has left: processor, cores, memory. Imports torch only to ask for a GPU's memory."""

import os
import platform
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name, as manifests have it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory_left(device: str) -> float | None:
    """Return the bytes that this process and its children may still take on ``device``; None where neither is known."""
    if device.partition(":")[0] != "cpu":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    known = [left for left in (_system_memory(), _cgroup_memory()) if left is not None]
    return min(known, default=None)


def _system_memory() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _cgroup_memory() -> float | None:
    """Return the bytes that a container may still take: its limit less what it uses and could not drop."""
    try:
        limit = float((CGROUP / "memory.max").read_text())  # "max" is no number: no limit
        used = float((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return limit - used + float(stat["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None
