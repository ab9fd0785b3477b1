"""The audit trail for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.ages import age
from flask_worker_templates.model.template import Event, rfc3339

from . import terminal
from .field_changes import change_text
from .table import cut

_MEANINGS: dict[str, terminal.Meaning] = {
    "created": "good",
    "seeded": "good",
    "restored": "good",
    "reverted": "careful",
    "deleted": "bad",
}


def print_events(events: Sequence[Event], *, wide: bool, names: bool) -> None:
    """Print events: on a terminal each with its changes below it, else one line for each, divided by tabs.

    Args:
        events: what to print.
        wide: with exact times, and nothing cut.
        names: whether they are of several templates.
    """
    if not terminal.is_terminal():
        terminal.page_out(_for_programs(event, names) for event in events)
        return
    room = terminal.width() if not wide else None
    terminal.page_out(line for event in events for line in _for_people(event, room, names))


def _for_programs(event: Event, names: bool) -> str:
    cells = [str(event.revision), rfc3339(event.at), event.action, event.actor]
    if names:
        cells.append(event.name)
    cells += [_message(event), "; ".join(change_text(change) for change in event.changes)]
    return "\t".join(map(printable, cells))


def _for_people(event: Event, room: int | None, names: bool) -> Iterator[str]:
    when = rfc3339(event.at) if room is None else f"{age(event.at):<8}"
    action = terminal.styled(f"{event.action:<8}", _MEANINGS.get(event.action))
    revision = f"{event.revision:>4}"
    rest = printable(f"{event.actor}" + (f"  {event.name}" if names else ""))
    if message := _message(event):
        rest += f'  "{printable(message)}"'
    head = f"{revision}  {when}  {event.action:<8}  "
    if room is not None:
        rest = cut(rest, max(room - len(head), 10))
    yield f"{revision}  {terminal.styled(when, 'quiet')}  {action}  {rest}"
    for change in event.changes:
        line = f"      {printable(change_text(change))}"
        yield line if room is None else cut(line, room)


def _message(event: Event) -> str:
    said: str = getattr(event, "message", None) or ""
    to = getattr(event, "reverted_to", None)
    if to is not None:
        said = f"to revision {to}" + (f": {said}" if said else "")
    if getattr(event, "pruned", False):
        said = "by a sync that prunes" + (f": {said}" if said else "")
    return said
