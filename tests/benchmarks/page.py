"""``python -m tests.benchmarks.page``: put the figures of the latest run into the documentation, and draw its plots.

`docs/performance.md`, and `profile.md` beside this file, have blocks between two comments, ``<!-- figures: NAME -->``
and ``<!-- end of figures -->``. A block whose part was not measured stays as it is.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import environment, targets
from tests.benchmarks.page_tables import BLOCKS, PROFILE_BLOCKS
from tests.benchmarks.targets import Figures

PAGE = environment.ROOT / "docs" / "performance.md"
PROFILE = environment.HERE / "profile.md"
STATIC = environment.ROOT / "docs" / "_static"
LATEST = environment.HERE / "results" / "latest.json"


def filled(page: str, results: dict[str, Any], blocks: dict[str, Callable[[dict[str, Any]], str]]) -> str:
    """Return the page with its blocks made anew.

    Args:
        page: its text.
        results: of a run.
        blocks: what makes each block, by name; a KeyError says that its part was not measured.

    Raises:
        ValueError: if the page has a block that nothing makes, or lacks one.
    """
    names = re.findall(r"<!-- figures: (.+?) -->", page)
    if sorted(names) != sorted(blocks):
        raise ValueError(f"the page has the blocks {sorted(names)}, not {sorted(blocks)}")
    for name, make in blocks.items():
        try:
            made = make(results)
        except KeyError as missing:
            print(f"{name}: left as it is, {missing} was not measured", file=sys.stderr)
            continue
        begin, end = f"<!-- figures: {name} -->\n", "\n<!-- end of figures -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{made}\n{end}{after}"
    return page


def merged(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the results of several runs as one: of each part those of the last run that measured it."""
    figures: Figures = {}
    for run in runs:
        targets.merge(figures, targets.from_json(run["figures"]))
    return {**{key: value for run in runs for key, value in run.items()}, "figures": targets.to_json(figures)}


def main() -> None:
    """Fill the pages and draw the plots."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page", description=__doc__)
    parser.add_argument(
        "results",
        type=Path,
        nargs="*",
        help="of runs, of which a later one goes before an earlier one (default: the latest)",
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="what is filled in (default %(default)s)")
    parser.add_argument("--profile", type=Path, default=PROFILE, help="the same for contributors (default %(default)s)")
    parser.add_argument("--plots", type=Path, default=STATIC, help="directory of the plots (default %(default)s)")
    options = parser.parse_args()
    results = merged([json.loads(path.read_text()) for path in options.results or [LATEST]])
    for page, blocks in ((options.page, BLOCKS), (options.profile, PROFILE_BLOCKS)):
        page.write_text(filled(page.read_text(), results, blocks))
    command = [environment.PYTHON, "-m", "tests.benchmarks.plot", options.plots]
    subprocess.run(command, cwd=environment.ROOT, check=True, input=json.dumps(results), text=True)


if __name__ == "__main__":
    main()
