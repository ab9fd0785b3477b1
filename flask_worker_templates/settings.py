"""Every ``WORKER_TEMPLATES_*`` key: its type, default and meaning, read once into a frozen object."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._defaults import LICENSE_TYPES
from .errors import SettingsError

PREFIX = "WORKER_TEMPLATES_"
MAX_FILE_SET_LENGTH = 100


class Secret(str):
    """A string that is not shown where its `repr` is: error trackers record the variables of every frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def _one_of(*choices: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in choices or not isinstance(value, str):
            raise ValueError("one of " + ", ".join(repr(choice) for choice in choices))
        return value

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False (true or false in an environment variable)")
    return value


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"an integer from {low:,} to {high:,}")
        return value

    return check


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a string that is not empty")
    return value


def _set_name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > MAX_FILE_SET_LENGTH:
        raise ValueError(f"a string of 1 to {MAX_FILE_SET_LENGTH} printable characters")
    return value


def _uri(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("None, or a string that starts with mongodb:// or mongodb+srv://")
    return Secret(value)


_LICENSE_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,63}\Z")


def _license_types(value: Any) -> tuple[str, ...]:
    listed = list(value) if isinstance(value, list | tuple) else []
    valid = [one for one in listed if isinstance(one, str) and _LICENSE_TYPE.match(one)]
    if not listed or len(valid) != len(listed) or len(set(listed)) != len(listed) or len(listed) > _MAX_LICENSE_TYPES:
        raise ValueError(
            f"a list of 1 to {_MAX_LICENSE_TYPES} different strings, each 1–64 characters of A-Z a-z 0-9 . _ / + -, "
            "the first one a letter or a digit"
        )
    return tuple(listed)


_MAX_LICENSE_TYPES = 100


# What other keys set, what the routes say themselves, and what apispec takes for arguments of its own.
_NO_SPEC_OPTIONS = frozenset(
    {"openapi", "openapi_version", "paths", "plugins", "response_plugin", "swagger", "title", "version"}
)


