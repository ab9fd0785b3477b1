"""This extension in a host app that decides who may do what, says who acts, and counts what uses a template.

The hooks are as cheap as a host's can be: what they cost themselves is the host's. Measured is what asking them costs.
"""

from __future__ import annotations

from flask import Flask, request

from flask_worker_templates import Template, WorkerTemplates
from tests.benchmarks.peers.common import ours_settings

ROLES = {"ci": frozenset({"read"})}
EVERYTHING = frozenset({"read", "create", "update", "delete", "claim", "sync"})


def create_app() -> Flask:
    """The app."""
    app = Flask(__name__)
    app.config.update(ours_settings())
    templates = WorkerTemplates()

    @templates.authorizer
    def may(action: str, template: Template | None) -> bool:
        user = request.headers.get("X-User", "")
        return action in ROLES.get(user, EVERYTHING)

    @templates.actor_loader
    def actor() -> str:
        return request.headers.get("X-User", "somebody")

    @templates.usage_check
    def in_use(template: Template) -> int:
        return 0

    templates.init_app(app)
    return app
