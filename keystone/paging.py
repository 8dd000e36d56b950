"""Pages of a list, by keyset: a cursor says after which row the next page begins.

Nothing is counted or skipped, so that the thousandth page costs what the first does. A cursor is
opaque to its reader but no secret: every query is bounded to the caller's organization besides.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from keystone.api import Refusal
from keystone.reading import query_int

LIMIT_DEFAULT, LIMIT_MAX = 50, 200

T = TypeVar("T")


def limit_of(request: Request) -> int:
    """Return how many results were asked for, 1..200; raises `Refusal` 422."""
    limit = query_int(request.query_params, "limit", most=LIMIT_MAX)
    return LIMIT_DEFAULT if limit is None else limit


def position_of(request: Request, kind: type[T]) -> T | None:
    """Return where the last page ended, None for the first; raises `Refusal` 400."""
    cursor = request.query_params.get("cursor")
    return decode(cursor, kind) if cursor else None


def next_url(request: Request, position: object | None) -> str | None:
    """Return the whole URL of the page after `position`, None where that was the last row."""
    if position is None:
        return None
    return replace_query_param(request.build_absolute_uri(), "cursor", encode(position))


def encode(position: object) -> str:
    """Write a position (the sort key of a row) as a cursor.

    >>> decode(encode(("a", 1)), tuple[str, int])
    ('a', 1)
    """
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode(cursor: str, kind: type[T]) -> T:
    """Read a cursor; raises `Refusal` 400 invalid_cursor for what `encode` never wrote."""
    try:
        written = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(written, type=kind)
    except (binascii.Error, ValueError):  # msgspec's errors and non-ASCII text are ValueErrors
        raise Refusal(
            400, "invalid_cursor", "Take the cursor from `next`, as it stands there."
        ) from None
