"""This extension in a plain host app, with its defaults."""

from __future__ import annotations

from flask import Flask

from flask_worker_templates import WorkerTemplates
from tests.benchmarks.peers.common import ours_settings


def create_app() -> Flask:
    """The app; it seeds itself from the file that the environment names, or not at all."""
    app = Flask(__name__)
    app.config.update(ours_settings(), WORKER_TEMPLATES_ANONYMOUS="write")
    WorkerTemplates().init_app(app)
    return app
