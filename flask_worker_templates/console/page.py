"""What every page knows: where it is, how it is shown, and how its links are made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import render_template, request, url_for

from flask_worker_templates.model.ages import age
from flask_worker_templates.model.template import Event, rfc3339

NAME = "worker-templates-console"
THEME_COOKIE = "worker_templates_theme"
THEMES = ("auto", "light", "dark")

STATIC = Path(__file__).parent / "static"

_NAVIGATION = (("templates", "Templates"), ("drift", "Drift"), ("log", "Log"), ("claims", "Claims"))

_WORDS = {
    "seeded": "Created from a file",
    "created": "Created",
    "updated": "Changed",
    "synced": "Synced with its file",
    "reverted": "Reverted",
    "deleted": "Deleted",
    "restored": "Restored",
}


@dataclass(frozen=True, slots=True)
class Undo:
    """How what was just done is taken back: a button that posts."""

    label: str
    url: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """A message above the content.

    Attributes:
        text: for people.
        tone: ``good``, ``warn`` or ``bad``; the words say the same.
        undo: a button beside it.
    """

    text: str
    tone: str = "good"
    undo: Undo | None = None


class PageContext:
    """What the templates of the pages ask for by the name ``console``."""

    def __init__(self, section: str, notes: tuple[Note, ...] = ()) -> None:
        self.section = section
        self.notes = notes
        self.navigation = _NAVIGATION
        chosen = request.cookies.get(THEME_COOKIE, "auto")
        self.theme = chosen if chosen in THEMES else "auto"
        self.arguments: Mapping[str, str] = request.args

    @staticmethod
    def asset(name: str) -> str:
        """Return the URL of a static file, which changes with its content, so that browsers may keep it."""
        return url_for(f"{NAME}.static", filename=name, v=_digest(name))

    @staticmethod
    def url(endpoint: str, **values: Any) -> str:
        """Return the URL of a page."""
        return url_for(f"{NAME}.{endpoint}", **values)

    @property
    def here(self) -> str:
        """The path and query of this page, for coming back to it."""
        return request.full_path.removesuffix("?")

    @staticmethod
    def with_query(**changes: Any) -> str:
        """Return the URL of this page with some of its parameters changed; None takes one away."""
        arguments = {key: values for key, values in request.args.lists() if key not in ("done", "of", "n")}
        for key, value in changes.items():
            arguments.pop(key, None)
            if value is not None:
                arguments[key] = [str(value)]
        return url_for(request.endpoint or "", **{**(request.view_args or {}), **arguments})

    @staticmethod
    def age(moment: datetime) -> str:
        """Return how long ago a time was."""
        return age(moment)

    @staticmethod
    def words(event: Event) -> str:
        """Return what an event did, in words."""
        return _WORDS.get(event.action, event.action)

    @staticmethod
    def exact(moment: datetime) -> str:
        """Return a time as the API writes it."""
        return rfc3339(moment.astimezone(UTC))


def render(name: str, section: str, *, notes: tuple[Note, ...] = (), **values: Any) -> str:
    """Render a page.

    Args:
        name: of its Jinja template, without folder and suffix.
        section: the entry of the navigation that it belongs to.
        notes: messages above the content.
        values: what the template shows.
    """
    return render_template(f"worker_templates_console/{name}.html", console=PageContext(section, notes), **values)


def back_to(target: str, fallback: str) -> str:
    """Return a path of this host to go back to, as a form sent it, or the fallback: never another site."""
    parts = urlsplit(target)
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if safe and "\\" not in target and target.isprintable() else fallback


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
