"""Reading the documentation's examples: fenced blocks, the commands of a console session, and what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CHANGING = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"(just now|\d+[mhdy] ago)( +|$)", re.MULTILINE), "<age> "),
]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a console session, and what the page says that it prints."""

    place: str
    text: str
    expected: str


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of a page in a language."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, language, found["text"])
        for found in _FENCE.finditer(text)
        if found["language"] == language
    ]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console session: each begins with ``$`` after a blank line, a here-document may follow."""
    for number, part in enumerate(re.split(r"\n\n(?=\$ )", block.text.strip("\n"))):
        assert part.startswith("$ "), f"{block}: {part!r} is no command"
        command, _, expected = part[2:].partition("\n")
        if heredoc := re.search(r"<<'(\w+)'", command):
            body, _, expected = expected.partition(f"\n{heredoc[1]}")
            command += f"\n{body}\n{heredoc[1]}"
        yield Command(f"{block}, command {number + 1}", command, expected.strip("\n"))


def agrees(expected: str, actual: str) -> bool:
    """Whether a command printed what the page says, ids and times aside; ``...`` stands for anything."""
    for pattern, name in _CHANGING:
        expected, actual = pattern.sub(name, expected), pattern.sub(name, actual)
    return re.fullmatch(re.escape(expected).replace(re.escape("..."), ".*?"), actual, re.DOTALL) is not None
