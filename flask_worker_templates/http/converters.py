"""The variables of the routes, under names of their own: a host may replace Werkzeug's converters by its own."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, request
from werkzeug.routing import BaseConverter, UUIDConverter

TEMPLATE_ID = "<worker_template_id:template_id>"
WORKER_ID = "<worker_template_segment:worker_id>"
ASSET = "<worker_template_segment:name>"
_HOST = "worker_template_host"


class TemplateIdConverter(BaseConverter):
    """A UUID in any case; the view gets it as the store keeps it, a string in lower case."""

    regex = UUIDConverter.regex

    def to_python(self, value: str) -> str:
        """Return the id that a URL holds."""
        return value.lower()


class SegmentConverter(BaseConverter):
    """Any string without a slash."""


def host_options(app: Flask) -> dict[str, Any]:
    """Return the options of a route that answers for every host, where the app tells routes apart by their host."""
    return {"host": f"<worker_template_segment:{_HOST}>"} if app.url_map.host_matching else {}


def answer_for_any_host(app: Flask, blueprint: Blueprint) -> None:
    """Keep the host, which `host_options` makes a variable, from the views, and give it to the URLs that are built."""
    if not app.url_map.host_matching:
        return

    @blueprint.url_value_preprocessor
    def forget(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values:
            values.pop(_HOST, None)

    @blueprint.url_defaults
    def remember(endpoint: str, values: dict[str, Any]) -> None:
        if app.url_map.is_endpoint_expecting(endpoint, _HOST):
            values.setdefault(_HOST, request.host)


def install_converters(app: Flask) -> None:
    """Make the converters known to an app."""
    app.url_map.converters |= {
        "worker_template_id": TemplateIdConverter,
        "worker_template_segment": SegmentConverter,
    }
