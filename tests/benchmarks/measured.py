"""``python -m tests.benchmarks.measured COMMAND…``: run a command, then print its costs as JSON on stderr.

A small process of its own, because the peak of a child's memory counts that of the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from tests.support.processes import children, read

_INTERVAL = 0.05  # seconds


def main(command: list[str]) -> int:
    """Run a command with this process's own stdin, stdout and stderr; return its exit code."""
    start = time.perf_counter()
    pid = os.spawnvp(os.P_NOWAIT, command[0], command)
    peaks = [0]
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(pid, peaks, ended))
    watch.start()
    try:
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - start
    finally:
        ended.set()
        watch.join()
    costs = {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mb": max(usage.ru_maxrss, *peaks) * 1024 / 1e6,  # the kernel counts in KiB
    }
    print(json.dumps(costs), file=sys.stderr)
    return os.waitstatus_to_exitcode(status)


def _watch(pid: int, peaks: list[int], ended: threading.Event) -> None:
    """Note how much a process and those that it starts hold together, what they share counted once."""
    while not ended.wait(_INTERVAL):
        started = children(pid)
        if started:  # else the kernel's own peak is exact
            peaks.append(sum(_proportional(each) for each in (pid, *started)))


def _proportional(pid: int) -> int:
    sizes = [line.split()[1] for line in read(f"/proc/{pid}/smaps_rollup").splitlines() if line.startswith("Pss:")]
    return sum(map(int, sizes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
