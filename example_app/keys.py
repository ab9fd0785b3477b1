"""The app's secrets: made on the first start, kept in the instance folder, the same in each of its processes."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path


def _key() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Keys:
    """Each is for one purpose only.

    Attributes:
        session: signs the session cookie.
        link: signs a person in, by the link that the app prints.
        admin: an admin's token for the API.
        viewer: a viewer's token for the API.
    """

    session: str = field(default_factory=_key)
    link: str = field(default_factory=_key)
    admin: str = field(default_factory=_key)
    viewer: str = field(default_factory=_key)


def load_keys(instance: Path) -> Keys:
    """Return the keys of an instance folder; where it has none yet, make them."""
    path = instance / "keys.json"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            json.dump(asdict(Keys()), file, indent=2)
        # Of several processes that start at once, the first one's keys hold, for all of them.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return Keys(**json.loads(path.read_text()))
