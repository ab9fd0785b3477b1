"""flask-smorest: the host's Api, one of the extension's own, and the blueprint that both take.

All that this package uses of flask-smorest's private names is in this module, and a test names it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import Blueprint as FlaskBlueprint
from flask import Flask
from flask_smorest import Api, Blueprint

from flask_worker_templates._forks import renew_in_children

from .introduction import TAGS

if TYPE_CHECKING:
    from apispec import APISpec

    from flask_worker_templates.model.rules import SpecRules

    from .views_base import Views

_OLDEST = 3
"""Major version of OpenAPI in which the operations are described."""


class DocumentedBlueprint(Blueprint):  # type: ignore[misc]
    """A blueprint that describes its operations as `operation` has it, instead of from flask-smorest's decorators.

    Args:
        name: of the blueprint, and in a host's document of the tag.
        import_name: the module that it is made in.
        views: the classes whose methods are the operations.
        rules: those of a spec in the app.
        options: those of a Flask blueprint.
    """

    def __init__(
        self, name: str, import_name: str, *, views: Sequence[type[Views]], rules: SpecRules, **options: Any
    ) -> None:
        self._rules = rules
        self._views = views
        super().__init__(name, import_name, **options)

    def add_url_rule(self, rule: str, endpoint: str | None = None, view: Any = None, **options: Any) -> None:
        """Add a route as Flask does, without the description that flask-smorest would make of it."""
        FlaskBlueprint.add_url_rule(self, rule, endpoint, view, **options)

    def register_views_in_doc(self, api: Any, app: Flask, spec: APISpec, *, name: str, parameters: Any) -> None:
        """Add the operations to the OpenAPI document of the Api that the blueprint joins."""
        # A process that starts loads what it serves; what only the document needs comes with the document.
        from .openapi import add_operations

        # A host's document has groups of its own, which ours must not mix with: there they are one.
        tag = None if isinstance(api, OwnApi) else name
        add_operations(spec, app, name, self._views, self._rules, tag=tag)


class OwnApi(Api):  # type: ignore[misc]
    """An Api of the extension's own, for hosts that have none. Its document is made when it is first asked for.

    Args:
        app: the app.
        introduction: the description of the whole document, in Markdown, unless the app's settings give one.
        options: those of a flask-smorest Api.
    """

    def __init__(self, app: Flask, *, introduction: str, **options: Any) -> None:
        self._introduction = introduction
        self._document: Any = None
        self._undescribed: list[DocumentedBlueprint] = []
        self.renew_locks()
        super().__init__(app, **options)
        renew_in_children(self)

    def renew_locks(self) -> None:
        """Make a new lock."""
        self._lock = Lock()

    @property
    def spec(self) -> Any:
        """The OpenAPI document, as apispec keeps it."""
        with self._lock:
            if self._undescribed:
                # Into a copy, which counts once it is whole: a failure in the middle, or a fork, leaves nothing behind.
                described = copy.deepcopy(self._document)
                for blueprint in self._undescribed:
                    blueprint.register_views_in_doc(self, self._app, described, name=blueprint.name, parameters=None)
                for name, description in TAGS.items():
                    described.tag({"name": name, "description": description})
                self._document, self._undescribed = described, []
            return self._document

    @spec.setter
    def spec(self, document: Any) -> None:
        if document is not None:
            # apispec writes into its options, which are the host's own setting, and may be another app's as well.
            document.options = copy.deepcopy(document.options)
            document.options.setdefault("info", {}).setdefault("description", self._introduction)
        self._document = document

    def register_blueprint(self, blueprint: DocumentedBlueprint) -> None:
        """Register the routes now, and describe them later."""
        self._app.register_blueprint(blueprint)
        self._undescribed.append(blueprint)

    def _register_error_handlers(self) -> None:
        """Do nothing: flask-smorest would turn the host's own error pages into JSON. The blueprint has handlers."""

    def _register_responses(self) -> None:
        """Do nothing: every response is described, and none refers to flask-smorest's."""

    _register_etag_headers = _register_pagination_header = _register_responses


def hosts_api(app: Flask, api: object) -> Any:
    """Return the Api of the host to join, or None where it has none.

    Args:
        app: the app.
        api: the one that the host named, or None.

    Raises:
        TypeError: if it is no Api.
        RuntimeError: if it cannot be joined: it has no app, or another one, or makes a document of OpenAPI 2.
    """
    which = "The Api that api= names"
    if api is None:
        # The host's plain one first, then whichever it made first.
        apis = app.extensions.get("flask-smorest", {}).get("apis", {})
        found = apis.get("") or next(iter(apis.values()), None)
        if found is None:
            return None
        api = found["ext_obj"]
        which = "The flask-smorest Api of this app"
    if not isinstance(api, Api):
        raise TypeError(f"api= must be a flask_smorest.Api, not {type(api).__name__}.")
    if api._app is None:  # noqa: SLF001
        raise RuntimeError(f"{which} has no app: call api.init_app(app) before init_app of WorkerTemplates.")
    if api._app is not app:  # noqa: SLF001
        raise RuntimeError(
            f"{which} belongs to another app ({api._app.name!r}): make one Api for each app."  # noqa: SLF001
        )
    version = api.spec.openapi_version
    if version.major != _OLDEST:
        raise RuntimeError(
            f"{which} makes a document of OpenAPI {version}, in which the worker templates cannot be described: set "
            "OPENAPI_VERSION to 3.0.3."
        )
    return api
