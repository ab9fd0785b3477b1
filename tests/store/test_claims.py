"""Claims and leases in the store: who gets one, how long it holds, and what it says of its worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates import (
    ClaimRefused,
    InvalidParameters,
    TemplateDeprecated,
    TemplateDisabled,
    TemplateFull,
    TemplateInUse,
    TemplateNotFound,
)
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.claim_parameters import claims_parameters
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.spec import Spec, patched
from flask_worker_templates.model.template import Template
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import claim_list
from flask_worker_templates.store.claim_rules import ClaimRules
from flask_worker_templates.store.clock import Clock
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.backends import mongod_only
from tests.support.clocks import MovableClock
from tests.support.monitoring import monitored
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def access(connection: dict[str, str]) -> DatabaseAccess:
    return DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000}))


@pytest.fixture
def store(access: DatabaseAccess, clock: MovableClock) -> Store:
    store = Store(access, rules=ClaimRules(clock=Clock(clock)))
    store.make_indexes()
    return store


@pytest.fixture
def one(store: Store) -> Template:
    return store.create(spec_with("one"), actor="alice")


def patch(**changes: Any) -> Callable[[Spec], Spec]:
    return lambda spec: patched(spec, changes)


def shown(store: Store, template: Template) -> dict[str, Claim]:
    return {claim.worker_id: claim for claim in store.claims(template.id, Paging(1, 200))}


def listed(store: Store, **asked: Any) -> list[tuple[str | None, str]]:
    page = store.all_claims(claims_parameters({"page_size": 200, **asked}))
    assert page.total == len(page)
    return [(claim.template_name, claim.worker_id) for claim in page]


def test_a_lease_ends_unless_it_is_renewed(store: Store, one: Template, clock: MovableClock) -> None:
    start = clock.time.replace(tzinfo=UTC)
    claim, outcome = store.claim(one.id, "w", actor="fleet", ttl=300)
    assert outcome == "made"
    assert (claim.claimed_at, claim.renewed_at, claim.expires_at) == (start, start, start + timedelta(seconds=300))
    assert (claim.revision, claim.ttl_seconds, claim.expired) == (1, 300, False)
    clock.pass_by(299)
    renewed, outcome = store.claim(one.id, "w", actor="somebody else")
    assert outcome == "renewed"
    assert (renewed.actor, renewed.claimed_at) == ("fleet", start)
    assert renewed.expires_at == start + timedelta(seconds=599)
    clock.pass_by(299)
    assert not shown(store, one)["w"].expired
    with pytest.raises(TemplateInUse):
        store.delete(one.id, actor="bob")
    clock.pass_by(1)
    assert shown(store, one)["w"].expired
    store.delete(one.id, actor="bob")  # an expired claim does not count


def test_a_claim_after_expiry_is_a_new_one(store: Store, one: Template, clock: MovableClock) -> None:
    store.claim(one.id, "w", actor="fleet", ttl=10)
    store.update(one.id, patch(max_nodes=7), actor="bob")
    clock.pass_by(10)
    claim, outcome = store.claim(one.id, "w", actor="another", ttl=20)
    assert outcome == "made"
    assert (claim.actor, claim.revision, claim.claimed_at) == ("another", 2, clock.time.replace(tzinfo=UTC))
    assert list(shown(store, one)) == ["w"]
    clock.pass_by(20)
    store.update(one.id, patch(enabled=False), actor="bob")
    with pytest.raises(TemplateDisabled):  # refused where a new one would be
        store.claim(one.id, "w", actor="fleet")


def test_a_lease_gets_another_time_and_none(store: Store, one: Template, clock: MovableClock) -> None:
    store.claim(one.id, "w", actor="fleet", ttl=10)
    assert store.claim(one.id, "w", actor="fleet", ttl=100)[0].ttl_seconds == 100
    endless, outcome = store.claim(one.id, "w", actor="fleet", ttl=None)
    assert outcome == "renewed"
    assert (endless.ttl_seconds, endless.expires_at, endless.renewed_at) == (None, None, None)
    clock.pass_by(10**6)
    assert not shown(store, one)["w"].expired
    for ttl in ({"ttl": None}, {}):
        assert store.claim(one.id, "w", actor="fleet", **ttl)[1] == "unchanged"
    again, outcome = store.claim(one.id, "w", actor="fleet", ttl=10)
    assert (again.ttl_seconds, outcome) == (10, "renewed")
    assert again.renewed_at == clock.time.replace(tzinfo=UTC)


def test_others_keep_their_claims_as_they_are(store: Store, one: Template, clock: MovableClock) -> None:
    for worker in ("a", "b", "c"):
        store.claim(one.id, worker, actor="fleet", ttl=100)
    before = shown(store, one)
    clock.pass_by(50)
    store.claim(one.id, "b", actor="fleet")
    store.claim(one.id, "b", actor="fleet", ttl=100, revision=1)
    after = shown(store, one)
    assert {**after, "b": None} == {**before, "b": None}
    assert after["b"].renewed_at != before["b"].renewed_at
    assert list(after) == ["a", "b", "c"]


def test_refusals_say_why(store: Store, one: Template) -> None:
    store.claim(one.id, "old", actor="fleet", ttl=100)
    refusals: list[tuple[dict[str, Any], type[ClaimRefused], dict[str, Any]]] = [
        ({"enabled": False}, TemplateDisabled, {}),
        (
            {"deprecation": {"message": "Too old.", "replaced_by": "new"}},
            TemplateDeprecated,
            {"message": "Too old.", "replaced_by": "new"},
        ),
        ({"max_claims": 1}, TemplateFull, {"claims": 1, "limit": 1}),
    ]
    for changes, error, data in refusals:
        store.update(one.id, patch(**changes), actor="bob")
        with pytest.raises(error) as caught:
            store.claim(one.id, "new", actor="fleet", ttl=100)
        assert {key: getattr(caught.value, key) for key in data} == data
        assert store.claim(one.id, "old", actor="fleet")[1] == "renewed"  # whoever has one renews it all the same
        store.update(one.id, patch(**dict.fromkeys(changes)), actor="bob")
    assert store.claim(one.id, "new", actor="fleet")[1] == "made"


def test_a_limit_counts_live_claims_and_sweeps_the_expired(store: Store, one: Template, clock: MovableClock) -> None:
    store.update(one.id, patch(max_claims=2), actor="bob")
    store.claim(one.id, "a", actor="fleet", ttl=10)
    store.claim(one.id, "b", actor="fleet", ttl=100)
    with pytest.raises(TemplateFull):
        store.claim(one.id, "c", actor="fleet")
    clock.pass_by(10)
    assert {worker: claim.expired for worker, claim in shown(store, one).items()} == {"a": True, "b": False}
    store.claim(one.id, "c", actor="fleet")
    assert list(shown(store, one)) == ["b", "c"]
    store.update(one.id, patch(max_claims=1), actor="bob")  # evicts nobody
    assert list(shown(store, one)) == ["b", "c"]
    assert store.claim(one.id, "b", actor="fleet")[1] == "renewed"
    store.release(one.id, "c", actor="fleet")
    with pytest.raises(TemplateFull):
        store.claim(one.id, "c", actor="fleet")


def test_an_expired_claim_stays_while_there_is_room(store: Store, one: Template, clock: MovableClock) -> None:
    store.claim(one.id, "a", actor="fleet", ttl=10)
    clock.pass_by(10)
    store.claim(one.id, "b", actor="fleet")
    assert {worker: claim.expired for worker, claim in shown(store, one).items()} == {"a": True, "b": False}
    assert store.release(one.id, "a", actor="fleet")


def test_the_bound_of_the_app_holds_for_every_template(access: DatabaseAccess, store: Store, one: Template) -> None:
    bounded = Store(access, rules=ClaimRules(bound=3))
    store.update(one.id, patch(max_claims=100), actor="bob")
    for number in range(3):
        bounded.claim(one.id, f"w{number}", actor="fleet")
    with pytest.raises(TemplateFull) as caught:
        bounded.claim(one.id, "w3", actor="fleet")
    assert (caught.value.claims, caught.value.limit) == (3, 3)
    assert bounded.claim(one.id, "w0", actor="fleet", ttl=100)[1] == "renewed"


def test_a_worker_states_the_revision_that_it_runs(store: Store, one: Template) -> None:
    for number in (7, 8):
        store.update(one.id, patch(max_nodes=number), actor="bob")
    claim, _ = store.claim(one.id, "w", actor="fleet", revision=2, ttl=100)
    assert (claim.revision, list(claim.changed)) == (2, ["max_nodes"])
    assert store.claim(one.id, "w", actor="fleet")[0].revision == 2
    claim, outcome = store.claim(one.id, "w", actor="fleet", revision=3)
    assert (claim.revision, claim.outdated, outcome) == (3, False, "renewed")
    store.claim(one.id, "endless", actor="fleet", revision=1)
    assert store.claim(one.id, "endless", actor="fleet", revision=1)[1] == "unchanged"
    assert store.claim(one.id, "endless", actor="fleet", revision=2)[1] == "renewed"
    for worker in ("w", "new"):
        with pytest.raises(InvalidParameters, match="no revision 4"):
            store.claim(one.id, worker, actor="fleet", revision=4)


def test_a_claim_is_outdated_by_what_matters_to_a_machine(access: DatabaseAccess, store: Store, one: Template) -> None:
    store.claim(one.id, "w", actor="fleet")
    cosmetic = {"description": "x", "labels": {"a": "b"}, "cost_per_hour_usd": 1.5, "max_claims": 7, "enabled": False}
    store.update(one.id, patch(**cosmetic), actor="bob")
    assert not shown(store, one)["w"].outdated
    store.update(one.id, patch(capacity={"cpu_cores": 99}, port_range={"start": 3000}), actor="bob")
    assert list(shown(store, one)["w"].changed) == ["capacity.cpu_cores", "port_range.start"]
    strict = Store(access, rules=ClaimRules(cosmetic=["port_range", "labels"]))
    assert "labels.a" not in shown(strict, one)["w"].changed
    assert {"description", "capacity.cpu_cores"} <= set(shown(strict, one)["w"].changed)
    store.revert(one.id, 1, actor="bob")
    assert not shown(store, one)["w"].outdated


def test_a_claim_of_an_older_version_has_no_revision(store: Store, one: Template, database: Raw) -> None:
    old = {"worker_id": "w", "actor": "fleet", "claimed_at": datetime(2025, 1, 1)}  # noqa: DTZ001
    database.worker_templates.update_one({"_id": one.id}, {"$push": {"claims": old}})
    store.update(one.id, patch(max_nodes=7), actor="bob")
    claim = shown(store, one)["w"]
    assert (claim.revision, claim.outdated, claim.expired, claim.expires_at) == (None, False, False, None)
    with pytest.raises(TemplateInUse):
        store.delete(one.id, actor="bob")
    assert store.claim(one.id, "w", actor="fleet")[1] == "unchanged"
    assert store.claim(one.id, "w", actor="fleet", ttl=10)[1] == "renewed"


def test_a_guard_is_asked_about_the_template_and_again_where_it_moved(store: Store, one: Template) -> None:
    asked: list[int] = []

    def guard(template: Template, after: Template | None) -> None:
        assert after is None
        asked.append(template.revision)
        if len(asked) in {1, 3}:
            store.update(one.id, patch(max_nodes=template.max_nodes + 1), actor="other")

    assert store.claim(one.id, "w", actor="fleet", guard=guard)[0].revision == 2
    assert store.release(one.id, "w", actor="fleet", guard=guard)
    assert asked == [1, 2, 2, 3]

    def refuse(template: Template, after: Template | None) -> None:
        raise PermissionError

    store.claim(one.id, "w", actor="fleet")
    with pytest.raises(PermissionError):
        store.claim(one.id, "w2", actor="fleet", guard=refuse)
    with pytest.raises(PermissionError):
        store.release(one.id, "w", actor="fleet", guard=refuse)
    assert list(shown(store, one)) == ["w"]


def test_all_claims(store: Store, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {name: store.create(spec_with(name), actor="alice").id for name in ("b", "a", "c")}
    for name, worker, ttl in (("b", "w1", 10), ("a", "w2", 100), ("a", "w1", None), ("b", "w3", None)):
        store.claim(ids[name], worker, actor="fleet", ttl=ttl)
    store.update(ids["b"], patch(max_nodes=7), actor="bob")
    store.claim(ids["b"], "w4", actor="fleet")
    clock.pass_by(50)
    assert listed(store) == [("a", "w2"), ("a", "w1"), ("b", "w1"), ("b", "w3"), ("b", "w4")]
    assert listed(store, worker_id="w1") == [("a", "w1"), ("b", "w1")]
    assert listed(store, template="b") == [("b", "w1"), ("b", "w3"), ("b", "w4")]
    assert listed(store, template="b", worker_id="w3") == [("b", "w3")]
    assert listed(store, template="nothing") == []
    assert listed(store, expired=True) == [("b", "w1")]
    assert listed(store, outdated=True) == [("b", "w1"), ("b", "w3")]
    assert listed(store, outdated=True, expired=False) == [("b", "w3")]
    assert listed(store, outdated=False, template="b") == [("b", "w4")]
    pages = [store.all_claims(claims_parameters({"page": n, "page_size": 2})) for n in (1, 2, 3, 4)]
    assert [[claim.worker_id for claim in page] for page in pages] == [["w2", "w1"], ["w1", "w3"], ["w4"], []]
    assert {page.total for page in pages} == {5}
    outdated = store.all_claims(claims_parameters({"outdated": True, "page": 2, "page_size": 1}))
    assert ([claim.worker_id for claim in outdated], outdated.total) == (["w3"], 2)
    monkeypatch.setattr(claim_list, "MAX_READ", 3)
    with pytest.raises(InvalidParameters, match="name a template or a worker"):
        store.all_claims(claims_parameters({"outdated": True}))
    assert listed(store, outdated=True, template="b") == [("b", "w1"), ("b", "w3")]


@mongod_only
def test_the_limit_is_exact_under_any_number_of_racers(access: DatabaseAccess, store: Store, one: Template) -> None:
    store.update(one.id, patch(max_claims=3), actor="bob")
    outcomes: list[str] = []

    def claim(number: int) -> None:
        try:
            outcomes.append(Store(access).claim(one.id, f"w{number}", actor="fleet", ttl=100)[1])
        except TemplateFull as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["full"] * 9 + ["made"] * 3
    assert len(shown(store, one)) == 3


@mongod_only
def test_the_clock_is_that_of_the_server(
    access: DatabaseAccess, store: Store, one: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Store(access)
    monkeypatch.setattr("flask_worker_templates.store.commit.now", lambda: datetime(2001, 1, 1))  # noqa: DTZ001
    around = datetime.now(UTC)
    claim, _ = served.claim(one.id, "w", actor="fleet", ttl=10)
    assert abs((claim.claimed_at - around).total_seconds()) < 60
    renewed, outcome = served.claim(one.id, "w", actor="fleet", ttl=20)
    assert outcome == "renewed"
    assert renewed.renewed_at is not None
    assert claim.renewed_at is not None
    assert renewed.renewed_at >= claim.renewed_at
    assert not shown(served, one)["w"].expired
    with pytest.raises(TemplateInUse):
        served.delete(one.id, actor="bob")


def test_a_claim_takes_one_command(database_uri: str) -> None:
    with monitored(database_uri) as (config, commands):
        store = Store(DatabaseAccess(Settings.from_config(config)))
        template = store.create(spec_with("one"), actor="alice")

        def sent(act: Callable[[], object]) -> list[str]:
            commands.names.clear()
            act()
            return commands.names.copy()

        def allow(template: Template, after: Template | None) -> None:
            """Let everybody."""

        one = ["findAndModify"]
        assert sent(lambda: store.claim(template.id, "endless", actor="f")) == one
        assert sent(lambda: store.claim(template.id, "lease", actor="f", ttl=100)) == one
        assert sent(lambda: store.claim(template.id, "lease", actor="f", ttl=100)) == one
        assert sent(lambda: store.claim(template.id, "lease", actor="f")) == one
        assert sent(lambda: store.claim(template.id, "lease", actor="f", ttl=None)) == one
        assert sent(lambda: store.claim(template.id, "lease", actor="f", revision=1)) == [*one, "aggregate"]  # nothing
        assert sent(lambda: store.release(template.id, "lease", actor="f")) == one
        # What a guard sees is read once, and then remembered for as long as it is so.
        assert sent(partial(store.claim, template.id, "new", actor="f", guard=allow)) == ["find", *one]
        for ttl in ({"ttl": 100}, {"ttl": 50}, {}):
            assert sent(partial(store.claim, template.id, "new", actor="f", guard=allow, **ttl)) == one
        assert sent(lambda: store.claim(template.id, "endless", actor="f", guard=allow)) == [*one, "find"]
        assert sent(lambda: store.release(template.id, "new", actor="f", guard=allow)) == one
        # What a worker of an earlier revision is told of it has to be read.
        store.update(template.id, patch(max_nodes=7), actor="bob")
        assert sent(lambda: store.claim(template.id, "endless", actor="f", ttl=60)) == [*one, "find"]


@mongod_only
def test_many_claims_at_the_same_moment_by_one_worker_make_one(store: Store, one: Template) -> None:
    """The clock of the test stands still: no time tells a new claim from a renewed one."""
    for ttl in (100, None):
        assert store.claim(one.id, f"w{ttl}", actor="fleet", ttl=ttl)[1] == "made"
        outcomes = [store.claim(one.id, f"w{ttl}", actor="fleet", ttl=again)[1] for again in (100, 100, None, 50)]
        assert outcomes == ["renewed"] * 4
    assert len(shown(store, one)) == 2


def test_what_is_not_there_cannot_be_claimed(store: Store) -> None:
    for claim in (
        partial(store.claim, "nothing", "w", actor="fleet"),
        partial(store.claim, "nothing", "w", actor="f", ttl=9),
    ):
        with pytest.raises(TemplateNotFound):
            claim()


CORRUPT_LEASES: dict[str, Any] = {
    "string": {"ttl_seconds": "300"},
    "not a number": {"ttl_seconds": float("nan")},
    "object": {"ttl_seconds": {"a": 1}},
    "no date": {"renewed_at": None},
    "string for a date": {"renewed_at": "today"},
    "number for a date": {"renewed_at": 7},
    "more than there is time": {"ttl_seconds": 2**60},
}


@mongod_only
@pytest.mark.parametrize("kind", CORRUPT_LEASES)
def test_a_lease_that_is_none_never_ends_and_stops_nothing(
    kind: str, store: Store, one: Template, clock: MovableClock, database: Raw
) -> None:
    store.claim(one.id, "broken", actor="w", ttl=300)
    store.claim(one.id, "sound", actor="w", ttl=300)
    fields = {f"claims.0.{field}": value for field, value in CORRUPT_LEASES[kind].items()}
    database.worker_templates.update_one({"_id": one.id}, {"$set": fields})
    clock.pass_by(301)
    before = database.worker_templates.find_one({"_id": one.id})
    assert before is not None
    assert store.claim_counts([one.id])[one.id].live == 1
    with pytest.raises(TemplateInUse):
        store.delete(one.id, actor="w")
    store.all_claims(claims_parameters({"expired": "true"}))
    # What does not make the claims malformed is shown; the others make the document no template, once they are met.
    sound = kind in {"no date", "more than there is time"}
    if sound:
        assert [claim.expired for claim in store.claims(one.id, Paging(1, 9))] == [False, True]
    else:
        with pytest.raises(TemplateNotFound):
            store.claims(one.id, Paging(1, 9))
        for act in (store.claim, store.release):
            with pytest.raises(TemplateNotFound):
                act(one.id, "broken", actor="w")
        after = database.worker_templates.find_one({"_id": one.id})
        assert after is not None
        assert str(after["claims"]) == str(before["claims"])


@pytest.mark.parametrize(
    "fields",
    [{"labels": 3}, {"capacity.cpu_cores": "8"}, {"revision": "1"}, {"claims": "none"}, {"claims": {"worker_id": "w"}}],
)
@pytest.mark.parametrize("guarded", [False, True])
def test_what_is_no_template_is_not_claimed(
    guarded: bool, fields: dict[str, Any], store: Store, one: Template, database: Raw
) -> None:
    """Though no scan has listed it yet."""
    database.worker_templates.update_one({"_id": one.id}, {"$set": fields})
    before = database.worker_templates.find_one({"_id": one.id})
    guard = (lambda now, then: None) if guarded else None
    for ttl in (None, 300):
        with pytest.raises(TemplateNotFound):
            store.claim(one.id, "w", actor="w", ttl=ttl, guard=guard)
    with pytest.raises(TemplateNotFound):
        store.release(one.id, "w", actor="w", guard=guard)
    assert database.worker_templates.find_one({"_id": one.id}) == before
