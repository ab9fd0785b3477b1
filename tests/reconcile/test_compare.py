"""The three-way comparison: the ten states as a table, the finer rules one by one, and the laws."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flask_worker_templates.files.load import Entry
from flask_worker_templates.model.records import ABSENT, Deletion, Managed
from flask_worker_templates.model.spec import Spec, normalize
from flask_worker_templates.reconcile.compare import FieldDrift, State, TemplateDrift, compare
from flask_worker_templates.reconcile.outcome import Outcome, outcome
from tests.support.merge_model import GONE, changes, flat, model_of
from tests.support.strategies import spec_with, three_versions

OnConflict = Literal["file", "db", "skip"] | None


def entry(spec: Spec) -> Entry:
    return Entry(spec, path="templates.yaml", line=1)


def stored(spec: Spec, base: Spec | None) -> Managed:
    return Managed(id=f"id of {spec['name']}", revision=3, spec=spec, base=base, source=None)


def deletion(name: str) -> Deletion:
    return Deletion(name, f"id of {name}", "ada", dt.datetime(2025, 1, 2, tzinfo=dt.UTC))


def compare_one(base: Spec | None, file: Spec | None, database: Spec | None, *, deleted: bool = False) -> TemplateDrift:
    (drift,) = compare(
        [entry(file)] if file is not None else [],
        [stored(database, base)] if database is not None else [],
        {"t": deletion("t")} if deleted else {},
    )
    return drift


def fields(drift: TemplateDrift) -> dict[str, tuple[Any, Any, Any, str]]:
    return {field.path: (field.base, field.file, field.database, field.resolution) for field in drift.fields}


# --- The table ---

OLD = spec_with()
FILE = spec_with(max_nodes=500)
EDIT = spec_with(description="edited")
BOTH = spec_with(max_nodes=500, description="edited")
CLASH = spec_with(max_nodes=40)

TABLE = {
    # state: base, file, database, deleted by someone; action, spec and base afterwards, all without an option
    State.IN_SYNC: (OLD, OLD, OLD, False, "none", OLD, OLD),
    State.MISSING: (None, FILE, None, False, "create", FILE, FILE),
    State.FILE_CHANGED: (OLD, FILE, OLD, False, "update", FILE, FILE),
    State.EDITED: (OLD, OLD, EDIT, False, "none", EDIT, OLD),
    State.DIVERGED: (OLD, FILE, EDIT, False, "update", BOTH, FILE),
    State.CONFLICT: (OLD, FILE, CLASH, False, "refuse", CLASH, OLD),
    State.ORPHANED: (OLD, None, EDIT, False, "none", EDIT, OLD),
    State.DELETED: (None, FILE, None, True, "none", None, None),
    State.COLLISION: (None, FILE, EDIT, False, "none", EDIT, None),
    State.UNMANAGED: (None, None, EDIT, False, "none", EDIT, None),
}


def test_the_table_has_every_state() -> None:
    assert set(TABLE) == set(State) - {State.BLOCKED}


def test_an_entry_whose_name_a_document_has_that_is_no_template_is_blocked() -> None:
    drifts = compare([entry(FILE)], [], {"t": deletion("t")}, blocked=["t", "elsewhere"])
    assert [(drift.name, drift.state) for drift in drifts] == [("t", State.BLOCKED)]
    assert outcome(drifts[0], restore=False) == Outcome("none", None, None)


@pytest.mark.parametrize("state", TABLE)
def test_state_and_what_a_plain_sync_does(state: State) -> None:
    base, file, database, deleted, action, spec, new_base = TABLE[state]
    drift = compare_one(base, file, database, deleted=deleted)
    assert (drift.name, drift.state) == ("t", state)
    assert outcome(drift) == Outcome(action, spec, new_base)  # type: ignore[arg-type]  # the table's words


@pytest.mark.parametrize("state", TABLE)
def test_it_carries_both_sides_and_who_deleted_it(state: State) -> None:
    base, file, database, deleted, *_ = TABLE[state]
    drift = compare_one(base, file, database, deleted=deleted)
    assert drift.declared == (entry(file) if file is not None else None)
    assert drift.stored == (stored(database, base) if database is not None else None)
    assert drift.deletion == (deletion("t") if deleted else None)


OPTIONS: list[tuple[State, dict[str, Any], Outcome]] = [
    (State.CONFLICT, {"on_conflict": "file"}, Outcome("update", FILE, FILE)),
    (State.CONFLICT, {"on_conflict": "db"}, Outcome("rebase", CLASH, FILE)),
    (State.CONFLICT, {"on_conflict": "skip"}, Outcome("none", CLASH, OLD)),
    (State.ORPHANED, {"prune": True}, Outcome("delete", None, None)),
    (State.UNMANAGED, {"prune": True}, Outcome("none", EDIT, None)),
    (State.DELETED, {"restore": True}, Outcome("create", FILE, FILE)),
    (State.COLLISION, {"adopt": True}, Outcome("rebase", EDIT, FILE)),
    (State.COLLISION, {"adopt": True, "on_conflict": "db"}, Outcome("rebase", EDIT, FILE)),
    (State.COLLISION, {"adopt": True, "on_conflict": "file"}, Outcome("update", FILE, FILE)),
    (State.COLLISION, {"on_conflict": "file"}, Outcome("none", EDIT, None)),
]


@pytest.mark.parametrize(("state", "options", "expected"), OPTIONS)
def test_options_change_only_the_state_they_are_for(state: State, options: dict[str, Any], expected: Outcome) -> None:
    for other, (base, file, database, deleted, *_) in TABLE.items():
        drift = compare_one(base, file, database, deleted=deleted)
        if other is state:
            assert outcome(drift, **options) == expected
        elif not {state, other} <= {State.CONFLICT, State.COLLISION} and (state, other) != (
            State.UNMANAGED,
            State.ORPHANED,
        ):
            assert outcome(drift, **options) == outcome(drift)


# --- Fields ---


def test_fields_say_all_three_values_and_whose_is_taken() -> None:
    base = spec_with(max_nodes=20, description="", labels__team="qa")
    file = spec_with(max_nodes=500, description="", labels__team="render")
    database = spec_with(max_nodes=20, description="edited", labels__team="ops")
    drift = compare_one(base, file, database)
    assert drift.fields == (
        FieldDrift("description", "", "", "edited", "db"),
        FieldDrift("max_nodes", 20, 500, 20, "file"),
        FieldDrift("labels.team", "qa", "render", "ops", "conflict"),
    )
    assert drift.state is State.CONFLICT


def test_only_leaves_that_differ_between_file_and_database_are_listed() -> None:
    drift = compare_one(OLD, FILE, BOTH)
    assert list(fields(drift)) == ["description"]
    assert drift.state is State.EDITED


def test_a_resolved_conflict_leaves_the_other_fields_to_the_rules() -> None:
    base = spec_with()
    file = spec_with(max_nodes=500, enabled=False)
    database = spec_with(max_nodes=40, description="edited")
    drift = compare_one(base, file, database)
    assert drift.state is State.CONFLICT
    taken = outcome(drift, on_conflict="file")
    kept = outcome(drift, on_conflict="db")
    assert taken == Outcome("update", spec_with(max_nodes=500, enabled=False, description="edited"), file)
    assert kept == Outcome("update", spec_with(max_nodes=40, enabled=False, description="edited"), file)


def test_a_value_kept_in_a_conflict_shows_as_edited_afterwards() -> None:
    kept = outcome(compare_one(OLD, FILE, CLASH), on_conflict="db")
    assert kept.spec is not None
    again = compare_one(kept.base, FILE, kept.spec)
    assert again.state is State.EDITED
    assert fields(again) == {"max_nodes": (500, 500, 40, "db")}


def test_the_same_change_on_both_sides_is_in_sync_and_rebased() -> None:
    drift = compare_one(OLD, FILE, FILE)
    assert (drift.state, drift.fields) == (State.IN_SYNC, ())
    assert outcome(drift) == Outcome("rebase", FILE, FILE)


def test_an_edited_template_is_rebased_too_where_its_base_is_old() -> None:
    # Without it, the file's way back from 500 to 20 would later look like an edit of the database.
    drift = compare_one(OLD, FILE, BOTH)
    assert drift.state is State.EDITED
    assert outcome(drift) == Outcome("rebase", BOTH, FILE)
    assert compare_one(FILE, OLD, BOTH).state is State.DIVERGED


def test_a_template_created_by_hand_that_equals_its_file_becomes_managed() -> None:
    drift = compare_one(None, FILE, FILE)
    assert drift.state is State.IN_SYNC
    assert outcome(drift) == Outcome("rebase", FILE, FILE)


def test_the_fields_of_a_collision_have_no_base_and_keep_the_database() -> None:
    drift = compare_one(None, spec_with(max_nodes=500), spec_with(labels__team="qa"))
    assert fields(drift) == {
        "max_nodes": (ABSENT, 500, 20, "db"),
        "labels.team": (ABSENT, ABSENT, "qa", "db"),
    }


def test_an_adopted_template_is_edited_from_then_on() -> None:
    adopted = outcome(compare_one(None, FILE, EDIT), adopt=True)
    assert adopted.spec is not None
    assert compare_one(adopted.base, FILE, adopted.spec).state is State.EDITED


def test_a_whole_price_and_the_same_price_as_a_float_are_one_value() -> None:
    assert compare_one(OLD, spec_with(cost_per_hour_usd=1), spec_with(cost_per_hour_usd=1.0)).state is State.IN_SYNC


def test_no_price_and_a_price_of_zero_differ() -> None:
    drift = compare_one(OLD, OLD, spec_with(cost_per_hour_usd=0))
    assert fields(drift) == {"cost_per_hour_usd": (None, None, 0.0, "db")}


# --- Labels ---


def test_labels_are_compared_one_by_one() -> None:
    base = spec_with(labels__a="1", labels__b="1", labels__c="1")
    file = spec_with(labels__a="2", labels__b="1", labels__new="1")  # c removed
    database = spec_with(labels__a="1", labels__c="1", labels__hand="1")  # b removed
    drift = compare_one(base, file, database)
    assert fields(drift) == {
        "labels.a": ("1", "2", "1", "file"),
        "labels.b": ("1", "1", ABSENT, "db"),
        "labels.new": (ABSENT, "1", ABSENT, "file"),
        "labels.c": ("1", ABSENT, "1", "file"),
        "labels.hand": (ABSENT, ABSENT, "1", "db"),
    }
    assert outcome(drift) == Outcome("update", spec_with(labels__a="2", labels__hand="1", labels__new="1"), file)


def test_an_empty_label_is_not_an_absent_one() -> None:
    drift = compare_one(OLD, OLD, spec_with(labels__team=""))
    assert fields(drift) == {"labels.team": (ABSENT, ABSENT, "", "db")}


def test_a_label_removed_on_one_side_and_changed_on_the_other_is_a_conflict() -> None:
    drift = compare_one(spec_with(labels__a="1"), spec_with(), spec_with(labels__a="2"))
    assert fields(drift) == {"labels.a": ("1", ABSENT, "2", "conflict")}
    taken = outcome(drift, on_conflict="file").spec
    assert taken is not None
    assert taken["labels"] == {}


def test_a_label_removed_on_both_sides_is_no_drift() -> None:
    assert compare_one(spec_with(labels__a="1"), spec_with(), spec_with()).state is State.IN_SYNC


def test_label_keys_with_dots_are_leaves_of_their_own() -> None:
    base = normalize({**OLD, "labels": {"a": "1", "a.b": "1"}})
    file = normalize({**OLD, "labels": {"a": "2", "a.b": "1"}})
    database = normalize({**OLD, "labels": {"a": "1", "a.b": "2"}})
    drift = compare_one(base, file, database)
    assert drift.state is State.DIVERGED
    assert outcome(drift).spec == normalize({**OLD, "labels": {"a": "2", "a.b": "2"}})


# --- Changes that make no valid spec together ---


def test_ports_that_only_fit_apart_are_a_conflict() -> None:
    base = spec_with(port_range__start=2000, port_range__end=9999)
    file = spec_with(port_range__start=5000, port_range__end=9999, max_nodes=500)
    database = spec_with(port_range__start=2000, port_range__end=4000)
    drift = compare_one(base, file, database)
    assert drift.state is State.CONFLICT
    assert fields(drift) == {
        "max_nodes": (20, 500, 20, "file"),
        "port_range.start": (2000, 5000, 2000, "conflict"),
        "port_range.end": (9999, 9999, 4000, "conflict"),
    }
    assert outcome(drift, on_conflict="file") == Outcome("update", file, file)
    assert outcome(drift, on_conflict="db") == Outcome("update", {**database, "max_nodes": 500}, file)


@pytest.mark.parametrize(
    ("file_ports", "database_ports"),
    [
        ((7000, 9999), (5000, 6000)),  # the file's start would not fit the database's end
        ((3000, 5000), (7000, 9999)),  # the database's start would not fit the file's end
    ],
)
def test_a_conflict_grows_where_one_way_of_resolving_it_would_not_fit(
    file_ports: tuple[int, int], database_ports: tuple[int, int]
) -> None:
    base = spec_with(port_range__start=2000, port_range__end=9999)
    file = spec_with(port_range__start=file_ports[0], port_range__end=file_ports[1])
    database = spec_with(port_range__start=database_ports[0], port_range__end=database_ports[1])
    drift = compare_one(base, file, database)
    assert {field.path: field.resolution for field in drift.fields} == {
        "port_range.start": "conflict",
        "port_range.end": "conflict",
    }
    assert outcome(drift, on_conflict="file").spec == file
    assert outcome(drift, on_conflict="db").spec == database


def test_ports_that_fit_together_are_merged() -> None:
    base = spec_with(port_range__start=2000, port_range__end=9999)
    drift = compare_one(base, spec_with(port_range__start=3000), spec_with(port_range__end=4000))
    assert drift.state is State.DIVERGED
    assert outcome(drift).spec == spec_with(port_range__start=3000, port_range__end=4000)


@pytest.mark.parametrize(("new", "state"), [(32, State.DIVERGED), (33, State.CONFLICT)])
def test_labels_that_are_too_many_together_are_a_conflict(new: int, state: State) -> None:
    file = normalize({**OLD, "labels": {f"file{number}": "" for number in range(new)}})
    database = normalize({**OLD, "labels": {f"hand{number}": "" for number in range(32)}})
    drift = compare_one(OLD, file, database)
    assert drift.state is state
    if state is State.CONFLICT:
        assert {field.resolution for field in drift.fields} == {"conflict"}
        assert outcome(drift, on_conflict="file").spec == file
        assert outcome(drift, on_conflict="db").spec == database


# --- Names ---


def test_a_renamed_template_is_unmanaged_and_its_entry_missing_and_each_names_the_other() -> None:
    renamed = stored({**OLD, "name": "u"}, OLD)
    drifts = compare([entry(OLD)], [renamed], {"t": deletion("t")})
    assert [(drift.name, drift.state, drift.renamed_from, drift.renamed_to) for drift in drifts] == [
        ("t", State.MISSING, None, "u"),
        ("u", State.UNMANAGED, "t", None),
    ]
    assert outcome(drifts[0]) == Outcome("create", OLD, OLD)
    assert outcome(drifts[0], recreate_renamed=False) == Outcome("none", None, None)
    assert outcome(drifts[1], prune=True) == Outcome("none", renamed.spec, OLD)


def test_a_rename_that_the_file_followed_is_in_sync_and_rebased() -> None:
    renamed = {**OLD, "name": "u"}
    (drift,) = compare([entry(renamed)], [stored(renamed, OLD)], {})
    assert (drift.name, drift.state, drift.fields) == ("u", State.IN_SYNC, ())
    assert outcome(drift) == Outcome("rebase", renamed, renamed)


def test_the_name_is_no_drift_of_a_renamed_template() -> None:
    (drift,) = compare([entry({**FILE, "name": "u"})], [stored({**EDIT, "name": "u"}, OLD)], {})
    assert drift.state is State.DIVERGED
    assert outcome(drift) == Outcome("update", {**BOTH, "name": "u"}, {**FILE, "name": "u"})


def test_a_rename_to_the_name_of_another_entry_is_a_collision() -> None:
    """The entry was never applied to the template: that the base has the file's value of a field says nothing."""
    taken = {**OLD, "name": "u"}
    (_, drift) = compare([entry(OLD), entry({**FILE, "name": "u"})], [stored(taken, OLD)], {})
    assert (drift.name, drift.state) == ("u", State.COLLISION)
    assert fields(drift) == {"max_nodes": (ABSENT, 500, 20, "db")}
    assert outcome(drift, on_conflict="file") == Outcome("none", taken, OLD)
    assert outcome(drift, adopt=True) == Outcome("rebase", taken, {**FILE, "name": "u"})


