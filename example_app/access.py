"""Who may do what: bearer tokens with a role, for the app's own routes and for the worker templates alike."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, jsonify
from flask_httpauth import HTTPTokenAuth
from werkzeug.datastructures import WWWAuthenticate

from flask_worker_templates import Template, WorkerTemplates

ADMIN, VIEWER = "admin", "viewer"
REALM = "fleet"

auth = HTTPTokenAuth(realm=REALM)


@dataclass(frozen=True)
class User:
    """Whoever has a token. In this small app there is one user for each role."""

    name: str
    role: str


def load_tokens(instance: Path) -> dict[str, str]:
    """Return the token of each role; they are made on the first start and kept in the instance folder."""
    path = instance / "tokens.json"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        made = json.dumps({role: secrets.token_urlsafe(24) for role in (ADMIN, VIEWER)}, indent=2) + "\n"
        draft = path.with_suffix(f".{os.getpid()}")
        with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(made)
        # Of several processes that start at once, the first one's tokens hold, for all of them.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    tokens: dict[str, str] = json.loads(path.read_text())
    return tokens


def protect(app: Flask, templates: WorkerTemplates, tokens: dict[str, str]) -> None:
    """Read the token of every request, and let the worker templates ask whose it is."""

    @auth.verify_token  # type: ignore[untyped-decorator]
    def user_of(token: str) -> User | None:
        for role, expected in tokens.items():
            if hmac.compare_digest(token.encode(), expected.encode()):
                return User(role, role)
        return None

    @auth.get_user_roles  # type: ignore[untyped-decorator]
    def roles_of(user: User) -> list[str]:
        return [user.role]

    @auth.error_handler  # type: ignore[untyped-decorator]
    def refuse(status: int) -> Response:
        needed = "This needs a token." if status == 401 else "This needs the token of an admin."  # noqa: PLR2004
        response = jsonify(error=needed)
        response.status_code = status
        return response

    @app.before_request
    @auth.login_required(optional=True)  # type: ignore[untyped-decorator]
    def identify() -> None:
        """Make ``auth.current_user()`` known to every route, the worker templates' own included."""

    @templates.authorizer
    def may(action: str, template: Template | None) -> bool:
        user: User | None = auth.current_user()
        if user is None:
            abort(401, "This needs a token.", www_authenticate=WWWAuthenticate("bearer", {"realm": REALM}))
        return action == "read" or user.role == ADMIN

    @templates.actor_loader
    def actor() -> str:
        user: User | None = auth.current_user()
        return user.name if user else "anonymous"
