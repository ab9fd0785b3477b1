"""This extension in a plain host app, with its defaults."""

from __future__ import annotations

import os

from flask import Flask

from flask_worker_templates import WorkerTemplates
from tests.benchmarks.peers.common import mongodb_uri


def create_app() -> Flask:
    """The app; it seeds itself from the file that the environment names, or not at all."""
    app = Flask(__name__)
    app.config["WORKER_TEMPLATES_MONGODB_URI"] = mongodb_uri()
    app.config["WORKER_TEMPLATES_ANONYMOUS"] = "write"
    if path := os.environ.get("BENCHMARK_TEMPLATES"):
        app.config["WORKER_TEMPLATES_CONFIG_PATH"] = path
    else:
        app.config["WORKER_TEMPLATES_SEED"] = "off"
    WorkerTemplates().init_app(app)
    return app
