"""The blocks of figures in the documentation, made of the results of a run. Pure.

They are for users: how fast, how much, by which server. What is short of a limit stands in the benchmark's own output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.contestants import BARE, BEANIE, CONTESTANTS, EVE, HOOKED, OURS, SMOREST
from tests.benchmarks.growing import WORKS as GROWING
from tests.benchmarks.report import Results, Spread, functions_tables, layers_table, number, table
from tests.benchmarks.servers import SERVINGS

Run = dict[str, Any]

BEST, FEW, THREADS, DEFAULTS = "http.best-1000", "http.page-50", "http.threads-1000", "http.defaults-1000"
_AGAINST = (SMOREST, EVE, BEANIE, BARE)
WORK_TITLES = {
    "list": "list, 50 of 1,000",
    "get": "get",
    "not modified": "get → 304",
    "create": "create, with its audit event",
    "update": "update, with version check and audit event",
    "claim": "claim with a lease",
    "renew": "renew a claim",
}


def _setting(run: Run) -> str:
    rounds = len(run[BEST]["samples"]["list"][OURS.key])
    figures = "Figures are medians; the range of the rounds is in parentheses."
    return f"{_machine(run)}, in {rounds} interleaved rounds. {figures}"


def _machine(run: Run) -> str:
    machine = run["machine"]
    return (
        f"Measured on {machine['at'][:10]} on {machine['cores']} cores of an {machine['processor']}, with Python "
        f"{machine['python']} and MongoDB {machine['mongod']}"
    )


def _speed(run: Run) -> str:
    rows = []
    for part, work, title in (
        (FEW, "list", "list, 50 of 50"),
        *((BEST, work, WORK_TITLES[work]) for work in ("list", "get", "not modified", "create", "update")),
        (THREADS, "list", "list, in a threads worker"),
        (THREADS, "get", "get, in a threads worker"),
        *((DEFAULTS, work, f"{work}, each at its default durability") for work in ("create", "update")),
    ):
        if part in run:
            ratios = run[part]["ratios"].get(work, {})
            rows.append([title, *(_spread(ratios.get(peer.key)) for peer in _AGAINST)])
    if not rows:
        raise KeyError(BEST)
    return table(["times as fast as", *(peer.title for peer in _AGAINST)], rows)


def _servers(run: Run) -> str:
    installed, parts = run["machine"]["packages"], [BEST, THREADS]
    rows = []
    for contestant in CONTESTANTS:
        if contestant != HOOKED and contestant.key in run[BEST]["servers"]:
            served = [run[part]["servers"].get(contestant.key) if part in run else None for part in parts]
            rows.append([contestant.title, *(SERVINGS[key].versions(installed) if key else "–" for key in served)])
    return table(["", "best", "in the threads table"], rows)


def _costs(run: Run) -> str:
    rows = []
    for work, title in WORK_TITLES.items():
        by_key = run[BEST]["samples"][work]
        rows.append([title, *_cost(by_key[OURS.key]), *_cost(by_key[HOOKED.key])[:1], _commands(run, work)])
    headings = ["", "requests/s", "p50 ms", "p99 ms", "worker µs", "MongoDB µs", "requests/s with hooks", "commands"]
    return table(headings, rows)


def _cost(samples: Sequence[dict[str, Any]]) -> list[str]:
    def median(values: list[float]) -> str:
        return number(Spread.of(values).median)

    return [
        median([one["rate"] for one in samples]),
        median([one["load"]["p50"] for one in samples]),
        median([one["load"]["p99"] for one in samples]),
        median([one["worker_cpu"] for one in samples]),
        median([one["mongod_cpu"] for one in samples]),
    ]


def _commands(run: Run, work: str) -> str:
    counted = run["count"]
    plain, hooked = counted[OURS.key][work], counted[HOOKED.key][work]
    return str(plain) if plain == hooked else f"{plain}; {hooked} with hooks"


def _long(run: Run) -> str:
    by_count: dict[str, dict[str, list[dict[str, float]]]] = run["shell"]["costs"]
    rows = []
    for count, by_name in by_count.items():
        for name in ("diff", "sync", "export", "list"):
            if costs := by_name.get(name):
                seconds, peak = (number(Spread.of([one[key] for one in costs]).median) for key in ("seconds", "mb"))
                rows.append([f"`flask worker-templates {name}`", f"{int(count):,}", seconds, peak])
    return table(["", "templates", "seconds", "MB at the peak"], rows)


def _other(run: Run) -> str:
    figures = run["figures"]
    seeding = run["seeding"]
    row = figures[f"cold seed of {seeding['templates']:,}"]
    seconds = Spread.of([one["total"] for one in seeding["seconds"]["ours cold"]])
    rows = [
        [f"First seeding of {seeding['templates']:,} templates, seconds", str(seconds)],
        ["… times as fast as a loop of `safe_load`, get by name and save", _spread(row["loop"])],
        ["… times as long as reading and writing the bare documents", _spread(row["floor"])],
    ]
    if "console" in run:
        kilobytes = run["console"]["kilobytes"]["page"]
        rows += [
            [
                "A page of the console's list, times the worker's time of the JSON list",
                _spread(figures["console list page"]["JSON"]),
            ],
            ["… kB, compressed", f"{kilobytes:.1f}"],
        ]
    if "imports" in run:
        title = "`import` and `init_app`, times the import of flask-smorest and MongoEngine"
        rows.append([title, _spread(run["imports"]["ratios"]["cpu"])])
    return table(["", "measured"], rows)


def _growth(run: Run) -> str:
    rows = []
    for work in GROWING:
        for grows, by_size in run["growth"]["milliseconds"].get(work.name, {}).items():
            sizes = ", ".join(f"{int(size):,}" for size in by_size)
            rows.append([work.name, f"{sizes} {grows}", ", ".join(number(value) for value in by_size.values())])
    return table(["", "with", "ms"], rows)


def _layers(run: Run) -> str:
    # What hooks cost is in another table, where both are measured in turn.
    return layers_table(_without_hooks(run))


def _without_hooks(run: Run) -> Results:
    return {work: found for work, found in run["layers"].items() if not work.endswith("hooks")}


def _functions(run: Run) -> str:
    return "\n\n".join(functions_tables(_without_hooks(run)))


def _spread(found: dict[str, Any] | None) -> str:
    return str(Spread(found["median"], found["low"], found["high"])) if found else "–"


PROFILE_BLOCKS: dict[str, Callable[[Run], str]] = {
    "setting": lambda run: f"{_machine(run)}.",
    "layers": lambda run: layers_table(run["layers"]),
    "functions": _functions,
}

BLOCKS: dict[str, Callable[[Run], str]] = {
    "setting": _setting,
    "servers": _servers,
    "speed": _speed,
    "costs": _costs,
    "long": _long,
    "other": _other,
    "growth": _growth,
    "layers": _layers,
}
