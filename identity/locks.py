"""Locks on people: whoever changes which identifiers or attributes a person has holds one."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from keystone.db import Cursor

# 1,024 buckets: a lock for every key would exhaust the lock table at some 12,000 (DESIGN §4).
_LOCK = "SELECT pg_advisory_xact_lock(1802661751, b) FROM unnest(%(buckets)s::int[]) AS b"
_BUCKETS = 1_024


def lock_people(cursor: Cursor, profile_ids: Iterable[UUID]) -> None:
    """Lock people until the commit, in one order for everybody."""
    buckets = {profile_id.int % _BUCKETS for profile_id in profile_ids}
    cursor.send(_LOCK, buckets=sorted(buckets))
