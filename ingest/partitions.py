"""Monthly partitions of `event`, added ahead of time or on demand, without stopping the writers.

`event` is range-partitioned by its UUIDv7-shaped id, whose first 48 bits are epoch milliseconds.
What has no month of its own lands in `event_default` and moves when its month is added.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import psycopg
from django.db import connection
from psycopg import sql

from keystone.clock import from_ms
from keystone.ids import lowest_id

#: How far back a backfill gets months of its own (DESIGN §4); what is older stays in DEFAULT.
BACKFILL = timedelta(days=3_653)

_ATTEMPTS = 20
_PAUSE_SECONDS = (0.1, 0.5)
# The one-number space of advisory locks; identity's buckets live in the two-number space.
_ONE_AT_A_TIME: LiteralString = "SELECT pg_advisory_xact_lock(7311708610)"
_NAMES: LiteralString = """
SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
WHERE inhparent = 'event'::regclass
"""
# The first event of DEFAULT from there on that a backend brought (a page's key makes no tables).
_NEXT_WAITING: LiteralString = """
SELECT event_default.id FROM event_default
JOIN api_key ON api_key.id = event_default.source_id AND api_key.kind = 'integration'
WHERE event_default.id >= %s AND event_default.id < %s ORDER BY event_default.id LIMIT 1
"""
# Everything in one round trip, because every writer waits from the first LOCK to the commit. The
# CHECK says the same as the bounds, so that ATTACH need not read the new table; DEFAULT is read.
_ADD: LiteralString = """
SET LOCAL lock_timeout = '200ms';
CREATE TABLE {name} (
    LIKE event INCLUDING ALL,
    CONSTRAINT within_month CHECK (id >= {first} AND id < {after})
);
LOCK TABLE ONLY event IN ACCESS EXCLUSIVE MODE;
LOCK TABLE event_default IN ACCESS EXCLUSIVE MODE;
WITH moved AS (DELETE FROM event_default WHERE id >= {first} AND id < {after} RETURNING *)
    INSERT INTO {name} SELECT * FROM moved;
ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({after});
ALTER TABLE {name} DROP CONSTRAINT within_month;
"""


def add_ahead(now: datetime, months: int = 2) -> list[str]:
    """Add this month and the next `months`, where missing; return the names added."""
    wanted = [month_of(now)]
    for _ in range(months):
        wanted.append(_following(wanted[-1]))
    return _add_missing(wanted)


def add_for(moments: Iterable[datetime], now: datetime) -> list[str]:
    """Add the months of a backfill's moments, at most ten years back; return the names added.

    For secret keys only: whoever reads a page's source must not be able to make tables.
    """
    earliest, latest = now - BACKFILL, now + timedelta(days=1)
    return _add_missing(month_of(moment) for moment in moments if earliest <= moment <= latest)


def add_waiting(now: datetime) -> list[str]:
    """Add the months of backfills that wait in DEFAULT; return the names added.

    One look-up a month that waits, not one an event.
    """
    months: list[datetime] = []
    start = now - BACKFILL
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_NEXT_WAITING, [lowest_id(start), lowest_id(now)])
            row = cursor.fetchone()
            if row is None:
                break
            months.append(_start(month_of(moment_of(row[0]))))
            start = _start(_following(months[-1].date()))
    return add_for(months, now)


def add(month: date) -> bool:
    """Add the partition of `month` (its first day) unless it is there; say whether it was added.

    One maintenance transaction on a connection of its own, never part of the caller's (DESIGN §4):

    1. One adder at a time, in any process.
    2. Build the table, which nobody waits for.
    3. Lock `event`, then DEFAULT. Whoever cannot have a lock within 200 ms steps back, lets the
       writers behind it pass and comes again; without the parent's lock they would fail (23514).
    4. Move the rows of this month out of DEFAULT and attach.

    Raises `psycopg.errors.LockNotAvailable` when some transaction held `event` through every
    attempt; nothing has changed then, and the next call begins anew.
    """
    with _own_connection() as raw:
        for _ in range(_ATTEMPTS - 1):
            try:
                return _add_once(raw, month)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 (no secret)
        return _add_once(raw, month)


def name_of(month: date) -> str:
    """Return the table's name.

    >>> name_of(date(2026, 11, 1))
    'event_2026_11'
    """
    return f"event_{month:%Y_%m}"


def month_of(moment: datetime) -> date:
    """Return the first day of a moment's month, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def moment_of(event_id: UUID) -> datetime:
    """Return the time that an event's id carries."""
    return from_ms(event_id.int >> 80)


def _add_missing(months: Iterable[date]) -> list[str]:
    wanted = {name_of(month): month for month in sorted(set(months))}
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        present = {name for (name,) in cursor.fetchall()}
    return [name for name, month in wanted.items() if name not in present and add(month)]


def _add_once(raw: psycopg.Connection[tuple[object, ...]], month: date) -> bool:
    name = name_of(month)
    with raw.transaction():
        raw.execute(_ONE_AT_A_TIME)
        if (name,) in raw.execute(_NAMES).fetchall():
            return False
        first, after = (lowest_id(_start(start)) for start in (month, _following(month)))
        raw.execute(sql.SQL(_ADD).format(name=sql.Identifier(name), first=first, after=after))
        return True


@contextmanager
def _own_connection() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    own = connection.copy()
    own.ensure_connection()
    try:
        yield own.connection
    finally:
        own.close()


def _start(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def _following(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
