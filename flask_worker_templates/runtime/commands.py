"""Whether this process runs a command of a Flask app: there, nothing is seeded as a side effect.

A Click context alone says nothing: under Celery, RQ or uvicorn there is one of theirs. Flask's has a `ScriptInfo`.
Nor is its absence enough: it belongs to one thread, and a command may use others.
"""

from __future__ import annotations

import threading

import click
from flask import Flask, appcontext_pushed
from flask.cli import ScriptInfo, run_command

_running: set[click.Context] = set()
"""The outermost contexts of the commands that run now; usually none or one."""
_lock = threading.Lock()


def watch_commands(app: Flask) -> None:
    """Notice the commands of an app, also those that load it just now."""
    _note()
    appcontext_pushed.connect(_note, app)


def in_command() -> bool:
    """Return whether this process runs a command of a Flask app, in whichever thread."""
    return bool(_running) or _command() is not None


def _note(sender: Flask | None = None, **kw: object) -> None:
    context = _command()
    if context is None or context in _running:
        return
    with _lock:
        _running.add(context)
    context.call_on_close(lambda: _running.discard(context))


def _command() -> click.Context | None:
    """Return the outermost context of the Flask command that the current thread runs."""
    context = click.get_current_context(silent=True)
    if context is None or context.find_object(ScriptInfo) is None:
        return None
    while context.command is not run_command:  # which serves, and is no command in this sense
        if context.parent is None:
            return context
        context = context.parent
    return None
