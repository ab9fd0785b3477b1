"""Hosts that register hooks of their own, and a server for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, request
from werkzeug.serving import make_server

from flask_worker_templates import WorkerTemplates
from tests.support.apps import AppFactory


def host(make_app: AppFactory, **config: Any) -> tuple[Flask, WorkerTemplates]:
    """A plain app, and its extension to register hooks with; `config` is that of `AppFactory`."""
    app = Flask("plain_host")
    app.config.update(make_app.config(**config))
    return app, WorkerTemplates(app)


def acting_host(make_app: AppFactory, **config: Any) -> Flask:
    """An app that takes the header ``X-Actor`` for who acts. For tests: anybody can send a header."""
    app, templates = host(make_app, **config)

    @templates.actor_loader
    def actor() -> str:
        return request.headers.get("X-Actor", "")

    return app


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve a WSGI app on a free port of 127.0.0.1; its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
