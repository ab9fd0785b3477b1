"""What every page knows: where it is, how it is shown, and how its links are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import render_template, request, url_for

from flask_worker_templates.model.ages import age
from flask_worker_templates.model.template import Event, rfc3339

from .assets import asset_url

NAME = "worker-templates-console"
THEME_COOKIE = "worker_templates_theme"
THEMES = ("auto", "light", "dark")

_NAVIGATION = (("templates", "Templates"), ("drift", "Drift"), ("log", "Log"), ("claims", "Claims"))

_THEMES = (("auto", "System colours", "screen"), ("light", "Light colours", "sun"), ("dark", "Dark colours", "moon"))
"""Value, words and icon of each colour scheme."""

_WORDS = {
    "seeded": "Created from a file",
    "created": "Created",
    "updated": "Changed",
    "synced": "Synced with its file",
    "reverted": "Reverted",
    "deleted": "Deleted",
    "restored": "Restored",
}


MESSAGES = frozenset({"done", "of", "n", "worker", "ttl"})
"""Parameters of a URL that an action led to: what was done, to what, and what is needed to take it back."""


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
        self.themes = _THEMES
        self.arguments: Mapping[str, str] = request.args

    @staticmethod
    def asset(name: str) -> str:
        """Return the URL of a static file, which changes with its content, so that browsers may keep it."""
        return asset_url(f"{NAME}.static", name)

    @staticmethod
    def url(endpoint: str, **values: Any) -> str:
        """Return the URL of a page."""
        return url_for(f"{NAME}.{endpoint}", **values)

    @staticmethod
    def onward(endpoint: str, **values: Any) -> str:
        """Return the URL of a page, which leads back to the list as it was filtered."""
        return onward(endpoint, **values)

    @property
    def list_url(self) -> str:
        """The list that this page was opened from, with its filters."""
        return list_url()

    @property
    def here(self) -> str:
        """The path and query of this page without the message, for coming back to it."""
        return self.with_query() if request.method in ("GET", "HEAD") else request.script_root + request.path

    @staticmethod
    def with_query(endpoint: str = "", /, **changes: Any) -> str:
        """Return the URL of this page, or another one, with the parameters of this one, some of them changed.

        Args:
            endpoint: of the other page.
            changes: parameters; None takes one away.
        """
        arguments = {key: values for key, values in request.args.lists() if key not in MESSAGES}
        for key, value in changes.items():
            arguments.pop(key, None)
            if value is not None:
                arguments[key] = [str(value)]
        # Not through `url_for`, which has parameters of its own that a query string could name.
        page = url_for(f"{NAME}.{endpoint}" if endpoint else request.endpoint or "", **(request.view_args or {}))
        return f"{page}?{urlencode(arguments, doseq=True)}" if arguments else page

    @staticmethod
    def age(moment: datetime) -> str:
        """Return how long ago a time was."""
        return age(moment)

    @staticmethod
    def price(value: float) -> str:
        """Return a price with at least two digits after the point, and as many as it has, up to six."""
        whole, _, fraction = f"{value:,.6f}".partition(".")
        return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"

    @staticmethod
    def words(event: Event) -> str:
        """Return what an event did, in words."""
        return _WORDS.get(event.action, event.action)

    @staticmethod
    def exact(moment: datetime) -> str:
        """Return a time as the API writes it."""
        return rfc3339(moment.astimezone(UTC))


def fragment_of(target: str) -> bool:
    """Return whether only a part of the page is asked for, by the id of its element; htmx says so."""
    return request.headers.get("HX-Target") == target


def onward(endpoint: str, **values: Any) -> str:
    """Return the URL of a page of the console that knows which list this page was opened from.

    Args:
        endpoint: of the page.
        values: of its path and query.
    """
    if request.endpoint == f"{NAME}.templates":
        shown = PageContext.with_query()
        back = shown if "?" in shown else ""
    else:
        back = request.args.get("back", "")
    if back_to(back, ""):
        values["back"] = back
    return PageContext.url(endpoint, **values)


def list_url() -> str:
    """Return the URL of the list that this page was opened from, with its filters."""
    plain = PageContext.url("templates")
    target = back_to(request.args.get("back", ""), plain)
    return target if urlsplit(target).path == plain else plain


def with_message(url: str, **message: str) -> str:
    """Return the URL of a page with parameters that say what was done, in place of those that it has."""
    path, _, query = url.partition("?")
    kept = [(key, value) for key, value in parse_qsl(query) if key not in MESSAGES]
    query = urlencode([*kept, *message.items()])
    return f"{path}?{query}" if query else path


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
