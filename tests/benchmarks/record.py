"""What a run found so far, written after each step: a run that is interrupted leaves its results."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import targets
from tests.benchmarks.report import Results
from tests.benchmarks.targets import Figures


class Record:
    """The results of one run, as JSON and as Markdown, under the time of its start and as ``latest``.

    Args:
        directory: where they are written.
        machine: what it runs on.
        options: what was asked for.
    """

    def __init__(self, directory: Path, *, machine: Results, options: Results) -> None:
        self.figures: Figures = {}
        self._results: dict[str, Any] = {"machine": machine, "options": options, "seconds": {}}
        self._texts: dict[str, str] = {}
        self._start = self._before = time.monotonic()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._paths = [directory / stamp, directory / "latest"]

    @property
    def json_path(self) -> Path:
        """The file of this run."""
        return self._paths[0].with_suffix(".json")

    def keep(self, part: str, results: Results, text: str, figures: Figures | None = None) -> None:
        """Keep what a part found, in place of what it found before, and write all.

        Args:
            part: which, as ``http.best-1000``.
            results: for JSON.
            text: its table.
            figures: what the limits are compared with.
        """
        self._results[part] = results
        self._texts[part] = text
        targets.merge(self.figures, figures or {})
        self._write()

    def show(self, part: str) -> None:
        """Print the table of a part that is done, and how long it took."""
        now = time.monotonic()
        self._results["seconds"][part] = round(now - self._before, 1)
        print(f"\n{self._texts[part]}\n\n[{part}: {now - self._before:.0f} s, {now - self._start:.0f} s in all]")
        self._before = now
        self._write()

    def _write(self) -> None:
        found = {**self._results, "figures": targets.to_json(self.figures)}
        text = "\n\n".join([*self._texts.values(), targets.as_table(self.figures)])
        for path in self._paths:
            path.with_suffix(".json").write_text(json.dumps(found, indent=1, default=str))
            path.with_suffix(".md").write_text(text + "\n")
