"""Edits the text of a definition file so that its entries mean other specs, and leaves all the rest as it is.

Only what changes is replaced, at its offsets in the text: comments, blank lines, order, quotes, indentation and line
ends of the rest stay byte for byte.

That is why it is not done with ruamel.yaml, which reads and writes the whole document, comments included. Measured with
version 0.19.1 (quotes preserved, no limit of width, indentation guessed): of 1,000 generated files of this project's
tests, loading and dumping alone changed bytes in 963, lost a comment in 344 and failed on 42. Of 33 styles in which
people write, an edit of one field changed more than that field in 21.

Anchors, aliases and merges need no rules of their own: after each round of edits the text is read again, and an entry
that came to mean something else, because it shares a value with an edited one, is given that value for itself. An
alias refers to what stands before it, so that one round settles at least one more entry.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_worker_templates.errors import InvalidSpec
from flask_worker_templates.model.spec import DEFAULTS, FIELDS, FREE_KEYS, NESTED, Spec, normalize

from .dump import JSON, YAML, Syntax, declaration, item_lines
from .parse_json import read_json
from .parse_yaml import read_yaml
from .syntax_tree import BREAKS, Lines, Node, locate_json, locate_yaml, skip_space

_ABSENT = object()
_MOST_ROUNDS = 1_000
_WIDTH = 80
_INDENT = re.compile("[ \t]*")
_REST_OF_LINE = re.compile(f"[ \t]*(,?)[ \t]*(?:#[^{BREAKS}]*)?(?=[{BREAKS}]|$)")
_HEADER = re.compile(f"([|>][-+0-9]*)([^{BREAKS}]*)([{BREAKS}]+)( *)")


class CannotEdit(Exception):  # becomes an ExportRefused, which is the error
    """The text is written in a way that cannot be edited safely; it says in which."""


def edited(text: str, wanted: Sequence[Spec | None], added: Sequence[Spec] = (), *, is_json: bool) -> str:
    """Return the text of a definition file with its entries changed.

    Args:
        text: valid, without a byte order mark.
        wanted: for each entry, in the order of the file, the spec that it shall mean; None removes it.
        added: specs in normal form of entries to append.
        is_json: whether it is JSON, not YAML.

    Raises:
        CannotEdit: if no safe way was found. What is returned means exactly what was asked for.
    """
    final = [spec for spec in wanted if spec is not None]
    rest, entries = _read(text, is_json)
    if not added and len(final) == len(entries) and _specs(entries) == final:
        return text
    first_break = re.search(r"\r\n?|\n", text)
    eol = first_break.group() if first_break else "\n"
    # Every line ends while it is worked on, so that lines can be inserted after any.
    open_end = text[-1:] not in BREAKS
    work = text + eol if open_end else text
    if len(final) < len(entries):
        round_ = _Round(work, eol, is_json)
        round_.remove_entries([number for number, spec in enumerate(wanted) if spec is None])
        work = round_.result()
    work = _changed(work, final, eol, is_json)
    if added:
        round_ = _Round(work, eol, is_json)
        round_.append_entries(added)
        work = round_.result()
    if open_end:
        work = work.removesuffix(eol)
    new_rest, new_entries = _read(work, is_json)
    if new_rest != rest or _specs(new_entries) != [*final, *added]:
        raise CannotEdit("the result would not mean what it should")
    return work


def _read(text: str, is_json: bool) -> tuple[dict[str, Any], list[Any]]:
    """Return what stands beside the templates, and the entries."""
    parsed = (read_json if is_json else read_yaml)(text)
    if not parsed.complete or parsed.problems:
        said = parsed.problems[0].message if parsed.problems else "it cannot be read"
        raise CannotEdit(f"the result would not be valid: {said}")
    if not isinstance(parsed.value, dict) or not isinstance(parsed.value.get("templates"), list):
        raise CannotEdit("the result would hold no list of templates")
    rest = {**parsed.value}
    return rest, rest.pop("templates")


def _specs(entries: Iterable[Any]) -> list[Spec]:
    try:
        return [normalize(entry) for entry in entries]
    except InvalidSpec as error:
        raise CannotEdit(f"the result would break the rules of a template: {error}") from None


def _meaning(entry: Any) -> Spec:
    """Return what an entry means, without a check: half-way through the edits a spec may break the rules."""
    spec = {**DEFAULTS, **entry}
    # Half a port range is completed by the defaults, and so is half a deprecation.
    spec["port_range"] = {**DEFAULTS["port_range"], **spec["port_range"]}
    if spec["deprecation"] is not None:
        spec["deprecation"] = {"replaced_by": None, **spec["deprecation"]}
    return spec


def _changed(text: str, wanted: Sequence[Spec], eol: str, is_json: bool) -> str:
    for _ in range(_MOST_ROUNDS):
        have = [_meaning(entry) for entry in _read(text, is_json)[1]]
        if have == list(wanted):
            return text
        round_ = _Round(text, eol, is_json)
        round_.change_entries(have, wanted)
        if not round_.edits:
            raise CannotEdit("an entry is written in a way that was not understood")
        text = round_.result()
    raise CannotEdit("its anchors and aliases depend on each other in too many ways")


def _united(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same places as spans that do not touch, in their order."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united


def _within(offset: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the spans, which are in order and do not touch, holds the character at an offset."""
    number = bisect_right(spans, offset, key=lambda span: span[0]) - 1
    return number >= 0 and offset < spans[number][1]


