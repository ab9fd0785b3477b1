"""Tests that are known to fail on this commit, each with what is wrong. To be emptied: nothing new belongs here.

Their assertions stand as they were. Each is run all the same, but for the one that would not end, and is reported as an
expected failure.
"""

from __future__ import annotations

KNOWN_FAILURES = {
    "tests/laws/test_scope.py::test_nor_after_many_changes": "failed once, cause not found",
}