def test_a_rename_to_an_entry_that_says_the_same_is_in_sync_and_rebased() -> None:
    taken = {**OLD, "name": "u"}
    (_, drift) = compare([entry(OLD), entry(taken)], [stored(taken, OLD)], {})
    assert (drift.name, drift.state) == ("u", State.IN_SYNC)
    assert outcome(drift) == Outcome("rebase", taken, taken)


def test_a_deletion_counts_only_while_the_name_is_gone() -> None:
    (drift,) = compare([entry(OLD)], [stored(OLD, OLD)], {"t": deletion("t")})
    assert (drift.state, drift.deletion) == (State.IN_SYNC, None)
    assert compare([], [], {"t": deletion("t")}) == ()


def test_templates_come_sorted_by_name() -> None:
    names = [f"template {number:02}" for number in range(40)]
    declared = [entry({**OLD, "name": name}) for name in reversed(names[::2])]
    in_database = [stored({**OLD, "name": name}, OLD) for name in reversed(names[1::2])]
    assert [drift.name for drift in compare(declared, in_database, {})] == names


def test_a_name_twice_on_one_side_is_refused() -> None:
    with pytest.raises(ValueError, match="'t' is a duplicate"):
        compare([entry(OLD), entry(FILE)], [], {})
    with pytest.raises(ValueError, match="'t' is a duplicate"):
        compare([], [stored(OLD, None), stored(EDIT, None)], {})


