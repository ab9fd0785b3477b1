"""A world of templates in which every value can be traced, and requests of every kind to it.

Each spec, actor, message, worker and entry of a file holds a mark of its own, so that any answer can be searched for
what must not be in it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.model.scope import Scope
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Event
from flask_worker_templates.runtime.app_state import current_state
from tests.support.calls import NOWHERE, URL

MARK = re.compile(r"x[0-9a-f]{12}x")
SCOPES: list[Any] = [
    {"label": "team=red"},
    {"label": ["team=red", "tier=a"]},
    [{"label": "team=red"}, {"instance_type": "m7"}],
    [{"license_type": "EVALUATION", "name_prefix": "r-"}, {"label": "tier=b"}],
    {"name_prefix": "r-"},
    {"label": "team=nobody"},
]


def mark(rng: random.Random) -> str:
    """Return a mark that nothing else has, and that is the same again where a world is made again from its seed."""
    return f"x{rng.getrandbits(48):012x}x"


def marks(value: Any) -> set[str]:
    """Return the marks in a value, whatever it is."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return set(MARK.findall(text))


def marked_spec(rng: random.Random, name: str | None = None) -> dict[str, Any]:
    """Return a spec that is inside of about half of the scopes."""
    labels = {"team": rng.choice(["red", "red", "blue"]), "tier": rng.choice("ab"), "note": mark(rng)}
    return {
        "name": name or f"{rng.choice(['r', 'b'])}-{mark(rng)}",
        "description": mark(rng),
        "instance_type": rng.choice(["m5", "m7"]),
        "capacity": {"cpu_cores": rng.randint(1, 64), "memory_gb": 8, "storage_gb": 50},
        "license_type": rng.choice(["PERSONAL", "EVALUATION"]),
        "ami_pattern": f"image-{mark(rng)}*",
        "labels": labels,
    }


@dataclass
class Known:
    """One template, as the world's maker knows it.

    Attributes:
        id: its id.
        states: spec and marks of each event.
        live: whether it is there still.
        base: the entry as it was last applied, if it came from a file.
        workers: that claim it.
    """

    id: str
    states: list[tuple[Spec, set[str]]]
    live: bool
    base: Spec | None
    workers: list[str]

    @property
    def last(self) -> Spec:
        """The present state, or the last one."""
        return self.states[-1][0]

    @property
    def names(self) -> set[str]:
        """The names that it has in the database and in the files; of a deleted one, that of its entry."""
        return {*([self.last["name"]] if self.live else []), *([self.base["name"]] if self.base else [])}


