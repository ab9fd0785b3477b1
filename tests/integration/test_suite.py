"""The suite itself: nothing falls between its steps, and what makes it fast changes nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template, url_for
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, RequestRedirect, Rule

from tests.support.paths import ROOT
from tests.support.routes import COMPILE, COMPILE_BUILDER


def test_what_the_plain_command_leaves_out_is_run_by_ci_or_chaos() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    assert options[options.index("-m") + 1] == "not thorough and not chaos"
    assert '-m pytest -m "thorough and not chaos"\n' in (ROOT / ".ci" / "run").read_text()


class Upper(BaseConverter):
    """Takes and makes capital letters alone."""

    regex = "[A-Z]+"

    def to_url(self, value: str) -> str:
        return value.upper()


def _match(app: Flask, path: str) -> Any:
    try:
        return app.url_map.bind("host").match(path)
    except (NotFound, RequestRedirect) as error:
        return repr(error)


def _urls(rule: str, **converters: type[BaseConverter]) -> list[Any]:
    app = Flask("host")
    app.url_map.converters.update(converters)
    app.add_url_rule(rule, "page", lambda **_: "")
    app.add_url_rule("/with", "other", lambda **_: "", defaults={"name": "given"})
    with app.test_request_context():
        return [
            url_for("page", name="x/y z"),
            url_for("page", name="x/y z", q="a b"),
            url_for("other", name="given"),
            url_for("other", name="given", q="a b"),
            *[_match(app, path) for path in ("/a/x", "/x/a", "/x", "/X", "/a/x/y", "//a//x", "/")],
            *[
                converter.map is app.url_map
                for page in app.url_map.iter_rules()
                for converter in page._converters.values()
            ],
        ]


@pytest.mark.parametrize("rule", ["/a/<name>", "/<path:name>/a", "/<name>"])
def test_routes_that_are_compiled_once_build_the_urls_that_others_build(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Rule._compile_builder is not COMPILE_BUILDER
    assert Rule.compile is not COMPILE
    found = [(_urls(rule), _urls(rule, default=Upper)) for _ in range(2)]
    monkeypatch.setattr(Rule, "_compile_builder", COMPILE_BUILDER)
    monkeypatch.setattr(Rule, "compile", COMPILE)
    assert found == [(_urls(rule), _urls(rule, default=Upper))] * 2


def test_pages_that_are_compiled_once_are_those_of_the_app(tmp_path: Path) -> None:
    class Escaping(Flask):
        def select_jinja_autoescape(self, filename: str | None) -> bool:
            return True

    (tmp_path / "page.txt").write_text("{{ name }}")
    found = []
    for app in [kind("host", template_folder=tmp_path) for kind in (Flask, Escaping) * 2]:
        with app.app_context():
            found.append(render_template("page.txt", name="<"))
    assert found == ["<", "&lt;"] * 2