# --- Laws ---
#
# The reference model applies the changes of the file and those of the database, as sets of assignments, to
# the base, and checks what comes out by the two rules that span leaves.


@given(three_versions())
def test_law_it_agrees_with_the_reference_model(versions: tuple[Spec, Spec, Spec]) -> None:
    base, file, database = versions
    model = model_of(base, file, database)
    drift = compare_one(base, file, database)
    assert drift.state is model.state
    contested = {field.path.replace(".", ":", 1) for field in drift.fields if field.resolution == "conflict"}
    assert contested == {leaf.removesuffix(":") for leaf in model.contested}
    taken, kept = outcome(drift, on_conflict="file").spec, outcome(drift, on_conflict="db").spec
    assert taken is not None
    assert kept is not None
    assert flat(taken) == model.by_file
    assert flat(kept) == model.by_db


@dataclass(frozen=True)
class World:
    """Definition files and database, by name."""

    file: dict[str, Spec]
    database: dict[str, tuple[Spec, Spec | None]]
    deleted: frozenset[str]

    def base(self, name: str) -> Spec | None:
        """What the file's entry was when it was last applied to the template, if it ever was."""
        base = self.database[name][1]
        return None if base is not None and base["name"] in self.file.keys() - {name} else base

    def compare(self) -> tuple[TemplateDrift, ...]:
        return compare(
            [entry(spec) for spec in self.file.values()],
            [stored(spec, base) for spec, base in self.database.values()],
            {name: deletion(name) for name in self.deleted},
        )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = ["t", "u", "v"]
    file, database = {}, {}
    for name in names:
        base, ours, theirs = draw(three_versions(name))
        where = draw(st.sampled_from(["both", "both", "both", "file", "database", "neither"]))
        if where in ("both", "file"):
            file[name] = theirs
        if where in ("both", "database"):
            # A base may hold the name from before a rename, which another entry may have.
            former = [base, base, {**base, "name": "old"}, {**base, "name": "t"}, None]
            database[name] = (ours, draw(st.sampled_from(former)))
    return World(file, database, draw(st.frozensets(st.sampled_from(names))))


