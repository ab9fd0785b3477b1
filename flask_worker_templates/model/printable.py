"""What can be printed on a terminal and in a log without doing anything there."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with what is not printable escaped: control characters, line breaks, invisible and bidi ones.

    So it cannot make a line of its own in a log, command a terminal, or turn around the order of what stands beside it.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
