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

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from marshmallow import ValidationError

from flask_worker_templates.errors import HostSchemaError, InvalidSpec
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import DEFAULTS, Spec, same

from .draft import CannotEdit
from .parse_json import parse_json
from .parse_yaml import parse_yaml
from .parsed import Parsed
from .rounds import Round
from .standalone import places, standalone
from .syntax_tree import BREAKS

__all__ = ["AsRead", "CannotEdit", "edited"]

_MAX_ROUNDS = 1_000
_TOGETHER = 200
"""Entries that stand alone and are edited at once: for more there is nothing to gain, and more memory to lose."""


@dataclass(frozen=True, slots=True)
class AsRead:
    """What a text was read as.

    Attributes:
        beside: by its key, what stands beside the templates.
        specs: what each entry means, in normal form.
        lines: the line of each entry, from 1.
    """

    beside: Mapping[str, Any]
    specs: Sequence[Spec]
    lines: Sequence[int]


def edited(
    text: str,
    wanted: Sequence[Spec | None],
    added: Sequence[Spec] = (),
    *,
    is_json: bool,
    rules: SpecRules = STANDARD,
    read: AsRead | None = None,
) -> str:
    """Return the text of a definition file with its entries changed.

    Args:
        text: valid, without a byte order mark.
        wanted: for each entry, in the order of the file, the spec that it shall mean; None removes it.
        added: specs in normal form of entries to append.
        is_json: whether it is JSON, not YAML.
        rules: by which it is read.
        read: what it was read as; None if that is not known.

    Raises:
        CannotEdit: if no safe way was found. What is returned means exactly what was asked for.
    """
    final = [spec for spec in wanted if spec is not None]
    read = read or _as_read(text, is_json, rules)
    removed = [number for number, spec in enumerate(wanted) if spec is None]
    changed = {number: spec for number, spec in enumerate(wanted) if spec and not same(read.specs[number], spec)}
    if not (removed or changed or added):
        return text
    as_json = is_json or _is_json_too(text)
    eol = _line_end(text)
    # Every line ends while it is worked on, so that lines can be inserted after any.
    open_end = text[-1:] not in BREAKS
    work = text + eol if open_end else text
    if not as_json:
        work = _change_standalone(work, read, changed, eol, rules)
    if removed:
        round_ = Round(work, eol, is_json=as_json, rules=rules)
        round_.remove_entries(removed)
        work = round_.result()
    # Another one may have shared a value with one that was removed.
    if changed or removed:
        work, _ = _changed(work, final, eol, as_json, rules)
    if added:
        round_ = Round(work, eol, is_json=as_json, rules=rules)
        round_.append_entries(added)
        work = round_.result()
    while open_end and work.endswith(eol):
        work = work.removesuffix(eol)
    _check(work, read.beside, [*final, *added], is_json, rules)
    return work


def _line_end(text: str) -> str:
    first_break = re.search(r"\r\n?|\n", text)
    return first_break.group() if first_break else "\n"


def _check(text: str, beside: Mapping[str, Any], wanted: Sequence[Spec], is_json: bool, rules: SpecRules) -> None:
    """Read a result as any other definition file.

    Raises:
        CannotEdit: if it does not mean exactly what it should.
    """
    now_beside, entries = _read(text, is_json)
    same_entries = len(entries) == len(wanted) and all(
        _means(entry, spec, rules) for entry, spec in zip(entries, wanted, strict=True)
    )
    if not same_entries or not same(now_beside, beside):
        raise CannotEdit("the result would not mean what it should")


def _means(entry: Any, spec: Spec, rules: SpecRules) -> bool:
    # What is written in normal form, as most is, need not be put into it: that takes three times as long.
    plain = isinstance(entry, dict) and "extra" not in entry and rules.extra.schema is None
    return (plain and same({**DEFAULTS, **entry}, spec)) or _all_same(_specs([entry], rules), [spec])


def _as_read(text: str, is_json: bool, rules: SpecRules) -> AsRead:
    parsed = _parsed(text, is_json)
    beside, entries = _divided(parsed)
    return AsRead(beside, list(_specs(entries, rules)), parsed.lines[id(entries)])


def _parsed(text: str, is_json: bool) -> Parsed:
    parsed = (parse_json if is_json else parse_yaml)(text)
    if not parsed.complete or parsed.problems:
        said = parsed.problems[0].message if parsed.problems else "it cannot be read"
        raise CannotEdit(f"the result would not be valid: {said}")
    return parsed


