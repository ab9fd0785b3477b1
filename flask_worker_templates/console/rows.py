"""The rows of the list of templates. One that did not change is not made again.

A row is remembered by the bytes of all that it shows, so that it always is what the server said a moment ago. How long
ago the template was changed, and where its link leads, are put in each time.
"""

from __future__ import annotations

import functools
import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from markupsafe import Markup, escape

from flask_worker_templates.model.ages import age
from flask_worker_templates.model.claim import ClaimCount
from flask_worker_templates.model.records import Managed
from flask_worker_templates.store.overview import Overview

from .origin import file_mark
from .page import PageContext, onward

_REMEMBERED = 1024  # rows of some 3 KB each
_NO_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a row shows.

    Attributes:
        shown: the template, as the API shows it.
        overview: what is said beside it; None where it is gone.
        may_change: whether it can be selected, or None where no row can.
    """

    shown: bytes
    overview: Overview | None
    may_change: bool | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A row: what stands around its link and its age."""

    template_id: str
    updated_at: datetime
    parts: tuple[str, str, str]


class Rows:
    """The rows of one app."""

    def __init__(self) -> None:
        self._row = functools.lru_cache(maxsize=_REMEMBERED)(_made)

    def html(self, wanted: Wanted, link: Link) -> Markup:
        """Return a row."""
        one = wanted.overview
        key = None if one is None else _Beside(one.seen, one.claims, one.outdated, one.managed)
        row = self._row(wanted.shown, key, wanted.may_change)
        before, between, after = row.parts
        return Markup(f"{before}{link.to(row.template_id)}{between}{age(row.updated_at)}{after}")  # noqa: S704  # escaped


class Link:
    """The links of the rows of one answer, which lead back to the list as it is filtered."""

    def __init__(self) -> None:
        self._before, _, self._after = str(escape(onward("template", template_id=_NO_ID))).partition(_NO_ID)

    def to(self, template_id: str) -> str:
        """Return the link to a template, ready for HTML."""
        return f"{self._before}{template_id}{self._after}"


class _Beside:
    """What is said beside a template, compared by what it was read from."""

    __slots__ = ("claims", "managed", "outdated", "seen")

    def __init__(self, seen: bytes, claims: ClaimCount, outdated: int, managed: Managed) -> None:
        self.seen, self.claims, self.outdated, self.managed = seen, claims, outdated, managed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Beside) and (self.seen, self.outdated) == (other.seen, other.outdated)

    def __hash__(self) -> int:
        return hash((self.seen, self.outdated))


@functools.lru_cache(maxsize=4096)
def shown_id(shown: bytes) -> str:
    """Return the id of a template, as the API shows it."""
    found: str = json.loads(shown)["id"]
    return found


_LINK, _AGE = (f"{name}-{secrets.token_hex(16)}" for name in ("link", "age"))
"""Stand for them in a row. Nobody can know them, and write them into a template."""


def _made(shown: bytes, beside: _Beside | None, may_change: bool | None) -> _Row:
    template = json.loads(shown)
    updated_at = datetime.fromisoformat(template["updated_at"])
    html = current_app.jinja_env.get_template("worker_templates_console/row.html").render(
        template=template,
        beside=beside,
        file=file_mark(beside.managed if beside else None),
        may_change=may_change,
        price=PageContext.price,
        exact=template["updated_at"],
        link=_LINK,
        age=_AGE,
    )
    before, _, rest = html.partition(_LINK)
    between, _, after = rest.partition(_AGE)
    return _Row(template["id"], updated_at, (before, between, after))
