"""Matching EC2 name wildcards against the name of a machine image, fast and in bounded time for any pattern.

``*`` is any run of characters, ``?`` one character; everything else is itself, in its case. No pattern is compiled to a
regular expression: anybody who may create a template writes patterns, and compiling one takes longer than matching a
hundred.
"""

from __future__ import annotations

from collections.abc import Iterable


class ImageName:
    """The name of a machine image, prepared for being matched by many patterns."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._places: dict[str, int] = {}  # for each character, the places where it stands, as bits
        for place, char in enumerate(name):
            self._places[char] = self._places.get(char, 0) | 1 << place
        self._any = (1 << len(name)) - 1

    def matched_by(self, patterns: Iterable[str]) -> list[str]:
        """Return the patterns that match the name."""
        return [pattern for pattern in patterns if self.matches(pattern)]

    def matches(self, pattern: str) -> bool:
        """Return whether a pattern matches the whole name."""
        if "?" in pattern:
            return self._step_by_step(pattern)
        first, star, rest = pattern.partition("*")
        if not star:
            return pattern == self._name
        *middle, last = rest.split("*")
        start, end = len(first), len(self._name) - len(last)
        if start > end or not self._name.startswith(first) or not self._name.endswith(last):
            return False
        for part in middle:
            found = self._name.find(part, start, end)
            if found < 0:
                return False
            start = found + len(part)
        return True

    def _step_by_step(self, pattern: str) -> bool:
        # All places of the name that the pattern so far can have reached, as the bits of one number.
        reached = 1
        for char in pattern:
            if char == "*":
                reached = (self._any << 1 | 1) & -(reached & -reached)  # the first of them, and all after it
            else:
                reached = (reached & (self._any if char == "?" else self._places.get(char, 0))) << 1
                if not reached:
                    return False
        return bool(reached >> len(self._name) & 1)


def ami_matches(pattern: str, image: str) -> bool:
    """Return whether an EC2 name wildcard matches an image name."""
    return ImageName(image).matches(pattern)