@dataclass(frozen=True)
class Options:
    """What a user says to a sync, of all templates."""

    on_conflict: OnConflict
    adopt: bool
    restore: bool
    prune: bool

    def outcome(self, drift: TemplateDrift) -> Outcome:
        return outcome(drift, on_conflict=self.on_conflict, adopt=self.adopt, restore=self.restore, prune=self.prune)


def options() -> st.SearchStrategy[Options]:
    on_conflict: st.SearchStrategy[OnConflict] = st.sampled_from(["file", "db", "skip", None])
    return st.builds(Options, on_conflict, st.booleans(), st.booleans(), st.booleans())


def sync(world: World, chosen: Options) -> World:
    """Carry a sync out as `sync.py` has to: refused as a whole, or each outcome written."""
    outcomes = {drift.name: chosen.outcome(drift) for drift in world.compare()}
    if any(result.action == "refuse" for result in outcomes.values()):
        return world
    database = dict(world.database)
    deleted = set(world.deleted)
    for name, result in outcomes.items():
        if result.action == "delete":
            del database[name]
            deleted.add(name)
        elif result.action != "none":
            assert result.spec is not None
            database[name] = (result.spec, result.base)
            deleted.discard(name)
    return World(world.file, database, frozenset(deleted))


@given(worlds())
def test_law_each_name_has_one_state_and_they_come_in_order(world: World) -> None:
    names = [drift.name for drift in world.compare()]
    assert names == sorted(world.file.keys() | world.database.keys())


