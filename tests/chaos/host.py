"""A tiny host app for the load, served by gunicorn: `create()` with its config, as JSON, in an environment variable.

The actor of a request is its header ``X-Actor``; the header ``X-Worker`` of an answer is the process that gave it.
"""

from __future__ import annotations

import json
import os

from flask import Flask, Response, jsonify, request

from flask_worker_templates import WorkerTemplates

CONFIG = "CHAOS_HOST_CONFIG"


def create() -> Flask:
    """Return the app."""
    app = Flask("chaos_host")
    app.config.update(json.loads(os.environ[CONFIG]))
    templates = WorkerTemplates(app)

    @templates.actor_loader
    def actor() -> str:
        return request.headers.get("X-Actor", "nobody")

    @app.after_request
    def name_worker(answer: Response) -> Response:
        answer.headers["X-Worker"] = str(os.getpid())
        return answer

    @app.get("/health")
    def health() -> tuple[Response, int]:
        status = templates.status()
        return jsonify(state=status.state, message=status.message), 200 if status.ok else 503

    return app
