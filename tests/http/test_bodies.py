"""Request bodies: what is read, what is refused, and that a hostile one costs neither time nor memory."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from flask import request
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, names, one, problem, snapshot
from tests.support.specs import spec
from tests.support.strategies import UNICODE

pytestmark = mongomock_only  # the database has no part in this

JSON = "application/json"
LIMIT = 262_144


def post(client: FlaskClient, body: str | bytes, content_type: str = JSON, **options: Any) -> TestResponse:
    return client.post(URL, data=body, content_type=content_type, **options)


def described(length: int) -> bytes:
    """A valid body of exactly `length` bytes."""
    body = json.dumps(spec()).encode()
    return body + b" " * (length - len(body))


# Content types


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_read(client: FlaskClient, content_type: str) -> None:
    assert post(client, json.dumps(spec()), content_type).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/vnd.api+json",
        "text/json",
        "json",
        "application/json/x",
        "x" * 5000,
    ],
)
def test_other_content_types_are_415(client: FlaskClient, content_type: str) -> None:
    answer = post(client, json.dumps(spec()), content_type)
    assert JSON in problem(answer, 415)["message"]
    assert answer.headers["Accept"] == JSON
    assert len(answer.data) < 500
    assert names(client.get(URL)) == []


def test_patch_names_both_of_its_types(client: FlaskClient) -> None:
    template = create(client)
    answer = client.patch(one(template), data="{}", content_type="text/plain")
    problem(answer, 415)
    assert answer.headers["Accept"] == "application/merge-patch+json, application/json"


def test_a_compressed_body_is_415(client: FlaskClient) -> None:
    answer = post(client, json.dumps(spec()), headers={"Content-Encoding": "gzip"})
    problem(answer, 415)
    assert answer.headers["Accept-Encoding"] == "identity"
    assert post(client, json.dumps(spec()), headers={"Content-Encoding": "identity"}).status_code == 201


# JSON


def test_a_byte_order_mark_is_put_up_with(client: FlaskClient) -> None:
    assert post(client, b"\xef\xbb\xbf" + json.dumps(spec()).encode()).status_code == 201


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "Expecting value at line 1, column 1."),
        ("{", "Expecting property name"),
        ('{"name": "x",}', "line 1, column"),
        ("{'name': 'x'}", "line 1, column 2."),
        ('{"name": "x"} {}', "Extra data"),
        ('{\n"name": "a\nb"}', "Invalid control character at line 2"),
        ('{"name": "\\x41"}', "Invalid \\escape"),
        (b'{"name": "\xff"}', "not UTF-8: byte 10"),
        ("name: x", "line 1, column 1."),
        ('{"name": "x"}'.encode("utf-16"), "not UTF-8"),
        ("\x00", "line 1, column 1."),
        ('{"max_nodes": NaN}', "NaN is not a JSON number."),
        ('{"max_nodes": Infinity}', "Infinity is not a JSON number."),
        ('{"max_nodes": -Infinity}', "-Infinity is not a JSON number."),
        ('{"name": "a", "name": "b"}', "The key 'name' is a duplicate."),
        ('{"capacity": {"cpu_cores": 1, "cpu_cores": 2}}', "The key 'cpu_cores' is a duplicate."),
        ('{"labels": {"a": "1", "\\u0061": "2"}}', "The key 'a' is a duplicate."),
        ('{"' + "k" * 5000 + '": 1, "' + "k" * 5000 + '": 2}', "is a duplicate."),
        ("[" * 33, "nested more than 32 levels deep"),
        ("[" * 100_000, "nested more than 32 levels deep"),
        ('{"a":' * 20_000, "nested more than 32 levels deep"),
        ("1" * 5000, "Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits."),
        ('{"max_nodes": ' + "9" * 100_000 + "}", "Exceeds the limit"),
        ("0x10", "Extra data"),
        ("01", "Extra data"),
        ("/* */ {}", "line 1, column 1."),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_no_json_is_400_and_says_where(client: FlaskClient, body: str | bytes, message: str) -> None:
    template = create(client, "there")
    before = snapshot(client)
    for method, url in (
        ("POST", URL),
        ("PUT", one(template)),
        ("PATCH", one(template)),
        ("POST", one(template, "/revert")),
    ):
        answer = client.open(url, method=method, data=body, content_type=JSON)
        found = problem(answer, 400, "json")
        assert message in found["message"]
        assert len(answer.data) < 1000
    assert snapshot(client) == before


def test_brackets_in_strings_are_not_depth(client: FlaskClient) -> None:
    assert post(client, json.dumps(spec(description='[{"' * 100 + "\\"))).status_code == 201


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("max_nodes", "1e400", "max_nodes"),
        ("max_nodes", "-1e400", "max_nodes"),
        ("max_nodes", "1" + "0" * 4000, "max_nodes"),
        ("max_nodes", "1e308", "max_nodes"),
        ("max_nodes", "-0", "max_nodes"),
        ("cost_per_hour_usd", "1e400", "cost_per_hour_usd"),
        ("cost_per_hour_usd", "1" + "0" * 4000, "cost_per_hour_usd"),
        ("cost_per_hour_usd", "-0.01", "cost_per_hour_usd"),
        ("cost_per_hour_usd", '"NaN"', "cost_per_hour_usd"),
        ("enabled", "1", "enabled"),
        ("enabled", '"true"', "enabled"),
        ("enabled", "null", "enabled"),
        ("name", '{"$gt": ""}', "name"),
        ("name", '["small"]', "name"),
        ("name", '"\\u0000"', "name"),
        ("name", '"a\\r\\nb"', "name"),
        ("name", '"\\ud800"', "name"),
        ("name", '"\\u202e"', "name"),
        ("name", '"a\\n"', "name"),
        ("name", '""', "name"),
        ("name", '"' + "x" * 101 + '"', "name"),
        ("description", '"a\\tb"', "description"),
        ("description", '"\\u0085"', "description"),
        ("description", '"' + "x" * 1001 + '"', "description"),
        ("instance_type", '"m5 large"', "instance_type"),
        ("instance_type", '"' + "x" * 65 + '"', "instance_type"),
        ("ami_pattern", '""', "ami_pattern"),
        ("ami_pattern", '{"$regex": ".*"}', "ami_pattern"),
        ("license_type", '{"$in": ["PERSONAL"]}', "license_type"),
        ("capacity", "[]", "capacity"),
        ("capacity", '{"$inc": {"cpu_cores": 1}}', "capacity.$inc"),
        ("capacity", '{"cpu_cores": {"$gt": 0}, "memory_gb": 1, "storage_gb": 1}', "capacity.cpu_cores"),
        ("port_range", '{"start": 9000, "end": 80}', "port_range.start"),
        ("port_range", '{"start": 0}', "port_range.start"),
        ("labels", '{"$where": "1"}', "labels"),
        ("labels", '{"a.b": {"$gt": ""}}', "labels"),
        ("labels", '{"": "x"}', "labels"),
        ("labels", '{"a=b": "x"}', "labels"),
        ("labels", '{"\\ud800": "x"}', "labels"),
        ("labels", '{"a": null}', "labels"),
        ("labels", "[]", "labels"),
        ("labels", json.dumps({f"k{number}": "" for number in range(65)}), "labels"),
        ("$set", "{}", "$set"),
        ("__proto__", "{}", "__proto__"),
        ("constructor", '{"prototype": {}}', "constructor"),
        ("__class__", '"x"', "__class__"),
        ("\\ud800", "1", "\ud800"),
        ("a\\u0000b", "1", "a\0b"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_hostile_value_is_named_and_changes_nothing(client: FlaskClient, field: str, value: str, place: str) -> None:
    template = create(client, "there")
    before = snapshot(client)
    rest = json.dumps({key: inner for key, inner in spec("other").items() if key != field})[1:]
    body = f'{{"{field}": {value}, {rest}'
    for method, url in (("POST", URL), ("PUT", one(template))):
        problem(client.open(url, method=method, data=body, content_type=JSON), 422, f"json.{place}")
    assert snapshot(client) == before


# Size


def test_the_limit_is_inclusive(client: FlaskClient) -> None:
    assert post(client, described(LIMIT)).status_code == 201
    found = problem(post(client, described(LIMIT + 1)), 413, "json")
    assert "262,144 bytes" in found["message"]


def test_a_host_with_a_lower_limit_is_heard(make_app: AppFactory) -> None:
    client = make_app(MAX_CONTENT_LENGTH=600).test_client()
    assert post(client, described(600)).status_code == 201
    assert "600 bytes" in problem(post(client, described(601)), 413)["message"]


def test_a_host_with_a_higher_limit_does_not_raise_ours(make_app: AppFactory) -> None:
    app = make_app(MAX_CONTENT_LENGTH=10_000_000, WORKER_TEMPLATES_MAX_BODY_BYTES=2000)

    @app.post("/upload")
    def upload() -> str:
        return str(len(request.get_data()))

    client = app.test_client()
    problem(post(client, described(2001)), 413)
    assert client.post("/upload", data=b"x" * 1_000_000).text == "1000000"  # the host's own routes keep theirs


class Endless(io.RawIOBase):
    """A body that never ends and counts what was read of it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


