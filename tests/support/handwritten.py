"""Definition files as people write them: a Hypothesis strategy for messy YAML and JSON with known comments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import yaml
from hypothesis import strategies as st

from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.model.spec import normalize
from tests.support.strategies import in_any_order

TEXTS = [
    "",
    "a lab",
    "no",
    "1:30",
    "0o7",
    "2020-01-01",
    "=",
    "# x",
    "a: b",
    "it's",
    '"q"',
    "a, [b]",
    "é 😀",
    "~",
    "x  y",
]
WORDS = ["m5zn.metal", "no", "1e3", "a:b", "*", "c{d}", "null", "'x'", "-"]


@cache
def raw_entries(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """What an entry holds, in any order of fields, most of the optional ones left out."""
    optional = {
        "description": st.sampled_from([*TEXTS, "some longer words, to be folded into a few lines of text"]),
        "max_nodes": st.sampled_from([20, 48.0, 500]),
        "ami_pattern": st.sampled_from(["*", "CML-2.9.*", "?"]),
        "port_range": st.sampled_from([{"start": 2500}, {"end": 9000, "start": 1}]),
        "enabled": st.booleans(),
        "cost_per_hour_usd": st.sampled_from([None, 0, 1.5, 1e20]),
        "max_claims": st.sampled_from([None, 5]),
        "deprecation": st.sampled_from([None, {"message": "no"}, {"message": "a, [b]", "replaced_by": "n9"}]),
        "labels": st.dictionaries(st.sampled_from(["team", "no", "a.b/c", "1"]), st.sampled_from(TEXTS), max_size=4),
    }
    required = {
        "name": st.just(name),
        "instance_type": st.sampled_from(WORDS),
        "capacity": st.sampled_from([{"cpu_cores": n, "memory_gb": 4 * n, "storage_gb": 500} for n in (16, 48)]),
        "license_type": st.just("PERSONAL"),
    }
    return in_any_order(st.fixed_dictionaries(required, optional=optional))


@lru_cache(maxsize=None, typed=True)  # typed, since True is 1 but not written so
def _one_of(*choices: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(choices)


@lru_cache(maxsize=None, typed=True)
def _dumped(value: Any, *, flow: bool) -> str:
    form: Any = [value] if flow else {"k": value}
    text: str = yaml.safe_dump(form, default_flow_style=flow, allow_unicode=True, width=9999)
    return text[1:-2] if flow else text[3:-1]


class _Writer:
    """Writes the lines of one file, each choice drawn."""

    def __init__(self, draw: st.DrawFn, *, anchors: bool) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.comments = 0
        self.folded = False
        self.anchors = anchors
        self.anchored: dict[str, list[Any]] = {"capacity": [], "labels": []}

    def choose(self, *choices: Any) -> Any:
        """One of these; what shall be more likely is there more than once."""
        return self.draw(_one_of(*choices))

    def comment(self) -> str:
        self.comments += 1
        return f"# comment {self.comments}."

    def maybe_comment(self) -> str:
        blanks: str = self.choose("", "  ")
        return blanks + self.comment() if self.choose(0, 0, 0, 1) else blanks

    def between(self) -> None:
        """What may stand between two lines of a block."""
        for _ in range(self.choose(0, 0, 0, 1, 2)):
            # Behind a folded text, what is indented belongs to it.
            column = 0 if self.folded else self.choose(0, 2, 4, 9)
            self.lines.append(self.choose("", " " * column, " " * column + self.comment()))
        self.folded = False

    def scalar(self, value: Any, *, flow: bool) -> str:
        if isinstance(value, str):
            style = self.choose("plain", "'", '"')
            if style == "'":
                return "'" + value.replace("'", "''") + "'"
            if style == '"':
                return json.dumps(value, ensure_ascii=False)
        return _dumped(value, flow=flow)

    def key(self, key: str) -> str:
        return f"{self.scalar(key, flow=True)}{self.choose('', '', ' ')}"

    def flow(self, mapping: Mapping[str, Any], indent: str) -> str:
        """A mapping in brackets, on one line or on several."""
        if not mapping:
            return str(self.choose("{}", "{ }"))
        members = []
        for key, value in mapping.items():
            inner = isinstance(value, dict)
            text = self.flow(value, indent + "  ") if inner else self.scalar(value, flow=True)
            members.append(f"{self.key(key)}: {text}")
        if not self.choose(False, False, True):
            glue: str = self.choose(",", ", ", " , ")
            return "{" + glue.join(members) + "}"
        last = len(members) - 1
        lines = ["{"]
        for number, member in enumerate(members):
            comma = "," if number < last or self.choose(0, 1) else ""
            comment = f"  {self.comment()}" if self.choose(0, 0, 1) else self.choose("", " ")
            lines.append(f"{indent}  {member}{comma}{comment}")
        return "\n".join([*lines, indent + "}"])

    def add(self, text: str) -> None:
        self.lines += text.split("\n")

    def block(self, mapping: Mapping[str, Any], indent: str, first: str | None = None) -> None:
        """A mapping on lines of their own; `first` is what stands before the first key instead of the indentation."""
        for key, value in mapping.items():
            before = indent
            if first is not None:
                before, first = first, None
            else:
                self.between()
            head = f"{before}{self.key(key)}:"
            if key == "<<":
                self.lines.append(f"{before}<<: {value}")
            elif isinstance(value, dict):
                self.inner(key, value, head, indent)
            elif key == "description" and self.choose(0, 1) and value and value == " ".join(value.split()):
                inner = indent + " " * self.choose(1, 2, 5)
                words = value.split(" ")
                half = len(words) // 2
                self.lines.append(f"{head} >-{' ' + self.comment() if self.choose(0, 1) else ''}")
                self.lines += [inner + " ".join(part) for part in (words[:half], words[half:]) if part]
                self.folded = True
            elif value is None and self.choose(0, 1):
                self.lines.append(head + self.choose("", " ", "  " + self.comment()))
            elif self.choose(0, 0, 0, 1):
                self.lines.append(head + " " + self.maybe_comment())
                self.lines.append(f"{indent}  {self.scalar(value, flow=False)}")
            else:
                comment = "  " + self.comment() if self.choose(0, 1) else ""
                self.lines.append(f"{head}{self.choose(' ', '   ')}{self.scalar(value, flow=False)}{comment}")

    def inner(self, key: str, value: dict[str, Any], head: str, indent: str) -> None:
        anchor = ""
        known = self.anchored.get(key)
        if self.anchors and known is not None:
            if known and self.choose(0, 1):
                self.lines.append(f"{head} *{known[-1]}")
                return
            if self.choose(0, 1):
                anchor = f"{key}{len(known)}"
                known.append(anchor)
                anchor = f" &{anchor}"
        if not value or self.choose(0, 0, 1):
            self.add(f"{head}{anchor} {self.flow(value, indent)}")
            return
        self.lines.append(f"{head}{anchor}{' ' + self.comment() if self.choose(0, 1) else ''}")
        deeper = indent + " " * self.choose(1, 2, 3, 4)
        if self.anchors and known is not None and len(known) > bool(anchor) and self.choose(0, 1):
            self.lines.append(f"{deeper}<<: *{known[0]}")
        self.block(value, deeper)


@st.composite
def yaml_files(draw: st.DrawFn, *, anchors: bool = True) -> str:
    """Valid YAML definition files with up to four entries, named ``n0``, ``n1``, …"""
    writer = _Writer(draw, anchors=anchors)
    if writer.choose(0, 1):
        writer.lines += [writer.comment(), "$schema: here"]
    writer.between()
    count = writer.choose(0, 1, 2, 3, 4)
    entries = [draw(raw_entries(f"n{number}")) for number in range(count)]
    if not entries:
        writer.lines.append(
            f"templates: []{writer.maybe_comment()}".rstrip() if writer.choose(0, 1) else "templates: []"
        )
    elif writer.choose(0, 0, 0, 0, 1):
        items = ", ".join(writer.flow(entry, "  ") for entry in entries)
        writer.add(f"templates: [{items}]")
    else:
        writer.lines.append(f"templates:{' ' + writer.comment() if writer.choose(0, 1) else ''}")
        dash, gap = " " * writer.choose(0, 2, 3), " " * writer.choose(1, 1, 3)
        for number, entry in enumerate(entries):
            writer.between()
            indent = f"{dash} {gap}"
            if writer.choose(0, 0, 0, 1):
                writer.add(f"{dash}-{gap}{writer.flow(entry, indent)}")
                continue
            first = f"{dash}-{gap}"
            if anchors:
                if writer.choose(0, 1):
                    writer.lines.append(f"{dash}-{gap}&e{number}")
                    first = indent
                    writer.anchored.setdefault("entry", []).append(f"e{number}")
                earlier = [name for name in writer.anchored.get("entry", []) if name != f"e{number}"]
                if earlier and writer.choose(0, 1):
                    merge = (
                        f"*{earlier[-1]}" if writer.choose(0, 1) else "[" + ", ".join(f"*{e}" for e in earlier) + "]"
                    )
                    kept = {key: value for key, value in entry.items() if key == "name" or writer.choose(0, 1)}
                    writer.block({"<<": merge, **kept}, indent, first)
                    continue
            writer.block(entry, indent, first)
    writer.between()
    end, eol = draw(st.sampled_from(["\n", "\n", ""])), draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return ("\n".join(writer.lines) + end).replace("\n", eol)


@st.composite
def json_files(draw: st.DrawFn, prefix: str = "n") -> str:
    """Valid JSON definition files, indented in one of several ways or not at all; the names begin with `prefix`."""
    count = draw(st.integers(0, 4))
    document: dict[str, Any] = {"templates": [draw(raw_entries(f"{prefix}{number}")) for number in range(count)]}
    if draw(st.booleans()):
        document = {"$schema": "here", **document}
    indent = draw(st.sampled_from([None, 1, 2, 4, "\t"]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")])) if indent is None else None
    text = json.dumps(document, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    text += draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def meant(text: str) -> list[dict[str, Any]]:
    """The specs of a valid file."""
    parsed = parse_yaml(text)
    assert parsed.complete, (parsed.problems, text)
    assert not parsed.problems, (parsed.problems, text)
    return [normalize(entry) for entry in parsed.value["templates"]]
