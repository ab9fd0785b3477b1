"""The variables of the routes, under names of their own: a host may replace Werkzeug's converters by its own."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter, UUIDConverter

TEMPLATE_ID = "<worker_template_id:template_id>"
WORKER_ID = "<worker_template_segment:worker_id>"
ASSET = "<worker_template_segment:name>"


class TemplateIdConverter(BaseConverter):
    """A UUID in any case; the view gets it as the store keeps it, a string in lower case."""

    regex = UUIDConverter.regex

    def to_python(self, value: str) -> str:
        """Return the id that a URL holds."""
        return value.lower()


class SegmentConverter(BaseConverter):
    """Any string without a slash."""


def install_converters(app: Flask) -> None:
    """Make the converters known to an app."""
    app.url_map.converters |= {
        "worker_template_id": TemplateIdConverter,
        "worker_template_segment": SegmentConverter,
    }
