"""Checking definition files: the command ``validate``, and ``worker-templates-validate`` for where there is no app."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click

from flask_worker_templates.errors import InvalidFiles
from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.model.extra import ExtraFields
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .output import (
    ERROR,
    OK,
    VERSION,
    chosen_files,
    command,
    counted,
    examples,
    output_option,
    print_error,
    print_json,
    warn,
)
from .streams import is_own_process, tolerant_streams

_ANY_HOST = SpecRules(extra=ExtraFields(unchecked=True))
"""The rules where there is no app: what it declares nobody knows."""

validity_output_option = output_option("text", "json", "github")


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())
@validity_output_option
@command
@examples("flask worker-templates validate", "flask worker-templates validate config/*.yaml -o github")
def validate(paths: tuple[str, ...], kind: str) -> int:
    """Check definition files, without a database. A dash is standard input.

    Exit codes: 0 valid, 1 not. Every fault is printed as path:line:column: field: message.
    """
    state = current_state()
    root = Path.cwd() if paths else state.root
    return report_validity(lambda: chosen_files(state, paths, pipes=True), kind, root=root)


def report_validity(read: Callable[[], FileSet], kind: str, *, root: Path) -> int:
    """Print whether definition files are valid, with every fault.

    Args:
        read: reads them.
        kind: ``text``, ``json`` or ``github``.
        root: the directory that relative paths of the files start from.

    Returns:
        The exit code.
    """
    try:
        files = read()
    except InvalidFiles as error:
        if kind == "github":
            _annotate(error, root)
        else:
            print_error(error, kind)
        return ERROR
    warnings = [*files.warnings, *_unchecked(files)]
    if kind == "json":
        templates = Counter(entry.path for entry in files.entries)
        print_json(
            {
                "version": VERSION,
                "files": [{"path": file.path, "templates": templates[file.path]} for file in files.files],
                "faults": [],
                "warnings": warnings,
            }
        )
    else:
        for warning in warnings:
            if kind == "github":
                terminal.echo(f"::warning ::{_data(warning)}")
            else:
                warn(warning)
        valid = f"Valid: {counted(files.entries, 'template')} in {counted(files.files, 'file')}."
        terminal.echo(valid, err=kind == "github")
    return OK


def _unchecked(files: FileSet) -> list[str]:
    """Say what could not be checked, because only the app knows it."""
    with_extra = [entry for entry in files.entries if entry.spec["extra"]] if files.rules.extra.unchecked else []
    if not with_extra:
        return []
    first = with_extra[0]
    said = (
        f"{first.path}:{first.line}: `extra` of {counted(with_extra, 'template')} was not checked: only the app knows "
        "its fields. `flask worker-templates validate` checks them."
    )
    return [said]


def _annotate(error: InvalidFiles, root: Path) -> None:
    for fault in error.faults:
        place = [f"file={_property(_in_workspace(fault.path, root))}"]
        place += [f"line={fault.line}"] if fault.line else []
        place += [f"col={fault.column}"] if fault.column else []
        text = f"{fault.field}: {fault.message}" if fault.field else fault.message
        terminal.echo(f"::error {','.join(place)}::{_data(text)}")


def _in_workspace(path: str, root: Path) -> str:
    """Return a path as annotations need it: relative to the checkout, of which the app may be a part."""
    workspace = os.path.normpath(Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute())
    absolute = Path(os.path.normpath(root.absolute() / path))
    return str(absolute.relative_to(workspace) if absolute.is_relative_to(workspace) else absolute)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


@click.command("worker-templates-validate")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@validity_output_option
@examples("worker-templates-validate config/ -o github")
def main(paths: tuple[str, ...], kind: str, old_kind: str | None) -> None:
    """Check definition files as one set: files, directories, globs, and a dash for standard input.

    Exit codes: 0 valid, 1 not. Every fault is printed as path:line:column: field: message.
    """
    here, own = Path.cwd(), is_own_process()
    with tolerant_streams():
        code = report_validity(
            lambda: load_files(paths, root=here, pipes=True, rules=_ANY_HOST, own_process=own),
            old_kind or kind,
            root=here,
        )
    sys.exit(code)


if __name__ == "__main__":
    main()
