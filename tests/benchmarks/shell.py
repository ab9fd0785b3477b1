"""What commands on 100,000 templates cost from the shell: seconds, and memory at the peak.

The definition files differ from the database in 100 templates, other ones in each round: `diff` finds them, `sync`
applies them. `list` and `export` show all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import data, stored
from tests.benchmarks.report import Results, Spread, number, ratio, table, verdict
from tests.benchmarks.shell_app import Costs, ShellApp
from tests.benchmarks.targets import LIMITS, SHELL, Figures, growth
from tests.benchmarks.targets import shell as row_of
from tests.support.servers import Mongod, with_database

_CHANGED = 100
_COMMANDS = {
    "routes": ["routes"],  # which only loads the app
    "diff": ["worker-templates", "diff"],
    "sync": ["worker-templates", "sync", "--yes"],
    "export": ["worker-templates", "export"],
    "list": ["worker-templates", "list"],
}
_DRIFT = 3
_IN_ONE_FILE = 12_500
"""A definition file has at most 10 MB."""


class _Shell:
    """An app with so many templates, in files and in its database, and its commands."""

    def __init__(self, mongod: Mongod, templates: int, home: Path) -> None:
        self._database = f"benchmark-shell-{templates}"
        self._client = MongoClient[dict[str, Any]](mongod.uri)
        self._home = home
        self._output = home / "output"
        self._app = ShellApp(home, with_database(mongod.uri, self._database, journal="true"))
        self._specs = data.specs(templates)
        # Byte code is written by the first run of each command, as it is when packages are installed.
        data.write_yaml(home / _source(0), self._specs[:1])
        for arguments in (["seed-templates"], *_COMMANDS.values()):
            self._app.run(arguments)
        self._client.drop_database(self._database)
        stored.write_templates(self._client[self._database], templates, source_of=_source)

    def change(self, round_: int) -> None:
        """Change 100 templates in the files."""
        for spec in self._specs[round_ : round_ + _CHANGED * 7 : 7]:
            spec["max_nodes"] += 1
        for start in range(0, len(self._specs), _IN_ONE_FILE):
            data.write_yaml(self._home / _source(start), self._specs[start : start + _IN_ONE_FILE])

    def run(self, name: str) -> Costs:
        """Run a command, and see that it does what it should."""
        costs = self._app.run(_COMMANDS[name], output=self._output, allowed=(0, _DRIFT) if name == "diff" else (0,))
        shown = self._output.read_text().count("template-")
        if name in SHELL and shown < (_CHANGED if name in {"diff", "sync"} else len(self._specs)):
            raise RuntimeError(f"{name} shows {shown} templates only: {self._output.read_text()[:2000]}")
        return costs

    def close(self) -> None:
        """Drop the database."""
        self._client.drop_database(self._database)
        self._client.close()


Measured = dict[int, dict[str, list[Costs]]]
"""Costs by the number of templates and the command, in the order of the rounds."""


def run(mongod: Mongod, *, templates: int, rounds: int, tell: Callable[[str], None]) -> tuple[Results, str, Figures]:
    """Measure each command in turn, with all templates and with a tenth; return the results, the table and the figures.

    Args:
        mongod: the server.
        templates: how many there are.
        rounds: how often.
        tell: is told what is done.
    """
    measured: Measured = {}
    failed: list[str] = []
    with ExitStack() as stack:
        shells = {}
        for count in (templates // 10, templates):
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            shells[count] = _Shell(mongod, count, home)
            stack.callback(shells[count].close)
            tell(f"shell: {count:,} templates are there")
        for round_ in range(rounds):
            for count, shell in shells.items():
                shell.change(round_)
                for name in _COMMANDS:
                    tell(f"shell: {name} of {count:,}, round {round_ + 1}")
                    try:
                        costs = shell.run(name)
                    except RuntimeError as error:
                        failed.append(f"{name} of {count:,}: {error}")
                        tell(failed[-1])
                    else:
                        measured.setdefault(count, {}).setdefault(name, []).append(costs)
    figures = _figures(measured, templates)
    results = {
        count: {name: [asdict(one) for one in costs] for name, costs in by_name.items()}
        for count, by_name in measured.items()
    }
    return {"costs": results, "failed": failed}, _text(measured, figures, failed), figures


def _figures(measured: Measured, templates: int) -> Figures:
    all_of, tenth = measured.get(templates, {}), measured.get(templates // 10, {})
    figures: Figures = {
        row_of(name): {
            "seconds": Spread.of([one.seconds for one in all_of[name]]),
            "MB": Spread.of([one.mb for one in all_of[name]]),
        }
        for name in SHELL
        if all_of.get(name)
    }
    for name, row in (("diff", "drift"), ("export", "export")):
        if 0 < len(all_of.get(name, ())) == len(tenth.get(name, ())) == len(tenth.get("routes", ())):
            more, fewer = (
                [one.seconds - start.seconds for one, start in zip(of[name], tenth["routes"], strict=True)]
                for of in (all_of, tenth)
            )
            figures[growth(row)] = {"templates": ratio(more, [10 * one for one in fewer])}
    return figures


def _source(number: int) -> str:
    return f"config/part-{number // _IN_ONE_FILE}.yaml"


def _text(measured: Measured, figures: Figures, failed: Sequence[str]) -> str:
    rows = []
    for count, by_name in measured.items():
        for name, costs in by_name.items():
            limits = LIMITS.get(row_of(name), {}) if count == max(measured) else {}
            cells: list[object] = [f"flask {' '.join(_COMMANDS[name])}", f"{count:,}"]
            for column, values in (("seconds", [one.seconds for one in costs]), ("MB", [one.mb for one in costs])):
                cells += [Spread.of(values), verdict(limits.get(column), Spread.of(values).median)]
            rows.append([*cells, number(Spread.of([one.cpu for one in costs]).median)])
    rows += [[f"FAILED: {one.splitlines()[0]}", *[""] * 6] for one in failed]
    title = f"### From the shell, {_CHANGED} templates changed in the files\n\n"
    grown = [
        f"For each template, {work} takes {figures[growth(work)]['templates']} times as long with all as with a tenth."
        for work in ("drift", "export")
        if growth(work) in figures
    ]
    headings = ["", "templates", "seconds", "limit", "MB at the peak", "limit", "CPU s"]
    return title + table(headings, rows) + "\n\n" + " ".join(grown)
