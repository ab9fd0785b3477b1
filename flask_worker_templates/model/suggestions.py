"""What to say of a misspelt word: the same in files, over HTTP, in Python and on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

UNKNOWN = "Unknown field."
READ_ONLY = "Read-only: the server sets this field. Leave it out."
MAX_EXPLAINED = 100
"""Errors of one mapping, above which none is explained: whoever sends thousands of keys did not misspell them."""
_MAX_LENGTH = 100  # characters of a word that are compared: what anybody sends must not cost more
_MAX = 8  # words that are listed where none is close


def close_to(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that another one is most like, without regard to case, or None."""
    by_form = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(word[:_MAX_LENGTH].casefold(), by_form, n=1)
    return by_form[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean …?", or an empty string where no known word is close."""
    close = close_to(word, known)
    return f" Did you mean {close}?" if close else ""


def unknown(word: str, known: Iterable[str]) -> str:
    """Return the error of a field that there is not: with the one that may be meant, else with those that there are."""
    known = tuple(known)
    found = did_you_mean(word, known)
    if not found and 0 < len(known) <= _MAX:
        found = f" Known: {', '.join(known)}."
    return UNKNOWN + found
