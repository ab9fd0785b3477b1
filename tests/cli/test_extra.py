"""Fields of the app's own on the command line."""

from __future__ import annotations

import json

import pytest

from tests.support.apps import AppFactory
from tests.support.own_fields import GpuFields
from tests.support.shell import Shell
from tests.support.specs import spec


@pytest.fixture
def farm(make_app: AppFactory) -> Shell:
    shell = Shell(make_app, spec("small"), spec("big", extra={"gpu_count": 8, "zone": "eu-1"}), extra=GpuFields)
    shell.run("seed-templates")
    return shell


def test_they_are_shown_set_and_filtered(farm: Shell) -> None:
    assert "extra.gpu_count\t8" in farm.wt("show", "big").stdout.splitlines()
    assert farm.wt("list", "--extra", "gpu_count=8", "-o", "name").stdout == "big\n"
    assert farm.wt("list", "--extra", "gpu_count=8", "--extra", "gpu_count=0", "-o", "name").stdout == "big\nsmall\n"
    result = farm.wt("set", "small", "extra.gpu_count=4", "extra.zone=us-1")
    assert result.stdout == 'changed   small (revision 2; extra.gpu_count 0 → 4, extra.zone – → "us-1")\n'
    assert farm.changed("label", "--extra", "zone=us-1", "stage=prod", "--yes")[0]["name"] == "small"
    assert farm.wt("select", "--extra", "gpu_count=4", "-o", "name").stdout == "small\n"


def test_what_is_wrong_with_them_is_said(farm: Shell) -> None:
    assert "extra.gpu_count: " in farm.wt("set", "small", "extra.gpu_count=99", code=1).stderr
    assert "extra.colour: " in farm.wt("set", "small", "extra.colour=red", code=1).stderr
    assert "gpu_count" in farm.wt("list", "--extra", "gpu_count=many", code=2).stderr
    assert "--extra" in farm.wt("list", "--extra", "gpu_count", code=2).stderr


def test_they_can_be_created(farm: Shell) -> None:
    text = json.dumps(spec("new", extra={"gpu": {"model": "a100"}}))
    farm.wt("create", "-f", "-", typed=text)
    assert farm.get("new").extra["gpu"] == {"model": "a100", "count": 1}