def test_a_body_without_a_length_is_bounded_while_it_is_read(client: FlaskClient) -> None:
    stream = Endless()
    environ = {
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_TYPE": JSON,
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
    }
    problem(client.open(environ_overrides=environ, method="POST", path=URL), 413)
    assert stream.taken <= 2 * LIMIT


def test_what_is_beyond_the_limit_is_not_cut_off(client: FlaskClient) -> None:
    for body in (described(LIMIT) + b" ", described(LIMIT) + b"{}"):
        environ = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "CONTENT_TYPE": JSON}
        problem(client.post(URL, environ_overrides=environ), 413)
    assert names(client.get(URL)) == []


def test_a_chunked_body_within_the_limit_is_read(client: FlaskClient) -> None:
    environ = {"wsgi.input": io.BytesIO(json.dumps(spec()).encode()), "wsgi.input_terminated": True}
    answer = client.post(URL, environ_overrides={**environ, "CONTENT_TYPE": JSON, "HTTP_TRANSFER_ENCODING": "chunked"})
    assert answer.status_code == 201


def test_a_length_that_is_a_lie_is_no_server_error(client: FlaskClient) -> None:
    for length in ("10", "5000", "-1", "x"):
        answer = client.post(
            URL, data=json.dumps(spec()), content_type=JSON, environ_overrides={"CONTENT_LENGTH": length}
        )
        assert answer.status_code in {201, 400, 413}, length


