"""A deployment in random motion: people edit files and database, processes restart, pipelines seed, sync and export.

Beside it runs a model that knows the files, the database, the bases, the deletions and the file sets, and what each
step makes of them by the table of the documentation. The comparison of one template is the reference model of
`merge_model`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pymongo.database import Database

from flask_worker_templates import SyncRefused, WorkerTemplates
from flask_worker_templates.model.spec import Spec, normalize
from flask_worker_templates.reconcile.compare import State
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from flask_worker_templates.store.stored_form import from_stored
from tests.support.merge_model import GONE, Model, flat, model_of_leaves
from tests.support.strategies import edits, spec_with
from tests.support.trail import check_trail

URL = "/api/v1/templates"
NAMES = ["t", "u", "v", "w"]
OURS, THEIRS = "default", "theirs"


@dataclass
class Held:
    """A template as the model's database holds it."""

    spec: Spec
    base: Spec | None
    revision: int = 1
    file_set: str | None = None
    notes: dict[str, tuple[Any, Any]] = field(default_factory=dict, compare=False)
    """What an export noted: by leaf, the base's value then, and the value that was written."""

    def standing(self) -> dict[str, Any]:
        """What the notes say that the files were given."""
        before = {} if self.base is None else flat(self.base)
        return {leaf: new for leaf, (old, new) in self.notes.items() if before.get(leaf, GONE) in (old, new)}


@dataclass
class Tombstone:
    """A deletion, by the names that the entry had: in the base, and since an export."""

    names: set[str]
    lasts: bool
    revision: int
    """The last one before it."""