def _divided(parsed: Parsed) -> tuple[dict[str, Any], list[Any]]:
    """Return what stands beside the templates, and the entries."""
    if not isinstance(parsed.value, dict) or not isinstance(parsed.value.get("templates"), list):
        raise CannotEdit("the result would hold no list of templates")
    beside = {**parsed.value}
    return beside, beside.pop("templates")


def _read(text: str, is_json: bool) -> tuple[dict[str, Any], list[Any]]:
    """Return what stands beside the templates, and the entries."""
    return _divided(_parsed(text, is_json))


def _all_same(have: Iterable[Spec], wanted: Sequence[Spec]) -> bool:
    """Tell whether these are the same specs. None is held longer than it takes to compare it."""
    return all(one is not None and other is not None and same(one, other) for one, other in zip_longest(have, wanted))


def _change_standalone(text: str, read: AsRead, changed: dict[int, Spec], eol: str, rules: SpecRules) -> str:
    """Edit those entries that stand alone, and take them out of what is to be changed."""
    parts: list[str] = []
    position = 0
    found = standalone(text, read.lines, changed)
    groups = deque(found[start : start + _TOGETHER] for start in range(0, len(found), _TOGETHER))
    while groups:
        group = groups.popleft()
        before, after = ([of[number] for number, _, _ in group] for of in (read.specs, changed))
        try:
            edits = _change_alone([text[start:end] for _, start, end in group], before, after, eol, rules)
        except CannotEdit:
            if len(group) > 1:
                middle = len(group) // 2
                groups.extendleft([group[middle:], group[:middle]])
            continue
        for (number, start, end), edited_text in zip(group, edits, strict=True):
            parts += [text[position:start], edited_text]
            position = end
            del changed[number]
    return "".join([*parts, text[position:]])


def _change_alone(
    texts: Sequence[str], before: Sequence[Spec], after: Sequence[Spec], eol: str, rules: SpecRules
) -> list[str]:
    """Return the texts of entries that stand alone, with what they mean changed.

    Raises:
        CannotEdit: if one of them does not stand alone.
    """
    whole = f"templates:{eol}{''.join(texts)}"
    if not _all_same(_specs(_read(whole, is_json=False)[1], rules), before):
        raise CannotEdit("an entry does not stand alone")
    whole, lines = _changed(whole, after, eol, is_json=False, rules=rules)
    return [whole[start:end] for start, end in places(whole, lines)]


def _is_json_too(text: str) -> bool:
    """Tell whether a YAML text is JSON, with the same meaning: then it stays JSON."""
    if not text.lstrip().startswith("{"):
        return False
    read = parse_json(text)
    return read.complete and not read.problems and repr(read.value) == repr(parse_yaml(text).value)


def _specs(entries: Iterable[Any], rules: SpecRules) -> Iterator[Spec]:
    for entry in entries:
        try:
            yield rules.normalize(entry)
        except InvalidSpec as error:
            raise CannotEdit(f"the result would break the rules of a template: {error}") from None


def _meaning(entry: Any, rules: SpecRules) -> Spec:
    """Return what an entry means, its values in normal form: half-way through the edits some may break the rules."""
    try:
        return rules.normalize(entry)
    except (InvalidSpec, HostSchemaError):
        spec = {**DEFAULTS, "license_type": rules.license_default, **entry}
    # Half a port range is completed by the defaults, and so is half a deprecation.
    spec["port_range"] = {**DEFAULTS["port_range"], **spec["port_range"]}
    if spec["deprecation"] is not None:
        spec["deprecation"] = {"replaced_by": None, **spec["deprecation"]}
    return {name: _normalized(rules, name, value) for name, value in spec.items()}


def _normalized(rules: SpecRules, name: str, value: Any) -> Any:
    try:
        return rules.schema.fields[name].deserialize(value)
    except (KeyError, ValidationError, HostSchemaError):
        return value


def _changed(text: str, wanted: Sequence[Spec], eol: str, is_json: bool, rules: SpecRules) -> tuple[str, list[int]]:
    """Return a text whose entries mean what is wanted, and the line of each."""
    for _ in range(_MAX_ROUNDS):
        parsed = _parsed(text, is_json)
        entries = _divided(parsed)[1]
        have = [_meaning(entry, rules) for entry in entries]
        if _all_same(have, wanted):
            return text, parsed.lines[id(entries)]
        changing = {number for number, specs in enumerate(zip(have, wanted, strict=True)) if not same(*specs)}
        round_ = Round(text, eol, is_json=is_json, rules=rules, changing=changing)
        round_.change_entries(have, wanted)
        if not round_.changes:
            raise CannotEdit("an entry is written in a way that was not understood")
        text = round_.result()
    raise CannotEdit("its anchors and aliases depend on each other in too many ways")
