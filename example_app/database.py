"""Which MongoDB the app uses: the one of ``MONGODB_URI``, else its own, else one in memory."""

from __future__ import annotations

import os
from pathlib import Path

import click
import mongoengine
import mongomock
from flask import Flask

from .embedded_mongod import MongodMissing, lease

DATABASE = "fleet"


def connect(app: Flask) -> None:
    """Connect MongoEngine's `default` alias.

    Raises:
        MongodFailed: if the embedded server runs on this machine but does not start on this data.
    """
    if uri := os.environ.get("MONGODB_URI"):
        _connect(uri)
        return
    try:
        server = lease(Path(app.instance_path) / "mongod")
    except MongodMissing as missing:
        mongoengine.connect(DATABASE, mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
        click.echo(f"WARNING: no MongoDB server ({missing}): data is kept in memory and lost at exit.", err=True)
        return
    app.extensions["embedded_mongod"] = server  # the server runs for as long as somebody holds a lease
    _connect(server.uri)


def _connect(uri: str) -> None:
    options = {} if "serverSelectionTimeoutMS" in uri else {"serverSelectionTimeoutMS": 5000}  # PyMongo waits for 30 s
    # Lazily, so that no connection is open when gunicorn --preload forks.
    mongoengine.connect(DATABASE, host=uri, uuidRepresentation="standard", connect=False, **options)
