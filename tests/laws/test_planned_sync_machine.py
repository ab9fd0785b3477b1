"""What was shown is what is done: plans and syncs over HTTP, with `only`, `choices` and everything else that there is.

No model: the plan itself is compared with what became of the database, change by change. Somebody may edit between the
plan and the sync, or while the sync asks the host's authorizer, after it has checked that nothing moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pymongo.database import Database
from werkzeug.test import TestResponse

from flask_worker_templates import Template, WorkerTemplates
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.reconcile.compare import State
from flask_worker_templates.reconcile.plan import SyncPlan
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from flask_worker_templates.store.stored_form import from_stored
from tests.support.calls import URL
from tests.support.strategies import edits, spec_with
from tests.support.trail import check_trail, contents

NAMES = ["t", "u", "v"]
WRITES = {"create": "applied", "update": "applied", "rebase": "applied", "delete": "applied"}
ACTS = ["_edit_file", "_edit_or_create", "_delete_from_file", "_delete", "_claim_or_release"]
ACTIONS = {"create": {"seeded", "restored"}, "update": {"synced"}, "delete": {"deleted"}}
"""By the action of a change, how the trail names it; a new base alone is no event."""


class PlanMachine(RuleBasedStateMachine):
    """Files and a database in motion, and syncs of them.

    Args:
        connection: the config keys that name the database.
        database: the same database, to look into.
        file: the definition file.
    """

    def __init__(self, connection: Mapping[str, str], database: Database[dict[str, Any]], file: Path) -> None:
        super().__init__()
        self._database, self._file = database, file
        for name in (TEMPLATES, EVENTS):
            database[name].delete_many({})
        self.declared: dict[str, Spec] = {"t": spec_with("t"), "u": spec_with("u")}
        self._write_file()
        app = Flask("plain_host")
        app.config.update(TESTING=True, WORKER_TEMPLATES_CONFIG_PATH=str(file), **connection)
        self.app, self.templates = app, WorkerTemplates(app)
        self.client = app.test_client()
        self.minutes = 100
        self.victim: str | None = None
        """Whom somebody edits as soon as the authorizer is asked about a change."""
        self.templates.authorizer(self._allow)
        assert self.client.get(URL).status_code == 200

    def _allow(self, action: str, template: Template | None) -> bool:
        if action == "sync" and template is not None and self.victim is not None:
            victim, self.victim = self.victim, None
            self.minutes += 1
            self.templates.update(self._ids()[victim], {"startup_time_minutes": self.minutes}, actor="meanwhile")
        return True

    def _write_file(self) -> None:
        text = yaml.safe_dump({"templates": list(self.declared.values())}, sort_keys=False)
        self._file.write_text(text, encoding="utf-8")

    def _documents(self) -> dict[str, dict[str, Any]]:
        return {document["name"]: document for document in self._database[TEMPLATES].find()}

    def _ids(self) -> dict[str, str]:
        return {name: document["_id"] for name, document in self._documents().items()}

    def _specs(self) -> dict[str, Spec]:
        return {name: from_stored(document) for name, document in self._documents().items()}

    def _drift(self, **options: Any) -> SyncPlan:
        with self.app.app_context():
            return self.templates.drift(**options)

    # What people do

    def _people_edit(self, data: st.DataObject) -> None:
        for name in NAMES:
            for act in data.draw(st.lists(st.sampled_from(ACTS), min_size=1, max_size=3, unique=True)):
                getattr(self, act)(name, data)

    def _edit_file(self, name: str, data: st.DataObject) -> None:
        self.declared[name] = data.draw(edits(self.declared.get(name, spec_with(name))))
        self._write_file()

    def _delete_from_file(self, name: str, data: st.DataObject) -> None:
        if self.declared.keys() - {name}:
            self.declared.pop(name, None)
            self._write_file()

    def _edit_or_create(self, name: str, data: st.DataObject) -> None:
        there = self._specs().get(name)
        spec = data.draw(edits(there or spec_with(name)))
        if there is None:
            assert self.client.post(URL, json=spec).status_code == 201
        else:
            assert self.client.put(f"{URL}/{self._ids()[name]}", json=spec).status_code == 200

    def _delete(self, name: str, data: st.DataObject) -> None:
        if (document := self._documents().get(name)) is not None:
            answer = self.client.delete(f"{URL}/{document['_id']}")
            assert answer.status_code == (409 if document["claims"] else 204)

    def _claim_or_release(self, name: str, data: st.DataObject) -> None:
        if (document := self._documents().get(name)) is not None:
            url = f"{URL}/{document['_id']}/claims/w"
            answer = self.client.delete(url) if document["claims"] else self.client.put(url)
            assert answer.status_code in {201, 204, 409}  # it may be disabled, deprecated or full

    # Plan and sync

    @rule(
        on_conflict=st.sampled_from([None, "file", "db", "skip"]),
        prune=st.booleans(),
        only=st.none() | st.lists(st.sampled_from(NAMES), unique=True),
        meanwhile=st.sampled_from([None, "between", "during"]),
        data=st.data(),
    )
    def sync(
        self, on_conflict: str | None, prune: bool, only: list[str] | None, meanwhile: str | None, data: st.DataObject
    ) -> None:
        self._people_edit(data)
        options: dict[str, Any] = {"on_conflict": on_conflict, "prune": prune, "max_delete": 9, "only": only}
        options |= self._decisions(data)
        answer = self.client.post(URL + "/plan", json=options)
        assert answer.status_code == 200, answer.text
        shown = answer.get_json()
        assert self._drift(**options).digest == shown["digest"]
        if meanwhile is not None and (names := sorted(self._ids())):
            victim = data.draw(st.sampled_from(names))
            if meanwhile == "during":
                self.victim = victim
            else:
                self.client.patch(f"{URL}/{self._ids()[victim]}", json={"startup_time_minutes": 78})
        plan = self._drift(**options)
        moved = plan.digest != shown["digest"]  # an edit that no change of the plan is about is none
        victim_of_now = self.victim
        before, documents = contents(self._database), self._documents()
        answer = self.client.post(URL + "/sync?message=as+shown", json={**options, "digest": shown["digest"]})
        met, self.victim = victim_of_now if self.victim is None else None, None
        if shown["refusals"] or moved:
            assert answer.status_code == 409, answer.text
            assert contents(self._database) == before
        else:
            self._check_done(answer, shown, plan, documents, met)

    def _decisions(self, data: st.DataObject) -> dict[str, Any]:
        """Adopt, restore and choose, where there is something to adopt, to restore and to choose."""
        choices: dict[str, dict[str, str]] = {}
        named: dict[State, list[str]] = {State.COLLISION: [], State.DELETED: []}
        for step in self._drift(on_conflict="db").steps:
            if step.drift.state in named and data.draw(st.booleans()):
                named[step.drift.state].append(step.drift.name)
            if step.drift.state is State.CONFLICT:
                open_ = [one.path for one in step.drift.fields if one.resolution == "conflict"]
                sides = st.dictionaries(st.sampled_from(open_), st.sampled_from(["file", "db"]))
                choices[step.drift.name] = data.draw(sides)
        return {"adopt": named[State.COLLISION], "restore": named[State.DELETED], "choices": choices}

    def _check_done(
        self, answer: TestResponse, shown: Any, plan: SyncPlan, before: dict[str, dict[str, Any]], met: str | None
    ) -> None:
        """Each change was made as it was shown, or is named with the reason; nothing else happened."""
        wanted = {step.drift.name: step.outcome.action for step in plan.changes}
        hindered = {step.drift.name: step.obstacle for step in plan.hindered if step.hindered is not None}
        assert wanted == {item["name"]: item["action"] for item in shown["templates"] if item["action"] in WRITES}
        stale = {met} & wanted.keys()
        specs = {step.drift.name: step.outcome.spec for step in plan.steps if step.outcome.spec is not None}
        if answer.status_code == 409:  # nothing could be done
            assert wanted.keys() == stale != set()
            assert answer.get_json()["errors"]["reasons"]
        else:
            assert answer.status_code == 200, answer.text
            done = answer.get_json()
            expected = dict.fromkeys(wanted, "applied") | dict.fromkeys(stale, "stale") | hindered
            assert {change["name"]: change["status"] for change in done["changes"]} == expected
            assert all(change["message"] for change in done["changes"] if change["status"] != "applied")
            assert done["complete"] is (set(expected.values()) <= {"applied"})
            assert done["forgotten"] == shown["forget"]
        if met is not None:
            specs[met] = {**from_stored(before[met]), "startup_time_minutes": self.minutes}
        assert self._specs() == specs
        after = self._documents()
        for name in (before.keys() & after.keys()) - wanted.keys() - {met}:
            assert after[name] == before[name]
        for name in wanted.keys() - stale:
            self._check_event(wanted[name], name, before.get(name), after.get(name))

    def _check_event(self, action: str, name: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        if action == "rebase":
            assert before is not None
            assert after is not None
            assert after["revision"] == before["revision"]
            return
        held = after or before
        assert held is not None
        events = self._database[EVENTS].find({"template_id": held["_id"]}, sort=[("revision", -1)])
        last = next(iter(events))
        assert (last["name"], last["message"]) == (name, "as shown")
        assert last["action"] in ACTIONS[action]
        if before is not None:
            assert last["revision"] == before["revision"] + 1

    @invariant()
    def the_trail_is_whole(self) -> None:
        check_trail(self._database)


@pytest.mark.parametrize("examples", [4, pytest.param(16, marks=pytest.mark.thorough)])
def test_a_sync_does_what_was_shown(
    backend: str, connection: dict[str, str], database: Database[dict[str, Any]], tmp_path: Path, examples: int
) -> None:
    count = examples if backend == "mongomock" else examples // 4

    class Machine(PlanMachine):
        def __init__(self) -> None:
            super().__init__(connection, database, tmp_path / "worker_templates.yaml")

    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=count, stateful_step_count=8, deadline=None),
    )
