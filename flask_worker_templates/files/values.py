"""Replaces single values in a text, in the style in which they are written there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from .draft import CannotEdit, Draft
from .parse_yaml import parse_yaml
from .syntax_tree import BREAKS, Node, skip_space

_WIDTH = 80
_HEADER = re.compile(f"([|>][-+0-9]*)([^{BREAKS}]*)([{BREAKS}]+)( *)")


def replace_value(draft: Draft, root: Node, pair: tuple[Node, Node], value: Any, parent: Node) -> None:
    """Let a key of a mapping have another value.

    Args:
        draft: what takes the edits.
        root: the whole text.
        pair: the key and its value.
        value: the new one.
        parent: the mapping.
    """
    key, node = pair
    if node.kind in ("mapping", "sequence"):
        # With what stands between it and its key: a comment there belongs to the field.
        keep_anchors(draft, root, [node])
        draft.replace(after_colon(draft, key), node.end, " " + draft.syntax.inline(value))
    elif node.style in ("|", ">") and isinstance(value, str) and (body := _block_scalar(draft, node, value)):
        draft.replace(node.start, node.end, body)
    elif node.kind == "scalar" and node.start == node.end and not node.style:  # nothing is written there
        place = node.end if node.anchor is not None else after_colon(draft, key)
        draft.insert(place, " " + _written(draft, value, "", parent))
    else:
        style = node.style if node.style in ("'", '"') else ""
        text = _written(draft, value, style, parent)
        if node.style in ("|", ">") and (header := _HEADER.match(draft.text, node.start)):
            text += header.group(2).rstrip()  # its comment
        draft.replace(node.start, node.end, text)


def _written(draft: Draft, value: Any, style: str, parent: Node) -> str:
    if isinstance(value, dict | list):
        return draft.syntax.inline(value)
    return draft.syntax.scalar(value, style, flow=parent.flow)


def _block_scalar(draft: Draft, node: Node, value: str) -> str | None:
    """Return a string in the form of ``>`` or ``|`` that was there, if it can be written so."""
    header = _HEADER.match(draft.text, node.start)
    if header is None or not value or value != value.strip(" "):
        return None
    indent = header.group(4)
    lines = value.split("\n")
    if node.style == ">" and "  " not in value:
        width = max(_WIDTH - len(indent), 40)
        # Within a line breaks are spaces; one more of them is one break.
        folded = [
            part + "\n"
            if part.startswith("\n")
            else "\n".join(textwrap.wrap(part, width, break_long_words=False, break_on_hyphens=False))
            for part in re.split("(\n+)", value)
        ]
        lines = "".join(folded).split("\n")
    body = draft.eol.join(indent + line if line else "" for line in lines)
    text = draft.text[node.start : header.start(4)] + body
    read = parse_yaml("k: " + text + draft.eol)
    # At the end there may be a line break, which is cut where it does not count.
    means = read.value["k"] if not read.problems and isinstance(read.value, dict) else None
    return text if isinstance(means, str) and means.rstrip("\n") == value else None


def after_colon(draft: Draft, key: Node) -> int:
    """Return the offset after the colon of a key.

    Raises:
        CannotEdit: if it has none.
    """
    colon = skip_space(draft.text, key.end)
    if draft.text[colon : colon + 1] != ":":
        raise CannotEdit(f"the key {key.key!r} has no colon")
    return colon + 1


def insert_empty(draft: Draft, key: Node, node: Node, text: str) -> None:
    """Write empty brackets as the value of a key whose block lost all that was in it."""
    place = after_colon(draft, key)
    if node.anchor is not None:
        place = node.outer_start + len(node.anchor) + 1
    draft.insert(place, text)


def keep_anchors(draft: Draft, root: Node, removed: Sequence[Node]) -> None:
    """Let the first alias that stays behind say what the anchor of a removed node said."""
    gone = {id(part) for node in removed for part in node.walk()}
    anchors = {part.anchor for node in removed for part in node.walk() if part.kind != "alias" and part.anchor}
    if not anchors:
        return
    for part in root.walk():
        if part.kind == "alias" and part.anchor in anchors and id(part) not in gone:
            anchors.remove(part.anchor)
            draft.replace(part.start, part.end, f"&{part.anchor} {draft.syntax.inline(part.content())}")
