"""A small fleet app: it launches workers from templates. An example of a host of flask-worker-templates.

``flask --app example_app run`` starts it. It uses the MongoDB of ``MONGODB_URI``, else it runs one of its own.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click
from flask import Flask
from werkzeug.serving import is_running_from_reloader

from . import access, api, database, heartbeat, pages, sign_in
from .fleet import templates
from .keys import Keys, load_keys

CONFIG = {
    "WORKER_TEMPLATES_CONFIG_PATH": "config/*.yaml",
    "WORKER_TEMPLATES_LOGIN_URL": "/sign-in",  # where the console leads those who are not signed in
    # Swagger UI gets an "Authorize" button from this. Who is signed in needs none: the browser sends the session.
    "WORKER_TEMPLATES_API_SPEC_OPTIONS": {
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token that the app printed."},
                "session": {"type": "apiKey", "in": "cookie", "name": "fleet", "description": "Set by signing in."},
            }
        },
        "security": [{"token": []}, {"session": []}],
    },
    "SESSION_COOKIE_NAME": "fleet",  # cookies know no port: not the name that every other app has
    "SESSION_COOKIE_SAMESITE": "Lax",  # and HttpOnly, which is Flask's default
    "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
    "TRUSTED_HOSTS": ["127.0.0.1", "localhost"],  # a page whose host's name is made to lead here is refused
}


def create_app(instance_path: str | None = None) -> Flask:
    """Build the app.

    Args:
        instance_path: absolute path of the folder for its keys and data; Flask's own choice by default.
    """
    app = Flask(__name__, instance_path=instance_path)
    app.config.from_mapping(CONFIG)
    app.config.from_prefixed_env()  # FLASK_WORKER_TEMPLATES_SEED=off, and the like
    keys = load_keys(Path(app.instance_path))
    database.connect(app)
    templates.init_app(app)
    access.protect(app, templates, keys)
    sign_in.install(app, keys)
    pages.install(app)
    app.register_blueprint(api.blueprint)
    heartbeat.install(app)
    _add_command(app, keys)
    _greet(app, keys)
    return app


def _link(url: str, keys: Keys) -> str:
    return f"{url}/sign-in?{urlencode({'token': keys.link})}"


def _add_command(app: Flask, keys: Keys) -> None:
    @app.cli.command("sign-in-link")
    @click.option("--url", default="http://127.0.0.1:5000", show_default=True, help="Where the app is served.")
    def sign_in_link(url: str) -> None:
        """Print the link that signs in, for an app that another server runs."""
        click.echo(_link(url.rstrip("/"), keys))


def _greet(app: Flask, keys: Keys) -> None:
    """Say under ``flask run`` where things are, once also with the reloader; commands and gunicorn stay silent."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run" or is_running_from_reloader():
        return
    scheme = "https" if context.params.get("cert") else "http"
    url = f"{scheme}://{context.params['host']}:{context.params['port']}"
    api_url = url + app.config.get("WORKER_TEMPLATES_URL_PREFIX", "/api/v1/templates")
    click.echo(
        f"""
  Open this link, which signs you in:

      {_link(url, keys)}

  Console       {url}{app.config.get("WORKER_TEMPLATES_CONSOLE_URL_PREFIX", "/worker-templates")}/
  API           {api_url}
  Swagger UI    {url}{app.config.get("WORKER_TEMPLATES_DOCS_URL_PREFIX", "/api/v1/docs")}
  Admin token   {keys.admin}
  Viewer token  {keys.viewer}

  Or try:       curl -H 'Authorization: Bearer {keys.admin}' {api_url}
""",
        err=True,
    )
