"""``python -m tests.support.pictures``: make the pictures of the README and the docs, from the example app as it runs.

It needs what the tests need (Debian's Chromium, the MongoDB server of the extra ``example``), and the group ``docs``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.example import Example, Running
from tests.support.paths import CHROMIUM, ROOT

DIRECTORY = ROOT / "docs" / "pictures"
MAX_BYTES = 150_000
"""Of one picture: people load them with the page."""

API = "/api/v1/templates"
CONSOLE = "/worker-templates"


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        show: brings the page to what is shown.
        scheme: the colour scheme.
        size: width and height of the window, in CSS pixels.
    """

    show: Callable[[Page, Mapping[str, str]], Any]
    scheme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = (1280, 800)


def _at(path: str) -> Callable[[Page, Mapping[str, str]], Any]:
    """Open a path of the console, in which names of templates stand for their ids."""
    return lambda page, ids: page.goto(f"{ids['']}{path.format(**ids)}")


def _error_in_form(page: Page, ids: Mapping[str, str]) -> None:
    page.goto(f"{ids['']}{CONSOLE}/t/{ids['notebook']}/edit")
    page.locator("[name='capacity.cpu_cores']").fill("0")
    page.locator("[name=message]").fill("The smallest size is enough")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").first.wait_for()


def _second_template(page: Page, ids: Mapping[str, str]) -> None:
    page.goto(f"{ids['']}{CONSOLE}/")
    page.locator("tbody tr").nth(1).evaluate("row => row.scrollIntoView()")


def _swagger(page: Page, ids: Mapping[str, str]) -> None:
    page.goto(f"{ids['']}/api/v1/docs")
    page.locator("[id$='-selectWorkerTemplate']").wait_for()


PICTURES = {
    "templates": Picture(_at(f"{CONSOLE}/"), size=(1400, 900)),
    "templates-dark": Picture(_at(f"{CONSOLE}/"), "dark", (1400, 900)),
    "template": Picture(_at(f"{CONSOLE}/t/{{standard}}"), size=(1280, 1240)),
    "edit": Picture(_error_in_form),
    "compare": Picture(_at(f"{CONSOLE}/t/{{standard}}/compare?from=1&to=3"), size=(1280, 560)),
    "drift": Picture(_at(f"{CONSOLE}/drift")),
    "fleet": Picture(_at("/"), size=(1280, 640)),
    "phone": Picture(_second_template, "dark", (360, 740)),
    "swagger": Picture(_swagger, "dark"),
}


def main() -> int:
    """Make all pictures, and return the exit code: 1 if one is too large."""
    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        example = Example(Path(home))
        with example.run() as app, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM)
            ids = {**_tell_a_story(app, browser), "": app.url}
            for name, picture in PICTURES.items():
                _take(browser, app, picture, ids, DIRECTORY / f"{name}.png")
            browser.close()
        example.wait_until_stopped()
    sizes = {path.name: path.stat().st_size for path in sorted(DIRECTORY.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{size:8,} {name}")
    return 0 if max(sizes.values()) <= MAX_BYTES else 1


def _take(browser: Browser, app: Running, picture: Picture, ids: Mapping[str, str], path: Path) -> None:
    from PIL import Image  # noqa: PLC0415  # contributors have it, the tests that look at the list do not

    width, height = picture.size
    with browser.new_context(
        color_scheme=picture.scheme, viewport={"width": width, "height": height}, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.goto(app.link)
        picture.show(page, ids)
        page.screenshot(path=path)
    with Image.open(path) as image:  # few colours: a palette makes the file a third as large
        image.convert("RGB").quantize(128).save(path, optimize=True)


def _tell_a_story(app: Running, browser: Browser) -> dict[str, str]:
    """Bring the fleet to a state in which there is something to see, and return the ids of some templates."""

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = app.call(method, path, body)
        assert answer.code < 300, answer.text
        return answer.json() if answer.text else None

    def of(name: str) -> str:
        return f"{API}/{app.template(name)['id']}"

    call("PATCH", f"{of('personal-standard')}?message=Room+for+the+autumn+course", {"max_nodes": 40})
    changed = {"cost_per_hour_usd": 3.96, "labels": {"team": "teaching"}, "port_range": {"end": 9000}}
    call("PATCH", f"{of('personal-standard')}?message=The+price+of+this+year", changed)
    call("PATCH", f"{of('enterprise-large')}?message=The+new+contract+allows+more", {"max_nodes": 600})
    old = {
        **{key: app.template("personal-standard")[key] for key in ("capacity", "license_type", "extra")},
        "name": "m4-standard",
        "instance_type": "m4.16xlarge",
        "labels": {"team": "teaching"},
        "deprecation": {"message": "Out of support in May", "replaced_by": "personal-standard"},
    }
    call("POST", API, old)
    call("PATCH", f"{of('gpu-training')}?message=Closed+for+maintenance", {"enabled": False})
    for needs in ({"cpu_cores": 2}, {"cpu_cores": 2}, {"extra": {"gpu_count": 1}}, {"license_type": "ENTERPRISE"}):
        worker = call("POST", "/workers", needs)
    call("PATCH", f"{of('gpu-notebook')}?message=Notebooks+need+more", {"capacity": {"memory_gb": 32}})
    # The files change as well: one field in conflict with the database, one not.
    for file, before, after in (
        ("worker_templates.yaml", "max_nodes: 500", "max_nodes: 550"),
        ("fleet_templates.yaml", "startup_time_minutes: 2\n", "startup_time_minutes: 3\n"),
    ):
        path = app.home / "config" / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
    page = browser.new_page()
    page.goto(app.link)
    page.get_by_role("button", name=f"Kill {worker['id']}").click()
    page.close()
    return {"standard": app.template("personal-standard")["id"], "notebook": app.template("gpu-notebook")["id"]}


if __name__ == "__main__":
    sys.exit(main())
