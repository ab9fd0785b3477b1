"""Print the lowest version of each dependency that pyproject.toml allows, as pins for ``pip install -c``.

Usage: ``lower_bounds.py [EXTRA]...``: the runtime dependencies, and those of the extras named.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<version>[0-9][0-9.]*)")


def main(extras: list[str]) -> None:
    """Print one pin a line.

    Raises:
        SystemExit: if a dependency is not of the form ``name>=version``.
    """
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    optional = project["optional-dependencies"]
    for dependency in [*project["dependencies"], *(entry for extra in extras for entry in optional[extra])]:
        bound = BOUND.fullmatch(dependency)
        if bound is None:
            sys.exit(f"{dependency!r} in pyproject.toml is not of the form name>=version")
        sys.stdout.write(f"{bound['name']}=={bound['version']}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
