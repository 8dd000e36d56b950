"""Stores what events say of orders and carts, and reads it back for the fold.

A cart is poured into what it becomes: what was said of it goes with the first event at or after it
that names the cart together with a checkout or order (`cart_join`), and so on from the checkout.
So each operation belongs to one order at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import structs

from keystone.db import Cursor, json_rows, jsonbs, moments, uuid_array, uuids
from orders.lifecycle import Operation

_APPEND = """
INSERT INTO order_op (key, event_id, org_id, occurred_at, actor_key, said)
SELECT * FROM unnest(%(key)s::uuid[], %(event_id)s::uuid[], %(org_id)s::uuid[],
                     %(occurred_at)s::timestamptz[], %(actor_key)s::uuid[], %(said)s::jsonb[])
ON CONFLICT DO NOTHING
"""
_JOIN = """
INSERT INTO cart_join (child_key, event_id, parent_key, org_id, occurred_at)
SELECT child_key, event_id, parent_key, org_id, occurred_at
FROM json_to_recordset(%(rows)s::json) AS new (
    child_key uuid, event_id uuid, parent_key uuid, org_id uuid, occurred_at timestamptz)
ON CONFLICT DO NOTHING
"""
# cart_join_by_child: one probe a point.
_NEXT = """
SELECT joined.parent_key, joined.occurred_at
FROM json_to_recordset(%(points)s::json) AS point (
    key uuid, occurred_at timestamptz, event_id uuid)
CROSS JOIN LATERAL (
    SELECT parent_key, occurred_at FROM cart_join
    WHERE child_key = point.key
      AND (cart_join.occurred_at, cart_join.event_id) > (point.occurred_at, point.event_id)
    ORDER BY cart_join.occurred_at, cart_join.event_id LIMIT 1
) AS joined
"""
# A part of an order is a cart or checkout between two of its joins; each came with an operation of
# what it is part of. order_op_by_time: of no part more than `most` are read.
_HISTORY = """
SELECT asked.key, found.actor_key, found.said::text
FROM unnest(%(orders)s::uuid[]) AS asked (key) CROSS JOIN LATERAL (
    WITH RECURSIVE part (key, since, until) AS (
        SELECT asked.key, '-infinity'::timestamptz, 'infinity'::timestamptz
        UNION ALL
        SELECT joined.child_key, COALESCE(earlier.occurred_at, '-infinity'), joined.occurred_at
        FROM part JOIN cart_join AS joined
            ON joined.parent_key = part.key
            AND joined.occurred_at > part.since AND joined.occurred_at <= part.until
        LEFT JOIN LATERAL (
            SELECT before.occurred_at FROM cart_join AS before
            WHERE before.child_key = joined.child_key
              AND (before.occurred_at, before.event_id) < (joined.occurred_at, joined.event_id)
            ORDER BY before.occurred_at DESC, before.event_id DESC LIMIT 1
        ) AS earlier ON true
    )
    SELECT operation.* FROM part CROSS JOIN LATERAL (
        SELECT event_id, occurred_at, actor_key, said FROM order_op
        WHERE order_op.key = part.key
          AND order_op.occurred_at > part.since AND order_op.occurred_at <= part.until
          AND (order_op.occurred_at, order_op.event_id) > (%(at)s::timestamptz, %(event_id)s::uuid)
        ORDER BY order_op.occurred_at, order_op.event_id LIMIT %(most)s
    ) AS operation
    ORDER BY operation.occurred_at, operation.event_id LIMIT %(most)s
) AS found
LIMIT %(total)s
"""
_NIL = UUID(int=0)


class Stored(msgspec.Struct, frozen=True):
    """An operation, what it is kept under, and what has become part of that by it.

    `kind`: order, checkout or cart. `parts`: kinds and keys.
    """

    kind: str
    key: UUID
    organization_id: UUID
    actor_key: UUID
    operation: Operation
    parts: Sequence[tuple[str, UUID]] = ()


class Point(NamedTuple):
    """A cart or checkout at a time; of joins of that time only those after `event_id` count."""

    key: UUID
    occurred_at: datetime
    event_id: UUID = _NIL


class _Join(msgspec.Struct, gc=False):
    child_key: UUID
    event_id: UUID
    parent_key: UUID
    org_id: UUID
    occurred_at: datetime


class _Point(msgspec.Struct, gc=False):
    key: UUID
    occurred_at: datetime
    event_id: UUID


def append(cursor: Cursor, stored: Iterable[Stored]) -> None:
    """Store operations and joins; those that are stored already stay as they are."""
    by_key = sorted(stored, key=lambda each: (each.key.int, each.operation.event_id.int))
    said = [each.operation for each in by_key]
    cursor.send(
        _APPEND,
        key=uuids(each.key for each in by_key),
        event_id=uuids(each.event_id for each in said),
        org_id=uuids(each.organization_id for each in by_key),
        occurred_at=moments(each.occurred_at for each in said),
        actor_key=uuids(each.actor_key for each in by_key),
        # Who said it is in the column alone: they may be erased.
        said=jsonbs(_encode(structs.replace(each, actor_key=None)) for each in said),
    )
    joins = [_join(each, part) for each in by_key for _, part in each.parts]
    if joins:
        joins.sort(key=lambda join: (join.child_key.int, join.event_id.int))
        cursor.send(_JOIN, rows=json_rows(joins))


def next_joins(cursor: Cursor, points: Iterable[Point]) -> list[Point]:
    """Return what carts and checkouts became next, and when; of each point one or nothing."""
    found = cursor.run(_NEXT, points=json_rows(_Point(*point) for point in points))
    return [Point(parent_key, occurred_at) for parent_key, occurred_at in found]


def history(
    cursor: Cursor,
    orders: Iterable[UUID],
    most: int,
    *,
    total: int,
    after: tuple[datetime, UUID] | None = None,
) -> Mapping[UUID, list[Operation]]:
    """Return the first operations of orders after a place: of each at most so many, sorted.

    Orders are missing for which there was no room in `total`.
    """
    found: defaultdict[UUID, list[Operation]] = defaultdict(list)
    at, event_id = after or ("-infinity", _NIL)
    parameters = {"orders": uuid_array(orders), "most": most, "total": total}
    rows = cursor.run(_HISTORY, **parameters, at=at, event_id=event_id)
    for order_id, actor_key, said in rows:
        found[order_id].append(structs.replace(_operation(said), actor_key=actor_key))
    if len(rows) == total and len(found[order_id]) < most:
        del found[order_id]  # the last one was cut off, perhaps
    return found


def _join(stored: Stored, part: UUID) -> _Join:
    said = stored.operation
    return _Join(part, said.event_id, stored.key, stored.organization_id, said.occurred_at)


_encode = msgspec.json.Encoder().encode
_operation = msgspec.json.Decoder(Operation).decode
