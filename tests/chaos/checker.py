"""Whether a database keeps the promises of the write protocol.

Reads the two collections with PyMongo and shares no code with the package, so that an error there cannot hide itself.
A violation is a sentence; a whole database has none.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

TEMPLATES = "worker_templates"
EVENTS = "worker_template_events"
SPEC = (
    *("name", "description", "instance_type", "capacity", "license_type", "max_nodes", "ami_pattern"),
    *("startup_time_minutes", "port_range", "enabled", "cost_per_hour_usd", "labels"),
    *("max_claims", "deprecation", "extra"),
)
FIRST = {"created", "seeded"}
LATER = {"updated", "synced", "reverted", "restored"}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A change that a client was told has happened.

    Attributes:
        action: as the audit trail names it.
        revision: the revision it made; None for a deletion, whose answer does not say.
        actor: who made it.
        spec: the spec after it as the client was shown it, or None where it was shown none.
        may_be_nothing: whether the template may have been in this state before, so that nothing was written.
    """

    template_id: str
    action: str
    revision: int | None = None
    actor: str | None = None
    spec: Mapping[str, Any] | None = None
    may_be_nothing: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """A claim that a worker was told it has, and which it was not told to have lost."""

    template_id: str
    worker_id: str


def violations(
    database: Database[Document], writes: Iterable[Write] = (), uses: Iterable[Use] = (), *, once: bool = False
) -> list[str]:
    """Return what is wrong with the data, given what clients were told.

    Args:
        database: the database; nobody may be writing to it.
        writes: changes that were acknowledged.
        uses: claims that were acknowledged and not ended since.
        once: whether each change, but for seeding, had an actor of its own, so that one that was made twice shows.
    """
    # A placeholder holds the place of a template for a restore that has not happened.
    placed = {"restoring": {"$exists": True}}
    documents = {document["_id"]: document for document in database[TEMPLATES].find({"$nor": [placed]})}
    recorded: dict[str, list[Document]] = defaultdict(list)
    for event in database[EVENTS].find():
        recorded[event["template_id"]].append(event)

    found = _names(documents.values())
    trails: dict[str, list[Document]] = {}
    for template_id, document in documents.items():
        trails[template_id] = _live(document, recorded[template_id], found)
    for template_id, events in recorded.items():
        if template_id not in documents:
            trails[template_id] = _deleted(template_id, events, found)
    for template_id, trail in trails.items():
        _connected(template_id, trail, found)
    if once:
        counted = Counter(event["actor"] for trail in trails.values() for event in trail)
        del counted["seeder"]
        found.extend(f"the change of {actor!r} was made {count} times" for actor, count in counted.items() if count > 1)
    _acknowledged(documents, trails, writes, found)
    for use in uses:
        used = documents.get(use.template_id)
        if used is None:
            found.append(f"{use.worker_id} claims {use.template_id}, which is deleted")
        elif use.worker_id not in [claim["worker_id"] for claim in used["claims"]]:
            found.append(f"the claim of {use.worker_id} on {use.template_id} is lost")
    return found


def assert_whole(
    database: Database[Document], writes: Iterable[Write] = (), uses: Iterable[Use] = (), *, once: bool = False
) -> None:
    """Raise an AssertionError that lists the violations, if there are any. Arguments as `violations`."""
    found = violations(database, writes, uses, once=once)
    assert not found, "\n".join([f"{len(found)} violations:", *found[:50]])


def _names(documents: Iterable[Document]) -> list[str]:
    counted = Counter(document["name"] for document in documents)
    return [f"{count} live templates are named {name!r}" for name, count in counted.items() if count > 1]


def _live(document: Document, recorded: Sequence[Document], found: list[str]) -> list[Document]:
    """Return the events of a live template, oldest first; what is wrong with them goes to `found`."""
    template_id, revision, last = document["_id"], document["revision"], document["last_event"]
    if last["template_id"] != template_id or last["revision"] != revision:
        found.append(f"{template_id} is at revision {revision}, its last event is {last['_id']}")
    if _spec(last["spec"]) != _spec(document):
        found.append(f"{template_id} differs from what its last event says")
    if document["updated_at"] != last["at"]:
        found.append(f"{template_id} was not updated when its last event says")
    workers = [claim["worker_id"] for claim in document["claims"]]
    if len(set(workers)) != len(workers):
        found.append(f"{template_id} is claimed twice by one worker")

    valid = [last]
    for event in recorded:
        if event["revision"] < revision:
            valid.append(event)
        elif event["revision"] > revision or event["token"] != last["token"]:
            # Void. Only deletions are announced, each right after the revision it was to delete.
            if event["action"] != "deleted" or event["revision"] > revision + 1:
                found.append(f"{event['_id']} ({event['action']}) is beyond revision {revision}")
        elif event != last:
            found.append(f"the copy of {event['_id']} differs from the one in the document")
    valid.sort(key=lambda event: event["revision"])
    if last["action"] == "deleted":
        found.append(f"{last['_id']} deletes {template_id}, which lives")
    if valid[0]["at"] != document["created_at"]:
        found.append(f"{template_id} was not created when its first event says")
    if document["is_seeded"] != (valid[0]["action"] == "seeded"):
        found.append(f"{template_id} is_seeded={document['is_seeded']}, first event {valid[0]['action']}")
    return valid


