"""Reading for a comparison: what is stored as expected is known by its bytes, and never taken for something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.model.records import Exported, ExportedLeaf, Managed, Origin
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.store.commit import new_document
from flask_worker_templates.store.decoding import decode
from flask_worker_templates.store.likely import ManagedReader
from flask_worker_templates.store.stored_form import managed_of, stored_exported
from flask_worker_templates.store.stored_types import Malformed
from tests.support.strategies import spec_with, specs

Document = dict[str, Any]

SPEC = spec_with(
    "one", labels={"team": "qa"}, cost_per_hour_usd=2.0, deprecation={"message": "old", "replaced_by": None}
)


def document_of(spec: Spec) -> Document:
    """What a seeded template is stored as, as far as a comparison reads it."""
    made = new_document(spec, actor="seeder", action="seeded", origin=Origin(spec, "a.yaml", "default"))
    return {key: value for key, value in made.items() if key not in ("claims", "last_event", "extra_values")}


def read(document: Document, likely: Spec | None = None) -> Managed:
    return ManagedReader({} if likely is None else {likely["name"]: likely})(bson.encode(document))


@given(specs(), specs(), st.booleans())
def test_what_is_expected_makes_no_difference(one: Spec, other: Spec, is_edited: bool) -> None:
    document = document_of({**other, "name": one["name"]} if is_edited else one)
    assert read(document, one) == read(document)


@given(specs(), st.sampled_from([{}, {"exported": None}]))
def test_what_is_stored_as_expected_is_the_expected_spec(spec: Spec, noted: Document) -> None:
    found = read({**document_of(spec), **noted}, spec)
    assert found.spec is spec
    assert found.base is spec


CHANGES: dict[str, Callable[[Document], object]] = {
    "edited": lambda it: it.update(max_nodes=7),
    "another base": lambda it: it["base"].update(max_nodes=7),
    "no base": lambda it: it.update(base=None),
    "a base without a field": lambda it: it["base"].pop("deprecation"),
    "without a field that has a default": lambda it: it.pop("max_claims"),
    "in another order": lambda it: it.update(name=it.pop("name")),
    "a field of a newer version": lambda it: it["capacity"].update(gpus=1),
    "a number of another type": lambda it: it.update(max_nodes=float(it["max_nodes"])),
    "a long number": lambda it: it["base"].update(max_nodes=Int64(it["max_nodes"])),
    "renamed": lambda it: it.update(name="two"),
    "its base renamed": lambda it: it["base"].update(name="two"),
    "exported": lambda it: it.update(
        exported=stored_exported(Exported("default", (ExportedLeaf("max_nodes", 20, 7),)))
    ),
    "exported before the base": lambda it: it.update(
        exported=stored_exported(Exported("default", (ExportedLeaf("max_nodes", 20, 7),))), base=it.pop("base")
    ),
    "nothing exported": lambda it: it.update(exported=None),
    "of an older version": lambda it: it.pop("file_set"),
    "without what says where it comes from": lambda it: [it.pop("file_set"), it.pop("source")],
    "the base in front": lambda it: it.update({name: it.pop(name) for name in ("revision", "source", "file_set")}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_stored_otherwise_is_read_as_it_is(change: Callable[[Document], object]) -> None:
    document = decode(bson.encode(document_of(SPEC)))
    change(document)
    assert read(document, SPEC) == managed_of(decode(bson.encode(document)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"enabled": 1},
        {"max_nodes": True},
        {"revision": 0},
        {"revision": "1"},
        {"is_seeded": None},
        {"created_at": "today"},
        {"source": 1},
        {"file_set": b"default"},
        {"base": []},
        {"exported": 1},
        {"_id": 1},
        {"name": 1},
        {"name": None},
    ],
    ids=str,
)
def test_what_is_no_template_is_none_whatever_is_expected(wrong: Document) -> None:
    document = {**document_of(SPEC), **wrong}
    with pytest.raises(Malformed) as caught:
        read(document)
    with pytest.raises(Malformed) as again:
        read(document, SPEC)
    assert str(again.value) == str(caught.value)


@pytest.mark.parametrize("length", [0, 4, 5, 9, 12, 60, -1])
def test_damaged_bytes_are_no_template(length: int) -> None:
    raw = bson.encode(document_of(SPEC))[:length]
    with pytest.raises(Malformed):
        ManagedReader({"one": SPEC})(raw)
