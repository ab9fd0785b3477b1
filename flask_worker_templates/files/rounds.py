"""One round of edits of a definition file: what becomes of its entries, their fields and their labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import FIELDS, FREE_KEYS, NESTED, Spec, same

from .brackets import append_members, remove_members
from .draft import CannotEdit, Draft
from .dump import YAML, declaration, item_lines
from .layout import Block
from .syntax_tree import BREAKS, Node, locate_json, locate_yaml, skip_space
from .values import insert_empty, keep_anchors, replace_value

_ABSENT = object()


class Round:
    """Edits of one text that do not touch each other.

    Args:
        text: valid, with a line end at its end.
        eol: what ends its lines.
        is_json: whether it is JSON, not YAML.
        rules: by which it is read.
        changing: the numbers of the entries that `change_entries` will edit.

    Raises:
        CannotEdit: if its list of templates is not found.
    """

    def __init__(
        self, text: str, eol: str, *, is_json: bool, rules: SpecRules = STANDARD, changing: Collection[int] = ()
    ) -> None:
        self._rules = rules
        self._draft = Draft(text, eol, is_json)
        self._root = (locate_json if is_json else locate_yaml)(text, changing)
        pair = self._root.own("templates")
        if pair is None or pair[1].kind != "sequence":
            raise CannotEdit("its list of templates was not found")
        self._key, self._entries = pair

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._draft.edits)

    def result(self) -> str:
        """Return the text with the edits carried out."""
        return self._draft.result()

    # Entries

    def change_entries(self, have: Sequence[Spec], wanted: Sequence[Spec]) -> None:
        """Edit the entries that do not mean what they should, but not those that depend on an edited one."""
        touched: set[str] = set()
        for node, before, after in zip(self._entries.items, have, wanted, strict=True):
            parts = list(node.walk())
            uses = {part.anchor for part in parts if part.kind == "alias" and part.anchor}
            if uses & touched:
                pass  # what it means is known only after this round
            elif not same(before, after):
                self._change_entry(node, before, after)
            else:
                continue
            touched |= {part.anchor for part in parts if part.kind != "alias" and part.anchor}

    def _change_entry(self, node: Node, have: Spec, want: Spec) -> None:
        count = len(self._draft.edits)
        missing: dict[str, Any] = {}
        for name in FIELDS:
            pair = node.own(name)
            if same(have[name], want[name]):
                continue
            if pair is None:
                missing[name] = self._rules.extra.declaration(want[name]) if name == "extra" else want[name]
            elif isinstance(want[name], dict) and isinstance(have[name], dict):
                self._change_mapping(name, pair[1], have[name], want[name])
            else:
                replace_value(self._draft, self._root, pair, want[name], node)
        self._insert_pairs(node, missing, FIELDS)
        # Only when nothing else is left to do: a list of labels never loses all of its lines before it gets new ones.
        for name in FREE_KEYS:
            pair = node.own(name)
            if len(self._draft.edits) == count and pair is not None:
                self._remove_keys(pair, have[name], want[name])

    def remove_entries(self, numbers: Sequence[int]) -> None:
        """Remove entries, each with the comments in it and directly above it."""
        node = self._entries
        keep_anchors(self._draft, self._root, [node.items[number] for number in numbers])
        if node.flow:
            remove_members(self._draft, node, _item_spans(node), numbers)
            return
        for start, end in self._block_list().cuts(numbers):
            self._draft.cut(start, end)
        if len(numbers) == len(node.items):
            insert_empty(self._draft, self._key, node, " []")

    def append_entries(self, specs: Sequence[Spec]) -> None:
        """Append entries, with the indentation and the blank lines of those that are there."""
        node, layout, text = self._entries, self._draft.layout, self._draft.text
        declarations = [declaration(spec, self._rules) for spec in specs]
        if self._draft.is_json or (node.flow and node.items):
            append_members(self._draft, node, _item_spans(node), declarations)
            return
        if node.items:
            column = layout.column(node.start)
            block, last = self._block_list(), len(node.items) - 1
            first, place = block.first_line(last), block.last_line(last)
            apart = last == 0 or layout.before_blank_lines(first) < first
        else:
            column, apart = layout.column(self._key.outer_start) + 2, False
            place = layout.next(node.end)
            if self._root.flow or skip_space(text, node.end) < place:
                raise CannotEdit("its empty list of templates cannot be made longer: write `templates:` on a line")
            place = self._open_brackets(node, place)
        lines: list[str] = []
        for number, entry in enumerate(declarations):
            lines += [""] if (number if not node.items else apart) else []
            lines += item_lines(YAML.lines(entry, self._step()), " " * column)
        self._draft.insert(place, "".join(line + self._draft.eol for line in lines))

    def _open_brackets(self, node: Node, place: int) -> int:
        """Remove the empty brackets of the list, and return where its first entry goes."""
        text = self._draft.text
        inner = text[node.start + 1 : node.end - 1]
        if "#" in inner:
            # The comments in them stay; the brackets go one by one.
            self._draft.cut(node.start, node.start + 1)
            line = self._draft.layout.start(node.end - 1)
            rest = text[node.end : place]
            self._draft.replace(line, place, rest.lstrip() if rest.strip() else "")
            return place
        # An anchor or a comment beside them stays.
        commented = text[node.end] == "#"
        self._draft.cut(node.start - (text[node.start - 1] == " " and not commented), node.end)
        return place

    def _block_list(self) -> Block:
        """Return the entries of a block list, each from its dash on."""
        node, layout = self._entries, self._draft.layout
        dashes = [node.start]
        dash = re.compile(f"(?<=[{BREAKS}]){' ' * layout.column(node.start)}-(?=[ \t{BREAKS}])")
        for before, item in zip(node.items, node.items[1:], strict=False):
            found = dash.search(self._draft.text, before.end, item.outer_start)
            if found is None:
                raise CannotEdit("a dash of its list was not found")
            dashes.append(found.end() - 1)
        spans = [(start, item.end) for start, item in zip(dashes, node.items, strict=True)]
        return Block(layout, spans, layout.column(node.start), self._key.end)

    def _step(self) -> int:
        """Return how far the inner mappings of the entries are indented."""
        column = self._draft.layout.column
        for item in self._entries.items:
            for _, value in item.pairs:
                if value.kind == "mapping" and not (value.flow or item.flow):
                    return max(column(value.start) - column(item.start), 2)
        return 2

    # Mappings

    def _change_mapping(self, name: str, node: Node, have: Spec, want: Spec) -> None:
        if node.kind != "mapping":  # an alias, or an anchor with nothing after it
            self._draft.replace(node.start, node.end, self._draft.syntax.inline(want))
            return
        # What is merged in cannot be taken away: then the merge goes, and what is wanted of it is written down.
        merge_goes = any(node.own(key) is None for key in have.keys() - want.keys())
        missing: dict[str, Any] = {}
        for key, value in want.items():
            pair = node.own(key)
            changes = not same(have.get(key, _ABSENT), value)
            if pair is None:
                if changes or merge_goes:
                    missing[key] = value
            elif changes and isinstance(value, dict) and isinstance(have.get(key), dict):
                self._change_mapping("", pair[1], have[key], value)
            elif changes:
                replace_value(self._draft, self._root, pair, value, node)
        self._insert_pairs(node, missing, NESTED.get(name, ()))

    def _remove_keys(self, pair: tuple[Node, Node], have: Mapping[str, Any], want: Mapping[str, Any]) -> None:
        key, node = pair
        if node.kind != "mapping":
            return
        for both in want.keys() & have.keys():
            inner_pair = node.own(both)
            if inner_pair is not None and isinstance(want[both], dict) and isinstance(have[both], dict):
                self._remove_keys(inner_pair, have[both], want[both])
        gone = [number for number, (inner, _) in enumerate(node.pairs) if not inner.merges and inner.key not in want]
        if any(node.own(lost) is None for lost in have.keys() - want.keys()):
            gone += [number for number, (inner, _) in enumerate(node.pairs) if inner.merges]
        if not gone:
            return
        keep_anchors(self._draft, self._root, [part for number in gone for part in node.pairs[number]])
        if node.flow:
            remove_members(self._draft, node, _pair_spans(node), gone)
            return
        for start, end in self._block_mapping(node, key.end).cuts(sorted(gone)):
            self._draft.cut(start, end)
        if len(gone) == len(node.pairs):
            insert_empty(self._draft, key, node, " {}")

    def _insert_pairs(self, node: Node, pairs: Mapping[str, Any], order: Sequence[str]) -> None:
        """Add pairs to a mapping: after the one that `order` has before them, or at its end."""
        if not pairs:
            return
        if node.flow:
            append_members(self._draft, node, _pair_spans(node), pairs)
            return
        block = self._block_mapping(node, node.start)
        places: dict[int, list[str]] = {}
        inline = any(value.kind == "mapping" and value.flow for _, value in node.pairs)
        indent = " " * self._draft.layout.column(node.start)
        for name, value in pairs.items():
            if inline and isinstance(value, dict):
                lines = [f"{name}: {self._draft.syntax.inline(value)}"]
            else:
                lines = YAML.lines({name: value}, self._step())
            place = block.last_line(_predecessor(node, name, order))
            places.setdefault(place, []).extend((indent + line if line else "") + self._draft.eol for line in lines)
        for place, lines in places.items():
            self._draft.insert(place, "".join(lines))

    def _block_mapping(self, node: Node, opening: int) -> Block:
        layout = self._draft.layout
        return Block(layout, _pair_spans(node), layout.column(node.start), opening)


def _predecessor(node: Node, name: str, order: Sequence[str]) -> int:
    """Return the number of the pair that a new one goes behind."""
    if name in order:
        for earlier in reversed(order[: order.index(name)]):
            if (pair := node.own(earlier)) is not None:
                return node.pairs.index(pair)
    return len(node.pairs) - 1


def _item_spans(node: Node) -> list[tuple[int, int]]:
    return [(item.outer_start, item.end) for item in node.items]


def _pair_spans(node: Node) -> list[tuple[int, int]]:
    return [(key.outer_start, max(key.end, value.end)) for key, value in node.pairs]
