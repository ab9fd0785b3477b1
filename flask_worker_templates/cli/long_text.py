"""Long texts on standard output, made and printed piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import click

_BLOCK = 200_000  # characters that are printed, or held back, at a time


def print_pieces(pieces: Iterable[str], *, utf8: bool = False) -> None:
    """Print a text as it is.

    Args:
        pieces: may be small.
        utf8: whether it is UTF-8 whatever the terminal is, as a definition file is.
    """
    for block in _blocks(pieces):
        click.echo(block.encode() if utf8 else block, nl=False)


def held_back(pieces: Iterable[str]) -> Iterator[str]:
    """Return a text once all of it was made, so that of one that fails in the middle nothing is printed.

    It is held compressed: the definitions of a fleet take a tenth of their length. A temporary file would need a place
    to be written to, which not every container has.
    """
    held = [zlib.compress(block.encode("utf-8", "surrogatepass"), 1) for block in _blocks(pieces)]
    return (zlib.decompress(block).decode("utf-8", "surrogatepass") for block in held)


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield "".join(held)
            held, size = [], 0
    if held:
        yield "".join(held)
