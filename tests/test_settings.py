"""The settings: every key's good and bad values, and messages that name the key and what it can take."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_worker_templates import SettingsError, WorkerTemplates
from flask_worker_templates.settings import PREFIX, Settings
from flask_worker_templates.store.connection import DatabaseAccess

URI = "mongodb://localhost:27017/fleet"


def read(key: str, value: object) -> object:
    return getattr(Settings.from_config({PREFIX + key: value}), key.lower())


def message_of(config: dict[str, Any]) -> str:
    """What init_app says of a wrong config."""
    app = Flask("host")
    app.config.update(config)
    with pytest.raises(SettingsError) as caught:
        WorkerTemplates(app)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def test_an_app_that_sets_nothing_gets_the_documented_defaults() -> None:
    assert Settings.from_config({"SECRET_KEY": "x", "TESTING": True}) == Settings(
        config_path=None,
        seed="on",
        reseed_deleted=True,
        sync_on_start="off",
        mongodb_uri=None,
        db_alias="default",
        db_timeout_ms=5000,
        anonymous=None,
        max_claims=10_000,
        cosmetic_fields=("description", "labels", "cost_per_hour_usd", "enabled", "max_claims", "deprecation"),
        require_if_match=False,
        url_prefix="/api/v1/templates",
        docs="public",
        docs_url_prefix="/api/v1/docs",
        api_title="Worker templates",
        api_spec_options=None,
        max_body_bytes=262_144,
    )


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_key_says_what_it_means(field: dataclasses.Field[Any]) -> None:
    assert field.metadata["meaning"].endswith(".")


GOOD: list[tuple[str, Any, Any]] = [
    ("CONFIG_PATH", None, None),
    ("CONFIG_PATH", "a.yaml", ("a.yaml",)),
    ("CONFIG_PATH", Path("conf.d"), ("conf.d",)),
    ("CONFIG_PATH", ["a.yaml", Path("b/*.json")], ("a.yaml", "b/*.json")),
    ("CONFIG_PATH", ("a.yaml",), ("a.yaml",)),
    ("FILE_SET", "red team", "red team"),
    ("SEED", "on", "on"),
    ("SEED", "off", "off"),
    ("RESEED_DELETED", True, True),
    ("RESEED_DELETED", False, False),
    ("SYNC_ON_START", "off", "off"),
    ("SYNC_ON_START", "safe", "safe"),
    ("MONGODB_URI", None, None),
    ("MONGODB_URI", URI, URI),
    ("MONGODB_URI", "mongodb+srv://user:pw@cluster.example/fleet", "mongodb+srv://user:pw@cluster.example/fleet"),
    ("DB_ALIAS", "fleet", "fleet"),
    ("DB_TIMEOUT_MS", 50, 50),
    ("DB_TIMEOUT_MS", 600_000, 600_000),
    ("ANONYMOUS", None, None),
    ("ANONYMOUS", "none", "none"),
    ("ANONYMOUS", "read", "read"),
    ("ANONYMOUS", "write", "write"),
    ("MAX_CLAIMS", 1, 1),
    ("MAX_CLAIMS", 10_000, 10_000),
    ("COSMETIC_FIELDS", [], ()),
    ("COSMETIC_FIELDS", ["labels", "extra.note"], ("labels", "extra.note")),
    ("REQUIRE_IF_MATCH", True, True),
    ("URL_PREFIX", "/templates", "/templates"),
    ("DOCS", "public", "public"),
    ("DOCS", "read", "read"),
    ("DOCS", "off", "off"),
    ("DOCS_URL_PREFIX", "/docs", "/docs"),
    ("API_TITLE", "Fleet", "Fleet"),
    ("API_SPEC_OPTIONS", {"security": []}, {"security": []}),
    (
        "API_SPEC_OPTIONS",
        {"info": {"x-a": [None, 1, 1.5, True, "a", ()]}},
        {"info": {"x-a": [None, 1, 1.5, True, "a", ()]}},
    ),
    ("MAX_BODY_BYTES", 1024, 1024),
    ("MAX_BODY_BYTES", 16_777_216, 16_777_216),
    ("LICENSE_TYPES", ["A", "B-2"], ("A", "B-2")),
    ("LICENSE_TYPES", ("PERSONAL", "PRO+"), ("PERSONAL", "PRO+")),
    ("LICENSE_DEFAULT", "PERSONAL", "PERSONAL"),
    ("LICENSE_DEFAULT", None, None),
    ("CONSOLE", "off", "off"),
    ("CONSOLE_URL_PREFIX", "/admin/fleet", "/admin/fleet"),
    ("LOGIN_URL", None, None),
    ("LOGIN_URL", "/login", "/login"),
    ("LOGIN_URL", "https://login.example.test/?app=fleet", "https://login.example.test/?app=fleet"),
]


@pytest.mark.parametrize(("key", "value", "kept"), GOOD)
def test_good_values(key: str, value: object, kept: object) -> None:
    assert read(key, value) == kept


PATHS = "a path to a file or a directory, a glob, or a list of these that is not empty"
URL_PATH = "a URL path that starts with / and does not end with one, such as '/api/v1/templates'"
FLAG = "True or False (true or false in an environment variable)"
ON_OFF = "one of 'on', 'off'"
NO_PATHS: list[Any] = [1, True, [], {}, [1], b"a.yaml", ["a", None], {"a.yaml"}]
NO_NAMES: list[Any] = ["", None, 1, []]
NO_MAPPINGS: list[Any] = [[], "security", 1]
MEMBERS = "a dict of members of an OpenAPI document, such as 'components', 'info', 'security' or 'servers'"
NO_MEMBERS = ["openapi", "openapi_version", "paths", "plugins", "response_plugin", "swagger", "title", "version"]
NO_JSON: list[tuple[Any, str]] = [
    ({1: "a"}, "the key 1"),
    ({"components": {"responses": {404: {}}}}, "the key 404 of components.responses"),
    ({"security": [{"token": {"a"}}]}, "security.0.token"),
    ({"tags": [{"name": object}]}, "tags.0.name"),
    ({"x-limit": math.inf}, "x-limit"),
    ({"externalDocs": b"https://docs.example"}, "externalDocs"),
]
LICENSE_TYPES = (
    "a list of 1 to 100 different strings, each 1–64 characters of A-Z a-z 0-9 . _ / + -, the first one a letter or a "
    "digit"
)
BAD: list[tuple[str, Any, str]] = [
    *(("CONFIG_PATH", value, PATHS) for value in NO_PATHS),
    *(("CONFIG_PATH", value, "paths that are not empty and hold no NUL") for value in ("", ["a", ""], "a\0b")),
    *(("SEED", value, ON_OFF) for value in (True, False, None, "ON", "yes", "", 1, ["on"])),
    *(("RESEED_DELETED", value, FLAG) for value in (0, 1, "true", "False", None, "off")),
    *(("MAX_CLAIMS", value, "an integer from 1 to 10,000") for value in (0, 10_001, True, "5", None)),
    *(
        ("COSMETIC_FIELDS", value, "a list of field paths, such as ['description', 'labels']")
        for value in ("labels", [""], [1], None)
    ),
    *(("REQUIRE_IF_MATCH", value, FLAG) for value in (0, 1, "true", None)),
    *(("SYNC_ON_START", value, "one of 'off', 'safe'") for value in (True, "on", None)),
    *(
        ("DB_TIMEOUT_MS", value, "an integer from 50 to 600,000")
        for value in (49, 600_001, 0, -1, True, "5000", 5000.0, None, math.nan)
    ),
    *(
        ("MAX_BODY_BYTES", value, "an integer from 1,024 to 16,777,216")
        for value in (1023, 16_777_217, False, "1 MB", None)
    ),
    *(("ANONYMOUS", value, "one of 'none', 'read', 'write'") for value in ("", "admin", True, "READ", ["read"])),
    *(("DOCS", value, "one of 'public', 'read', 'off'") for value in (True, False, None, "private")),
    *(
        (key, value, URL_PATH)
        for key in ("URL_PREFIX", "DOCS_URL_PREFIX")
        for value in (
            *("", "/", "templates", "/templates/", None, 1, "/<tenant>/templates", "/a//b", "/a/../b", "/.", "/a?b"),
            *("/a#b", "/a b", "/a%20b", "/a\n", "/a\\b", "/\u00e9"),
        )
    ),
    *(("FILE_SET", value, "a string of 1 to 100 printable characters") for value in (None, "", " ", "\n", 1)),
    *((key, value, "a string that is not empty") for key in ("DB_ALIAS", "API_TITLE") for value in NO_NAMES),
    *(("API_SPEC_OPTIONS", value, "a dict") for value in NO_MAPPINGS),
    *(
        (
            "API_SPEC_OPTIONS",
            {"security": [], key: "x"},
            f"{MEMBERS} ({key!r} cannot be among them)",
        )
        for key in NO_MEMBERS
    ),
    *(
        ("API_SPEC_OPTIONS", value, f"a dict of what JSON can hold, with strings for keys ({place} is something else)")
        for value, place in NO_JSON
    ),
    *(
        ("LICENSE_TYPES", value, LICENSE_TYPES)
        for value in ([], "A", ["A", "A"], ["a b"], [1], ["-x"], ["x" * 65], {"A": 1}, None)
    ),
    *(("LICENSE_DEFAULT", value, "a string that is not empty") for value in ("", 1, ["PERSONAL"])),
    *(("CONSOLE", value, "one of 'on', 'off'") for value in ("yes", True, None)),
    *(
        (
            "CONSOLE_URL_PREFIX",
            value,
            "a URL path that starts with / and does not end with one, such as '/api/v1/templates'",
        )
        for value in ("", "/", "console", "/a/", None)
    ),
    *(
        ("LOGIN_URL", value, "None, or a URL that starts with / or https://, such as '/login'")
        for value in ("", "login", 1, "/a\nb")
    ),
    ("LICENSE_DEFAULT", "FREE", "None, or one of WORKER_TEMPLATES_LICENSE_TYPES (PERSONAL, ENTERPRISE, EVALUATION)"),
]


@pytest.mark.parametrize(("key", "value", "allowed"), BAD)
def test_bad_values_fail_init_app_with_the_key_and_what_it_can_take(key: str, value: object, allowed: str) -> None:
    assert message_of({PREFIX + key: value}) == f"{PREFIX}{key} must be {allowed}, not {value!r}"


@pytest.mark.parametrize(
    ("routes", "docs"),
    [
        ("/same", "/same"),
        ("/fleet", "/fleet/history"),
        ("/fleet", "/fleet/drift"),
        ("/fleet", "/fleet/validate"),
        ("/fleet/openapi.json", "/fleet"),
    ],
)
def test_the_documentation_must_not_hide_a_route(routes: str, docs: str) -> None:
    both = {PREFIX + "URL_PREFIX": routes, PREFIX + "DOCS_URL_PREFIX": docs}
    assert message_of(both) == (
        f"{PREFIX}DOCS_URL_PREFIX must be a path at which there is no other route, not {docs!r} where "
        f"{PREFIX}URL_PREFIX is {routes!r}"
    )
    assert Settings.from_config({**both, PREFIX + "DOCS": "off"}).url_prefix == routes


def test_every_fixed_route_is_guarded_so() -> None:
    app = Flask("host")
    WorkerTemplates(app)
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("worker-templates.")]
    fixed = {rule.rule for rule in rules if not rule.arguments} - {"/api/v1/templates"}
    assert len(fixed) > 2
    for route in fixed:
        assert "at which there is no other route" in message_of({PREFIX + "DOCS_URL_PREFIX": route})


@pytest.mark.parametrize("docs", ["/fleet/docs", "/fleet/history/docs", "/flee", "/docs"])
def test_the_documentation_may_be_below_the_prefix(docs: str) -> None:
    app = Flask("host")
    app.config.update({PREFIX + "URL_PREFIX": "/fleet", PREFIX + "DOCS_URL_PREFIX": docs})
    WorkerTemplates(app)
    assert app.test_client().get(docs).mimetype == "text/html"


def test_every_key_has_good_and_bad_values_here() -> None:
    keys = {field.name.upper() for field in dataclasses.fields(Settings)}
    assert {key for key, *_ in GOOD} == keys
    assert {key for key, *_ in BAD} | {"MONGODB_URI"} == keys


def test_every_fault_is_reported_at_once() -> None:
    message = message_of({PREFIX + "SEED": "yes", PREFIX + "SEEDS": "on", PREFIX + "DOCS": 1, PREFIX + "DB_ALIAS": "x"})
    assert [line.split()[0] for line in message.splitlines()] == [PREFIX + key for key in ("DOCS", "SEED", "SEEDS")]


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(message_of({PREFIX + "SEED": "x" * 10_000})) < 300


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("CONFIG_PATHS", "CONFIG_PATH"),
        ("MONGO_URI", "MONGODB_URI"),
        ("TIMEOUT_MS", "DB_TIMEOUT_MS"),
        ("RESEED", "SEED"),
        ("Seed", "SEED"),
    ],
)
def test_an_unknown_key_gets_a_suggestion(key: str, meant: str) -> None:
    assert message_of({PREFIX + key: "x"}) == f"{PREFIX}{key} is not a setting: did you mean {PREFIX}{meant}?"


def test_an_unknown_key_that_resembles_none_gets_the_list() -> None:
    key = PREFIX + "COLOUR_OF_THE_BUTTONS"
    assert f"{key} is not a setting: the keys are {PREFIX}CONFIG_PATH, {PREFIX}FILE_SET, " in message_of({key: "x"})


def test_keys_of_the_host_are_none_of_its_business() -> None:
    Settings.from_config({"WORKER_TEMPLATE_SEED": 1, "SEED": 1, "worker_templates_seed": 1, "": 1})


def test_a_host_whose_settings_are_wrong_gets_nothing_of_the_extension() -> None:
    app = Flask("host")
    app.config["WORKER_TEMPLATES_SEED"] = "yes"
    with pytest.raises(SettingsError):
        WorkerTemplates(app)
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/static/<path:filename>"]
    assert not app.extensions
    assert not app.cli.commands
    app.config["WORKER_TEMPLATES_SEED"] = "on"
    WorkerTemplates(app)  # put right, it can be done again


# The URI, which may hold a password


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://user:S3CRET@host/fleet",
        "host:27017/S3CRET",
        "",
        "mongodb://user:S3CRET@host",
        "mongodb://user:S3CRET@host/",
        "mongodb://user:S3CRET@host/?replicaSet=rs0",
        "mongodb+srv://user:S3CRET@cluster.example",
        "mongodb://user:S3CRET@/fleet",
        "mongodb://us/er:S3CRET@host/fleet",
        "mongodb://user:S3CRET%@host/fleet",
        "mongodb://user:p@S3CRET@host/fleet",
        "mongodb://user:S3CRET@host:port/fleet",
        "mongodb://user:S3CRET@host/fl$eet",
        "mongodb+srv://us/er:S3CRET@cluster.example/fleet",
        "mongodb://user:S3CRET@host/fl\udce4et",
        "mongodb://user:S3CRET@host/fleet?replicaSet",
        "mongodb://user:S3CRET@[::1/fleet",
        "mongodb://user:S3CRET@host/fleet?tls=true&tlsCAFile=/S3CRET/missing.pem",
        "mongodb+srv://user:S3CRET%@cluster.example/fleet",
        "mongodb+srv://user:S3CRET@cluster.example:27017/fleet",
        "mongodb+srv://user:S3CRET@cluster.example,other.example/fleet",
        "mongodb+srv://user:S3CRET@cluster.example/fleet?replicaSet",
        "mongodb+srv://user:S3CRET@cluster.example/fleet?w=majority;journal=true&retryWrites=true",
        "mongodb+srv://user:S3CRET@cluster.example/fleet?tlsCAFile=/S3CRET/missing.pem",
        "mongodb+srv://user:S3CRET@cluster.example/fleet?authSource=",
        "mongodb+srv://user:S3CRET@cluster.example/fleet?srvServiceName",
        "mongodb+srv://user:S3CRET@cluster.example/fleet?directConnection=true",
    ],
)
def test_a_bad_uri_is_named_by_its_key_and_never_shown(uri: str) -> None:
    message = message_of({PREFIX + "MONGODB_URI": uri})
    assert message.startswith(PREFIX + "MONGODB_URI ")
    assert "S3CRET" not in message


@pytest.mark.parametrize("uri", [1, b"mongodb://host/fleet", ["mongodb://host/fleet"]])
def test_a_uri_is_a_string(uri: object) -> None:
    allowed = "None, or a string that starts with mongodb:// or mongodb+srv://"
    assert message_of({PREFIX + "MONGODB_URI": uri}) == f"{PREFIX}MONGODB_URI must be {allowed}"


def test_a_uri_without_a_database_says_how_to_name_one() -> None:
    message = message_of({PREFIX + "MONGODB_URI": "mongodb://localhost:27017"})
    assert message == (
        f"{PREFIX}MONGODB_URI names no database: put its name after the host, as in mongodb://localhost:27017/fleet"
    )


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
@pytest.mark.parametrize(
    "name",
    ["a.b", "a/b", "a%2Fb", "a\\b", 'a"b', "a%22b", "a$b", "a b", "a%20b", "a%0Ab", "a%00b", "x" * 64, "%C3%A9" * 32],
)
def test_a_database_that_cannot_be_is_refused(scheme: str, name: str) -> None:
    assert message_of({PREFIX + "MONGODB_URI": f"{scheme}://host/{name}"}) == (
        f"{PREFIX}MONGODB_URI names a database that cannot be: "
        'its name has at most 63 bytes, and none of / \\ . " $ or a space among them'
    )


@pytest.mark.parametrize("name", ["x" * 63, "%C3%A9" * 31, "fleet-2_a", "a,b"])
def test_a_database_that_can_be_is_not(name: str) -> None:
    app = Flask("host")
    app.config[PREFIX + "MONGODB_URI"] = f"mongodb://user:S3CRET@host,other:27017/{name}?replicaSet=rs0"
    WorkerTemplates(app)


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
@pytest.mark.parametrize("hosts", ["", "user:S3CRET@", ":27017", "host,", "user:S3CRET@:27017"])
def test_a_uri_without_a_host_says_so(scheme: str, hosts: str) -> None:
    assert message_of({PREFIX + "MONGODB_URI": f"{scheme}://{hosts}/fleet"}) == (
        f"{PREFIX}MONGODB_URI names no host: put it before the database, as in mongodb://localhost:27017/fleet"
    )


def test_a_uri_with_options_of_its_kind_is_good() -> None:
    app = Flask("host")
    app.config[PREFIX + "MONGODB_URI"] = (
        "mongodb+srv://user:S3CRET@cluster.example/fleet?srvServiceName=fleet&srvMaxHosts=2&w=majority"
    )
    WorkerTemplates(app)


def test_nothing_that_an_error_tracker_records_shows_the_password() -> None:
    for uri in ("mongodb://user:S3CRET@host/fleet", "mongodb+srv://user:S3CRET@cluster.example/fleet?w=1"):
        settings = Settings.from_config({PREFIX + "MONGODB_URI": uri})
        assert settings.mongodb_uri == uri
        assert "S3CRET" not in repr(settings) + repr(settings.mongodb_uri) + repr(Settings(mongodb_uri=uri))
        assert "S3CRET" not in repr(vars(DatabaseAccess(settings)))


def test_an_unknown_key_never_shows_its_value() -> None:
    assert "S3CRET" not in message_of({PREFIX + "MONGODB_URL": "mongodb://user:S3CRET@host/fleet"})


def test_the_exception_carries_no_other_that_shows_the_uri() -> None:
    app = Flask("host")
    app.config[PREFIX + "MONGODB_URI"] = "mongodb://user:S3CRET%@host/fleet"
    with pytest.raises(SettingsError) as caught:
        WorkerTemplates(app)
    assert caught.value.__cause__ is None
    assert "S3CRET" not in str(caught.value.__context__ if not caught.value.__suppress_context__ else "")


# The environment


def from_environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> Flask:
    for key, value in values.items():
        monkeypatch.setenv("FLASK_WORKER_TEMPLATES_" + key, value)
    app = Flask("host")
    app.config.from_prefixed_env()
    return app


def test_every_kind_of_value_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    app = from_environment(
        monkeypatch,
        CONFIG_PATH='["conf.d", "more/*.yaml"]',
        SEED="off",
        RESEED_DELETED="false",
        DB_TIMEOUT_MS="2500",
        MONGODB_URI=URI,
        ANONYMOUS="read",
        API_SPEC_OPTIONS='{"security": [{"token": []}]}',
        URL_PREFIX="/templates",
    )
    assert Settings.from_config(app.config) == Settings(
        config_path=("conf.d", "more/*.yaml"),
        seed="off",
        reseed_deleted=False,
        db_timeout_ms=2500,
        mongodb_uri=URI,
        anonymous="read",
        api_spec_options={"security": [{"token": []}]},
        url_prefix="/templates",
    )


def test_null_in_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    app = from_environment(monkeypatch, CONFIG_PATH="null", MONGODB_URI="null", ANONYMOUS="null")
    assert Settings.from_config(app.config) == Settings()


def test_a_flag_in_pythons_spelling_is_refused_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    app = from_environment(monkeypatch, RESEED_DELETED="False")
    with pytest.raises(SettingsError, match=r"RESEED_DELETED must be True or False \(true or false in an environment"):
        WorkerTemplates(app)
