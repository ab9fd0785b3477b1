"""Unified diffs of long texts of which little differs.

`difflib` alone looks for the longest run of lines that two texts share, again and again: of 10,000 templates, 100 of
them edited, it takes minutes. So the texts are first cut where a line is the only one of its kind in both, as names
are, and `difflib` compares the pieces. Pure.
"""

from __future__ import annotations

import bisect
import difflib
from collections import Counter
from collections.abc import Iterator, Sequence


def unified(before: Sequence[str], after: Sequence[str], from_path: str, to_path: str) -> Iterator[str]:
    """Yield the lines of a unified diff, as ``difflib.unified_diff`` does; none if nothing differs.

    Args:
        before: lines with their ends.
        after: the same.
        from_path: said to be that of `before`.
        to_path: said to be that of `after`.
    """
    groups = list(_Anchored(before, after).get_grouped_opcodes()) if before != after else []
    if groups:
        yield f"--- {from_path}\n"
        yield f"+++ {to_path}\n"
    for group in groups:
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[i1:i2])
                continue
            yield from (f"-{line}" for line in before[i1:i2])
            yield from (f"+{line}" for line in after[j1:j2])


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    # An empty range begins after the line before it.
    return f"{start + 1 if length else start},{length}"


class _Anchored(difflib.SequenceMatcher[str]):
    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        self._before, self._after = before, after
        super().__init__(None, before, after)

    def get_matching_blocks(self) -> list[difflib.Match]:
        """Return the runs of equal lines, in order, and an empty one at the end."""
        before, after = self._before, self._after
        blocks: list[tuple[int, int, int]] = []
        start = (0, 0)
        for end in (*_anchors(before, after), (len(before), len(after))):
            (i1, j1), (i2, j2) = start, end
            if before[i1:i2] == after[j1:j2]:
                found = [(0, 0, i2 - i1)]
            else:
                piece = difflib.SequenceMatcher(None, before[i1:i2], after[j1:j2])
                found = [tuple(match) for match in piece.get_matching_blocks()]  # type: ignore[misc]
            for i, j, size in found:
                if not size:
                    continue
                if blocks and (sum(blocks[-1][::2]), blocks[-1][1] + blocks[-1][2]) == (i1 + i, j1 + j):
                    blocks[-1] = (*blocks[-1][:2], blocks[-1][2] + size)
                else:
                    blocks.append((i1 + i, j1 + j, size))
            start = end
        return [*(difflib.Match(*block) for block in blocks), difflib.Match(len(before), len(after), 0)]


def _anchors(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Return where lines stand that are once in each text: as many as come in the same order in both."""
    once = {line for line, count in Counter(before).items() if count == 1}
    once &= {line for line, count in Counter(after).items() if count == 1}
    places = {line: j for j, line in enumerate(after) if line in once}
    pairs = [(i, places[line]) for i, line in enumerate(before) if line in once]
    # The longest increasing run: of each length so far, the pair that ends it soonest, and the pair before each.
    ends: list[int] = []
    numbers: list[int] = []
    previous: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect.bisect_left(ends, j)
        previous.append(numbers[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        numbers[length : length + 1] = [number]
    run: list[tuple[int, int]] = []
    number = numbers[-1] if numbers else -1
    while number >= 0:
        run.append(pairs[number])
        number = previous[number]
    return run[::-1]
