"""A small fleet app: it launches workers from templates. An example of a host of flask-worker-templates.

``flask --app example_app run`` starts it. It uses the MongoDB of ``MONGODB_URI``, else it runs one of its own.
"""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask
from werkzeug.serving import is_running_from_reloader

from . import access, database, views
from .fleet import templates


def create_app(instance_path: str | None = None) -> Flask:
    """Build the app.

    Args:
        instance_path: absolute path of the folder for its tokens and data; Flask's own choice by default.
    """
    app = Flask(__name__, instance_path=instance_path)
    # Swagger UI gets an "Authorize" button from this.
    app.config["WORKER_TEMPLATES_API_SPEC_OPTIONS"] = {
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }
    app.config.from_prefixed_env()  # FLASK_WORKER_TEMPLATES_SEED=off, and the like
    tokens = access.load_tokens(Path(app.instance_path))
    database.connect(app)
    templates.init_app(app)
    access.protect(app, templates, tokens)
    app.register_blueprint(views.blueprint)
    views.add_error_page(app)
    _greet(app, tokens)
    return app


def _greet(app: Flask, tokens: dict[str, str]) -> None:
    """Say under ``flask run`` where things are, once also with the reloader; commands and gunicorn stay silent."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run" or is_running_from_reloader():
        return
    scheme = "https" if context.params.get("cert") else "http"
    url = f"{scheme}://{context.params['host']}:{context.params['port']}"
    token = tokens[access.ADMIN]
    click.echo(
        f"""
  Fleet         {url}/
  Templates     {url}{app.config.get("WORKER_TEMPLATES_URL_PREFIX", "/api/v1/templates")}
  Swagger UI    {url}{app.config.get("WORKER_TEMPLATES_DOCS_URL_PREFIX", "/api/v1/docs")}
  Admin token   {token}
  Viewer token  {tokens[access.VIEWER]}

  Try it:       curl -H 'Authorization: Bearer {token}' {url}/api/v1/templates
""",
        err=True,
    )
