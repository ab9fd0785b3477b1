"""Documents and arrays left as bytes."""

from __future__ import annotations

import bson
import pytest
from bson import raw_bson
from bson.errors import InvalidBSON
from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.store.raw_documents import RAW, RAW_ARRAYS, each_document

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), inner),
    max_leaves=8,
)
documents = st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), values, max_size=4)


def test_the_private_names_are_those_of_pymongo() -> None:
    assert callable(bson._array_of_documents_to_buffer)
    assert raw_bson._RAW_ARRAY_BSON_OPTIONS.document_class is raw_bson._RawArrayBSONDocument
    assert issubclass(RAW_ARRAYS.document_class, RAW.document_class)


@given(st.lists(documents, max_size=12), st.sampled_from([0, 5000]))
def test_the_documents_of_an_array_are_those_that_were_put_into_it(data: list[dict[str, object]], size: int) -> None:
    data = [{**one, "padding": b"x" * size} for one in data]  # PyMongo hands out what is large as a view
    outer = bson.decode(bson.encode({"before": [1], "in": {"batch": data}, "after": 2}), RAW_ARRAYS)
    found = each_document(outer["in"]["batch"])
    assert found == [bson.encode(one) for one in data]
    assert all(type(one) is bytes for one in found)  # which can be remembered
    assert outer["after"] == 2


@pytest.mark.parametrize("size", [1, 20])
def test_what_is_no_array_of_documents_is_no_silent_nonsense(size: int) -> None:
    outer = bson.decode(bson.encode({"batch": [{"a": 1}, *range(size)]}), RAW_ARRAYS)
    with pytest.raises(InvalidBSON):
        each_document(outer["batch"])
