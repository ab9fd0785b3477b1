"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that it started, in seconds."""
    ticks = 0
    for member in tree(pid):
        # The second field is the command's name, in parentheses, and may hold blanks.
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK


def rss_mb(pid: int) -> float:
    """Resident memory of the process of the tree that has the most: the worker. In MB of 1,000,000 bytes."""
    sizes = []
    for member in tree(pid):
        pages = int(Path(f"/proc/{member}/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGE_SIZE"))
    return max(sizes) / 1e6
