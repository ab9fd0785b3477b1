"""What importing and initializing the extension costs, against importing what it is built on.

Both also without the interpreter's garbage collector. It goes through all that was loaded whenever enough came on top;
in which import that falls is chance, and there it costs more than most imports do.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile

from tests.benchmarks import environment
from tests.benchmarks.report import Results, Spread, ratio, table

_BEGIN = "import json, time; wall, cpu = time.perf_counter(), time.process_time()\n"
_END = "\nprint(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))"
_OURS = """\
from flask import Flask
from flask_worker_templates import WorkerTemplates
WorkerTemplates().init_app(Flask("host"))"""
_BASE = "import flask_smorest, mongoengine"
_UNCOLLECTED = "import gc; gc.disable()\n"
_CODE = {
    "ours": ("import this extension, init_app", _BEGIN + _OURS),
    "base": (_BASE, _BEGIN + _BASE),
    "ours uncollected": ("the first, collector off", _UNCOLLECTED + _BEGIN + _OURS),
    "base uncollected": ("the second, collector off", _UNCOLLECTED + _BEGIN + _BASE),
}


def run(*, rounds: int) -> tuple[Results, str]:
    """Measure in fresh processes, in turn, and return the figures and the table."""
    measured: dict[str, list[tuple[float, float]]] = {key: [] for key in _CODE}
    with tempfile.TemporaryDirectory() as cache:
        # Byte code of both is kept there, whether or not that of the source tree and of the environment is: as it is
        # where packages are installed. The first round writes it.
        for round_ in range(-1, rounds):
            for key, (_, code) in _CODE.items():
                figures = _child(code + _END, cache)
                if round_ >= 0:
                    measured[key].append(figures)
    compared = {
        f"{clock}{collector}": ratio(
            [run[index] for run in measured[f"ours{collector}"]], [run[index] for run in measured[f"base{collector}"]]
        )
        for index, clock in enumerate(("wall", "cpu"))
        for collector in ("", " uncollected")
    }
    rows = [
        [title, *(Spread.of([run[index] * 1e3 for run in measured[key]]) for index in (0, 1))]
        for key, (title, _) in _CODE.items()
    ]
    rows.append(["ratio", compared["wall"], compared["cpu"]])
    rows.append(["ratio, collector off", compared["wall uncollected"], compared["cpu uncollected"]])
    results: Results = {
        "seconds": measured,
        "ratios": {clock: spread.to_dict() for clock, spread in compared.items()},
    }
    return results, f"### Start, {rounds} fresh processes each\n\n" + table(["", "ms", "CPU ms"], rows)


def _child(code: str, cache: str) -> tuple[float, float]:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPYCACHEPREFIX"] = cache
    run = subprocess.run([environment.PYTHON, "-c", code], check=True, stdout=subprocess.PIPE, text=True, env=variables)
    wall, cpu = json.loads(run.stdout)
    return wall, cpu
