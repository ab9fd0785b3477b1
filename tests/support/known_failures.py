"""Tests that are known to fail on this commit, each with what is wrong. To be emptied: nothing new belongs here.

Their assertions stand as they were. Each is run all the same, but for the one that would not end, and is reported as an
expected failure.
"""

from __future__ import annotations

TABLE = "names the commands that were sent before deletions, notes and indexes of sets came in"
KNOWN_FAILURES = {
    "tests/http/test_in_hosts.py::test_a_child_that_is_forked_while_the_document_is_made": "hangs: it waits for a name "
    "of the document's words that is not called any more",
    "tests/chaos/test_races.py::test_one_worker_claims_many_times_at_once": "a claim tells what became of it in words",
    "tests/chaos/test_faults.py::test_a_user_with_a_role_that_grants_the_least": "the role lacks the third collection",
    "tests/chaos/test_failover.py::test_a_seeding_in_the_middle_of_which_the_primary": TABLE,
    "tests/chaos/test_failover.py::test_a_sync_in_the_middle_of_which_the_primary": TABLE,
    "tests/chaos/test_kill_points.py::": TABLE,
    "tests/chaos/test_interleavings.py::": TABLE,
    "tests/reconcile/test_sync.py::test_a_sync_that_was_killed_anywhere": TABLE,
    "tests/integration/test_benchmarks.py::test_templates_of_the_benchmark_are_in_normal_form": "lacks the new fields",
    "tests/console/test_list_and_restore.py::test_the_list_tells_claims": "not looked into, on a real server only",
    "tests/laws/test_api_laws.py::": "not looked into: what is remembered, and one flaky replay",
    "tests/laws/test_scope.py::test_nor_after_many_changes": "failed once, cause not found",
    "tests/http/test_bodies.py::test_a_hostile_body_takes_neither_long_nor_much": "a bound of one second of processor "
    "time, missed by a sixth on a busy machine",
}
NOT_RUN = "tests/http/test_in_hosts.py::test_a_child_that_is_forked_while_the_document_is_made"
