"""The commands `claims`, `claim` and `release`."""

from __future__ import annotations

import re

from tests.support.shell import TIME, Shell


def test_claims_in_a_pipe(seeded: Shell) -> None:
    result = seeded.wt("claims", "small")
    assert re.fullmatch(rf"worker-1\t{TIME}\tfleet\nworker-2\t{TIME}\tfleet\n", result.stdout)
    assert result.stderr == "2 claims.\n"
    assert seeded.wt("claims", "small", "-o", "name").stdout == "worker-1\nworker-2\n"


def test_claims_for_programs(seeded: Shell) -> None:
    document = seeded.json("worker-templates", "claims", "small", schema="claims")
    assert [(claim["worker_id"], claim["actor"]) for claim in document["claims"]] == [
        ("worker-1", "fleet"),
        ("worker-2", "fleet"),
    ]


def test_claims_of_a_template_that_no_worker_uses(seeded: Shell) -> None:
    result = seeded.wt("claims", "large")
    assert (result.stdout, result.stderr) == ("", "No worker claims it.\n")
    assert seeded.json("worker-templates", "claims", "large", schema="claims")["claims"] == []


def test_claim_and_release(seeded: Shell) -> None:
    assert seeded.wt("claim", "large", "w").stdout == "claimed   large (revision 1; by w)\n"
    assert seeded.wt("claim", "large", "w").stdout == "renewed   large (revision 1; by w)\n"
    assert seeded.wt("claims", "large", "-o", "name").stdout == "w\n"
    (claimed,) = seeded.changed("claim", "large", "v")
    assert (claimed["name"], claimed["worker_id"], claimed["status"]) == ("large", "v", "claimed")
    result = seeded.wt("release", "large", "w", "nobody", "v", code=1)
    assert result.stdout == "released  large (revision 1; by w)\nreleased  large (revision 1; by v)\n"
    assert "Error: nobody: The worker 'nobody' does not claim 'large'." in result.stderr
    assert "2 released, 1 failed." in result.stderr
    assert seeded.wt("claims", "large").stdout == ""


def test_a_disabled_template_is_claimed_by_no_new_worker(seeded: Shell) -> None:
    result = seeded.wt("claim", "by hand", "w", code=4)
    assert (result.stdout, "disabled" in result.stderr) == ("", True)
    (failed,) = seeded.changed("claim", "by hand", "w", code=4)
    assert failed["error"]["type"] == "TemplateDisabled"


def test_a_worker_id_that_cannot_be(seeded: Shell) -> None:
    assert "worker_id" in seeded.wt("claim", "large", "a b", code=1).stderr
