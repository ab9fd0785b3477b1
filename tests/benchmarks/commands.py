"""What a command costs from the shell, against ``flask routes`` in the same app, which only loads it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.report import Results, Spread, ratio, table
from tests.benchmarks.shell_app import ShellApp
from tests.support.servers import Mongod, with_database

_DEFINITIONS = """\
templates:
- name: one
  instance_type: m5.large
  license_type: PERSONAL
  capacity: &small {cpu_cores: 2, memory_gb: 8, storage_gb: 50}
- name: two
  instance_type: m5.large
  license_type: PERSONAL
  capacity: *small
"""
_COMMANDS = {
    "routes": ["routes"],
    "list": ["worker-templates", "list"],
    "show": ["worker-templates", "show", "one"],
    "set": ["worker-templates", "set", "one", "max_nodes=20"],
    "help": ["worker-templates", "--help"],
}


def run(mongod: Mongod, *, rounds: int) -> tuple[Results, str]:
    """Measure each command in fresh processes, in turn, and return the figures and the table."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        app = ShellApp(Path(home), with_database(mongod.uri, "benchmark_commands"))
        app.definitions.write_text(_DEFINITIONS)
        app.run(["seed-templates"])
        for round_ in range(-1, rounds):
            for name, arguments in _COMMANDS.items():
                costs = app.run(arguments)
                if round_ >= 0:
                    measured[name].append((costs.seconds, costs.cpu))
    compared = {
        name: [
            ratio([run[index] for run in measured[name]], [run[index] for run in measured["routes"]])
            for index in (0, 1)
        ]
        for name in _COMMANDS
    }
    rows = [
        [
            f"flask {' '.join(arguments)}",
            *(Spread.of([run[index] * 1e3 for run in measured[name]]) for index in (0, 1)),
            *compared[name],
        ]
        for name, arguments in _COMMANDS.items()
    ]
    results: Results = {
        "seconds": measured,
        "ratios": {name: [spread.to_dict() for spread in spreads] for name, spreads in compared.items()},
    }
    heading = f"### Commands on 2 templates, {rounds} fresh processes each, against `flask routes`\n\n"
    return results, heading + table(["", "ms", "CPU ms", "× wall", "× CPU"], rows)