@given(worlds())
def test_law_presence_and_base_decide_the_kind_of_state(world: World) -> None:
    both = {State.IN_SYNC, State.FILE_CHANGED, State.EDITED, State.DIVERGED, State.CONFLICT}
    for drift in world.compare():
        in_file, in_database = drift.name in world.file, drift.name in world.database
        if not in_database:
            bases = [base for _, base in world.database.values() if base is not None]
            renamed = any(base["name"] == drift.name for base in bases)  # then it lives, under another name
            expected = {State.DELETED if drift.name in world.deleted and not renamed else State.MISSING}
        elif not in_file:
            expected = {State.UNMANAGED if world.base(drift.name) is None else State.ORPHANED}
        elif world.base(drift.name) is None:
            equal = world.file[drift.name] == world.database[drift.name][0]
            expected = {State.IN_SYNC if equal else State.COLLISION}
        else:
            expected = both
        assert drift.state in expected


@given(worlds(), options())
def test_law_a_second_sync_changes_nothing(world: World, chosen: Options) -> None:
    once = sync(world, chosen)
    assert sync(once, chosen) == once
    actions = {chosen.outcome(drift).action for drift in once.compare()}
    assert actions <= {"none"} or "refuse" in actions


@given(worlds(), options())
def test_law_after_a_sync_the_file_has_nothing_more_to_say(world: World, chosen: Options) -> None:
    actions = {chosen.outcome(drift).action for drift in world.compare()}
    assume("refuse" not in actions)
    left = {drift.state for drift in sync(world, chosen).compare()}
    settled = {State.IN_SYNC, State.EDITED, State.UNMANAGED}
    settled |= {State.CONFLICT} if chosen.on_conflict == "skip" else set()
    settled |= set() if chosen.prune else {State.ORPHANED}
    settled |= set() if chosen.adopt else {State.COLLISION}
    settled |= set() if chosen.restore else {State.DELETED}
    assert left <= settled


