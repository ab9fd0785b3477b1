"""Definition files in which every comment says whose it is: it stays, or goes, with what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

HEAD = "instance_type: m\n  capacity: {cpu_cores: 1, memory_gb: 2, storage_gb: 3}\n  license_type: PERSONAL\n"
INLINE = "instance_type: m, capacity: {cpu_cores: 1, memory_gb: 2, storage_gb: 3}, license_type: PERSONAL"


@dataclass
class Owned:
    """A text, and for each comment in it the label or the number of the entry that has it, or None."""

    text: str
    members: list[str]
    owners: dict[str, str | None] = field(default_factory=dict)


class _Writer:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.owners: dict[str, str | None] = {}

    def chance(self) -> bool:
        return self.draw(st.sampled_from([False, False, True]))

    def comment(self, owner: str | None, tag: str) -> str:
        """A comment for the end of a line, or nothing."""
        if not self.chance():
            return ""
        text = f"# {tag} of {owner or 'nobody'}."
        self.owners[text] = owner
        return "  " + text

    def above(self, owner: str | None, indent: str, tag: str = "above") -> None:
        """A comment on a line of its own, or nothing."""
        if comment := self.comment(owner, tag).strip():
            self.lines.append(indent + comment)

    def apart(self, indent: str, tag: str) -> None:
        """A comment between blank lines, which belongs to nobody, or nothing."""
        if self.chance():
            self.lines.append("")
            self.above(None, indent, tag)
            self.lines.append("")


@st.composite
def labelled_files(draw: st.DrawFn) -> Owned:
    """One entry with labels ``a`` to ``f``, as a block or between brackets, with commas in one of several places."""
    writer = _Writer(draw)
    labels = draw(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1))
    style = draw(st.sampled_from(["block", "commas behind", "a comma at the end", "commas before"]))
    opens, closes = (draw(st.booleans()) and style != "block" for _ in range(2))
    for number, label in enumerate(labels):
        last = number == len(labels) - 1
        if number or not opens:
            writer.above(label, "    ")
        comma = "," * (style == "a comma at the end" or (style == "commas behind" and not last))
        before = ", " if style == "commas before" and number else ""
        bracket, owner = (" }", None) if last and closes else ("", label)
        writer.lines.append(f"    {before}{label}: v{comma}{bracket}{writer.comment(owner, 'behind')}")
    body = "\n".join(writer.lines)
    if opens:
        body = " {" + body.lstrip()
    elif style == "block":
        body = "\n" + body
    else:
        body = " {" + writer.comment(None, "first") + "\n" + body
    end = "\n" if style == "block" or closes else "\n  }\n"
    return Owned(f"templates:\n- name: n\n  {HEAD}  labels:{body}{end}", labels, writer.owners)


@st.composite
def listed_files(draw: st.DrawFn) -> Owned:
    """Up to four entries named ``0``, ``1``, …, as blocks or between brackets."""
    writer = _Writer(draw)
    names = [str(number) for number in range(draw(st.integers(1, 4)))]
    writer.above(None, "", "top")
    if draw(st.sampled_from([False, False, True])):
        _bracketed(writer, names)
    else:
        _blocks(writer, names)
    text = "\n".join(writer.lines) + draw(st.sampled_from(["\n", ""]))
    return Owned(text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), names, writer.owners)


def _bracketed(writer: _Writer, names: list[str]) -> None:
    writer.lines.append("templates: [")
    for name in names:
        writer.above(name, "  ")
        comma = "," if name != names[-1] or writer.chance() else ""
        writer.lines.append(f"  {{name: '{name}', {INLINE}}}{comma}{writer.comment(name, 'behind')}")
    writer.lines.append("]")


def _blocks(writer: _Writer, names: list[str]) -> None:
    indent = writer.draw(st.sampled_from(["", "  ", "   "]))
    writer.lines.append("templates:")
    for name in names:
        writer.apart(indent, f"before {name}")
        writer.above(name, indent)
        if writer.chance():
            writer.lines.append(f"{indent}- {{name: '{name}', {INLINE}}}{writer.comment(name, 'behind')}")
            continue
        inner = indent + writer.draw(st.sampled_from(["  ", "    "]))
        if writer.chance():
            writer.lines += [f"{indent}-{writer.comment(name, 'dash')}", f"{inner}name: '{name}'"]
        else:
            writer.lines.append(f"{indent}-{' ' * (len(inner) - len(indent) - 1)}name: '{name}'")
        writer.lines[-1] += writer.comment(name, "name")
        for number, line in enumerate(HEAD.split("\n")[:-1]):
            writer.above(name, inner, f"within {number}")
            writer.lines.append(f"{inner}{line.strip()}{writer.comment(name, f'behind {number}')}")
        writer.above(name, inner, "end")
    writer.apart("", "bottom")
