"""``python -m tests.support.on_replica_set ARGUMENT…``: pytest with these arguments, on a replica set of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.support.servers import ReplicaSet


def main(arguments: Sequence[str]) -> int:
    """Run pytest and return its exit code."""
    with ReplicaSet() as members:
        return subprocess.call(
            [sys.executable, "-m", "pytest", *arguments], env={**os.environ, "MONGODB_URI": members.uri}
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
