"""Documents left as bytes: they are what PyMongo's own are, made at less cost."""

from __future__ import annotations

import copy
import pickle

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.store.raw_documents import RAW

PYMONGOS = CodecOptions(document_class=RawBSONDocument)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), inner),
    max_leaves=8,
)
documents = st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), values, max_size=4)


@given(documents)
def test_it_says_what_pymongos_own_says(data: dict[str, object]) -> None:
    encoded = bson.encode(data)
    ours, theirs = bson.decode(encoded, RAW), bson.decode(encoded, PYMONGOS)
    assert bytes(ours.raw) == encoded
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)
    assert ours == theirs
    assert dict(ours.items()).keys() == data.keys()
    for key, value in data.items():
        assert ours.get(key) == theirs.get(key)
        if isinstance(value, dict):
            assert bytes(ours[key].raw) == bson.encode(value)
    assert ours.get("no such key") is None
    assert bson.encode(ours) == encoded


@pytest.mark.parametrize("size", [1, 10_000])
def test_it_can_be_shown_copied_and_asked_for_what_it_lacks(size: int) -> None:
    outer = bson.decode(bson.encode({"in": {"a": {"b": "x" * size}}}), RAW)
    ours = outer["in"]
    assert outer["in"] is ours
    assert not hasattr(outer, "nonsense")
    assert outer["in"] is ours  # what was decoded is kept
    assert repr(bytes(ours.raw)) in repr(ours)
    for again in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert again == ours
        assert again["a"]["b"] == "x" * size
    with pytest.raises(KeyError):
        ours["b"]