def _deleted(template_id: str, recorded: Sequence[Document], found: list[str]) -> list[Document]:
    trail = sorted(recorded, key=lambda event: event["revision"])
    actions = [event["action"] for event in trail]
    if actions[-1] != "deleted":
        found.append(f"{template_id} is gone, and its last event is {actions[-1]!r}")
    return trail


def _connected(template_id: str, trail: Sequence[Document], found: list[str]) -> None:
    revisions = [event["revision"] for event in trail]
    if revisions != list(range(1, len(revisions) + 1)):
        found.append(f"{template_id} has the revisions {_short(revisions)}")
    for event in trail:
        if event["_id"] != f"{template_id}:{event['revision']}":
            found.append(f"{event['_id']} is the event of {template_id} at {event['revision']}")
        if event["name"] != event["spec"]["name"]:
            found.append(f"{event['_id']} has the name {event['name']!r} and {event['spec']['name']!r}")
        allowed = FIRST if event["revision"] == 1 else LATER | {"deleted"}
        if event["action"] not in allowed:
            found.append(f"{event['_id']} is {event['action']!r}")
    for earlier, later in itertools.pairwise(trail):
        if earlier["at"] >= later["at"]:
            found.append(f"{later['_id']} is not later than {earlier['_id']}")
        if (earlier["action"] == "deleted") != (later["action"] == "restored"):
            found.append(f"{later['_id']} ({later['action']}) comes after {earlier['action']!r}")
        same = _spec(earlier["spec"]) == _spec(later["spec"])
        if later["action"] == "deleted" and not same:
            found.append(f"{template_id} was deleted in a state that it did not have")
        if later["action"] not in {"deleted", "restored"} and same:
            found.append(f"{later['_id']} changes nothing")


def _acknowledged(
    documents: Mapping[str, Document],
    trails: Mapping[str, Sequence[Document]],
    writes: Iterable[Write],
    found: list[str],
) -> None:
    told: set[tuple[str, int]] = set()
    for write in writes:
        trail = trails.get(write.template_id, ())
        if write.action == "deleted":
            event = _deletion(write, trail, told)
            if event is None and write.template_id in documents:
                found.append(f"{write} was acknowledged, and it lives")
        else:
            event = next((one for one in trail if one["revision"] == write.revision), None)
        if write.may_be_nothing and event and write.spec and event["actor"] != write.actor:
            if _spec(event["spec"]) != _shown(write.spec):
                found.append(f"{write} was acknowledged without a write, and its state was another")
            continue
        key = write.template_id, event["revision"] if event else 0
        if key in told:
            found.append(f"{key} was acknowledged twice")
        told.add(key)
        if event is None:
            found.append(f"{write} was acknowledged and is lost")
        elif event["action"] != write.action or (write.actor is not None and event["actor"] != write.actor):
            found.append(f"{write} was acknowledged, the trail says {event['action']} by {event['actor']}")
        elif write.spec is not None and _spec(event["spec"]) != _shown(write.spec):
            found.append(f"{write} was acknowledged, the trail has another spec")


def _deletion(write: Write, trail: Sequence[Document], told: set[tuple[str, int]]) -> Document | None:
    """Return the event of a deletion; of several, between which the template was restored, one nobody was told of."""
    deletions = [event for event in trail if event["action"] == "deleted"]
    news = [event for event in deletions if (write.template_id, event["revision"]) not in told]
    own = [event for event in news if write.actor in {None, event["actor"]}]
    return next(iter([*own, *news, *deletions]), None)


def _spec(stored: Mapping[str, Any]) -> Document:
    return {**{key: stored[key] for key in SPEC}, "labels": sorted(stored["labels"])}


def _shown(spec: Mapping[str, Any]) -> Document:
    labels = sorted(f"{key}={value}" for key, value in spec["labels"].items())
    return {**{key: spec[key] for key in SPEC}, "labels": labels}


def _short(revisions: Sequence[int]) -> str:
    return str(revisions) if len(revisions) <= 20 else f"{revisions[:10]} … {revisions[-10:]}"