class World:
    """Templates of all kinds in the database of an app whose files hold `entries`."""

    def __init__(self, app: Flask, templates: WorkerTemplates, entries: list[Spec], rng: random.Random) -> None:
        self._app, self._templates = app, templates
        self.rng = rng
        self.entries = entries
        with app.app_context():
            templates.seed()
            ids = [template.id for template in templates.list()]
            ids += [templates.create(marked_spec(rng), actor=mark(rng)).id for _ in range(4)]
            for template_id in rng.sample(ids, 2):  # these will be outdated
                templates.claim(template_id, worker := mark(rng), actor=worker, ttl_seconds=600)
            for _ in range(8):
                self._change(rng.choice(ids))
            for template_id in rng.sample(ids, 2):
                for claim in templates.claims(template_id):
                    templates.release(template_id, claim.worker_id)
                templates.delete(template_id, actor=mark(rng))
            for template in templates.list():
                for worker in [mark(rng) for _ in range(rng.randrange(3))]:
                    templates.claim(template.id, worker, actor=worker)
        self.look()

    def _change(self, template_id: str) -> None:
        spec = marked_spec(self.rng)
        if self.rng.random() < 0.7:
            spec["name"] = self._templates.get(template_id).name
        self._templates.replace(template_id, spec, actor=mark(self.rng))

    def look(self) -> None:
        """Learn how things stand, without a scope."""
        with self._app.app_context():
            events: dict[str, list[Event]] = {}
            for event in self._templates.history(page_size=200):
                events.setdefault(event.template_id, []).insert(0, event)
            bases = {managed.id: managed.base for managed in current_state().store.managed()}
            live = {template.id for template in self._templates.list(page_size=200)}
            self.known = [
                Known(
                    template_id,
                    # What an event says but for its changes, which tell of the state before it too.
                    [(event.spec, marks({**event.to_dict(), "changes": []})) for event in found],
                    template_id in live,
                    bases.get(template_id) or self._entry(found[0]),
                    [one.worker_id for one in self._templates.claims(template_id)] if template_id in live else [],
                )
                for template_id, found in sorted(events.items(), key=lambda item: item[1][-1].at)
            ]

    def _entry(self, first: Event) -> Spec | None:
        return first.spec if first.action == "seeded" else None

    # What may be seen

    def visible(self, scope: Scope) -> list[Known]:
        """Return the templates whose present or last state is inside."""
        return [known for known in self.known if scope.contains(known.last)]

    def hidden_names(self, scope: Scope) -> set[str]:
        """Return the names that drift must leave out whole."""
        hidden = {entry["name"] for entry in self.entries if not scope.contains(entry)}
        live = {known.last["name"] for known in self.known if known.live}
        # Only the newest deletion of an entry counts, and only while its name is free.
        newest = {known.base["name"]: known for known in self.known if known.base and not known.live}
        counted = [known for known in self.known if known.live]
        counted += [known for name, known in newest.items() if name not in live]
        joined = [known.names for known in counted]
        for known in counted:
            if not scope.contains(known.last) or (known.base is not None and not scope.contains(known.base)):
                hidden |= known.names
        for _ in joined:
            for names in joined:
                hidden |= names if names & hidden else set()
        return hidden

    def allowed(self, scope: Scope) -> set[str]:
        """Return all marks and ids that an answer within a scope may hold."""
        found: set[str] = set()
        for known in self.visible(scope):
            found.add(known.id)
            found.update(known.workers if known.live else ())
            for spec, its in known.states:
                if scope.contains(spec):
                    found |= its
        hidden = self.hidden_names(scope)
        for entry in self.entries:
            if entry["name"] not in hidden:
                found |= marks(entry)
        return found

    def everything(self) -> set[str]:
        """Return all marks and ids that there are."""
        found = {known.id for known in self.known}.union(*(set(known.workers) for known in self.known))
        return found.union(*(its for known in self.known for _, its in known.states), *map(marks, self.entries))

    # What is asked

    def an_id(self) -> str:
        """Return the id of any template, or of none."""
        return self.rng.choice([*(known.id for known in self.known), NOWHERE])

    def a_name(self) -> str:
        """Return a name that there is, or one that is free."""
        return str(self.rng.choice([*(known.last["name"] for known in self.known), f"r-{mark(self.rng)}"]))

    def a_worker(self) -> str:
        """Return a worker that claims, or a new one."""
        return self.rng.choice([*(worker for known in self.known for worker in known.workers), mark(self.rng)])

    def names_declared(self) -> list[str]:
        """Return the names of the entries."""
        return [str(entry["name"]) for entry in self.entries]

    def client(self) -> FlaskClient:
        """Return a client of the app."""
        return self._app.test_client()

    def a_spec(self) -> dict[str, Any]:
        """Return a spec; its name may be taken."""
        return marked_spec(self.rng, self.a_name())

    def a_patch(self) -> dict[str, Any]:
        """Return a change that may move a template out, or to a taken name."""
        spec = self.a_spec()
        return {key: spec[key] for key in self.rng.sample(["name", "labels", "instance_type", "license_type"], 2)}

    def a_filter(self) -> dict[str, Any]:
        """Return parameters of the list of templates, with values that there are out there too."""
        spec = self.rng.choice(self.known).last
        return self.rng.choice(
            [
                {},
                {"name": spec["name"]},
                {"name_prefix": spec["name"][:5]},
                {"label": f"note={spec['labels'].get('note', '')}"},
                {"label": "team=blue"},
                {"ami": spec["ami_pattern"].replace("*", "")},
                {"license_type": spec["license_type"]},
                {"sort": "-updated_at", "page_size": 1, "page": self.rng.randint(1, 4)},
                {"q": spec["description"]},
            ]
        )

    def a_trail_filter(self) -> dict[str, Any]:
        """Return parameters of the trail."""
        spec = self.rng.choice(self.known).last
        return self.rng.choice(
            [
                {},
                {"name": spec["name"]},
                {"after": "start"},
                {"after": "start", "page_size": 2},
                {"page_size": 2, "page": 2},
            ]
        )


