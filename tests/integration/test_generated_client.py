"""A client generated from the OpenAPI document by openapi-python-client does all of CRUD against a live server."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from tests.support.apps import AppFactory
from tests.support.calls import NOWHERE
from tests.support.hosts import served
from tests.support.openapi_document import operations, own_document
from tests.support.specs import spec

PACKAGE = "generated_worker_templates_client"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The generated package, imported."""
    directory = tmp_path_factory.mktemp("generated")
    (directory / "openapi.json").write_text(json.dumps(own_document()))
    (directory / "config.json").write_text(json.dumps({"post_hooks": []}))
    command = Path(sysconfig.get_path("scripts")) / "openapi-python-client"
    done = subprocess.run(
        [
            *(command, "generate", "--path", "openapi.json", "--config", "config.json"),
            *("--output-path", PACKAGE, "--meta", "none", "--fail-on-warning"),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(directory))
    try:
        yield importlib.import_module(PACKAGE)
    finally:
        sys.path.remove(str(directory))
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]


class Fleet:
    """The generated client, called by operation; every status code must be one that it knows."""

    def __init__(self, package: ModuleType, origin: str) -> None:
        self.models = importlib.import_module(f"{package.__name__}.models")
        files = Path(str(package.__file__)).parent.glob("api/*/*.py")
        self._modules = {file.stem: f"{package.__name__}.api.{file.parent.name}.{file.stem}" for file in files}
        self._client = vars(package)["Client"](base_url=origin, raise_on_unexpected_status=True)

    def __call__(self, call: str, *path: Any, **arguments: Any) -> Any:
        module = importlib.import_module(self._modules[call])
        return module.sync_detailed(*path, client=self._client, **arguments)

    def spec(self, **changes: Any) -> Any:
        return self.models.WorkerTemplateSpec.from_dict(spec(**changes))

    def patch(self, **changes: Any) -> Any:
        return self.models.WorkerTemplatePatch.from_dict(changes)


@pytest.fixture
def fleet(package: ModuleType, make_app: AppFactory) -> Iterator[Fleet]:
    with served(make_app(templates=[spec("seeded")])) as origin:
        yield Fleet(package, origin)


def test_there_is_a_function_for_every_operation(package: ModuleType) -> None:
    files = Path(str(package.__file__)).parent.glob("api/*/*.py")
    functions = {file.stem.replace("_", "") for file in files if file.stem != "__init__"}
    assert functions == {described["operationId"].lower() for _, _, described in operations(own_document())}


def test_the_whole_life_of_a_template(fleet: Fleet) -> None:
    created = fleet("create_worker_template", body=fleet.spec(name="lab", labels={"team": "qa"}))
    assert created.status_code == 201
    assert created.headers["etag"] == '"1"'
    template = created.parsed
    assert isinstance(template.id, UUID)
    assert (template.name, template.max_nodes, template.license_type.value) == ("lab", 20, "PERSONAL")
    assert template.cost_per_hour_usd is None
    assert template.created_at.utcoffset().total_seconds() == 0

    listed = fleet("list_worker_templates", sort=fleet.models.ListWorkerTemplatesSort("-name"))
    assert [item.name for item in listed.parsed] == ["seeded", "lab"]
    filtered = fleet(
        "list_worker_templates",
        label=["team=qa"],
        license_type=[fleet.models.ListWorkerTemplatesLicenseTypeItem("PERSONAL")],
        enabled=True,
        is_seeded=False,
        min_cpu_cores=2,
        page_size=1,
    )
    assert filtered.parsed == [template]
    assert json.loads(filtered.headers["x-pagination"])["total"] == 1

    replaced = fleet("replace_worker_template", template.id, body=fleet.spec(name="lab-2"), if_match='"1"')
    assert (replaced.status_code, replaced.parsed.name, replaced.parsed.revision) == (200, "lab-2", 2)
    changes = fleet.patch(
        max_nodes=500, labels={"tier": "1", "team": None}, port_range=None, capacity={"cpu_cores": 96}
    )
    patched = fleet("update_worker_template", template.id, body=changes, if_match=replaced.headers["etag"])
    assert (patched.status_code, patched.parsed.max_nodes, patched.parsed.capacity.cpu_cores) == (200, 500, 96)
    assert patched.parsed.labels.to_dict() == {"tier": "1"}
    assert fleet("get_worker_template", template.id).parsed == patched.parsed
    assert fleet("get_worker_template", template.id, if_none_match=patched.headers["etag"]).status_code == 304
    stale = fleet("update_worker_template", template.id, body=fleet.patch(max_nodes=1), if_match='"1"')
    assert (stale.status_code, stale.parsed.errors.to_dict()) == (412, {"revision": 3})

    reverted = fleet(
        "revert_worker_template", template.id, body=fleet.models.WorkerTemplateRevert(revision=1), if_match="*"
    )
    assert (reverted.parsed.name, reverted.parsed.revision) == ("lab", 4)
    history = fleet("get_worker_template_history", template.id).parsed
    assert [(event.revision, event.action.value) for event in history] == [
        (4, "reverted"),
        (3, "updated"),
        (2, "updated"),
        (1, "created"),
    ]
    assert {change.field for change in history[1].changes} >= {"max_nodes", "capacity.cpu_cores", "labels.tier"}

    claimed = fleet("claim_worker_template", template.id, "i-0abc")
    assert (claimed.status_code, claimed.parsed.worker_id) == (201, "i-0abc")
    assert fleet("claim_worker_template", template.id, "i-0abc").status_code == 204
    assert [claim.worker_id for claim in fleet("list_worker_template_claims", template.id).parsed] == ["i-0abc"]
    refused = fleet("delete_worker_template", template.id)
    assert (refused.status_code, refused.parsed.errors.to_dict()) == (409, {"claims": 1, "workers": ["i-0abc"]})
    assert fleet("release_worker_template", template.id, "i-0abc").status_code == 204
    assert fleet("delete_worker_template", template.id).status_code == 204

    assert fleet("get_worker_template", template.id).status_code == 404
    trail = fleet("list_worker_template_events", action=fleet.models.ListWorkerTemplateEventsAction("deleted"))
    assert [event.template_id for event in trail.parsed] == [template.id]


def test_errors_are_typed(fleet: Fleet) -> None:
    taken = fleet("create_worker_template", body=fleet.spec(name="seeded"))
    assert (taken.status_code, taken.parsed.code, taken.parsed.errors["name"]) == (409, 409, "seeded")
    invalid = fleet("create_worker_template", body=fleet.spec(name=" x"))
    assert (invalid.status_code, list(invalid.parsed.errors["json"])) == (422, ["name"])
    missing = fleet("delete_worker_template", UUID(NOWHERE))
    assert (missing.status_code, missing.parsed.status) == (404, "Not Found")
