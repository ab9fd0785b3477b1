"""The commands `claims`, `claim` and `release`."""

from __future__ import annotations

import re

from tests.support.shell import TIME, Shell


def test_claims_in_a_pipe(seeded: Shell) -> None:
    result = seeded.wt("claims", "small")
    assert re.fullmatch(rf"worker-1\tlive\t2\t{TIME}\t\tfleet\t\nworker-2\tlive\t2\t{TIME}\t\tfleet\t\n", result.stdout)
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
    assert seeded.wt("claim", "large", "w").stdout == "unchanged large (revision 1; by w)\n"
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


def test_claims_of_all_templates(seeded: Shell) -> None:
    seeded.wt("claim", "large", "w")
    rows = [line.split("\t") for line in seeded.wt("claims").stdout.splitlines()]
    assert [row[:2] for row in rows] == [["large", "w"], ["small", "worker-1"], ["small", "worker-2"]]
    document = seeded.json("worker-templates", "claims", schema="claims")
    assert [claim["template_name"] for claim in document["claims"]] == ["large", "small", "small"]
    assert seeded.wt("claims", "--worker", "w", "-o", "name").stdout == "w\n"
    assert seeded.wt("claims", "--worker", "nobody").stderr == "No claims found.\n"


def test_outdated_claims_say_what_has_changed(seeded: Shell) -> None:
    assert seeded.wt("list", "--outdated", "-o", "name").stdout == ""
    seeded.wt("set", "small", "max_nodes=9", "capacity.memory_gb=16", "labels.a=b")
    assert seeded.wt("list", "--outdated", "-o", "name").stdout == "small\n"
    document = seeded.json("worker-templates", "claims", "small", "--outdated", schema="claims")
    assert [claim["changed"] for claim in document["claims"]] == [["capacity.memory_gb", "max_nodes"]] * 2
    row = seeded.wt("claims", "--outdated").stdout.splitlines()[0].split("\t")
    assert (row[2], row[-1]) == ("outdated", "capacity.memory_gb, max_nodes")
    seeded.wt("claim", "small", "worker-1", "--revision", "3")
    assert seeded.wt("claims", "--outdated", "-o", "name").stdout == "worker-2\n"
    assert seeded.wt("claims", "--not-outdated", "-o", "name").stdout == "worker-1\n"


def test_a_claim_may_be_a_lease(seeded: Shell) -> None:
    assert seeded.changed("claim", "large", "w", "--ttl", "300")[0]["status"] == "claimed"
    assert seeded.changed("claim", "large", "w")[0]["status"] == "renewed"
    (claim,) = seeded.json("worker-templates", "claims", "large", schema="claims")["claims"]
    assert (claim["ttl_seconds"], claim["expired"]) == (300, False)
    assert re.fullmatch(TIME, claim["expires_at"])
    seeded.wt("claim", "large", "w", "--endless")
    assert seeded.json("worker-templates", "claims", "large")["claims"][0]["expires_at"] is None
    for wrong in (["--ttl", "9"], ["--ttl", "300", "--endless"], ["--revision", "0"]):
        seeded.wt("claim", "large", "w", *wrong, code=2)
    assert "revision" in seeded.wt("claim", "large", "v", "--revision", "9", code=1).stderr


def test_a_limit_and_a_deprecation_refuse_new_workers(seeded: Shell) -> None:
    seeded.wt("set", "small", "max_claims=2")
    assert "2 of 2" in seeded.wt("list").stdout
    assert "small" in seeded.wt("claim", "small", "worker-3", code=4).stderr
    (done,) = seeded.changed("deprecate", "large", "--message", "Too big", "--replaced-by", "small", "-m", "Budget")
    assert done["changes"][0]["to"] == {"message": "Too big", "replaced_by": "small"}
    assert seeded.messages("large")[0] == "Budget"
    assert "Too big" in seeded.wt("claim", "large", "w", code=4).stderr
    assert "deprecated" in seeded.wt("list", "--name", "large").stdout
    seeded.wt("undeprecate", "large")
    assert seeded.get("large").deprecation is None