@given(worlds(), options())
def test_law_no_edit_of_the_database_is_lost_outside_what_the_user_resolved(world: World, chosen: Options) -> None:
    after = sync(world, chosen)
    for drift in world.compare():
        if drift.name not in world.database or (drift.state is State.ORPHANED and chosen.prune):
            continue
        before, base = world.database[drift.name][0], world.base(drift.name)
        edited = changes(flat(base) if base is not None else {}, flat(before))
        if chosen.on_conflict == "file":
            if drift.state is State.COLLISION and chosen.adopt:
                edited = {}
            for field in drift.fields:
                if field.resolution == "conflict":
                    name, _, key = field.path.partition(".")
                    edited.pop(f"{name}:{key}", None)
        result = flat(after.database[drift.name][0])
        assert {leaf: result.get(leaf, GONE) for leaf in edited} == edited


@given(worlds(), options())
def test_law_every_change_of_the_file_arrives_where_the_database_was_left_alone(world: World, chosen: Options) -> None:
    after = sync(world, chosen)
    assume(after != world)
    for drift in world.compare():
        if drift.name not in world.file or drift.name not in world.database or drift.state is State.CONFLICT:
            continue
        before, base = world.database[drift.name][0], world.base(drift.name)
        if base is not None:
            edited = changes(flat(base), flat(before))
            result, file = flat(after.database[drift.name][0]), flat(world.file[drift.name])
            untouched = (result.keys() | file.keys()) - edited.keys()
            assert {leaf: result.get(leaf, GONE) for leaf in untouched} == {
                leaf: file.get(leaf, GONE) for leaf in untouched
            }


@given(worlds(), options())
def test_law_what_a_sync_writes_is_a_valid_spec_in_normal_form(world: World, chosen: Options) -> None:
    for drift in world.compare():
        result = chosen.outcome(drift)
        if result.spec is not None:
            assert normalize(result.spec) == result.spec
            assert list(normalize(result.spec)["labels"]) == list(result.spec["labels"])
            assert result.spec["name"] == drift.name


@given(worlds(), options())
def test_law_the_action_says_what_changes(world: World, chosen: Options) -> None:
    for drift in world.compare():
        result = chosen.outcome(drift)
        before = world.database.get(drift.name, (None, None))
        spec_moves, base_moves = result.spec != before[0], result.base != before[1]
        expected = {
            "none": (False, False),
            "refuse": (False, False),
            "rebase": (False, True),
            "create": (True, True),
        }
        if result.action in expected:
            assert (spec_moves, base_moves) == expected[result.action]
        elif result.action == "update":
            assert spec_moves
            assert result.base == world.file[drift.name]
        else:
            assert (result.spec, result.base) == (None, None)
            assert before[0] is not None
