"""The tests on every version of Python that is claimed, and the other checks, each in an environment of its own."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lint", "docs"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests, the thorough ones too; arguments after ``--`` are pytest's."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-m", "not chaos", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and layers."""
    session.install("--upgrade", "pip")
    session.install("-e", ".[test]", "--group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages; a warning is an error."""
    session.install("--upgrade", "pip")
    session.install("-e", ".[test]", "--group", "docs")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "docs", "docs/_build")
