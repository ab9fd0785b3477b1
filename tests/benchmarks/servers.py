"""The servers that contestants can be served by: one worker process each, as its documentation advises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class App:
    """What a server loads.

    Attributes:
        module: where it is.
        asgi: whether it is an ASGI app called ``app``; else it is made by a WSGI factory called ``create_app``.
    """

    module: str
    asgi: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """One way to serve an app.

    Attributes:
        key: short name.
        title: name in tables.
        distributions: what is installed for it, for the versions.
        arguments: the command line after ``python -m``, for an app and a port.
        gevent: whether the worker runs greenlets instead of threads.
    """

    key: str
    title: str
    distributions: tuple[str, ...]
    arguments: Callable[[App, int], list[str]]
    gevent: bool = False

    def versions(self, installed: Mapping[str, str]) -> str:
        """The title with the versions of what is installed for it."""
        found = [f"{name} {installed[name]}" for name in self.distributions if name in installed]
        return f"{self.title} ({', '.join(found)})" if found else self.title


def _gunicorn(worker: str) -> Callable[[App, int], list[str]]:
    def arguments(app: App, port: int) -> list[str]:
        return [
            *("gunicorn", "--workers", "1", "--worker-class", worker, "--threads", "4"),
            *("--worker-connections", "100", "--keep-alive", "60", "--log-level", "warning"),
            *("--bind", f"127.0.0.1:{port}", "--no-control-socket", f"{app.module}:create_app()"),
        ]

    return arguments


def _uvicorn(app: App, port: int) -> list[str]:
    return [
        *("uvicorn", "--workers", "1", "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "60"),
        *("--host", "127.0.0.1", "--port", str(port), f"{app.module}:app"),
    ]


def _granian(threads: int) -> Callable[[App, int], list[str]]:
    def arguments(app: App, port: int) -> list[str]:
        common = [
            *("granian", "--workers", "1", "--http", "1", "--no-ws", "--no-access-log", "--log-level", "warning"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ]
        if app.asgi:
            return [*common, "--interface", "asgi", "--loop", "uvloop", f"{app.module}:app"]
        wsgi = ["--interface", "wsgi", "--blocking-threads", str(threads), "--factory"]
        return [*common, *wsgi, f"{app.module}:create_app"]

    return arguments


GEVENT = Serving(
    "gevent", "gunicorn, gevent worker", ("gunicorn", "gunicorn_h1c", "gevent"), _gunicorn("gevent"), gevent=True
)
# Its documentation advises two to four threads for each processor.
GTHREAD = Serving("gthread", "gunicorn, 4 threads", ("gunicorn", "gunicorn_h1c"), _gunicorn("gthread"))
UVICORN = Serving("uvicorn", "uvicorn", ("uvicorn", "uvloop", "httptools"), _uvicorn)
# As many threads as there are connections, since each waits for MongoDB; and few, since they wait for each other too.
GRANIAN = Serving("granian", "granian, 8 threads", ("granian",), _granian(8))
GRANIAN_2 = Serving("granian-2", "granian, 2 threads", ("granian",), _granian(2))
GRANIAN_ASGI = Serving("granian-asgi", "granian", ("granian", "uvloop"), _granian(0))

SERVINGS = {serving.key: serving for serving in (GEVENT, GTHREAD, UVICORN, GRANIAN, GRANIAN_2, GRANIAN_ASGI)}


def usual(app: App) -> Serving:
    """The server that most users of an app's kind know."""
    return UVICORN if app.asgi else GEVENT


def candidates(app: App) -> tuple[Serving, ...]:
    """The servers that are tried for an app, the usual one first."""
    return (UVICORN, GRANIAN_ASGI) if app.asgi else (GEVENT, GRANIAN, GRANIAN_2)
