"""Adds and removes what stands between brackets, with its commas, its lines and its comments."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .draft import Draft
from .dump import JSON
from .layout import Block
from .syntax_tree import BREAKS, Node, skip_space

_REST_OF_LINE = re.compile(f"[ \t]*(,?)[ \t]*(?:#[^{BREAKS}]*)?(?=[{BREAKS}]|$)")

Spans = Sequence[tuple[int, int]]
Members = Mapping[str, Any] | Sequence[Any]


def json_step(text: str) -> str:
    """Return by what a JSON text indents."""
    outer = re.search(r'[\n\r]([ \t]+)"', text)
    return outer.group(1) if outer else "  "


def append_members(draft: Draft, node: Node, spans: Spans, members: Members) -> None:
    """Append pairs or items, each on a line of its own if the last one has that.

    Args:
        draft: what takes the edits.
        node: a mapping or a list in brackets.
        spans: where each of its members begins and ends.
        members: to be appended.
    """
    if not spans:
        _fill_empty(draft, node, members)
        return
    layout = draft.layout
    start, end = spans[-1]
    rest = _REST_OF_LINE.match(draft.text, end)
    apart, before = layout.leads(start), ""
    if apart:
        before = draft.text[layout.start(start) : start]
    elif rest is not None and "#" in rest.group():  # that comment is the last one's, and no other's
        apart, before = True, " " * layout.column(start)
    else:
        rest = None
    indent = before.replace(",", " ")
    texts = _texts(draft, node, members, indent if apart else None)
    if rest is None:
        glue = "," + draft.eol + indent if apart else ", "
        draft.insert(end, "".join(glue + text for text in texts))
    elif "," in before and not rest.group(1):  # the commas stand before the members
        draft.insert(rest.end(), "".join(draft.eol + before + text for text in texts))
    else:
        # Behind the comment of the last member, and with a comma at the end if that had one.
        if not rest.group(1):
            draft.insert(end, ",")
        text = ("," + draft.eol + indent).join(texts) + rest.group(1)
        draft.insert(rest.end(), draft.eol + indent + text)


def _fill_empty(draft: Draft, node: Node, members: Members) -> None:
    layout, inner = draft.layout, draft.text[node.start + 1 : node.end - 1]
    outer = layout.indent(node.start)
    if "#" in inner and not draft.is_json:
        # Comments, which stay: the bracket stands on a line below them.
        line = layout.start(node.end - 1)
        above = layout.start(line - 1)
        indent = layout.indent(above) if layout.comment_column(above) > len(outer) else outer + "  "
        text = ("," + draft.eol + indent).join(_texts(draft, node, members, indent))
        draft.insert(line, indent + text + draft.eol)
    elif draft.is_json and re.search(f"[{BREAKS}].", draft.text):
        indent = outer + json_step(draft.text)
        text = ("," + draft.eol + indent).join(_texts(draft, node, members, indent))
        draft.replace(node.start + 1, node.end - 1, draft.eol + indent + text + draft.eol + outer)
    else:
        draft.replace(node.start + 1, node.end - 1, ", ".join(_texts(draft, node, members, None)))


def _texts(draft: Draft, node: Node, members: Members, indent: str | None) -> list[str]:
    """Return the text of each member; `indent` is that of its line, None if it has none of its own."""
    style = _quotes(node)
    texts: list[str] = []
    for member in members:
        value = members[member] if isinstance(members, Mapping) else member
        text = draft.syntax.inline(value, style)
        if draft.is_json and indent is not None and isinstance(value, dict):
            text = JSON.indented(value, json_step(draft.text)).replace("\n", draft.eol + indent)
        texts.append(f"{draft.syntax.inline(member, style)}: {text}" if isinstance(members, Mapping) else text)
    return texts


def _quotes(node: Node) -> str:
    """Return the quotes in which all keys there are written; nothing if they are not all alike."""
    mappings = [node] if node.kind == "mapping" else [item for item in node.items if item.kind == "mapping"]
    styles = {key.style for mapping in mappings for key, _ in mapping.pairs}
    return styles.pop() if len(styles) == 1 and styles <= {"'", '"'} else ""


def remove_members(draft: Draft, node: Node, spans: Spans, gone: Collection[int]) -> None:
    """Remove members, each with the comments that are its own, and the commas that are then too many.

    Args:
        draft: what takes the edits.
        node: a mapping or a list in brackets.
        spans: where each of its members begins and ends.
        gone: the numbers of those to remove.
    """
    text = draft.text
    kept = [number for number in range(len(spans)) if number not in gone]
    groups = _groups(draft, spans, gone)
    cuts = _united(
        itertools.chain.from_iterable(
            _member_cuts(draft, node, spans, *group, stays=_end_before(group[0], node, spans, kept)) for group in groups
        )
    )
    first, last = node.start + 1, node.end - 1
    outside = zip([first, *(end for _, end in cuts)], [*(start for start, _ in cuts), last], strict=True)
    if not kept and not any("#" in text[start:end] for start, end in outside):
        cuts = [(first, last)]
    for start, end in cuts:
        draft.cut(start, end)
    commas = [skip_space(text, end) for _, end in spans]
    left = [[comma] if text[comma] == "," and not _within(comma, cuts) else [] for comma in commas]
    closing = int(text[commas[-1]] == ",")
    for before, after in itertools.pairwise([-1, *kept, len(spans)]):
        found = list(itertools.chain.from_iterable(left[max(before, 0) : after]))
        wanted = 0 if before < 0 else closing if after == len(spans) else 1
        for comma in found[wanted:]:
            draft.cut(comma, comma + 1)
        if len(found) < wanted:
            draft.insert(spans[before][1], ",")


def _end_before(number: int, node: Node, spans: Spans, kept: Sequence[int]) -> int:
    """Return where the last member before a number that stays ends, or the opening bracket; those between go too."""
    before = bisect_right(kept, number)
    return spans[kept[before - 1]][1] if before else node.start + 1


def _groups(draft: Draft, spans: Spans, gone: Collection[int]) -> list[tuple[int, int]]:
    """Return the first and the last of those that go, of each row of neighbours that share lines."""
    groups: list[tuple[int, int]] = []
    for number in sorted(gone):
        if groups and groups[-1][1] == number - 1 and not draft.layout.leads(spans[number][0]):
            groups[-1] = groups[-1][0], number
        else:
            groups.append((number, number))
    return groups


def _member_cuts(
    draft: Draft, node: Node, spans: Spans, first: int, last: int, *, stays: int
) -> Iterator[tuple[int, int]]:
    """Yield from where to where the text of neighbours goes, with their comments and with no other.

    Args:
        draft: what takes the edits.
        node: a mapping or a list in brackets.
        spans: where each of its members begins and ends.
        first: the number of the first of them.
        last: the number of the last of them.
        stays: where the last member before them that stays ends, or the opening bracket.
    """
    layout, text = draft.layout, draft.text
    start, end = spans[first][0], spans[last][1]
    before = spans[first - 1][1] if first else node.start + 1
    lines = Block(layout, spans, layout.column(layout.head(start)), node.start)
    rest = _REST_OF_LINE.match(text, end)
    if rest is None and last + 1 < len(spans):  # the next member is on their last line
        yield start, spans[last + 1][0]
    elif rest is None and "#" not in text[stays:start]:  # the bracket is
        yield stays, end
    elif rest is None:
        # It takes the place of the member: were it further left, some readers would refuse it.
        yield lines.first_line(first), layout.start(start)
        yield layout.head(start), len(text) - len(text[end:].lstrip(" \t"))
    elif layout.leads(start):
        yield lines.first_line(first), lines.last_line(last)
    else:
        # The comment at the end of a line that another member begins is not theirs alone.
        shares = first > 0 and layout.start(end) <= before
        yield before, end if shares else rest.end()


def _united(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same places as spans that do not touch, in their order."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        elif start < end:
            united.append((start, end))
    return united


def _within(offset: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Tell whether one of the spans, which are in order and do not touch, holds the character at an offset."""
    number = bisect_right(spans, offset, key=lambda span: span[0]) - 1
    return number >= 0 and offset < spans[number][1]