Case = Callable[[World], tuple[str, dict[str, Any]]]


def _one(tail: str, **what: Callable[[World], Any]) -> Case:
    def case(world: World) -> tuple[str, dict[str, Any]]:
        return f"{URL}/{world.an_id()}{tail}", {key: value(world) for key, value in what.items()}

    return case


def _sync_options(world: World) -> dict[str, Any]:
    return world.rng.choice(
        [
            {},
            {"on_conflict": "file"},
            {"on_conflict": "skip", "prune": True, "max_delete": 9},
            {"only": [world.a_name()]},
            {"on_conflict": "db", "restore": world.names_declared(), "adopt": [world.a_name()]},
            {"choices": {world.a_name(): {"description": "file", "labels.note": "db"}}, "on_conflict": "skip"},
        ]
    )


def _sync(world: World) -> tuple[str, dict[str, Any]]:
    """Sync by the plan that is shown within the scope of now; by none where there is none to show."""
    options = _sync_options(world)
    planned = world.client().post(URL + "/plan", json=options)
    digest = planned.get_json().get("digest", "0" * 64)
    return URL + "/sync", {"json": {**options, "digest": digest}}


def _claim(world: World) -> tuple[str, dict[str, Any]]:
    body = world.rng.choice([None, {"ttl_seconds": 60}, {"ttl_seconds": None, "revision": 1}])
    return f"{URL}/{world.an_id()}/claims/{world.a_worker()}", {} if body is None else {"json": body}


CASES: dict[str, Case] = {
    "GET ": lambda world: (URL, {"query_string": world.a_filter()}),
    "POST ": lambda world: (URL, {"json": world.a_spec()}),
    "GET /history": lambda world: (URL + "/history", {"query_string": world.a_trail_filter()}),
    "GET /claims": lambda world: (
        URL + "/claims",
        {
            "query_string": world.rng.choice(
                [
                    {},
                    {"outdated": "true"},
                    {"expired": "false", "page_size": 2, "page": 2},
                    {"worker_id": world.a_worker()},
                    {"template": world.a_name()},
                ]
            )
        },
    ),
    "GET /select": lambda world: (
        URL + "/select",
        {"query_string": world.rng.choice([{}, {"explain": "true"}, {"cpu_cores": 8, "explain": "true"}])},
    ),
    "GET /drift": lambda world: (URL + "/drift", {}),
    "POST /validate": lambda world: (URL + "/validate", {"json": world.a_spec()}),
    "POST /plan": lambda world: (URL + "/plan", {"json": _sync_options(world)}),
    "POST /sync": _sync,
    "GET /{template_id}": _one(""),
    "PUT /{template_id}": _one("", json=World.a_spec),
    "PATCH /{template_id}": _one("", json=World.a_patch),
    "DELETE /{template_id}": _one(""),
    "GET /{template_id}/history": _one(
        "/history", query_string=lambda world: world.rng.choice([{}, {"page": 2, "page_size": 1}])
    ),
    "POST /{template_id}/revert": _one("/revert", json=lambda world: {"revision": world.rng.randint(1, 4)}),
    "POST /{template_id}/restore": _one("/restore", json=lambda world: {}),
    "GET /{template_id}/revisions/{revision}": lambda world: (
        f"{URL}/{world.an_id()}/revisions/{world.rng.randint(1, 4)}",
        {},
    ),
    "GET /{template_id}/compare": _one(
        "/compare",
        query_string=lambda world: {
            "from": world.rng.randint(1, 4),
            **world.rng.choice([{}, {"to": world.rng.randint(1, 4)}]),
        },
    ),
    "GET /{template_id}/claims": _one("/claims"),
    "PUT /{template_id}/claims/{worker_id}": _claim,
    "DELETE /{template_id}/claims/{worker_id}": lambda world: (f"{URL}/{world.an_id()}/claims/{world.a_worker()}", {}),
}
"""How to ask each route, by its method and its path below the prefix."""