# Time and memory

LONG = 5.0
"""Seconds of processor time. Work that grows with the square of a body's length takes minutes."""
_FILLED = 255_000
HOSTILE: dict[str, Callable[[], str]] = {
    "duplicate at the end": lambda: "{" + ",".join(f'"k{n}":1' for n in range(24_000)) + ',"k23999":1}',
    "thousands of unknown keys": lambda: "{" + ",".join(f'"k{n}":1' for n in range(24_000)) + "}",
    "thousands of labels": lambda: json.dumps(spec(labels={f"k {n}": "" for n in range(15_000)})),
    "strings that do not end": lambda: "[" * 40 + '\\"' * (_FILLED // 2),
    "quotes": lambda: "[" * 40 + '"' * _FILLED,
    "backslashes": lambda: "[" * 40 + '"' + "\\" * _FILLED,
    "brackets": lambda: "[]," * (_FILLED // 3),
    "open brackets": lambda: "[" * _FILLED,
    "blanks": lambda: " " * _FILLED,
    "digits": lambda: "1" * _FILLED,
    "many long numbers": lambda: "[" + ",".join(["9" * 4000] * 60) + "]",
    "a long exponent": lambda: "1e" + "9" * _FILLED,
    "commas": lambda: "[" + "," * _FILLED,
    "a long name": lambda: json.dumps(spec("x" * _FILLED)),
    "a long pattern": lambda: json.dumps(spec(ami_pattern="*" * _FILLED)),
    "a long key": lambda: json.dumps({"x" * _FILLED: 1}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_body_takes_neither_long_nor_much(client: FlaskClient, kind: str) -> None:
    template = create(client, "there")
    body = HOSTILE[kind]().encode()
    assert len(body) <= LIMIT
    for method, url in (("POST", URL), ("PATCH", one(template))):
        started = time.process_time()
        answer = client.open(url, method=method, data=body, content_type=JSON)
        assert time.process_time() - started < LONG
        problem(answer, answer.status_code)
        assert answer.status_code in {400, 422}
    tracemalloc.start()
    post(client, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * LIMIT


@pytest.mark.parametrize("ami", ["a" * 256, "*" * 256, "a*" * 128])
def test_a_hostile_pattern_is_matched_in_time(client: FlaskClient, ami: str) -> None:
    for number, pattern in enumerate(["*a" * 127 + "b", "*" * 255 + "b", "?*" * 127 + "b", "**a**" * 50]):
        create(client, f"t{number}", ami_pattern=pattern)
    started = time.process_time()
    assert client.get(URL, query_string={"ami": ami}).status_code == 200
    assert time.process_time() - started < LONG


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(UNICODE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(UNICODE), inner, max_size=3),
    max_leaves=6,
)
_NEARLY = st.dictionaries(
    st.sampled_from([*spec(max_nodes=1, labels=1, port_range=1, enabled=1, cost_per_hour_usd=1), "id", "$set"]),
    _VALUES,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | _VALUES.map(json.dumps).map(str.encode) | _NEARLY.map(json.dumps).map(str.encode))
@example(body=b'{"\\ud800": {"\\udfff": []}}')
def test_no_body_is_a_server_error(client: FlaskClient, body: bytes) -> None:
    if not names(client.get(URL)):
        create(client, "there")
    [template] = client.get(URL).get_json()
    for method, url in (("POST", URL), ("PUT", one(template)), ("POST", one(template, "/revert"))):
        answer = client.open(url, method=method, data=body, content_type=JSON)
        problem(answer, answer.status_code, "json")
        assert answer.status_code in {400, 422}
    assert client.patch(one(template), data=body, content_type=JSON).status_code in {200, 400, 422}
    assert client.post(URL + "/validate", data=body, content_type=JSON).status_code in {200, 400}


@pytest.mark.parametrize(
    "body", ['{"\\ud800": 1}', '{"name": "\\ud800"}', '{"labels": {"\\udfff": "x"}}', "null", "[]", "1"]
)
def test_validating_takes_what_no_template_can_be(client: FlaskClient, body: str) -> None:
    answer = post_to_validate(client, body)
    assert answer.status_code == 200
    assert answer.get_json()["valid"] is False
    assert answer.get_json()["errors"]


def post_to_validate(client: FlaskClient, body: str) -> TestResponse:
    return client.post(URL + "/validate", data=body, content_type=JSON)
