"""Marks that restrict a test to one of the databases that the fixture `backend` runs it on."""

from __future__ import annotations

import pytest

mongod_only = pytest.mark.parametrize("backend", ["mongod"], indirect=True)
"""For what mongomock lacks: transactions, failures, command monitoring, collation, `explain`."""

mongomock_only = pytest.mark.parametrize("backend", ["mongomock"], indirect=True)
"""For what a database has no part in, where the real one would only cost time."""

new_database = pytest.mark.new_database
"""For what must find no collection and no index, where another test may have used the database before."""
