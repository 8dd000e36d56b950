"""Locks that hold until the commit: keys first, then people, each in one order for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from keystone.db import Cursor

# 1,024 buckets each: a lock for every key would exhaust the lock table at some 12,000 (DESIGN §4).
_LOCK = "SELECT pg_advisory_xact_lock(%(of)s, b) FROM unnest(%(buckets)s::int[]) AS b"
_BUCKETS = 1_024
_KEYS, _PEOPLE = 1802661750, 1802661751


def lock_keys(cursor: Cursor, keys: Iterable[UUID]) -> None:
    """Lock keys that are to become identifiers: nobody else makes them meanwhile."""
    _lock(cursor, _KEYS, keys)


def lock_people(cursor: Cursor, profile_ids: Iterable[UUID]) -> None:
    """Lock people: whoever changes which identifiers or attributes they have holds this."""
    _lock(cursor, _PEOPLE, profile_ids)


def _lock(cursor: Cursor, of: int, ids: Iterable[UUID]) -> None:
    cursor.send(_LOCK, of=of, buckets=sorted({id_.int % _BUCKETS for id_ in ids}))
