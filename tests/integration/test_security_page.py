"""The security page names tests as evidence: they must exist."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "security.md"
REFERENCES = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))))


def test_the_page_names_tests() -> None:
    assert len(REFERENCES) >= 20


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not name or re.search(rf"^ *def {name}\(", text, re.MULTILINE), f"{path} has no {name}"
