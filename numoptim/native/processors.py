"""How many processors this process may use: what the system says, its container, and whoever started it."""
import functools
import math
import os
import sys
import warnings
from pathlib import Path


def usable() -> int:
    """The least of: processors it may run on, the quota of its control groups, OMP_NUM_THREADS."""
    if hasattr(os, "process_cpu_count"):               # Python 3.13: PYTHON_CPU_COUNT too
        usable = os.process_cpu_count() or 1
    else:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _limit(os.environ.get("OMP_NUM_THREADS", "")))


@functools.cache
def _limit(threads: str) -> int:
    """Of both that do not change while a process runs. threads: OMP_NUM_THREADS, "4" or, by level of nesting, "4,2"."""
    limit = quota(Path("/"))
    first = threads.partition(",")[0].strip()
    if first.isdecimal() and int(first) > 0:
        return min(limit, int(first))
    if threads:
        warnings.warn(f"OMP_NUM_THREADS={threads!r} is ignored: expected a whole number of at least 1, or several with "
                      "commas between them", RuntimeWarning, stacklevel=2)
    return limit


def quota(root: Path) -> int:
    """Processors that Linux' control groups let this process keep busy, rounded up; sys.maxsize where they do not say.

    Those of version 2 (cpu.max) and 1 (cpu.cfs_quota_us), of its own group and all around it. root: of the file system.
    """
    least: float = math.inf
    for folder in _groups(root):
        try:
            if (folder / "cpu.max").exists():
                given, period = (folder / "cpu.max").read_text().split()
            else:
                given, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if given != "max" and int(given) > 0 and int(period) > 0:
                least = min(least, int(given) / int(period))
        except (OSError, ValueError):                  # no such limit there
            continue
    return max(1, math.ceil(least)) if math.isfinite(least) else sys.maxsize


def _groups(root: Path) -> list[Path]:
    """The folders of this process's control groups, and of those around them.

    In a container a group's name may be the host's: its own is then the outermost folder.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        inner = Path(name.lstrip("/"))
        for mount in ("", "unified") if not controllers else (controllers, "cpu"):
            found += [root / "sys/fs/cgroup" / mount / part for part in (inner, *inner.parents)]
    return found
