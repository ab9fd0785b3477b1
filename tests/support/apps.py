"""Flask apps with the extension, as the tests need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask

from flask_worker_templates import WorkerTemplates
from tests.support.yaml_text import yaml_text


class AppFactory:
    """Builds apps that share one database and one definition file, as the processes of one deployment do.

    Args:
        connection: the ``WORKER_TEMPLATES_*`` keys that name the database.
        directory: where the definition file is written.
    """

    def __init__(self, connection: Mapping[str, str], directory: Path) -> None:
        self.connection = dict(connection)
        self.definition_file = directory / "worker_templates.yaml"

    def config(self, *, templates: Sequence[Mapping[str, Any]] = (), **config: Any) -> dict[str, Any]:
        """The config of an app whose definition file, written now, holds `templates`.

        Keys of `config` win; with a ``WORKER_TEMPLATES_CONFIG_PATH`` among them no file is written.
        """
        if "WORKER_TEMPLATES_CONFIG_PATH" not in config:
            text = yaml_text({"templates": [dict(spec) for spec in templates]})
            self.definition_file.write_text(text, encoding="utf-8")
            config["WORKER_TEMPLATES_CONFIG_PATH"] = str(self.definition_file)
        return {"TESTING": True, **self.connection, **config}

    def __call__(self, *, templates: Sequence[Mapping[str, Any]] = (), extra: Any = None, **config: Any) -> Flask:
        """A plain app with the extension, configured as `config` says, with the fields of its own that `extra` has."""
        app = Flask("plain_host")
        app.config.update(self.config(templates=templates, **config))
        WorkerTemplates(app, extra=extra)
        return app
