"""A deployment as the tests of drift and sync need it: definition files, a database, and processes that use both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from flask_worker_templates import Event, Template, WorkerTemplates
from flask_worker_templates.runtime.app_state import AppState
from tests.support.apps import AppFactory
from tests.support.specs import spec
from tests.support.yaml_text import yaml_text

Spec = Mapping[str, Any]


class Deployment:
    """Definition files and a database.

    Args:
        make_app: the fixture.
        specs: what the definition file holds when the first process seeds.
        extra: the schema of the fields of its own that every process has.
        config: more settings of every process.
    """

    def __init__(self, make_app: AppFactory, *specs: Spec, extra: Any = None, **config: Any) -> None:
        self._make_app = make_app
        self._extra = extra
        self._config = {"WORKER_TEMPLATES_CONFIG_PATH": str(make_app.definition_file), **config}
        self.path = make_app.definition_file
        self.write(*specs)
        self.app, self.templates = self.process()
        with self.app.app_context():
            self.templates.seed()

    def write(self, *specs: Spec) -> None:
        """Let the definition file hold these specs from now on."""
        text = yaml_text({"templates": [dict(one) for one in specs]})
        self.path.write_text(text, encoding="utf-8")

    def process(self, **config: Any) -> tuple[Flask, WorkerTemplates]:
        """A new process: an app and its extension."""
        app = Flask("plain_host")
        app.config.update(self._make_app.config(**{**self._config, **config}))
        return app, WorkerTemplates(app, extra=self._extra)

    def client(self) -> FlaskClient:
        """A client of the first process."""
        return self.app.test_client()

    @contextmanager
    def state(self) -> Iterator[AppState]:
        """What the extension keeps for the first process, in its app context."""
        with self.app.app_context():
            yield self.app.extensions["worker_templates"]

    def get(self, name: str = "t") -> Template:
        """The template as the database holds it."""
        with self.app.app_context():
            return self.templates.get_by_name(name)

    def names(self) -> set[str]:
        """The names of all templates in the database."""
        with self.state() as state:
            return state.store.names()

    def edit(self, name: str = "t", /, **changes: Any) -> Template:
        """Change a template as an admin does."""
        with self.app.app_context():
            template_id = self.templates.get_by_name(name).id
            return self.templates.update(template_id, changes, actor="ada")

    def delete(self, name: str = "t") -> Template:
        """Delete a template as an admin does."""
        with self.app.app_context():
            return self.templates.delete(self.templates.get_by_name(name).id, actor="ada")

    def create(self, name: str = "t", **fields: Any) -> Template:
        """Create a template by hand."""
        with self.app.app_context():
            return self.templates.create(spec(name, **fields), actor="ada")

    def states(self) -> dict[str, str]:
        """The state of each template, by name."""
        with self.app.app_context():
            return {step.drift.name: step.drift.state.value for step in self.templates.drift().steps}

    def events(self, name: str = "t") -> list[Event]:
        """The history of a template that is there, oldest first."""
        with self.app.app_context():
            return list(self.templates.history(self.templates.get_by_name(name).id))[::-1]
