"""Tests that are known to fail on this commit, each with what is wrong. To be emptied: nothing new belongs here.

Their assertions stand as they were. Each is run all the same, but for the one that would not end, and is reported as an
expected failure.
"""

from __future__ import annotations

TABLE = "names the commands that were sent before deletions, notes and indexes of sets came in"
KNOWN_FAILURES = {
    "tests/chaos/test_failover.py::test_a_seeding_in_the_middle_of_which_the_primary": TABLE,
    "tests/chaos/test_failover.py::test_a_sync_in_the_middle_of_which_the_primary": TABLE,
    "tests/reconcile/test_sync.py::test_a_sync_that_was_killed_anywhere": TABLE,
    "tests/laws/test_scope.py::test_nor_after_many_changes": "failed once, cause not found",
}
