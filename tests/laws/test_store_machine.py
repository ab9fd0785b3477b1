"""The write protocol as a state machine: random changes, kills between two commands, and the model of what must be.

The model (`tests/support/template_model.py`) knows nothing of events that are not copied yet, or of deletions and
restores that did not happen; the store must not show any of it. What a killed process leaves is put there as it would
have left it: a document whose event is not copied, an announced deletion, the placeholder of a restore. (Processes that
are really killed: `tests/chaos/test_kill_points.py`.)
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pymongo.database import Database

from flask_worker_templates.errors import (
    NameTaken,
    RestoreRefused,
    RevisionMismatch,
    RevisionNotFound,
    TemplateInUse,
    TemplateNotFound,
)
from flask_worker_templates.model.claim import KEEP_TTL, KeepTtl
from flask_worker_templates.model.claim_parameters import claims_parameters
from flask_worker_templates.model.parameters import Paging, trail_parameters
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.claim_rules import ClaimRules
from flask_worker_templates.store.clock import Clock
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.chaos.checker import Use, Write, assert_whole
from tests.support.clocks import MovableClock
from tests.support.strategies import edits, spec_with
from tests.support.template_model import TemplateModel

Raw = Database[dict[str, Any]]
NAMES = st.sampled_from(["a", "b", "c"])
WORKERS = st.sampled_from(["w1", "w2", "w3"])
BOUND = 2
"""The most claims that a template keeps, whatever its own limit is."""
ACTORS = st.sampled_from(["alice", "bob"])


@dataclass
class Place:
    """Where a machine works. Not its own attributes: Hypothesis would ask the database for rules, and it has any."""

    access: DatabaseAccess
    raw: Raw
    clock: MovableClock = field(default_factory=MovableClock)


class Protocol(RuleBasedStateMachine):
    """Changes through the store, and the leavings of killed processes put beside it."""

    place: Place

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.restart()
        for name in ("worker_templates", "worker_template_events"):
            self.place.raw[name].delete_many({})
        self.model: dict[str, TemplateModel] = {}

    def _taken(self, name: str, but: str | None = None) -> bool:
        return any(one.live and one.spec["name"] == name and key != but for key, one in self.model.items())

    @rule(target=ids, name=NAMES, actor=ACTORS, data=st.data())
    def create(self, name: str, actor: str, data: st.DataObject) -> str:
        spec = data.draw(edits(spec_with(name)))
        if self._taken(name):
            with pytest.raises(NameTaken) as caught:
                self.store.create(spec, actor=actor)
            return str(caught.value.template_id)
        made = self.store.create(spec, actor=actor)
        self.model[made.id] = TemplateModel(BOUND, [("created", actor, spec)])
        return made.id

    @rule(names=st.sets(NAMES, min_size=1))
    def seed(self, names: set[str]) -> None:
        free = [name for name in sorted(names) if not self._taken(name)]
        seeds = [Seed(spec_with(name), "a.yaml") for name in sorted(names)]
        assert self.store.create_missing(seeds, actor="seeder") == free
        for name in free:
            self.model[self.store.get_by_name(name).id] = TemplateModel(BOUND, [("seeded", "seeder", spec_with(name))])

    @rule(one=ids, actor=ACTORS, name=NAMES, stale=st.booleans(), data=st.data())
    def update(self, one: str, actor: str, name: str, stale: bool, data: st.DataObject) -> None:
        model = self.model[one]
        if not model.live:
            with pytest.raises(TemplateNotFound):
                self.store.update(one, lambda spec: spec, actor=actor)
            return
        revision = len(model.events)
        spec = {**data.draw(edits(model.spec)), "name": name}

        def write() -> None:
            made = self.store.update(one, lambda _: spec, actor=actor, allowed=lambda r: (r == revision) != stale)
            assert made.spec == spec

        if stale:
            with pytest.raises(RevisionMismatch):
                write()
        elif spec == model.spec:
            write()
        elif self._taken(name, but=one):
            with pytest.raises(NameTaken):
                write()
        else:
            write()
            model.change("updated", actor, spec)

    @rule(one=ids, actor=ACTORS, revision=st.integers(0, 6))
    def revert(self, one: str, actor: str, revision: int) -> None:
        model = self.model[one]

        def write() -> None:
            assert self.store.revert(one, revision, actor=actor).spec == model.events[revision - 1][2]

        if not model.live:
            with pytest.raises(TemplateNotFound):
                write()
        elif not 1 <= revision <= len(model.events):
            with pytest.raises(RevisionNotFound):
                write()
        elif model.events[revision - 1][2] == model.spec:
            write()
        elif self._taken(model.events[revision - 1][2]["name"], but=one):
            with pytest.raises(NameTaken):
                write()
        else:
            write()
            model.change("reverted", actor, model.events[revision - 1][2])

    @rule(one=ids, actor=ACTORS)
    def delete(self, one: str, actor: str) -> None:
        model = self.model[one]
        if not model.live:
            with pytest.raises(TemplateNotFound):
                self.store.delete(one, actor=actor)
        elif claimed := model.live_claims(self.now):
            with pytest.raises(TemplateInUse) as caught:
                self.store.delete(one, actor=actor)
            assert caught.value.claims == len(claimed)
        else:
            self.store.delete(one, actor=actor)
            model.change("deleted", actor, model.spec)

    @rule(one=ids, actor=ACTORS)
    def restore(self, one: str, actor: str) -> None:
        model = self.model[one]
        if model.live:
            with pytest.raises(RestoreRefused):
                self.store.restore(one, actor=actor)
        elif self._taken(model.spec["name"]):
            with pytest.raises(NameTaken):
                self.store.restore(one, actor=actor)
        else:
            assert self.store.restore(one, actor=actor).revision == model.revision + 1
            model.change("restored", actor, model.spec)

    # Claims

    @property
    def now(self) -> datetime:
        return self.place.clock.time

    @rule(
        one=ids, worker=WORKERS, ttl=st.sampled_from([KEEP_TTL, None, 10, 60]), revision=st.none() | st.integers(1, 4)
    )
    def claim(self, one: str, worker: str, ttl: int | KeepTtl | None, revision: int | None) -> None:
        expected = self.model[one].claim(worker, ttl, revision, self.now)
        if isinstance(expected, str):
            claim, outcome = self.store.claim(one, worker, actor="fleet", ttl=ttl, revision=revision)
            assert (outcome, claim.expired) == (expected, False)
        else:
            with pytest.raises(expected):
                self.store.claim(one, worker, actor="fleet", ttl=ttl, revision=revision)

    @rule(one=ids, worker=WORKERS)
    def release(self, one: str, worker: str) -> None:
        if not self.model[one].live:
            with pytest.raises(TemplateNotFound):
                self.store.release(one, worker, actor="test")
        else:
            assert self.store.release(one, worker, actor="test") == self.model[one].release(worker)

    @rule(seconds=st.sampled_from([9, 10, 60]))
    def time_passes(self, seconds: int) -> None:
        self.place.clock.pass_by(seconds)

    # What killed processes leave

    def restart(self) -> None:
        self.store = Store(self.place.access, rules=ClaimRules(bound=BOUND, clock=Clock(self.place.clock)))

    @rule(one=ids)
    def killed_before_the_copy(self, one: str) -> None:
        if self.model[one].live:
            self.place.raw.worker_template_events.delete_one({"_id": f"{one}:{len(self.model[one].events)}"})
            self.restart()  # what the killed process knew is gone with it

    @rule(one=ids, overtaken=st.booleans())
    def killed_after_the_announcement(self, one: str, overtaken: bool) -> None:
        """The announced deletion is of the revision after this one, or in the place of this one, not copied yet."""
        model = self.model[one]
        if not model.live or (overtaken and (model.revision == 1 or model.events[-2][0] == "deleted")):
            return
        document = self.place.raw.worker_templates.find_one({"_id": one})
        assert document is not None
        revision = len(model.events) + (not overtaken)
        key = f"{one}:{revision}"
        intent = {
            **document["last_event"],
            "_id": key,
            "revision": revision,
            "action": "deleted",
            "token": uuid.uuid4().hex,
        }
        self.place.raw.worker_template_events.replace_one({"_id": key}, intent, upsert=True)
        if overtaken:
            self.restart()

    @rule(one=ids)
    def killed_in_a_restore(self, one: str) -> None:
        """After the placeholder, before the commit."""
        if not self.model[one].live:
            placeholder = {"_id": one, "restoring": uuid.uuid4().hex, "name": f"\0restoring:{one}"}
            self.place.raw.worker_templates.replace_one({"_id": one}, placeholder, upsert=True)

    # What must hold after each step

    @invariant()
    def the_data_is_whole(self) -> None:
        writes = [
            Write(one, action, None if action == "deleted" else number, actor, spec)
            for one, model in self.model.items()
            for number, (action, actor, spec) in enumerate(model.events, 1)
        ]
        uses = [Use(one, worker) for one, model in self.model.items() if model.live for worker in model.claims]
        assert all(model.live or not model.claims for model in self.model.values())
        assert_whole(self.place.raw, writes, uses)

    @invariant()
    def the_store_shows_the_model(self) -> None:
        live = {one: model for one, model in self.model.items() if model.live}
        shown = self.store.page(STANDARD.list_parameters({"page_size": 200}))
        assert {one.id: (one.spec, one.revision) for one in shown} == {
            one: (model.spec, len(model.events)) for one, model in live.items()
        }
        expected = set()
        for one, model in self.model.items():
            page = self.store.history(one, Paging(1, 200))
            assert [(event.action, event.actor, event.spec) for event in reversed(page)] == model.events
            assert page.total == len(model.events)
            expected |= {(one, number) for number in range(1, len(model.events) + 1)}
        claims = self.store.all_claims(claims_parameters({"page_size": 200}))
        assert {(one.template_id, one.worker_id): (one.ttl_seconds, one.revision, one.expired) for one in claims} == {
            (one, worker): (lease.ttl, lease.revision, not lease.is_live(self.now))
            for one, model in live.items()
            for worker, lease in model.claims.items()
        }
        trail = self.store.trail(trail_parameters({"page_size": 200}))
        assert sorted((event.template_id, event.revision) for event in trail) == sorted(expected)

    @precondition(lambda self: self.model)
    @rule(size=st.integers(1, 4))
    def the_trail_in_pages_shows_each_event_once(self, size: int) -> None:
        shown: list[tuple[str, int]] = []
        for number in range(1, 500):
            page = self.store.trail(trail_parameters({"page": number, "page_size": size}))
            shown += [(event.template_id, event.revision) for event in page]
            if number * size >= self.place.raw.worker_template_events.count_documents({}):
                break
        assert len(shown) == len(set(shown))
        assert len(shown) == sum(len(model.events) for model in self.model.values())

    @rule(one=consumes(ids))
    def forget(self, one: str) -> None:
        """Let the other rules turn to the rest."""


@pytest.mark.parametrize("examples", [6, pytest.param(16, marks=pytest.mark.thorough)])
def test_the_write_protocol(connection: dict[str, str], database: Raw, backend: str, examples: int) -> None:
    access = DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 60_000}))
    Store(access).make_indexes()

    class OnThisDatabase(Protocol):
        pass

    # Times are compared as the database gives them: naive.
    OnThisDatabase.place = Place(access, access.collections.database)
    profile = settings(stateful_step_count=30, max_examples=examples // 2 if backend == "mongod" else examples)
    run_state_machine_as_test(OnThisDatabase, settings=profile)
