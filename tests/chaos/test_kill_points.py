"""Kill -9 of the application after each write command of the write protocol.

Between two writes, the data is the same wherever the process dies: that a command was not sent and that the one before
it was answered are one case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.database import Database

from flask_worker_templates.errors import NameTaken, RestoreRefused, TemplateNotFound
from flask_worker_templates.model.parameters import Paging, trail_parameters
from flask_worker_templates.model.spec import patched
from flask_worker_templates.reconcile.seed import seed
from flask_worker_templates.store.store import Store
from tests.chaos import child
from tests.chaos.checker import Write, assert_whole
from tests.chaos.child import Stop
from tests.support.ownership import read_owned
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
WORKER = "worker-1"
ACTIONS = {"create": "created", "update": "updated", "revert": "reverted", "restore": "restored"}
IF_IT_HAPPENED = {"create": NameTaken, "delete": TemplateNotFound, "restore": RestoreRefused}
"""What is said to those who ask for it again."""


class Scene:
    """What is in the database before the operation that is killed, all of it acknowledged."""

    def __init__(self, uri: str, store: Store, raw: Raw, directory: Path) -> None:
        self.uri = uri
        self.store = store
        self.raw = raw
        self.writes: list[Write] = []
        self.target = self.create("target")
        self.file = directory / "worker_templates.yaml"
        self.file.write_text(yaml.safe_dump({"templates": [spec_with(f"seeded-{n}") for n in range(3)]}))

    def create(self, name: str) -> str:
        made = self.store.create(spec_with(name), actor="scene")
        self.writes.append(Write(made.id, "created", made.revision, "scene", made.spec))
        return made.id

    def update(self, template_id: str, text: str) -> None:
        made = self.store.update(template_id, lambda spec: patched(spec, {"description": text}), actor="scene")
        self.writes.append(Write(made.id, "updated", made.revision, "scene", made.spec))

    def delete(self, template_id: str, actor: str = "scene") -> None:
        self.store.delete(template_id, actor=actor)
        self.writes.append(Write(template_id, "deleted", actor=actor))

    def names(self) -> list[str]:
        return sorted(document["name"] for document in self.raw.worker_templates.find())

    def document(self) -> dict[str, Any] | None:
        return self.live(self.target)

    def live(self, template_id: str) -> dict[str, Any] | None:
        # What holds the place of a template that is being restored is none.
        return self.raw.worker_templates.find_one({"_id": template_id, "restoring": {"$exists": False}})


def _nothing(scene: Scene) -> None:
    pass


def _updated(scene: Scene) -> None:
    scene.update(scene.target, "first")


def _uncopied(scene: Scene) -> None:
    """As after a kill between the commit and the copy."""
    killed = child.run(scene.uri, "update", scene.target, {"description": "first"}, stop=Stop("update T", after=True))
    assert killed.died
    scene.writes.append(Write(scene.target, "updated", 2, "child"))


def _announced(scene: Scene) -> None:
    """As after a kill between the intent of a deletion and the deletion."""
    killed = child.run(scene.uri, "delete", scene.target, stop=Stop("update E", after=True))
    assert killed.died


def _deleted(scene: Scene) -> None:
    scene.update(scene.target, "first")
    scene.delete(scene.target)


def _half_restored(scene: Scene) -> None:
    """As after a kill between the placeholder of a restore and its commit."""
    _deleted(scene)
    killed = child.run(scene.uri, "restore", scene.target, stop=Stop("insert T", after=True))
    assert killed.died


def _claimed(scene: Scene) -> None:
    scene.store.claim(scene.target, WORKER, actor="scene")


def _deleted_seeds(scene: Scene) -> None:
    child.run(scene.uri, "seed", str(scene.file))
    for document in list(scene.raw.worker_templates.find({"is_seeded": True})):
        scene.delete(document["_id"])


@dataclass(frozen=True)
class Case:
    """An operation, the commands it takes, and which of them is its commit point.

    Attributes:
        commands: ``T`` is the collection of the templates, ``E`` that of the events.
        commit: the command that makes the change, the last of its name.
        happened: whether the change is in the database.
    """

    operation: str
    arguments: Callable[[Scene], tuple[Any, ...]]
    commands: tuple[str, ...]
    commit: str
    happened: Callable[[Scene], bool]
    before: Callable[[Scene], None] = _nothing

    def points(self) -> Iterator[tuple[Stop, bool]]:
        """The stops after each write, each with whether the change is made by then."""
        writes = child.writes_of(self.commands)
        last = len(writes) - 1 - writes[::-1].index(self.commit)
        for number, stop in enumerate(child.after_each(writes)):
            yield stop, number >= last


SEEDING = (
    "find T",  # which of the names are there
    *("find T", "find T", "find E", "find E", "find E"),  # templates that came from files, and deletions
)

CASES = {
    "create": Case(
        "create",
        lambda scene: (spec_with("new"),),
        ("insert T", "insert E"),
        "insert T",
        lambda scene: "new" in scene.names(),
    ),
    "update": Case(
        "update",
        lambda scene: (scene.target, {"description": "second"}),
        ("find T", "find E", "update T", "insert E"),
        "update T",
        lambda scene: (scene.document() or {})["description"] == "second",
        _updated,
    ),
    "rename": Case(
        "update",
        lambda scene: (scene.target, {"name": "renamed"}),
        ("find T", "find E", "update T", "insert E"),
        "update T",
        lambda scene: scene.names() == ["renamed"],
    ),
    "update after a kill before the copy": Case(
        "update",
        lambda scene: (scene.target, {"description": "second"}),
        ("find T", "find E", "update E", "update T", "insert E"),
        "update T",
        lambda scene: (scene.document() or {})["description"] == "second",
        _uncopied,
    ),
    "update after a kill after an intent": Case(
        "update",
        lambda scene: (scene.target, {"description": "second"}),
        ("find T", "find E", "update T", "insert E", "update E"),
        "update T",
        lambda scene: (scene.document() or {})["description"] == "second",
        _announced,
    ),
    "revert": Case(
        "revert",
        lambda scene: (scene.target, 1),
        ("find T", "find E", "find E", "update T", "insert E"),
        "update T",
        lambda scene: (scene.document() or {})["revision"] == 3,
        _updated,
    ),
    "delete": Case(
        "delete",
        lambda scene: (scene.target,),
        ("find T", "findAndModify T", "find E", "update E", "delete T"),
        "delete T",
        lambda scene: scene.document() is None,
        _updated,
    ),
    "delete after a kill before the copy": Case(
        "delete",
        lambda scene: (scene.target,),
        ("find T", "findAndModify T", "find E", "update E", "update E", "delete T"),
        "delete T",
        lambda scene: scene.document() is None,
        _uncopied,
    ),
    "delete after a kill after an intent": Case(
        "delete",
        lambda scene: (scene.target,),
        ("find T", "findAndModify T", "find E", "update E", "delete T"),
        "delete T",
        lambda scene: scene.document() is None,
        _announced,
    ),
    "restore": Case(
        "restore",
        lambda scene: (scene.target,),
        ("find T", "find E", "insert T", "find E", "update T", "insert E"),
        "update T",
        lambda scene: scene.document() is not None,
        _deleted,
    ),
    "restore after a kill in a restore": Case(
        "restore",
        lambda scene: (scene.target,),
        ("find T", "find E", "insert T", "update T", "find E", "update T", "insert E"),
        "update T",
        lambda scene: scene.document() is not None,
        _half_restored,
    ),
    "claim": Case(
        "claim",
        lambda scene: (scene.target, WORKER),
        ("findAndModify T",),
        "findAndModify T",
        lambda scene: bool((scene.document() or {})["claims"]),
    ),
    "release": Case(
        "release",
        lambda scene: (scene.target, WORKER),
        ("findAndModify T",),
        "findAndModify T",
        lambda scene: not (scene.document() or {})["claims"],
        _claimed,
    ),
    "seed": Case(
        "seed",
        lambda scene: (str(scene.file),),
        (*SEEDING, "insert T", "insert E"),
        "insert T",
        lambda scene: len(scene.names()) == 4,
    ),
    "seed again what was deleted": Case(
        "seed",
        lambda scene: (str(scene.file),),
        (*SEEDING, "find T", "find E", "insert T", "insert E"),
        "insert T",
        lambda scene: len(scene.names()) == 4,
        _deleted_seeds,
    ),
}

POINTS = [
    pytest.param(case, stop, committed, id=f"{name}-{number}-{stop.command}")
    for name, case in CASES.items()
    for number, (stop, committed) in enumerate(case.points())
]


@pytest.fixture
def scene(uri: str, store: Store, raw: Raw, tmp_path: Path) -> Scene:
    return Scene(uri, store, raw, tmp_path)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_the_table_names_every_command(case: Case, scene: Scene) -> None:
    case.before(scene)
    done = child.run(scene.uri, case.operation, *case.arguments(scene))
    assert done.outcome is not None
    assert done.outcome[0] == "ok", done.outcome
    assert tuple(done.commands) == case.commands
    assert case.happened(scene)
    assert_whole(scene.raw, scene.writes)


@pytest.mark.parametrize(("case", "stop", "committed"), POINTS)
def test_a_kill_leaves_the_change_done_or_not_done_and_the_next_one_completes(
    case: Case, stop: Stop, *, committed: bool, scene: Scene
) -> None:
    case.before(scene)
    killed = child.run(scene.uri, case.operation, *case.arguments(scene), stop=stop)
    assert killed.died, killed.outcome

    assert_whole(scene.raw, scene.writes)
    assert case.happened(scene) == committed
    _history_is_readable(scene)

    _repeat(case, scene)
    assert_whole(scene.raw, scene.writes)
    _use(scene)
    assert_whole(scene.raw, scene.writes)
    _history_is_readable(scene)


def _history_is_readable(scene: Scene) -> None:
    """What the store shows is what the data says: every event once, none that is void."""
    asked = trail_parameters({"page_size": 200})
    shown = {(event.template_id, event.revision): event for event in scene.store.trail(asked)}
    assert len(shown) == len(scene.store.trail(asked).items)
    for template_id in {key[0] for key in shown}:
        document = scene.live(template_id)
        history = scene.store.history(template_id, Paging(1, 200))
        assert [event.revision for event in history] == list(range(history.total, 0, -1))
        assert [shown.pop((template_id, event.revision)) for event in history] == list(history)
        if document is None:
            assert history[0].action == "deleted"
        else:
            assert history[0].revision == document["revision"]
            assert history[0].action != "deleted"
    assert not shown


def _repeat(case: Case, scene: Scene) -> None:
    """A client that got no answer asks again."""
    again = child.run(scene.uri, case.operation, *case.arguments(scene))
    assert again.outcome is not None
    answer, result = again.outcome
    if case.operation in IF_IT_HAPPENED and answer != "ok":
        assert answer == IF_IT_HAPPENED[case.operation].__name__
    else:
        assert answer == "ok", again.outcome
    assert case.happened(scene)
    if answer == "ok" and case.operation == "delete":
        scene.writes.append(Write(scene.target, "deleted", actor="child"))
    if answer == "ok" and case.operation in ACTIONS:
        action = ACTIONS[case.operation]
        scene.writes.append(Write(result["id"], action, result["revision"], "child", result))


def _use(scene: Scene) -> None:
    """Everything goes on as if nothing had been: a change and a deletion of each template, and the seeding."""
    for document in list(scene.raw.worker_templates.find()):
        scene.update(document["_id"], f"{document['description']} and on")
        if not document["claims"]:
            scene.delete(document["_id"])
    files = read_owned([str(scene.file)], scene.file.parent)
    assert seed(scene.store, files).created == ("seeded-0", "seeded-1", "seeded-2")
    assert seed(scene.store, files).existing == 3


SYNCING = (
    *("insert T", "insert E"),  # a new one
    *("update T", "insert E"),  # one that the file changed
    *("update T", "insert E"),  # one that the file and a person changed, each another field
    "update T",  # one that a person and then the file changed alike
    *("findAndModify T", "update E", "delete T"),  # one that is gone from the file
)


@pytest.mark.parametrize("number", range(len(SYNCING)))
def test_a_kill_in_a_sync_and_the_next_one_goes_on(number: int, scene: Scene) -> None:
    seeds = [spec_with(f"seeded-{n}") for n in range(4)]
    scene.file.write_text(yaml.safe_dump({"templates": seeds}))
    child.run(scene.uri, "seed", str(scene.file))
    scene.update(scene.store.get_by_name("seeded-1").id, "by hand")
    scene.update(scene.store.get_by_name("seeded-2").id, "alike")
    wanted = [
        spec_with("seeded-0", description="changed"),
        spec_with("seeded-1", max_nodes=7),
        spec_with("seeded-2", description="alike"),
        spec_with("new"),
    ]
    scene.file.write_text(yaml.safe_dump({"templates": wanted}))
    killed = child.run(scene.uri, "sync", str(scene.file), stop=child.after_each(SYNCING)[number])
    assert killed.died, killed.outcome
    assert child.writes_of(killed.commands) == SYNCING[: number + 1]
    assert_whole(scene.raw, scene.writes)

    again = child.run(scene.uri, "sync", str(scene.file))
    assert again.outcome is not None
    assert again.outcome[0] == "ok", again.outcome
    assert again.outcome[1]["complete"]
    assert scene.names() == ["new", "seeded-0", "seeded-1", "seeded-2", "target"]
    assert len(scene.store.trail(trail_parameters({"action": "synced"}))) == 2
    diverged = scene.store.get_by_name("seeded-1")
    assert (diverged.description, diverged.max_nodes) == ("by hand", 7)
    assert_whole(scene.raw, scene.writes)
    idle = child.run(scene.uri, "sync", str(scene.file)).commands
    assert {command.split()[0] for command in idle} == {"find"}  # nothing to do, nothing written
    assert len(idle) <= 4


def test_seeding_again_reads_once_and_writes_nothing(scene: Scene) -> None:
    child.run(scene.uri, "seed", str(scene.file))
    assert child.run(scene.uri, "seed", str(scene.file)).commands == ["find T"]


PREPARING = ("createIndexes T", "createIndexes E", "createIndexes L")


@pytest.mark.parametrize("command", PREPARING)
def test_a_kill_while_the_indexes_are_made(command: str, database_uri: str) -> None:
    killed = child.run(database_uri, "prepare", stop=Stop(command, after=True))
    assert killed.died
    made = PREPARING.index(command) + 1
    assert child.writes_of(killed.commands) == PREPARING[:made]
    again = child.run(database_uri, "prepare")
    assert again.outcome == ("ok", None)
    assert child.writes_of(again.commands) == PREPARING[made:]
    assert child.run(database_uri, "prepare").commands == ["listIndexes T", "listIndexes E", "listIndexes L"]
