"""What is checked of a MongoDB URI before anything is connected."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from pymongo import uri_parser
from pymongo.errors import (
    PyMongoError,
)

from flask_worker_templates.errors import SettingsError
from flask_worker_templates.settings import Secret

from .scan import EVENTS as EVENTS  # noqa: PLC0414  # exported
from .scan import TEMPLATES as TEMPLATES  # noqa: PLC0414

_INVALID_URI = "is not a valid MongoDB URI: see https://www.mongodb.com/docs/manual/reference/connection-string/"


_NO_DATABASE_NAME = re.compile(r'[/\\."$\s\0]')


_MAX_DATABASE_NAME = 63


def check_uri(uri: str) -> None:
    """Raise `SettingsError` for an invalid URI; the message does not show the password."""
    problem = None
    try:
        problem = _problem_of_place(uri)
        if problem is None:
            uri_parser.parse_uri(_without_lookup(uri), warn=True)
    except OSError:
        problem = "names a certificate file that cannot be read"
    except (PyMongoError, ValueError):
        # The parser's own message may quote a part of the password, so none of it is passed on.
        problem = _INVALID_URI
    if problem:
        raise SettingsError(f"WORKER_TEMPLATES_MONGODB_URI {problem}")


def _without_lookup(uri: str) -> str:
    """Return a URI with the same parts that can be wrong, for which the parser looks nothing up in DNS.

    Raises:
        ValueError: if a ``mongodb+srv`` URI has what only the other kind may have.
    """
    if not uri.startswith("mongodb+srv://"):
        return uri
    server, mark, options = uri.removeprefix("mongodb+srv://").partition("?")
    host = server.partition("/")[0].rpartition("@")[2]
    separator = ";" if ";" in options else "&"
    given = options.split(separator)
    plain = [option for option in given if not option.lower().startswith("srv")]
    if "," in host or ":" in host or "directconnection=true" in options.lower():
        raise ValueError
    if options:  # those of this kind alone too, each by itself
        uri_parser.split_options(options, validate=True, warn=True)
    return f"mongodb://{server}{mark if plain != [''] else ''}{separator.join(plain)}"


def _problem_of_place(uri: str) -> str | None:
    """Return what is wrong with the hosts and the database of a URI, of which the parser takes more than can be."""
    place = uri.partition("://")[2].partition("?")[0]
    hosts, _, name = place.partition("/")
    name = unquote_plus(name)
    if "@" in name:  # a slash in a password that is not percent-encoded
        return _INVALID_URI
    if not all(host.partition(":")[0] for host in hosts.rpartition("@")[2].split(",")):
        return "names no host: put it before the database, as in mongodb://localhost:27017/fleet"
    if not name:
        return "names no database: put its name after the host, as in mongodb://localhost:27017/fleet"
    # Of what follows a dot the driver would make a collection: another database than the one that was meant.
    if _NO_DATABASE_NAME.search(name) or len(name.encode()) > _MAX_DATABASE_NAME:
        return (
            'names a database that cannot be: its name has at most 63 bytes, and none of / \\ . " $ or a space among '
            "them"
        )
    return None


def with_bounded_lookup(uri: str, seconds: float) -> str:
    """Return a URI whose ``mongodb+srv`` name is looked up in DNS within a time, unless it says a time itself."""
    # It is looked up before there is a client, where `pymongo.timeout` does not reach. This option bounds it, and only
    # in the URI: an argument is not passed on to the lookup of MongoEngine's own.
    server, _, options = uri.partition("?")
    separator = ";" if ";" in options else "&"
    given = {option.partition("=")[0].lower() for option in options.split(separator)}
    if not uri.startswith("mongodb+srv://") or "connecttimeoutms" in given:
        return uri
    return Secret(f"{server}?{options}{separator if options else ''}connectTimeoutMS={round(seconds * 1000)}")
