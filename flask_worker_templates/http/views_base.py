"""What the views of the REST API share: they authorise, parse, call the store and present."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Response, request

from flask_worker_templates.errors import InvalidInput, InvalidParameters, TemplateNotFound
from flask_worker_templates.model.claim_parameters import worker_id_of
from flask_worker_templates.model.parameters import Paging, page_parameters, write_parameters
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Page, Template, to_json
from flask_worker_templates.store.store import Guard, Precondition, Store

from .conditional import precondition
from .converters import TEMPLATE_ID
from .requests import query_arguments, read_json
from .responses import JSON, MAX_BYTES, Problem, json_response, pagination

if TYPE_CHECKING:
    from flask_worker_templates.runtime.app_state import AppState
    from flask_worker_templates.runtime.hooks import Permission

NAME = "worker-templates"
"""The blueprint's, and in the document of a host the tag of its operations."""

ONE = f"/{TEMPLATE_ID}"
"""The path of one template, below the prefix of the API."""


class Views:
    """Views of one app. Each authorises first, and answers with a response that is ready to send.

    Attributes:
        TAG: the group of their operations, one of `introduction.TAGS`.
    """

    TAG: ClassVar[str]

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._hooks = state.hooks
        self._settings = state.settings
        self._rules = state.rules

    @property
    def _store(self) -> Store:
        """The store within the scope of the current request; the views use no other."""
        return self._state.request_store

    def _authorize(self, action: Permission, template: Template | None = None) -> None:
        self._hooks.authorize(action, template, self._settings)

    def _authorized(self, action: Permission, template_id: str) -> tuple[Template, bytes]:
        """Return a template and its JSON, where the authorizer allows this for it."""
        try:
            template, shown = self._store.get_both(template_id)
        except TemplateNotFound:
            self._authorize(action)  # who may do nothing here shall not learn either which ids there are
            raise
        self._authorize(action, template)
        return template, shown

    def _authorized_or_open(self, action: Permission, template_id: str) -> Template | None:
        """Authorise for one template, which is read only where a function of the host wants to see it."""
        if self._hooks.authorizer is not None:
            return self._authorized(action, template_id)[0]
        self._authorize(action)
        return None

    def _shown_to(self, action: Permission) -> Callable[[Template], None] | None:
        """Return what asks the authorizer about one template, or None where there is none to ask."""
        return partial(self._authorize, action) if self._hooks.authorizer is not None else None

    @contextlib.contextmanager
    def _asking(self, action: Permission, template_id: str) -> Iterator[Callable[[Template], None] | None]:
        """Authorise what is shown inside of a template, by a guard that is asked about the state that is shown.

        A template that is gone is asked about by its last state.
        """
        if self._hooks.authorizer is None:
            self._authorize(action)
            yield None
            return
        asked = False

        def guard(template: Template) -> None:
            nonlocal asked
            asked = True
            self._authorize(action, template)

        try:
            yield guard
        except TemplateNotFound:
            self._authorize(action)  # who may do nothing here shall not learn either which ids there are
            raise
        except (Problem, InvalidInput):
            if not asked:  # the request itself is wrong
                try:
                    guard(self._store.last_state(template_id))
                except TemplateNotFound:
                    self._authorize(action)
            raise

    @contextlib.contextmanager
    def _guarded(self, action: Permission, template_id: str) -> Iterator[Guard | None]:
        """Authorise the change that is made inside, by a guard that is asked about the template as the store reads it.

        Who may not make the change is told that first, whatever else is wrong with the request.
        """
        if self._hooks.authorizer is None:
            self._authorize(action)
            yield None
            return
        asked = False

        def guard(template: Template, after: Template | None) -> None:
            nonlocal asked
            asked = True
            self._authorize(action, template)
            if after is not None and after is not template:
                self._authorize(action, after)

        try:
            yield guard
        except TemplateNotFound:
            self._authorize(action)  # who may do nothing here shall not learn either which ids there are
            raise
        except (Problem, InvalidInput):
            if not asked:  # the request itself is wrong
                self._authorized(action, template_id)
            raise

    def _json(self, *accepted: str) -> Any:
        """Return the body of the current request."""
        return read_json(accepted or (JSON,), most=self._settings.max_body_bytes)

    def _precondition(self) -> Precondition | None:
        return precondition(required=self._settings.require_if_match)

    def _change(
        self, template_id: str, change: Callable[[Spec], Spec], message: str | None, guard: Guard | None
    ) -> Response:
        template = self._store.update(
            template_id,
            change,
            actor=self._hooks.actor(),
            message=message,
            allowed=self._precondition(),
            guard=guard,
        )
        return template_response(template)


def template_response(template: Template, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the response that shows a template, with its ETag."""
    return json_response(to_json(template.to_dict()), code, {"ETag": template.etag, **(headers or {})})


def page_response(page: Page[Any]) -> Response:
    """Return the response that shows a page of what has a `to_dict`."""
    return array_response((to_json(item.to_dict()) for item in page), page)


def array_response(items: Iterable[bytes], page: Page[Any]) -> Response:
    """Return the response that shows a page, given the JSON of its items.

    Raises:
        Problem: 422 with a page size that fits, if the answer would be too large.
    """
    found: list[bytes] = []
    size = 0
    for item in items:
        found.append(item)
        size += len(item) + 1
        if size >= MAX_BYTES:
            fits = MAX_BYTES // (max(map(len, found)) + 2)
            message = f"Must be at most {fits} here: the answer would be larger than {MAX_BYTES:,} bytes."
            raise Problem(422, "The answer would be too large.", {"query": {"page_size": [message]}})
    headers = pagination(page) if page.cursor is None else {"X-Next-Cursor": page.cursor}
    return json_response(b"[" + b",".join(found) + b"]", headers=headers)


def query(load: Callable[[Any], Any], given: Any) -> Any:
    """Return the parameters of a query string, as `load` reads them.

    Raises:
        Problem: 422 with every error.
    """
    try:
        return load(given)
    except InvalidParameters as error:
        raise Problem(422, "The query has errors.", {"query": error.errors}) from None


def message() -> str | None:
    """Return why the change of the current request is made, in the words of the client.

    Raises:
        Problem: 422 with every error.
    """
    return query(write_parameters, query_arguments()).get("message") or None if request.query_string else None


def paging() -> Paging:
    """Return the page that the current request asks for.

    Raises:
        Problem: 422 with every error.
    """
    asked = query(page_parameters, query_arguments())
    return Paging(asked["page"], asked["page_size"])


def worker(worker_id: str) -> str:
    """Return the worker id of a path.

    Raises:
        Problem: 422 if it has not the form of one.
    """
    try:
        return worker_id_of(worker_id)
    except InvalidParameters as error:
        raise Problem(422, "The path has errors.", {"path": error.errors}) from None
