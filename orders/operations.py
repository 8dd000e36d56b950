"""Stores what events say of orders and carts, and reads it back for the fold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import structs

from keystone.db import Cursor, json_rows, uuid_array
from orders.lifecycle import Operation

_APPEND = """
INSERT INTO order_op (key, event_id, org_id, occurred_at, actor_key, said)
SELECT key, event_id, org_id, occurred_at, actor_key, said
FROM json_to_recordset(%(rows)s::json) AS new (
    key uuid, event_id uuid, org_id uuid, occurred_at timestamptz, actor_key uuid, said jsonb)
ON CONFLICT DO NOTHING
"""
_JOIN = """
INSERT INTO cart_join (child_key, event_id, parent_key, org_id, occurred_at)
SELECT child_key, event_id, parent_key, org_id, occurred_at
FROM json_to_recordset(%(rows)s::json) AS new (
    child_key uuid, event_id uuid, parent_key uuid, org_id uuid, occurred_at timestamptz)
ON CONFLICT DO NOTHING
"""
# What carts have become, over checkouts up to orders; what is no child of anything is an order,
# or a cart that is still open.
_PARENTS = """
WITH RECURSIVE above (key) AS (
    SELECT unnest(%(carts)s::uuid[])
    UNION
    SELECT parent_key FROM above JOIN cart_join ON child_key = above.key
)
SELECT key FROM above JOIN "order" ON "order".id = above.key
"""
# The operations of orders, and of the carts that became them: each those that came after the cart
# last became something and until it became this.
_HISTORY = """
WITH RECURSIVE part (order_id, key, since, until) AS (
    SELECT key, key, '-infinity'::timestamptz, 'infinity'::timestamptz
    FROM unnest(%(orders)s::uuid[]) AS asked (key)
    UNION
    SELECT part.order_id, joined.child_key,
           COALESCE((SELECT max(earlier.occurred_at) FROM cart_join earlier
                     WHERE earlier.child_key = joined.child_key
                       AND earlier.occurred_at < joined.occurred_at), '-infinity'),
           LEAST(part.until, joined.occurred_at)
    FROM part JOIN cart_join joined ON joined.parent_key = part.key
)
SELECT DISTINCT part.order_id, said.event_id, said.actor_key, said.said::text
FROM part CROSS JOIN LATERAL (
    SELECT event_id, actor_key, said FROM order_op
    WHERE order_op.key = part.key
      AND order_op.occurred_at > part.since AND order_op.occurred_at <= part.until
    LIMIT %(most)s
) AS said
"""


class Stored(msgspec.Struct, frozen=True):
    """An operation, the order or cart that it is kept under, and what it says became what.

    `joins`: (child, parent) keys.
    """

    key: UUID
    organization_id: UUID
    operation: Operation
    joins: Sequence[tuple[UUID, UUID]] = ()


class _Row(msgspec.Struct, gc=False):
    key: UUID
    event_id: UUID
    org_id: UUID
    occurred_at: datetime
    actor_key: UUID | None
    said: Operation


def append(cursor: Cursor, stored: Sequence[Stored]) -> None:
    """Store operations and joins; those that are stored already stay as they are."""
    by_key = sorted(stored, key=lambda each: (each.key.int, each.operation.event_id.int))
    cursor.send(_APPEND, rows=json_rows(map(_row, by_key)))
    joins = [
        {
            "child_key": child,
            "event_id": each.operation.event_id,
            "parent_key": parent,
            "org_id": each.organization_id,
            "occurred_at": each.operation.occurred_at,
        }
        for each in by_key
        for child, parent in each.joins
    ]
    if joins:
        joins.sort(key=lambda row: (str(row["child_key"]), str(row["event_id"])))
        cursor.send(_JOIN, rows=json_rows(joins))


def orders_of_carts(cursor: Cursor, carts: Iterable[UUID]) -> Callable[[], set[UUID]]:
    """Ask which orders carts or checkouts have become; the call of what is returned waits."""
    answer = cursor.ask(_PARENTS, carts=uuid_array(set(carts)))
    return lambda: {key for (key,) in answer()}


def history(
    cursor: Cursor, orders: Iterable[UUID], most: int
) -> defaultdict[UUID, list[Operation]]:
    """Return the operations of orders; of no order or cart more than `most`."""
    found: defaultdict[UUID, list[Operation]] = defaultdict(list)
    rows = cursor.run(_HISTORY, orders=uuid_array(orders), most=most)
    for order_id, _, actor_key, said in rows:
        found[order_id].append(structs.replace(_operation(said), actor_key=actor_key))
    return found


def _row(stored: Stored) -> _Row:
    said = stored.operation
    nobody = structs.replace(said, actor_key=None)  # in a column of its own: it may be erased
    return _Row(
        stored.key, said.event_id, stored.organization_id, said.occurred_at, said.actor_key, nobody
    )


_operation = msgspec.json.Decoder(Operation).decode
