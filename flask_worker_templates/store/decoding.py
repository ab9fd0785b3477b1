"""How documents are decoded from BSON, damaged ones too."""

from __future__ import annotations

from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON

from .adapter import Projection
from .stored_types import (
    Malformed,
)

CHECKED = Projection({"claims": 0})
"""Projection of the fields that `check_template` looks at; the claims may be many."""


# A date that Python cannot express, or a string that is not UTF-8, must not keep others from being read.
PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="surrogateescape"
)
"""How documents are decoded, whatever a host's client is set to."""


def decoded(raw: bytes) -> dict[str, Any]:
    """Return the document that BSON bytes hold, as far as they can be decoded."""
    try:
        return decode(raw)
    except Malformed:
        return {}


def decode(raw: bytes) -> dict[str, Any]:
    """Return the document that BSON bytes hold.

    Raises:
        Malformed: if they hold none.
    """
    try:
        return bson.decode(raw, PLAIN)
    except InvalidBSON:
        raise Malformed("", "is damaged BSON") from None