@dataclass(slots=True)
class _Round:
    """Edits of one text that do not touch each other."""

    text: str
    eol: str
    is_json: bool
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    lines: Lines = field(init=False)
    syntax: Syntax = field(init=False)
    root: Node = field(init=False)
    key: Node = field(init=False)
    """The key ``templates``."""
    entries: Node = field(init=False)

    def __post_init__(self) -> None:
        self.lines = Lines(self.text)
        self.syntax = JSON if self.is_json else YAML
        self.root = (locate_json if self.is_json else locate_yaml)(self.text)
        pair = self.root.own("templates")
        if pair is None or pair[1].kind != "sequence":
            raise CannotEdit("its list of templates was not found")
        self.key, self.entries = pair

    def result(self) -> str:
        """Return the text with the edits carried out."""
        parts: list[str] = []
        position = 0
        for start, end, replacement in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < position:
                raise CannotEdit("two changes touch the same place")
            parts += [self.text[position:start], replacement]
            position = end
        return "".join([*parts, self.text[position:]])

    # Entries

    def change_entries(self, have: Sequence[Spec], wanted: Sequence[Spec]) -> None:
        """Edit the entries that do not mean what they should, but not those that depend on an edited one."""
        touched: set[str] = set()
        for node, before, after in zip(self.entries.items, have, wanted, strict=True):
            parts = list(node.walk())
            uses = {part.anchor for part in parts if part.kind == "alias" and part.anchor}
            if uses & touched:
                pass  # what it means is known only after this round
            elif before != after:
                self._change_entry(node, before, after)
            else:
                continue
            touched |= {part.anchor for part in parts if part.kind != "alias" and part.anchor}

    def _change_entry(self, node: Node, have: Spec, want: Spec) -> None:
        count = len(self.edits)
        missing: dict[str, Any] = {}
        for name in FIELDS:
            pair = node.own(name)
            if have[name] == want[name]:
                continue
            if pair is None:
                missing[name] = want[name]
            elif isinstance(want[name], dict) and isinstance(have[name], dict):
                self._change_mapping(name, pair[1], have[name], want[name])
            else:
                self._replace_value(pair, want[name], node)
        self._insert_pairs(node, missing, FIELDS)
        # Only when nothing else is left to do: a list of labels never loses all of its lines before it gets new ones.
        for name in FREE_KEYS:
            pair = node.own(name)
            if len(self.edits) == count and pair is not None:
                self._remove_keys(pair, have[name], want[name])

    def remove_entries(self, numbers: Collection[int]) -> None:
        """Remove entries, each with the comments in it and directly above it."""
        node = self.entries
        self._keep_anchors([node.items[number] for number in numbers])
        if node.flow:
            self._remove_members(node, [(item.outer_start, item.end) for item in node.items], set(numbers))
            return
        dashes = self._dashes()
        last_kept = max(set(range(len(node.items))) - set(numbers), default=-1)
        for number in numbers:
            start, end = self._block(dashes[number], node.items[number].end, dashes[number])
            # The blank lines between what stays are those that were before what goes, or none at the end.
            if number == last_kept + 1:
                start = self._before_blank_lines(start)
            if number + 1 < len(node.items):
                end = self._after_blank_lines(end)
            self.edits.append((start, end, ""))
        if len(numbers) == len(node.items):
            self._insert_empty(self.key, node, " []")

    def append_entries(self, specs: Sequence[Spec]) -> None:
        """Append entries, with the indentation and the blank lines of those that are there."""
        node = self.entries
        declarations = [declaration(spec) for spec in specs]
        if self.is_json or (node.flow and node.items):
            self._append_members(node, [(item.outer_start, item.end) for item in node.items], declarations)
            return
        if node.items:
            dashes = self._dashes()
            column = self._column(dashes[-1])
            first, place = self._block(dashes[-1], node.items[-1].end, dashes[-1])
            apart = len(node.items) == 1 or self._before_blank_lines(first) < first
        else:
            column, apart = self._column(self.key.outer_start) + 2, False
            place = self.lines.next(node.end)
            if self.root.flow or skip_space(self.text, node.end) < place:
                raise CannotEdit("its empty list of templates cannot be made longer: write `templates:` on a line")
            # The empty brackets go, an anchor or a comment beside them stays.
            commented = self.text[node.end] == "#"
            start = node.start - (self.text[node.start - 1] == " " and not commented)
            self.edits.append((start, node.end, ""))
        lines: list[str] = []
        for number, entry in enumerate(declarations):
            lines += [""] if (number if not node.items else apart) else []
            lines += item_lines(YAML.lines(entry, self._step()), " " * column)
        self.edits.append((place, place, "".join(line + self.eol for line in lines)))

    # Mappings

    def _change_mapping(self, name: str, node: Node, have: Spec, want: Spec) -> None:
        if node.kind != "mapping":  # an alias, or an anchor with nothing after it
            self.edits.append((node.start, node.end, self.syntax.inline(want)))
            return
        # What is merged in cannot be taken away: then the merge goes, and what is wanted of it is written down.
        merge_goes = any(node.own(key) is None for key in have.keys() - want.keys())
        missing: dict[str, Any] = {}
        for key, value in want.items():
            pair = node.own(key)
            changes = have.get(key, _ABSENT) != value
            if pair is None:
                if changes or merge_goes:
                    missing[key] = value
            elif changes:
                self._replace_value(pair, value, node)
        self._insert_pairs(node, missing, NESTED.get(name, ()))

    def _remove_keys(self, pair: tuple[Node, Node], have: Mapping[str, Any], want: Mapping[str, Any]) -> None:
        key, node = pair
        gone = {number for number, (inner, _) in enumerate(node.pairs) if not inner.merges and inner.key not in want}
        if any(node.own(key_) is None for key_ in have.keys() - want.keys()):
            gone |= {number for number, (inner, _) in enumerate(node.pairs) if inner.merges}
        self._keep_anchors([part for number in gone for part in node.pairs[number]])
        if node.flow:
            self._remove_members(node, [(inner.outer_start, value.end) for inner, value in node.pairs], gone)
            return
        for number in gone:
            inner, value = node.pairs[number]
            self.edits.append((*self._block(inner.outer_start, max(inner.end, value.end), node.start), ""))
        if len(gone) == len(node.pairs):
            self._insert_empty(key, node, " {}")

    def _insert_pairs(self, node: Node, pairs: Mapping[str, Any], order: Sequence[str]) -> None:
        """Add pairs to a mapping: after the one that `order` has before them, or at its end."""
        if not pairs:
            return
        if node.flow:
            self._append_members(node, [(key.outer_start, max(key.end, value.end)) for key, value in node.pairs], pairs)
            return
        places: dict[int, list[str]] = {}
        inline = any(value.kind == "mapping" and value.flow for _, value in node.pairs)
        indent = " " * self._column(node.start)
        for name, value in pairs.items():
            if inline and isinstance(value, dict):
                lines = [f"{name}: {self.syntax.inline(value)}"]
            else:
                lines = YAML.lines({name: value}, self._step())
            key, last = self._predecessor(node, name, order)
            place = self._block(key.outer_start, max(key.end, last.end), node.start)[1]
            places.setdefault(place, []).extend(indent + line + self.eol for line in lines)
        for place, lines in places.items():
            self.edits.append((place, place, "".join(lines)))

    def _predecessor(self, node: Node, name: str, order: Sequence[str]) -> tuple[Node, Node]:
        if name in order:
            for earlier in reversed(order[: order.index(name)]):
                if (pair := node.own(earlier)) is not None:
                    return pair
        return node.pairs[-1]

    def _insert_empty(self, key: Node, node: Node, text: str) -> None:
        place = self._after_colon(key)
        if node.anchor is not None:
            place = node.outer_start + len(node.anchor) + 1
        self.edits.append((place, place, text))

    def _after_colon(self, key: Node) -> int:
        colon = skip_space(self.text, key.end)
        if self.text[colon : colon + 1] != ":":
            raise CannotEdit(f"the key {key.key!r} has no colon")
        return colon + 1

    # Scalars

    def _replace_value(self, pair: tuple[Node, Node], value: Any, parent: Node) -> None:
        key, node = pair
        if node.kind in ("mapping", "sequence"):
            # With what stands between it and its key: a comment there belongs to the field.
            self._keep_anchors([node])
            self.edits.append((self._after_colon(key), node.end, " " + self.syntax.inline(value)))
        elif node.style in ("|", ">") and isinstance(value, str) and (body := self._block_scalar(node, value)):
            self.edits.append((node.start, node.end, body))
        elif node.kind == "scalar" and node.start == node.end and not node.style:  # nothing is written there
            text = " " + self._written(value, "", parent)
            place = node.end if node.anchor is not None else self._after_colon(key)
            self.edits.append((place, place, text))
        else:
            style = node.style if node.style in ("'", '"') else ""
            text = self._written(value, style, parent)
            if node.style in ("|", ">") and (header := _HEADER.match(self.text, node.start)):
                text += header.group(2).rstrip()  # its comment
            self.edits.append((node.start, node.end, text))

    def _written(self, value: Any, style: str, parent: Node) -> str:
        if isinstance(value, dict | list):
            return self.syntax.inline(value)
        return self.syntax.scalar(value, style, flow=parent.flow)

    def _block_scalar(self, node: Node, value: str) -> str | None:
        """Return a text in the form of ``>-`` or ``|-`` that was there, if it can be written so."""
        header = _HEADER.match(self.text, node.start)
        if header is None or not value or value != value.strip(" "):
            return None
        indent = header.group(4)
        lines = [value]
        if node.style == ">" and "  " not in value:
            lines = textwrap.wrap(value, max(_WIDTH - len(indent), 40), break_long_words=False, break_on_hyphens=False)
        text = self.text[node.start : header.start(4)] + self.eol.join(indent + line for line in lines)
        read = read_yaml("k: " + text + self.eol)
        return text if not read.problems and read.value == {"k": value} else None

    # Between brackets

    def _append_members(
        self, node: Node, spans: Sequence[tuple[int, int]], members: Mapping[str, Any] | Sequence[Any]
    ) -> None:
        """Append pairs or items, each on a line of its own if the last one has that."""
        outer = self._indent(node.start)
        before = ""
        if spans:
            start, end = spans[-1]
            rest = _REST_OF_LINE.match(self.text, end)
            apart = self._leads(start)
            if apart:
                before = self.text[self.lines.start(start) : start]
            elif rest is not None and "#" in rest.group():  # that comment is the last one's, and no other's
                apart, before = True, " " * self._column(start)
            else:
                rest = None
        else:
            apart = self.is_json and re.search(f"[{BREAKS}].", self.text) is not None
            rest = None
            before = outer + self._json_step()
        indent = before.replace(",", " ")
        texts = [self._member(member, members, indent if apart else None) for member in members]
        glue = "," + self.eol + indent if apart else ", "
        if not spans:
            text = self.eol + indent + glue.join(texts) + self.eol + outer if apart else glue.join(texts)
            self.edits.append((node.start + 1, node.end - 1, text))
        elif rest is None:
            self.edits.append((end, end, "".join(glue + text for text in texts)))
        elif "," in before and not rest.group(1):  # the commas stand before the members
            self.edits.append((rest.end(), rest.end(), "".join(self.eol + before + text for text in texts)))
        else:
            # Behind the comment of the last member, and with a comma at the end if that had one.
            if not rest.group(1):
                self.edits.append((end, end, ","))
            text = glue.join(texts) + rest.group(1)
            self.edits.append((rest.end(), rest.end(), self.eol + indent + text))

    def _member(self, member: Any, members: Mapping[str, Any] | Sequence[Any], indent: str | None) -> str:
        value = members[member] if isinstance(members, Mapping) else member
        text = self.syntax.inline(value)
        if self.is_json and indent is not None and isinstance(value, dict):
            text = JSON.indented(value, self._json_step()).replace("\n", self.eol + indent)
        return f"{self.syntax.inline(member)}: {text}" if isinstance(members, Mapping) else text

    def _remove_members(self, node: Node, spans: Sequence[tuple[int, int]], gone: Collection[int]) -> None:
        """Remove members, each with the comments that are its own, and the commas that are then too many."""
        kept = [number for number in range(len(spans)) if number not in gone]
        cuts = _united(self._member_cut(node, spans, *group) for group in self._groups(spans, gone))
        first, last = node.start + 1, node.end - 1
        outside = zip([first, *(end for _, end in cuts)], [*(start for start, _ in cuts), last], strict=True)
        if not kept and not any("#" in self.text[start:end] for start, end in outside):
            cuts = [(first, last)]
        self.edits += [(start, end, "") for start, end in cuts]
        commas = [skip_space(self.text, end) for _, end in spans]
        left = [[comma] if self.text[comma] == "," and not _within(comma, cuts) else [] for comma in commas]
        closing = int(self.text[commas[-1]] == ",")
        for before, after in itertools.pairwise([-1, *kept, len(spans)]):
            found = list(itertools.chain.from_iterable(left[max(before, 0) : after]))
            wanted = 0 if before < 0 else closing if after == len(spans) else 1
            self.edits += [(comma, comma + 1, "") for comma in found[wanted:]]
            if len(found) < wanted:
                self.edits.append((spans[before][1], spans[before][1], ","))

    def _groups(self, spans: Sequence[tuple[int, int]], gone: Collection[int]) -> list[tuple[int, int]]:
        """Return the first and the last of those that go, of each row of neighbours that share lines."""
        groups: list[tuple[int, int]] = []
        for number in sorted(gone):
            if groups and groups[-1][1] == number - 1 and not self._leads(spans[number][0]):
                groups[-1] = groups[-1][0], number
            else:
                groups.append((number, number))
        return groups

    def _member_cut(self, node: Node, spans: Sequence[tuple[int, int]], first: int, last: int) -> tuple[int, int]:
        """Return from where to where the text of neighbours goes, with their comments and with no other."""
        start, end = spans[first][0], spans[last][1]
        before = spans[first - 1][1] if first else node.start + 1
        above, below = self._block(start, end, self._head(start))
        rest = _REST_OF_LINE.match(self.text, end)
        if rest is None:  # the next member, or the bracket, is on their last line
            if last + 1 < len(spans):
                return start, spans[last + 1][0]
            return (above if "#" in self.text[before:start] else before), end
        if self._leads(start):
            return above, below
        # The comment at the end of a line that another member begins is not theirs alone.
        shares = first > 0 and self.lines.start(end) <= before
        return before, end if shares else rest.end()

    # Lines

    def _column(self, offset: int) -> int:
        return offset - self.lines.start(offset)

    def _indent(self, offset: int) -> str:
        """Return the white space that the line of `offset` begins with."""
        found = _INDENT.match(self.text, self.lines.start(offset))
        return found.group() if found else ""

    def _head(self, offset: int) -> int:
        """Return the offset of the first character of the line of `offset` that is not white space."""
        start = self.lines.start(offset)
        return start + len(self._indent(start))

    def _leads(self, offset: int) -> bool:
        """Whether a member between brackets is the first on its line, with a comma before it or without."""
        return not self.text[self._head(offset) : offset].strip(" \t,")

    def _block(self, start: int, end: int, at: int) -> tuple[int, int]:
        """Return from where to where the lines of a member of a block reach, with the comments that are its own.

        Args:
            start: where the member begins.
            end: where it ends.
            at: an offset in the column of the block's members.
        """
        column = self._column(at)
        first, last = self.lines.start(start), self.lines.next(end)
        while last < len(self.text) and self._comment_column(last) > column:
            last = self.lines.next(last)
        while first and self._comment_column(above := self.lines.start(first - 1)) == column:
            first = above
        return first, last

    def _comment_column(self, start: int) -> int:
        """Return the column of the comment on a line that holds nothing else, -1 if there is none."""
        end = start
        while self.text[end : end + 1] in (" ", "\t"):
            end += 1
        return end - start if self.text[end : end + 1] == "#" else -1

    def _is_blank(self, start: int) -> bool:
        return start < len(self.text) and not self.text[start : self.lines.next(start)].strip(" \t" + BREAKS)

    def _after_blank_lines(self, start: int) -> int:
        while self._is_blank(start):
            start = self.lines.next(start)
        return start

    def _before_blank_lines(self, start: int) -> int:
        while start and self._is_blank(above := self.lines.start(start - 1)):
            start = above
        return start

    def _dashes(self) -> list[int]:
        """Return the offset of the dash before each entry of a block list."""
        node = self.entries
        dashes = [node.start]
        dash = re.compile(f"(?<=[{BREAKS}]){' ' * self._column(node.start)}-(?=[ \t{BREAKS}])")
        for before, item in zip(node.items, node.items[1:], strict=False):
            found = dash.search(self.text, before.end, item.outer_start)
            if found is None:
                raise CannotEdit("a dash of its list was not found")
            dashes.append(found.end() - 1)
        return dashes

    def _step(self) -> int:
        """Return how far the inner mappings of the entries are indented."""
        for item in self.entries.items:
            for _, value in item.pairs:
                if value.kind == "mapping" and not (value.flow or item.flow):
                    return max(self._column(value.start) - self._column(item.start), 2)
        return 2

    def _json_step(self) -> str:
        outer = re.search(r'[\n\r]([ \t]+)"', self.text)
        return outer.group(1) if outer else "  "

    # Anchors

    def _keep_anchors(self, removed: Sequence[Node]) -> None:
        """Let the first alias that stays behind say what the anchor of a removed node said."""
        gone = {id(part) for node in removed for part in node.walk()}
        anchors = {part.anchor for node in removed for part in node.walk() if part.kind != "alias" and part.anchor}
        if not anchors:
            return
        for part in self.root.walk():
            if part.kind == "alias" and part.anchor in anchors and id(part) not in gone:
                anchors.remove(part.anchor)
                self.edits.append((part.start, part.end, f"&{part.anchor} {self.syntax.inline(part.content())}"))
