"""Where the processor time of a request goes: to the sockets, the driver, the web framework, or this extension.

In one process, without a server. A timer of the process interrupts it again and again, and the innermost package that
is at work then gets the time, and the innermost function: unlike a profiler that is told of each call, it makes none
slower than the others. How often each function is called is counted apart.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import stored
from tests.benchmarks.in_process import CONSTANT, client_of, works
from tests.benchmarks.report import Results, functions_tables, layers_table
from tests.support.servers import Mongod, with_database

_DATABASE = "benchmark-layers"
_TEMPLATES = 1000
_WARM = 30
_COUNTED = 50  # requests whose calls are counted
_REQUEST = "wsgi_app"
"""The function that answers."""
_INTERVAL = 0.001  # seconds of processor time; the kernel may interrupt less often

_SOCKETS = "sockets"
_PACKAGES = {
    "bson": "BSON",
    "pymongo": "driver",
    "flask": "Flask and Werkzeug",
    "werkzeug": "Flask and Werkzeug",
    "flask_worker_templates": "this extension",
}
_LAYERS = (_SOCKETS, *dict.fromkeys(_PACKAGES.values()))
_NETWORK = "network_layer.py"
"""The module of PyMongo whose functions send and receive: they wait in the kernel, and so are the sockets' time."""


Function = tuple[str, CodeType]
"""The layer that a function works for, and it."""


class Sampler:
    """What is at work whenever the timer of the process rings, while the app answers."""

    def __init__(self) -> None:
        self.of: Counter[Function] = Counter()
        self.rings = 0

    def __call__(self, _: int, frame: FrameType | None) -> None:
        """Note what is interrupted."""
        self.rings += 1
        if frame is not None and (function := _answering(frame)):
            self.of[function] += 1


class Calls:
    """How often each function is called while the app answers; for `sys.setprofile`."""

    def __init__(self) -> None:
        self.of: Counter[Function] = Counter()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call."""
        if event == "call" and (function := _answering(frame)):
            self.of[function] += 1


def _answering(frame: FrameType) -> Function | None:
    """The function of a frame and the layer that it works for, if it is at work for a request."""
    code, found = frame.f_code, None
    at: FrameType | None = frame
    while at is not None:
        found = found or _layer(at)
        if at.f_code.co_name == _REQUEST:
            return found or "this extension", code
        at = at.f_back
    return None


def _layer(frame: FrameType) -> str | None:
    """The layer of a function; None for what works for its caller, such as the standard library."""
    path = Path(frame.f_code.co_filename)
    if path.name == _NETWORK:
        return _SOCKETS
    return next((layer for name, layer in _PACKAGES.items() if name in path.parts), None)


@contextmanager
def _sampled() -> Iterator[Sampler]:
    sampler = Sampler()
    before = signal.signal(signal.SIGPROF, sampler)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
    try:
        yield sampler
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(mongod: Mongod, *, seconds: float) -> tuple[Results, str]:
    """Measure each work with hooks and without, and return the results and the table.

    Args:
        mongod: the server.
        seconds: of requests for each work.
    """
    uri = with_database(mongod.uri, _DATABASE, journal="true")
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        stored.write_templates(client[_DATABASE], _TEMPLATES)
        try:
            results: Results = {}
            for hooks in (False, True):
                for name, request in works(client_of(uri, hooks=hooks)).items():
                    if not (hooks and name == CONSTANT):
                        results[f"{name}, with hooks" if hooks else name] = _measured(request, seconds)
        finally:
            client.drop_database(_DATABASE)
    note = "By the innermost layer that is at work."
    text = f"### Layers of one request\n\n{note}\n\n{layers_table(results)}"
    return results, "\n\n".join([text, *functions_tables(results)])


def _measured(request: Callable[[], object], seconds: float) -> Results:
    for _ in range(_WARM):
        request()
    begin, requests = time.process_time(), 0
    end = time.perf_counter() + seconds
    with _sampled() as sampler:
        while time.perf_counter() < end:
            request()
            requests += 1
    each = (time.process_time() - begin) / requests / max(1, sampler.rings) * 1e6
    calls = _called(request)
    functions = [
        {"layer": layer, "function": _name(code), "calls": calls[layer, code], "us": rings * each}
        for (layer, code), rings in sampler.of.most_common()
    ]
    layers = {one: each * sum(rings for (layer, _), rings in sampler.of.items() if layer == one) for one in _LAYERS}
    return {"requests": requests, "layers": layers, "functions": functions, "calls": sum(calls.values())}


def _called(request: Callable[[], object]) -> dict[Function, float]:
    """How often each function is called in one request."""
    calls = Calls()
    sys.setprofile(calls)
    try:
        for _ in range(_COUNTED):
            request()
    finally:
        sys.setprofile(None)
    return defaultdict(float, {function: count / _COUNTED for function, count in calls.of.items()})


def _name(code: CodeType) -> str:
    path = Path(code.co_filename)
    parts = [path.stem] if path.stem != "__init__" else []
    return ".".join([path.parent.name, *parts]) + f": {code.co_qualname}"
