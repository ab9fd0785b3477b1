"""Visiting pages in a real browser, and what is wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.support.console import CONSOLE
from tests.support.hosts import served

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
PICTURES = os.environ.get("CONSOLE_PICTURES")
"""A directory to put pictures of all pages into, for people who look at them."""

_AXE = Axe().axe_script
_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block", "target-size"]}}
_ALL: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}}


class Visit:
    """A page, and what went wrong on it: messages of the browser, and requests to elsewhere."""

    def __init__(self, browser: Browser, origin: str, *, prefix: str = CONSOLE, scripts: bool = True) -> None:
        self.origin = origin
        self.prefix = prefix
        self.complaints: list[str] = []
        self.context = browser.new_context(java_script_enabled=scripts, reduced_motion="reduce")
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("request", self._request)  # not a route, which would switch off the cache of the browser
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", lambda answer: self._status(answer.status, answer.url))

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:")):
            self.complaints.append(f"request elsewhere: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        # A violation of the content policy is such a message too; that a form was refused with 4xx is meant.
        if "Failed to load resource" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _status(self, status: int, url: str) -> None:
        if status >= 500:
            self.complaints.append(f"{status}: {url}")

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(self.origin + self.prefix + path)
        return self.page

    def look(self, name: str) -> list[str]:
        """Look at the page that is open, in both widths and both schemes, and return what is wrong with it."""
        faults = []
        page = self.page
        page.evaluate(_AXE)
        # What depends on the width is looked at in one scheme, and what depends on the colours in both.
        for size, scheme, options in ((NARROW, "dark", _COLOURS), (WIDE, "light", _ALL)):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.set_viewport_size(size)  # type: ignore[arg-type]
            place = f"{name} at {size['width']}, {scheme}"
            found = page.evaluate(
                """options => axe.run({...options, resultTypes: ["violations"], elementRef: false}).then(found => ({
                     over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
                     headings: document.querySelectorAll("h1").length,
                     violations: found.violations.map(one => [one.id, one.nodes.slice(0, 3).map(node => node.html)]),
                   }))""",
                options,
            )
            if found["over"] > 0:
                faults.append(f"{place}: scrolls sideways by {found['over']}")
            if found["headings"] != 1:
                faults.append(f"{place}: has {found['headings']} headings h1")
            faults += [f"{place}: {rule}: {json.dumps(nodes)[:600]}" for rule, nodes in found["violations"]]
            if PICTURES:
                page.screenshot(path=Path(PICTURES) / f"{name}-{size['width']}-{scheme}.png", full_page=True)
        return faults


@contextmanager
def visiting(browser: Browser, app: Any, *, prefix: str = CONSOLE, scripts: bool = True) -> Iterator[Visit]:
    """Serve a WSGI app, and visit it; fails where the browser had something to say."""
    with served(app) as origin:
        visit = Visit(browser, origin, prefix=prefix, scripts=scripts)
        try:
            yield visit
        finally:
            visit.context.close()
        assert not visit.complaints, visit.complaints
