"""What counts as a command: one of this Flask app, in any thread, and no other program that uses Click."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.runtime.commands import in_command
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.hosts import host
from tests.support.paths import ROOT
from tests.support.specs import spec

ME = f"cli:{getpass.getuser()}"


def use(app: Flask, templates: WorkerTemplates) -> tuple[list[str], str]:
    """Use the Python API as a job does: which templates there are, and who made a change."""
    with app.app_context():
        names = [template.name for template in templates.list()]
        made = templates.create(spec(f"made-{len(names)}"))
        return names, templates.history(made.id)[0].actor


@mongomock_only
def test_a_command_of_the_app_seeds_nothing_in_whichever_thread(make_app: AppFactory) -> None:
    app, templates = host(make_app, templates=[spec("seeded")])
    seen: list[Any] = []

    @app.cli.command("mine")
    def mine() -> None:
        seen.append(use(app, templates))
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(use, app, templates).result())

    result = app.test_cli_runner().invoke(args=["mine"], catch_exceptions=False)
    assert result.exit_code == 0
    assert seen == [([], ME), (["made-0"], ME)]
    assert not in_command()
    assert use(app, templates)[0] == ["made-0", "made-1", "seeded"]


@mongomock_only
def test_a_command_is_a_step_of_another(make_app: AppFactory) -> None:
    app, templates = host(make_app, templates=[spec("seeded")])
    steps: list[str] = []

    @app.cli.command("deploy")
    @click.pass_context
    def deploy(context: click.Context) -> None:
        context.invoke(app.cli.commands["seed-templates"])
        steps.append("seeded")  # what went well does not end the program
        group: Any = app.cli.commands["worker-templates"]
        context.invoke(group.get_command(context, "sync"), yes=True)
        steps.append("synced")
        context.invoke(group.get_command(context, "show"), name="nobody")
        steps.append("shown")

    result = app.test_cli_runner().invoke(args=["deploy"])
    assert (result.exit_code, steps) == (1, ["seeded", "synced"]), result.output
    with app.app_context():
        templates.delete(templates.get_by_name("seeded").id)
    result = app.test_cli_runner().invoke(app.cli.commands["seed-templates"])  # and runs by itself
    assert (result.exit_code, result.stdout) == (0, "created  seeded\n1 created, 0 already present.\n")


@mongomock_only
def test_a_command_that_failed_is_over(make_app: AppFactory) -> None:
    app, templates = host(make_app, templates=[spec("seeded")])

    @app.cli.command("mine")
    def mine() -> None:
        use(app, templates)
        raise click.ClickException("no")

    assert app.test_cli_runner().invoke(args=["mine"]).exit_code == 1
    assert not in_command()


@mongomock_only
@pytest.mark.parametrize("obj", [None, object()], ids=["without an object", "with one of its own"])
def test_another_program_that_uses_click_is_no_command(make_app: AppFactory, obj: object) -> None:
    """As Celery, RQ and uvicorn do; whose worker then uses the templates in the thread of the command line."""
    app, templates = host(make_app, templates=[spec("seeded")])
    seen: list[Any] = []

    @click.group()
    def celery() -> None:
        pass

    @celery.command()
    def worker() -> None:
        seen.append(use(app, templates))

    assert CliRunner().invoke(celery, ["worker"], obj=obj, catch_exceptions=False).exit_code == 0
    assert seen == [(["seeded"], "anonymous")]


FACTORY = """
    import sys
    from flask import Flask
    from flask_worker_templates import WorkerTemplates

    def create_app():
        app = Flask("factory_host")
        app.config.from_prefixed_env()
        templates = WorkerTemplates(app)
        with app.app_context():
            print("SEEN", [template.name for template in templates.list()], flush=True)
            made = templates.create({**SPEC, "name": "by-factory"})
            print("ACTOR", templates.history(made.id)[0].actor, flush=True)
        app.cli.command("mine")(lambda: print("MINE"))
        if "run" in sys.argv:
            sys.exit(0)  # all that this test looks at has happened
        return app
"""


@mongod_only
@pytest.mark.parametrize(
    ("arguments", "seen", "actor"), [(["run", "--port", "0"], "['seeded']", "anonymous"), (["mine"], "[]", ME)]
)
def test_a_factory_is_part_of_the_command_that_calls_it(
    connection: dict[str, str], tmp_path: Path, arguments: list[str], seen: str, actor: str
) -> None:
    (tmp_path / "seeded.json").write_text(json.dumps({"templates": [spec("seeded")]}))
    (tmp_path / "factory.py").write_text(f"SPEC = {spec()!r}\n" + textwrap.dedent(FACTORY))
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "FLASK_APP": "factory:create_app",
        "FLASK_WORKER_TEMPLATES_CONFIG_PATH": str(tmp_path / "seeded.json"),
        **{f"FLASK_{key}": value for key, value in connection.items()},
    }
    done = subprocess.run(
        [sys.executable, "-m", "flask", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert f"SEEN {seen}\nACTOR {actor}\n" in done.stdout, done.stdout + done.stderr