class DeploymentMachine(RuleBasedStateMachine):
    """The steps, the model, and the laws.

    Args:
        connection: the config keys that name the database.
        database: the same database, to look into.
        directory: where the definition files are.
    """

    def __init__(self, connection: Mapping[str, str], database: Database[dict[str, Any]], directory: Path) -> None:
        super().__init__()
        self._connection = connection
        self._database = database
        self._directory = directory / "ours"
        self._elsewhere = directory / "theirs"
        for path in (self._directory, self._elsewhere):
            path.mkdir(exist_ok=True)
        for name in (TEMPLATES, EVENTS):
            database[name].delete_many({})
        self.files: dict[str, dict[str, Spec]] = {"a.yaml": {}, "b.yaml": {}}
        self.database: dict[str, Held] = {}
        self.deleted: dict[tuple[str, str], Tombstone] = {}
        """By the set and the name of the entry, the newest deletion."""
        self._write_files()
        self.app, self.templates = self._start(seed="off", sync="off")

    # The deployment

    def _start(self, *, seed: str, sync: str, file_set: str = OURS) -> tuple[Flask, WorkerTemplates]:
        app = Flask("plain_host")
        app.config.update(
            TESTING=True,
            WORKER_TEMPLATES_CONFIG_PATH=str(self._directory if file_set == OURS else self._elsewhere),
            WORKER_TEMPLATES_FILE_SET=file_set,
            WORKER_TEMPLATES_SEED=seed,
            WORKER_TEMPLATES_SYNC_ON_START=sync,
            **self._connection,
        )
        templates = WorkerTemplates(app)
        self.client = app.test_client()
        assert self.client.get(URL).status_code == 200
        return app, templates

    def _write_files(self) -> None:
        for path, entries in self.files.items():
            text = yaml.safe_dump({"templates": list(entries.values())}, sort_keys=False, allow_unicode=True)
            (self._directory / path).write_text(text, encoding="utf-8")

    @property
    def declared(self) -> dict[str, Spec]:
        """What all files hold together."""
        return {name: spec for entries in self.files.values() for name, spec in entries.items()}

    def _id(self, name: str) -> str:
        with self.app.app_context():
            return self.templates.get_by_name(name).id

    # The model

    def _state(self, name: str) -> State:
        held, declared = self.database.get(name), self.declared.get(name)
        if held is None:
            renamed = any(self._came_from(other) == name for other in self.database)
            tombstone = self.deleted.get((OURS, name))
            return State.DELETED if tombstone and tombstone.lasts and not renamed else State.MISSING
        if declared is None:
            lost = held.file_set == OURS and self._came_from(name) not in self.declared
            return State.ORPHANED if lost else State.UNMANAGED
        if held.file_set not in (None, OURS):
            return State.COLLISION
        base = self._base(name)
        if base is None:
            return State.IN_SYNC if held.spec == declared else State.COLLISION
        return self._merged(name, base).state

    def _came_from(self, name: str) -> str | None:
        """The entry that a template of this set came from, which an export may have renamed."""
        held = self.database[name]
        if held.file_set not in (None, OURS):
            return None
        noted = held.standing().get("name:")
        if noted in self.declared:
            return str(noted)
        return None if held.base is None else str(held.base["name"])

    def _base(self, name: str) -> dict[str, Any] | None:
        """The leaves of the base, unless it is that of another entry that is still in the files."""
        if self._came_from(name) in self.declared.keys() - {name}:
            return None
        held, declared = self.database[name], flat(self.declared[name])
        caught_up = {leaf: new for leaf, new in held.standing().items() if declared.get(leaf, GONE) == new}
        if held.base is None and not caught_up:
            return None
        leaves = {**({} if held.base is None else flat(held.base)), **caught_up}
        return {leaf: value for leaf, value in leaves.items() if value is not GONE}

    def _merged(self, name: str, base: dict[str, Any]) -> Model:
        declared = flat(self.declared[name])
        return model_of_leaves({**base, "name:": name}, declared, flat(self.database[name].spec))

    def _states(self) -> dict[str, State]:
        return {name: self._state(name) for name in self.declared.keys() | self.database.keys()}

    def _take(self, name: str, spec: dict[str, Any]) -> None:
        """Let the database hold the leaves of `spec`, and the base be what the file holds."""
        held = self.database[name]
        changed = flat(held.spec) != spec
        held.revision += changed
        held.base, held.file_set = self.declared[name], OURS
        standing = held.standing()
        held.notes = {leaf: note for leaf, note in held.notes.items() if leaf in standing}
        if changed:
            held.spec = _unflat(spec)

    def _seeded(self) -> None:
        for name, spec in self.declared.items():
            if name not in self.database:
                self.database[name] = Held(spec, spec, file_set=OURS)

    def _synced(self, on_conflict: str | None, *, safe: bool = False) -> None:
        """What a sync does about templates that are in both."""
        taken: dict[str, dict[str, Any]] = {}
        for name, state in self._states().items():
            if state in (State.MISSING, State.DELETED, State.ORPHANED, State.UNMANAGED, State.COLLISION):
                continue
            base = self._base(name)
            if base is None:
                taken[name] = flat(self.database[name].spec)
            elif state is not State.CONFLICT or not (safe or on_conflict == "skip"):
                model = self._merged(name, base)
                taken[name] = model.by_file if on_conflict == "file" else model.by_db
        for name, leaves in taken.items():
            self._take(name, leaves)

    def _lost(self, held: Held, *, pruned: bool) -> None:
        """Keep in mind that a template was deleted."""
        if held.base is not None and held.file_set is not None:
            names = {held.base["name"], held.standing().get("name:", held.base["name"])}
            self.deleted |= dict.fromkeys(
                ((held.file_set, name) for name in names), Tombstone(names, not pruned, held.revision)
            )

    # People edit files

    @rule(path=st.sampled_from(["a.yaml", "b.yaml"]), name=st.sampled_from(NAMES), data=st.data())
    def add_to_file(self, path: str, name: str, data: st.DataObject) -> None:
        if name not in self.declared:
            self.files[path][name] = data.draw(edits(spec_with(name)))
            self._write_files()

    @precondition(lambda self: self.declared)
    @rule(data=st.data())
    def edit_file(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.declared)))
        entries = next(entries for entries in self.files.values() if name in entries)
        entries[name] = data.draw(edits(entries[name]))
        self._write_files()

    @precondition(lambda self: self.declared)
    @rule(data=st.data())
    def delete_from_file(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.declared)))
        for entries in self.files.values():
            entries.pop(name, None)
        self._write_files()

    @precondition(lambda self: self.declared)
    @rule(new=st.sampled_from(NAMES), data=st.data())
    def rename_in_file(self, new: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.declared)))
        if new not in self.declared:
            entries = next(entries for entries in self.files.values() if name in entries)
            entries[new] = {**entries.pop(name), "name": new}
            self._write_files()

    # People edit the database

    @rule(name=st.sampled_from(NAMES), data=st.data())
    def create_by_api(self, name: str, data: st.DataObject) -> None:
        spec = data.draw(edits(spec_with(name)))
        answer = self.client.post(URL, json=spec)
        assert answer.status_code == (409 if name in self.database else 201)
        self.database.setdefault(name, Held(spec, None))

    @precondition(lambda self: self.database)
    @rule(data=st.data())
    def edit_by_api(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.database)))
        held = self.database[name]
        spec = data.draw(edits(held.spec))
        assert self.client.put(f"{URL}/{self._id(name)}", json=spec).status_code == 200
        held.revision += held.spec != spec
        held.spec = spec

    @precondition(lambda self: self.database)
    @rule(new=st.sampled_from(NAMES), data=st.data())
    def rename_by_api(self, new: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.database)))
        answer = self.client.patch(f"{URL}/{self._id(name)}", json={"name": new})
        if new == name:
            assert answer.status_code == 200
        elif new in self.database:
            assert answer.status_code == 409
        else:
            assert answer.status_code == 200
            held = self.database[new] = self.database.pop(name)
            held.spec = {**held.spec, "name": new}
            held.revision += 1

    @precondition(lambda self: self.database)
    @rule(data=st.data())
    def delete_by_api(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.database)))
        assert self.client.delete(f"{URL}/{self._id(name)}").status_code == 204
        self._lost(self.database.pop(name), pruned=False)

    # Processes and pipelines

    @rule(sync=st.sampled_from(["off", "safe"]))
    def restart(self, sync: str) -> None:
        self.app, self.templates = self._start(seed="on", sync=sync)
        self._seeded()
        if sync == "safe":
            self._synced(None, safe=True)

    @rule()
    def seed(self) -> None:
        with self.app.app_context():
            result = self.templates.seed()
        assert set(result.created) == self.declared.keys() - self.database.keys()
        self._seeded()

    @rule(names=st.lists(st.sampled_from([*NAMES, "x"]), min_size=1, max_size=2, unique=True))
    def another_app_syncs(self, names: list[str]) -> None:
        """It prunes what it finds gone of its own set, and nothing else."""
        text = yaml.safe_dump({"templates": [spec_with(name) for name in names]})
        (self._elsewhere / "their.yaml").write_text(text, encoding="utf-8")
        client = self.client
        app, templates = self._start(seed="off", sync="off", file_set=THEIRS)
        self.client = client
        theirs = {name for name, held in self.database.items() if held.file_set == THEIRS}
        # Only what is simple: templates of theirs that somebody renamed or deleted are for the machine of our own set.
        renamed = any((self.database[name].base or {})["name"] != name for name in theirs)
        if renamed or any(file_set == THEIRS for file_set, _ in self.deleted):
            return
        with app.app_context():
            result = templates.sync(prune=True, max_delete=9, on_conflict="db")
        assert result.complete
        for name in theirs - set(names):
            self._lost(self.database.pop(name), pruned=True)
        for name in names:
            held = self.database.get(name)
            spec = spec_with(name)
            if held is None:
                self.database[name] = Held(spec, spec, file_set=THEIRS)
            elif held.file_set is None and held.spec == spec and not held.notes:
                held.base, held.file_set = spec, THEIRS
        self.deleted = {key: tombstone for key, tombstone in self.deleted.items() if key[0] == OURS}

    @rule(
        on_conflict=st.sampled_from([None, "file", "db", "skip"]),
        prune=st.booleans(),
        adopt=st.sampled_from(NAMES),
        restore=st.sampled_from(NAMES),
        by_plan=st.booleans(),
    )
    def sync(self, on_conflict: str | None, prune: bool, adopt: str, restore: str, by_plan: bool) -> None:
        states = self._states()
        adopts = [adopt] if adopt in self.declared and adopt in self.database else []
        restores = [restore] if restore in self.declared else []
        prune = prune and bool(self.declared)
        options = {"on_conflict": on_conflict, "prune": prune, "adopt": adopts, "restore": restores}
        refused = on_conflict is None and State.CONFLICT in states.values()
        preview = self._preview(options)
        self._run_sync(options, by_plan=by_plan, refused=refused)
        if refused:
            return
        assert self._specs() == preview  # a sync does what was shown
        # The same as sync does, in the order of the table
        self._synced(on_conflict)
        for name in adopts:
            if states[name] is State.COLLISION:
                if self.database[name].file_set not in (None, OURS):
                    self.database[name].notes = {}
                side = self.declared[name] if on_conflict == "file" else self.database[name].spec
                self._take(name, flat(side))
        for (file_set, _), tombstone in self.deleted.items():
            if file_set == OURS and not tombstone.names & self.declared.keys():
                tombstone.lasts = False
        for name, state in states.items():
            if state is State.MISSING:
                self.database[name] = Held(self.declared[name], self.declared[name], file_set=OURS)
            if state is State.DELETED and name in restores:  # under its id, with its history
                undone = self.deleted[OURS, name]
                self.deleted = {key: tombstone for key, tombstone in self.deleted.items() if tombstone is not undone}
                self.database[name] = Held(self.declared[name], self.declared[name], undone.revision + 2, OURS)
            if state is State.ORPHANED and prune:
                self._lost(self.database.pop(name), pruned=True)
        self._check_settled(options)

    def _preview(self, options: dict[str, Any]) -> dict[str, Spec]:
        """The specs that a sync says that the database would hold."""
        with self.app.app_context():
            plan = self.templates.drift(max_delete=len(NAMES) + 1, **options)
        return {step.drift.name: step.outcome.spec for step in plan.steps if step.outcome.spec is not None}

    def _specs(self) -> dict[str, Spec]:
        return {document["name"]: from_stored(document) for document in self._database[TEMPLATES].find()}

    def _run_sync(self, options: dict[str, Any], *, by_plan: bool, refused: bool) -> None:
        most = len(NAMES) + 1
        if not by_plan:
            with self.app.app_context(), pytest.raises(SyncRefused) if refused else contextlib.nullcontext():
                assert self.templates.sync(max_delete=most, **options).complete
            return
        plan = str(self._directory / "plan.json.reviewed")
        allowed = ["--prune"] if options["prune"] else []
        allowed += ["--max-delete", str(most)]
        arguments = [*allowed, "--out", plan]
        arguments += ["--on-conflict", options["on_conflict"]] if options["on_conflict"] else []
        for option in ("adopt", "restore"):
            arguments += [part for name in options[option] for part in (f"--{option}", name)]
        runner = self.app.test_cli_runner()
        planned = runner.invoke(args=["worker-templates", "diff", *arguments])
        if refused:
            assert planned.exit_code == 4, planned.output
            return
        assert planned.exit_code in (0, 3), planned.output
        applied = runner.invoke(args=["worker-templates", "sync", plan, "--yes", *allowed])
        assert applied.exit_code == 0, applied.output

    def _check_settled(self, options: dict[str, Any]) -> None:
        left = set(self._states().values())
        assert not left & {State.FILE_CHANGED, State.DIVERGED, State.MISSING}
        before = self._contents()
        with self.app.app_context():
            again = self.templates.sync(max_delete=len(NAMES) + 1, **options)
        assert (again.changes, again.forgotten) == ((), ())
        assert self._contents() == before

    @rule()
    def export(self) -> None:
        foreign = {name for name, held in self.database.items() if held.file_set not in (None, OURS)}
        by_hand = {name for name, held in self.database.items() if held.base is None} - self.declared.keys()
        before = self._contents()
        arguments = ["worker-templates", "export", "--write", "--max-remove", str(len(NAMES))]
        done = self.app.test_cli_runner().invoke(args=arguments)
        assert _without_notes(self._contents()) == _without_notes(before)
        if self.declared and not self.database:
            assert done.exit_code == 1, done.output  # it may be the wrong database
            return
        assert done.exit_code in ((0, 4) if foreign & self.declared.keys() else (0,)), done.output
        for path in self.files:
            held = yaml.safe_load((self._directory / path).read_text(encoding="utf-8"))
            specs = [normalize(entry) for entry in held["templates"]]
            self.files[path] = {spec["name"]: spec for spec in specs}
        self._read_notes()
        states = self._states()
        left = {name for name, state in states.items() if state not in (State.IN_SYNC, State.UNMANAGED)}
        assert left <= foreign & self.declared.keys()
        if not left:
            assert self.app.test_cli_runner().invoke(args=["worker-templates", "diff"]).exit_code == 0
        assert self.declared.keys() <= self.database.keys()
        assert not by_hand & self.declared.keys()
        written = self._contents()
        assert self.app.test_cli_runner().invoke(args=arguments).exit_code == done.exit_code
        assert self._contents() == written

    def _read_notes(self) -> None:
        for document in self._database[TEMPLATES].find():
            noted = document.get("exported") or {"leaves": []}
            self.database[document["name"]].notes = {
                _leaf(one["field"]): (one.get("base", GONE), one.get("file", GONE)) for one in noted["leaves"]
            }

    def _contents(self) -> list[list[dict[str, Any]]]:
        return [list(self._database[name].find().sort("_id")) for name in (TEMPLATES, EVENTS)]

    # Always

    @invariant()
    def the_database_is_that_of_the_model(self) -> None:
        found = {
            document["name"]: Held(
                from_stored(document),
                document["base"] and from_stored(document["base"]),
                document["revision"],
                document["file_set"],
            )
            for document in self._database[TEMPLATES].find()
        }
        assert found == self.database

    @invariant()
    def the_states_are_those_of_the_model(self) -> None:
        document = self.client.get(URL + "/drift").get_json()
        assert {item["name"]: item["state"] for item in document["templates"]} == self._states()
        assert len(document["templates"]) == len(self._states())

    @invariant()
    def the_trail_is_whole(self) -> None:
        check_trail(self._database)


def _without_notes(contents: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    templates, events = contents
    return [[{key: value for key, value in one.items() if key != "exported"} for one in templates], events]


def _leaf(path: str) -> str:
    name, _, key = path.partition(".")
    return f"{name}:{key}"


def _unflat(leaves: Mapping[str, Any]) -> Spec:
    nested: dict[str, Any] = {"labels": {}, "extra": {}}
    for leaf, value in leaves.items():
        name, _, key = leaf.partition(":")
        if key:
            nested.setdefault(name, {})[key] = value
        else:
            nested[name] = value
    return normalize(nested)


@pytest.mark.parametrize("examples", [6, pytest.param(24, marks=pytest.mark.thorough)])
def test_the_laws_hold_whatever_happens(
    backend: str, connection: dict[str, str], database: Database[dict[str, Any]], tmp_path: Path, examples: int
) -> None:
    count = examples if backend == "mongomock" else examples // 4

    class Machine(DeploymentMachine):
        def __init__(self) -> None:
            super().__init__(connection, database, tmp_path)

    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=count, stateful_step_count=25, deadline=None),
    )
