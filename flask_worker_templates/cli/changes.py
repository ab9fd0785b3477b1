"""What the writing commands share: their options, trying each template, and saying what became of each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from flask_worker_templates.errors import DatabaseUnavailable, InvalidParameters, WorkerTemplatesError
from flask_worker_templates.model.parameters import message_of
from flask_worker_templates.model.spec import changes
from flask_worker_templates.model.template import Template
from flask_worker_templates.store.store import Precondition

from . import terminal
from .error_document import error_document
from .exit_codes import ERROR, OK, exit_code
from .field_changes import change_text
from .output import VERSION, Interrupted, counted, listed, output_option, print_json, progress, say

F = TypeVar("F", bound=Callable[..., Any])


def _checked(context: click.Context, option: click.Parameter, message: str | None) -> str | None:
    try:
        return None if message is None else message_of(message.strip())
    except InvalidParameters as error:
        raise click.BadParameter(" ".join(text for _, text in error.flat())) from None


def message_option(*names: str, help: str = "Why, for the history. At most 500 characters.") -> Callable[[F], F]:  # noqa: A002
    """Add the option whose value the history keeps."""
    return click.option(*names or ("-m", "--message"), "message", metavar="TEXT", callback=_checked, help=help)


yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask. Required without a terminal.")
change_output_option = output_option("text", "name", "json")
revision_option = click.option(
    "--if-revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only if the template is at this revision; otherwise exit code 4.",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one template.

    Attributes:
        name: the name that it has now; of one that was not found, what was asked for.
        status: ``created``, ``changed``, ``unchanged``, ``deleted``, ``restored``, ``claimed``, ``renewed``,
            ``released``, ``failed`` or ``skipped`` (not tried, because another one failed for all).
        fields: the fields that changed, as the history shows them.
        note: more, for people.
    """

    name: str
    status: str
    id: str | None = None
    revision: int | None = None
    fields: Sequence[Mapping[str, Any]] = ()
    error: WorkerTemplatesError | None = None
    note: str = ""
    worker_id: str | None = None
    """Whose claim it is about."""
    hints: Sequence[str] = field(default=())
    """What to do next, in sentences."""

    @classmethod
    def of(cls, before: Template | None, after: Template, *, status: str = "changed", note: str = "") -> Change:
        """Return what a write made of a template, given it before and after."""
        fields = changes(before.spec, after.spec) if before is not None else []
        if before is not None and before.revision == after.revision:
            status = "unchanged"
        return cls(after.name, status, after.id, after.revision, fields, note=note)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "name": self.name,
            "id": self.id,
            "worker_id": self.worker_id,
            "status": self.status,
            "revision": self.revision,
            "changes": [dict(change) for change in self.fields],
            "error": error_document(self.error)["error"] if self.error else None,
        }


def try_each(keys: Sequence[str], write: Callable[[str], Change], *, kind: str, doing: str = "Writing") -> int:
    """Try a write on each of some templates, say what became of each, and return the exit code: the worst one.

    Args:
        keys: names or ids; each is tried once.
        write: changes one of them.
        kind: how to print.
        doing: what the progress bar says.
    """
    done: list[Change] = []
    code = OK
    keys = list(dict.fromkeys(keys))
    with progress(len(keys), doing) if len(keys) > 1 else _silent() as advance:
        for number, key in enumerate(keys):
            try:
                done.append(write(key))
            except (WorkerTemplatesError, KeyboardInterrupt) as raised:
                error = raised if isinstance(raised, WorkerTemplatesError) else Interrupted("Interrupted.")
                code = max(code, exit_code(error))
                done.append(Change(key, "failed", error=error))
                if isinstance(error, DatabaseUnavailable | Interrupted):
                    # It would fail for all of them, each after the whole time limit.
                    done += [Change(rest, "skipped") for rest in keys[number + 1 :]]
                    break
            advance(1)
    print_changes(done, kind)
    return code


@contextmanager
def _silent() -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def print_changes(done: Sequence[Change], kind: str) -> None:
    """Print what became of each template."""
    if kind == "json":
        complete = all(change.status not in ("failed", "skipped") for change in done)
        print_json({"version": VERSION, "complete": complete, "results": [change.to_dict() for change in done]})
        return
    for change in done:
        if change.error is not None:
            about = "" if len(done) == 1 else f"{change.name}: "
            say(f"{terminal.styled('Error', 'bad', err=True)}: {about}{change.error}")
        elif change.status != "skipped":
            terminal.echo(change.name if kind == "name" else _line(change))
            for hint in change.hints if kind == "text" else ():
                say(hint)
    if len(done) > 1:
        counts = Counter(change.status for change in done)
        say(", ".join(f"{count} {status}" for status, count in counts.items()) + ".")


def _line(change: Change) -> str:
    colour: terminal.Meaning = "quiet" if change.status == "unchanged" else "good"
    if change.status == "deleted":
        colour = "careful"
    said = [terminal.styled(f"{change.status:<9}", colour), change.name]
    revision = f"revision {change.revision}" if change.revision is not None else ""
    fields = ", ".join(change_text(one) for one in change.fields)
    said += [f"({'; '.join(part for part in (revision, change.note, fields) if part)})"]
    return " ".join(said).removesuffix(" ()")


def only_revision(revision: int | None) -> Precondition | None:
    """Return the condition that ``--if-revision`` sets."""
    return None if revision is None else lambda current: current == revision


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something is done; without a terminal only ``--yes`` will do.

    Raises:
        UsageError: if nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on. Give --yes to confirm.")
    try:
        answer = click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C and Ctrl-D are a no
        say("")
        answer = False
    if not answer:
        say("Nothing was written.")
    return answer


def print_nothing(kind: str) -> int:
    """Print the document of a command that did nothing, because somebody said no; return its exit code."""
    if kind == "json":
        print_json({"version": VERSION, "complete": False, "results": []})
    return ERROR


def announce(names: Sequence[str], what: str) -> None:
    """Say which templates a command is about to change, and how."""
    say(f"This would {what} {counted(names, 'template')}: {listed(names, 20)}.")
