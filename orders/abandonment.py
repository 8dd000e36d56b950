"""What becomes of orders without an event: carts that nobody goes on with, histories too long.

An order is abandoned when it is incomplete, was never placed, nothing but looks came after what
was a cart's or checkout's, and all of it is older than its organization says (`OrderPolicy`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.errors import LockNotAvailable

from keystone.db import ingest_transaction
from orders.apply import refold
from orders.models import OrderPolicy

#: Orders of one transaction; the most of one run, the next goes on where this one stopped.
SLICE, RUN_SLICES = 500, 100
#: Stale orders of one run, and how long it folds them: one takes a millisecond, or a hundred.
RUN_STALE, RUN_SECONDS = 10_000, 40
#: A hundred years: more than these no time can be reckoned with.
HOURS_MAX = 876_000

# order_shopping, from which what is marked is gone. Rows that somebody is at work on are left to the
# next run, so that nothing is waited for; what changed a moment ago is judged anew when locked.
_ABANDON = """
WITH late AS MATERIALIZED (
    SELECT abandoned.id FROM organization
    LEFT JOIN order_policy ON order_policy.org_id = organization.id
    CROSS JOIN LATERAL (
        SELECT id FROM "order"
        WHERE org_id = organization.id AND status = 'incomplete' AND placed_at IS NULL
          AND abandoned_at IS NULL AND is_shopping AND NOT is_stale
          AND updated_at < %(now)s - make_interval(
              hours => LEAST(COALESCE(order_policy.abandoned_after_hours, %(hours)s), %(most)s))
        ORDER BY updated_at LIMIT %(slice)s
        FOR UPDATE SKIP LOCKED
    ) AS abandoned
    LIMIT %(slice)s
)
UPDATE "order" SET abandoned_at = %(now)s FROM late WHERE "order".id = late.id
RETURNING late.id
"""
# order_stale
_STALE = """SELECT id FROM "order" WHERE is_stale ORDER BY id LIMIT %(most)s"""


def abandon(now: datetime) -> int:
    """Mark what nobody goes on with; return how many orders that were. Twice is as good as once."""
    marked, hours = 0, OrderPolicy().abandoned_after_hours
    for _ in range(RUN_SLICES):
        with ingest_transaction() as cursor:
            found = cursor.run(_ABANDON, now=now, hours=hours, most=HOURS_MAX, slice=SLICE)
        marked += len(found)
        if len(found) < SLICE:
            break
    return marked


def refold_stale() -> int:
    """Fold stale orders again, each in a transaction of its own; return how many.

    One that somebody else holds is left to the next run.
    """
    done, until = 0, time.monotonic() + RUN_SECONDS
    for order_id in _stale():
        try:
            with ingest_transaction() as cursor:
                refold(cursor, order_id)
            done += 1
        except LockNotAvailable:
            continue
        if time.monotonic() > until:
            break
    return done


def _stale() -> Sequence[UUID]:
    with ingest_transaction() as cursor:
        return [id_ for (id_,) in cursor.run(_STALE, most=RUN_STALE)]
