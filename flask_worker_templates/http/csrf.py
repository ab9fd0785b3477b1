"""Flask-WTF's `CSRFProtect`, from which the API is exempt.

It protects forms. A cross-site form reaches no route of the API: what has a body wants JSON, and PUT, PATCH and DELETE
need a preflight.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask


def exempt(app: Flask, blueprint: Blueprint) -> None:
    """Exempt a blueprint, if the app has Flask-WTF's protection by now."""
    protection: Any = app.extensions.get("csrf")  # other extensions use this key too
    if type(protection).__module__.partition(".")[0] == "flask_wtf":
        protection.exempt(blueprint)
