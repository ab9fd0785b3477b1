"""The command ``edit``: a template's spec in an editor. What was typed is never lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from flask_worker_templates.errors import InvalidFiles, RevisionMismatch, WorkerTemplatesError
from flask_worker_templates.files.dump import YAML
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Template
from flask_worker_templates.runtime.app_state import AppState, current_state

from .changes import Change, print_changes
from .completion import complete_names
from .exit_codes import OK, exit_code
from .find_templates import find
from .output import Interrupted, examples, print_error, say
from .typed_specs import parse_specs
from .update import Update, update_command


@click.command("edit")
@click.argument("name", shell_complete=complete_names)
@update_command
@examples(
    'flask worker-templates edit gpu-nightly -m "More nodes for the tests"',
)
def edit(name: str, update: Update) -> int:
    """Edit a template in your editor ($VISUAL or $EDITOR).

    If something is wrong with it, the editor opens again, with the faults on top. If somebody else changed the template
    meanwhile, nothing is written, and your text is kept in a file that is named.

    Exit codes: 0 changed or nothing to do, 1 error, 4 changed meanwhile.
    """
    state = current_state()
    template = find(state.store, name)
    if update.if_revision not in (None, template.revision):
        raise RevisionMismatch(template.id, template.revision)
    return _Editing(state, template, replace(update, if_revision=template.revision)).run()


class EditFailed(WorkerTemplatesError):
    """The editor did not do its part, or what was typed is not valid."""


class _Editing:
    """One template in an editor, until it is right or given up."""

    def __init__(self, state: AppState, template: Template, update: Update) -> None:
        self._state = state
        self._template = template
        self._update = update
        self._original = "\n".join(YAML.lines(template.spec, 2)) + "\n"
        self._text = self._original
        descriptor, name = tempfile.mkstemp(prefix="worker-template-", suffix=".yaml")
        os.close(descriptor)
        self._path = Path(name)

    def run(self) -> int:
        """Edit until the text is valid, and write it; return the exit code."""
        try:
            done = self._edited()
        except WorkerTemplatesError as error:
            return self._failed(error)
        except click.ClickException as error:
            return self._failed(EditFailed(error.format_message()))
        except (OSError, UnicodeDecodeError) as error:
            return self._failed(EditFailed(f"What was typed cannot be read: {error}"))
        except (KeyboardInterrupt, click.Abort):
            return self._failed(Interrupted("Interrupted."))
        self._path.unlink()
        print_changes([done], self._update.kind)
        return OK

    def _edited(self) -> Change:
        """Return what became of the template.

        Raises:
            EditFailed: if a text with faults was closed as it was opened.
            WorkerTemplatesError: if it could not be written.
        """
        faults: Sequence[str] = ()
        while True:
            typed = self._typed(faults)
            # What had faults, and is closed unchanged or emptied, was given up.
            given_up = faults and typed in (self._text, "")
            self._text = typed or self._text
            if given_up:
                raise EditFailed("Given up with faults: " + " ".join(faults))
            if typed in ("", self._original):
                return Change(self._template.name, "unchanged", self._template.id, self._template.revision)
            spec, faults = _read(typed, str(self._path), self._template.spec)
            if spec is not None:
                return self._update.write(self._state, self._template, _always(spec))

    def _typed(self, faults: Sequence[str]) -> str:
        """Return what was typed, without the comments of ours."""
        comments = _comments(self._template, faults)
        self._path.write_text("".join(f"{line}\n" for line in comments) + self._text, encoding="utf-8")
        click.edit(filename=str(self._path))
        lines = self._path.read_text(encoding="utf-8-sig").splitlines()
        kept = [line for line in lines if line not in comments]
        return "\n".join(kept) + "\n" if any(line.strip() and not line.startswith("#") for line in kept) else ""

    def _failed(self, error: WorkerTemplatesError) -> int:
        """Keep what was typed, say where and why; return the exit code."""
        if self._is_untouched():
            self._path.unlink(missing_ok=True)
        else:
            say(f"What you typed is kept in {self._path}.")
            if isinstance(error, RevisionMismatch):
                say(f"{self._template.name!r} was changed meanwhile: `history` shows how; edit it again and compare.")
        print_error(error, self._update.kind)
        return exit_code(error)

    def _is_untouched(self) -> bool:
        try:
            typed = self._path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return True
        except (OSError, UnicodeDecodeError):
            return False
        return all(line.startswith("#") for line in typed.splitlines() if line not in self._original.splitlines())


def _always(spec: Spec) -> Callable[[Spec], Spec]:
    return lambda current: spec


def _read(typed: str, path: str, stored: Spec) -> tuple[Spec | None, Sequence[str]]:
    """Return the spec that was typed, or what is wrong with it."""
    try:
        specs = parse_specs(typed, path, stored)
    except InvalidFiles as error:
        return None, [
            ": ".join(part for part in (fault.field or f"line {fault.line}", fault.message) if part)
            for fault in error.faults
        ]
    return (specs[0], ()) if len(specs) == 1 else (None, ["More than one template: leave one."])


def _comments(template: Template, faults: Sequence[str]) -> list[str]:
    if faults:
        return [
            "# Not saved. Correct this, or close the file as it is to give up:",
            *(f"#   {said}" for said in faults),
        ]
    return [
        f"# {template.name}, revision {template.revision}. Save and close to change it.",
        "# A field that you remove gets its default back. Close it unchanged to leave everything as it is.",
    ]
