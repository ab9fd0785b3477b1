"""``python -m tests.benchmarks.measured COMMAND…``: run a command, then print its costs as JSON on stderr.

A small process of its own, because the peak of a child's memory counts that of the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(command: list[str]) -> int:
    """Run a command with this process's own stdin, stdout and stderr; return its exit code."""
    start = time.perf_counter()
    pid = os.spawnvp(os.P_NOWAIT, command[0], command)
    _, status, usage = os.wait4(pid, 0)
    costs = {
        "seconds": time.perf_counter() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mb": usage.ru_maxrss * 1024 / 1e6,  # the kernel counts in KiB
    }
    print(json.dumps(costs), file=sys.stderr)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
