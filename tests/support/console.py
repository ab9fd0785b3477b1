"""What the tests of the console share: its URLs, a form, and following what a page offers."""

from __future__ import annotations

import html
import re
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.calls import URL

CONSOLE = "/worker-templates"

FORM: dict[str, Any] = {
    "name": "made",
    "instance_type": "m5.large",
    "capacity.cpu_cores": "4",
    "capacity.memory_gb": "16",
    "capacity.storage_gb": "100",
    "license_type": "PERSONAL",
    "max_nodes": "",
    "enabled": "true",
    "labels:key": ["team", ""],
    "labels:value": ["qa", ""],
}


def named(client: FlaskClient, name: str) -> dict[str, Any]:
    """The template of a name, as the API shows it."""
    [template] = client.get(URL, query_string={"name": name}).get_json()
    found: dict[str, Any] = template
    return found


def page(template: dict[str, Any], tail: str = "") -> str:
    """The URL of a template's page, or of one below it."""
    return f"{CONSOLE}/t/{template['id']}{tail}"


def words(text: str) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def said(answer: TestResponse) -> str:
    """The messages above the content of a page."""
    found = re.findall(r'<div class="note [a-z]+" role="(?:status|alert)">(.*?)</div>', answer.text, re.DOTALL)
    return " ".join(words(one) for one in found)


def undo(client: FlaskClient, answer: TestResponse) -> TestResponse:
    """Press the button of a page that takes back what was done, and follow where it leads."""
    for action, inside in re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', answer.text, re.DOTALL):
        if ">Undo<" in inside:
            fields = re.findall(r'name="([^"]+)" value="([^"]*)"', inside)
            data = {name: html.unescape(value) for name, value in fields}
            return client.post(html.unescape(action), data=data, follow_redirects=True)
    raise AssertionError(f"no button that takes it back: {answer.text[-3000:]}")