def _spec_options(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("a dict")
    for place in _no_json(dict(value), ""):
        raise ValueError(f"a dict of what JSON can hold, with strings for keys ({place} is something else)")
    for key in sorted(_NO_SPEC_OPTIONS.intersection(value)):
        raise ValueError(
            f"a dict of members of an OpenAPI document, such as 'components', 'info', 'security' or 'servers' ({key!r} "
            "cannot be among them)"
        )
    return value


def _no_json(value: Any, path: str) -> Iterator[str]:
    """Yield the place of each thing that JSON cannot hold."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _no_json(inner, f"{path}.{key}" if path else key)
            else:
                yield f"the key {key!r:.100}" + (f" of {path}" if path else "")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _no_json(inner, f"{path}.{number}")
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        yield path


# Segments of RFC 3986's unreserved characters and a few more: what else there is, a URL must escape, so that a request
# never equals it, or a route takes it for a variable.
_URL_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+\Z")


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or _URL_PATH.match(value) is None:
        raise ValueError("a URL path that starts with / and does not end with one, such as '/api/v1/templates'")
    return value


def _login_url(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(("/", "https://", "http://")) or not value.isprintable():
        raise ValueError("None, or a URL that starts with / or https://, such as '/login'")
    return value


def _paths(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    listed = [value] if isinstance(value, str | Path) else value
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(p, str | Path) for p in listed):
        raise ValueError("a path to a file or a directory, a glob, or a list of these that is not empty")
    texts = tuple(str(path) for path in listed)
    if not all(text and "\0" not in text for text in texts):
        raise ValueError("paths that are not empty and hold no NUL")
    return texts


def _fields(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(path, str) and path for path in value):
        raise ValueError("a list of field paths, such as ['description', 'labels']")
    return tuple(value)


def _key(default: Any, check: Callable[[Any], Any], meaning: str, *, secret: bool = False) -> Any:
    return dataclasses.field(default=default, repr=not secret, metadata={"check": check, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """The extension's settings for one app. Each field is the key ``WORKER_TEMPLATES_<FIELD IN CAPITALS>``."""

    config_path: tuple[str, ...] | None = _key(
        None,
        _paths,
        "Definition files: a file, a directory (its *.yaml, *.yml and *.json), a glob, or a list of these; relative "
        "to the directory that holds the app. None means `config/worker_templates.yaml`, which may be missing.",
    )
    file_set: str = _key(
        "default",
        _set_name,
        "Name of the set that the definition files belong to. Apps with different files in one database take different "
        "names, and leave each other's templates alone.",
    )
    seed: str = _key(
        "on",
        _one_of("on", "off"),
        "`on` seeds once per process before the first request is served; `off` leaves it to `flask seed-templates`.",
    )
    reseed_deleted: bool = _key(
        True,
        _flag,
        "Whether a template that was seeded and then deleted is created again by the next seeding.",
    )
    sync_on_start: str = _key(
        "off",
        _one_of("off", "safe"),
        "`safe` applies what the files changed when a process starts, except where it would overwrite an edit.",
    )
    mongodb_uri: str | None = _key(
        None,
        _uri,
        "A MongoDB connection of the extension's own. None means the host's MongoEngine connection.",
        secret=True,
    )
    db_alias: str = _key("default", _name, "The host's MongoEngine connection alias to use.")
    db_timeout_ms: int = _key(5000, _integer(50, 600_000), "Time limit of every database operation, in milliseconds.")
    anonymous: str | None = _key(
        None,
        lambda value: None if value is None else _one_of("none", "read", "write")(value),
        "What is allowed where no authorizer is registered: `none`, `read` or `write`. None means `write` under "
        "app.debug or app.testing, else `read`.",
    )
    max_claims: int = _key(
        10_000,
        _integer(1, 10_000),
        "The most claims that a template keeps, whatever its own `max_claims` says; one more is refused (409).",
    )
    cosmetic_fields: tuple[str, ...] = _key(
        ("description", "labels", "cost_per_hour_usd", "enabled", "max_claims", "deprecation"),
        _fields,
        "Fields of a template that do not matter to a machine: if only they change, no claim is outdated. A list of "
        "field paths, such as `labels` or `extra.note`.",
    )
    require_if_match: bool = _key(False, _flag, "Whether PUT, PATCH, DELETE and revert must carry If-Match (else 428).")
    url_prefix: str = _key("/api/v1/templates", _prefix, "URL prefix of the routes.")
    docs: str = _key(
        "public",
        _one_of("public", "read", "off"),
        "Swagger UI and the OpenAPI document: for everybody, for those whom the authorizer lets read, or for nobody.",
    )
    docs_url_prefix: str = _key("/api/v1/docs", _prefix, "URL of Swagger UI.")
    api_title: str = _key(
        "Worker templates", _name, "Title of the OpenAPI document, where the extension makes its own."
    )
    api_spec_options: Mapping[str, Any] | None = _key(
        None,
        _spec_options,
        "More members of the OpenAPI document that the extension makes, such as `security`, in the form of JSON.",
    )
    console: str = _key("on", _one_of("on", "off"), "Pages for people: `on` or `off`.")
    console_url_prefix: str = _key("/worker-templates", _prefix, "URL of the pages for people.")
    login_url: str | None = _key(
        None,
        _login_url,
        "Where visitors who are not signed in (401) are redirected, with the page as the parameter `next`. "
        "None shows an error.",
    )
    max_body_bytes: int = _key(
        262_144, _integer(1024, 16_777_216), "Largest request body that is read, in bytes (else 413)."
    )

    license_types: tuple[str, ...] = _key(
        LICENSE_TYPES, _license_types, "What `license_type` may be, in the order in which it is shown."
    )
    license_default: str | None = _key(
        None,
        lambda value: None if value is None else _name(value),
        "What `license_type` is where a spec leaves it out: one of the types, or None, which requires it.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read the settings of an app.

        Raises:
            SettingsError: naming every key that is unknown or has a value that it cannot take.
        """
        known = {PREFIX + field.name.upper(): field for field in dataclasses.fields(cls)}
        faults: list[str] = []
        values: dict[str, Any] = {}
        for key in sorted(key for key in config if isinstance(key, str) and key.startswith(PREFIX)):
            field = known.get(key)
            if field is None:
                # Without the prefix, which makes any two keys alike.
                names = [name.removeprefix(PREFIX) for name in known]
                close = difflib.get_close_matches(key.removeprefix(PREFIX).upper(), names, n=1)
                hint = f"did you mean {PREFIX}{close[0]}?" if close else f"the keys are {', '.join(known)}."
                faults.append(f"{key} is not a setting: {hint}")
                continue
            try:
                values[field.name] = field.metadata["check"](config[key])
            except ValueError as error:
                # The URI may hold a password, and says nothing that its owner does not know.
                shown = "" if field.name == "mongodb_uri" else f", not {config[key]!r:.200}"
                faults.append(f"{key} must be {error}{shown}")
        if faults:
            raise SettingsError("\n".join(faults))
        settings = cls(**values)
        if settings.license_default is not None and settings.license_default not in settings.license_types:
            raise SettingsError(
                f"{PREFIX}LICENSE_DEFAULT must be None, or one of {PREFIX}LICENSE_TYPES "
                f"({', '.join(settings.license_types)}), not {settings.license_default!r:.200}"
            )
        return settings
