"""Orders and their lines as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from keystone.db import Cursor, json_rows, jsonbs, uuid_array
from orders.keys import PRODUCT, key_of
from orders.lifecycle import State
from orders.says import Line

_READ = """
SELECT id, org_id, external_id, is_stale, state::text
FROM "order" WHERE id = ANY(%(ids)s::uuid[])
"""
# New activity brings an abandoned order back; what came late does not, unless it is a cart's no
# more (it was placed, completed …).
_UPSERT = """
INSERT INTO "order" (id, org_id, external_id, actor_key, status, currency, total, refunded_total,
                     created_at, placed_at, completed_at, cancelled_at, updated_at, is_shopping,
                     state, is_stale)
SELECT id, org_id, external_id, actor_key, status, currency, total, refunded_total,
       created_at, placed_at, completed_at, cancelled_at, updated_at, is_shopping, state, is_stale
FROM ROWS FROM (
    json_to_recordset(%(rows)s::json) AS (
        id uuid, org_id uuid, external_id text, actor_key uuid, status text, currency text,
        total numeric, refunded_total numeric, created_at timestamptz, placed_at timestamptz,
        completed_at timestamptz, cancelled_at timestamptz, updated_at timestamptz,
        is_shopping bool, is_stale bool),
    unnest(%(states)s::jsonb[])
) AS new (id, org_id, external_id, actor_key, status, currency, total, refunded_total,
          created_at, placed_at, completed_at, cancelled_at, updated_at, is_shopping, is_stale,
          state)
ON CONFLICT (id) DO UPDATE SET
    actor_key = EXCLUDED.actor_key, status = EXCLUDED.status, currency = EXCLUDED.currency,
    total = EXCLUDED.total, refunded_total = EXCLUDED.refunded_total,
    created_at = EXCLUDED.created_at, placed_at = EXCLUDED.placed_at,
    completed_at = EXCLUDED.completed_at, cancelled_at = EXCLUDED.cancelled_at,
    updated_at = EXCLUDED.updated_at, is_shopping = EXCLUDED.is_shopping,
    state = EXCLUDED.state, is_stale = EXCLUDED.is_stale,
    abandoned_at = CASE
        WHEN EXCLUDED.updated_at <= "order".updated_at AND EXCLUDED.status = 'incomplete'
             AND EXCLUDED.placed_at IS NULL AND EXCLUDED.is_shopping
        THEN "order".abandoned_at END
"""
_CLEAR = """
DELETE FROM line_item USING unnest(%(orders)s::uuid[]) AS changed (id)
WHERE line_item.order_id = changed.id
"""
_FILL = """
INSERT INTO line_item (order_id, line, org_id, product_id, external_id, name, variant, quantity,
                       price)
SELECT order_id, line, org_id, product_id, external_id, name, variant, quantity, price
FROM json_to_recordset(%(rows)s::json) AS new (
    order_id uuid, line int, org_id uuid, product_id uuid, external_id text, name text,
    variant text, quantity numeric, price numeric)
"""


class OrderRow(msgspec.Struct):
    """One order while it is being changed."""

    id: UUID
    organization_id: UUID
    external_id: str
    state: State
    stored_lines: list[Line] = []
    is_stale: bool = False
    is_new: bool = False


class _Order(msgspec.Struct, gc=False):
    id: UUID
    org_id: UUID
    external_id: str
    actor_key: UUID | None
    status: str
    currency: str
    total: Decimal | None
    refunded_total: Decimal
    created_at: datetime | None
    placed_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    updated_at: datetime | None
    is_shopping: bool
    is_stale: bool


class _Line(msgspec.Struct, gc=False):
    order_id: UUID
    line: int
    org_id: UUID
    product_id: UUID
    external_id: str
    name: str
    variant: str
    quantity: Decimal
    price: Decimal | None


def new(id_: UUID, organization_id: UUID, external_id: str) -> OrderRow:
    """Return an order that nobody has spoken of yet."""
    return OrderRow(id_, organization_id, external_id, State(), is_new=True)


def read(cursor: Cursor, ids: Iterable[UUID]) -> dict[UUID, OrderRow]:
    """Read orders that are locked; those that are not there are missing."""
    found = cursor.run(_READ, ids=uuid_array(ids))
    return {row[0]: _read(*row) for row in found}


def write(cursor: Cursor, orders: Sequence[OrderRow]) -> None:
    """Store orders, given sorted by id, and replace the lines of those where they changed."""
    states = jsonbs(msgspec.json.encode(order.state) for order in orders)
    cursor.send(_UPSERT, rows=json_rows(map(_order, orders)), states=states)
    changed = [order for order in orders if order.state.lines != order.stored_lines]
    had = [order.id for order in changed if order.stored_lines]
    if had:
        cursor.send(_CLEAR, orders=uuid_array(had))
    lines = [line for order in changed for line in _lines(order)]
    if lines:
        cursor.send(_FILL, rows=json_rows(lines))


def _read(
    id_: UUID, organization_id: UUID, external_id: str, is_stale: bool, text: str
) -> OrderRow:
    state = _state(text)
    # Folding replaces a state's list of lines, and never changes it.
    return OrderRow(id_, organization_id, external_id, state, state.lines, is_stale)


def _order(order: OrderRow) -> _Order:
    state = order.state
    return _Order(
        id=order.id,
        org_id=order.organization_id,
        external_id=order.external_id,
        actor_key=state.owner,
        status=state.status,
        currency=state.currency,
        total=state.total,
        refunded_total=state.refunded_total,
        created_at=state.created_at,
        placed_at=state.placed_at,
        completed_at=state.completed_at,
        cancelled_at=state.cancelled_at,
        updated_at=state.last and state.last[0],
        is_shopping=state.is_shopping,
        is_stale=order.is_stale,
    )


def _lines(order: OrderRow) -> list[_Line]:
    return [
        _Line(
            order_id=order.id,
            line=number,
            org_id=order.organization_id,
            product_id=key_of(order.organization_id, PRODUCT, line.product_id),
            external_id=line.product_id,
            name=line.name,
            variant=line.variant,
            quantity=line.quantity,
            price=line.price,
        )
        for number, line in enumerate(order.state.lines)
    ]


_state = msgspec.json.Decoder(State).decode
