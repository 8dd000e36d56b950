"""Orders and their lines as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from keystone.db import Cursor, json_rows, uuid_array
from orders.keys import key_of
from orders.lifecycle import State

_READ = """
SELECT id, org_id, external_id, is_stale, state::text
FROM "order" WHERE id = ANY(%(ids)s::uuid[])
"""
# New activity brings an abandoned order back; what came late does not.
_UPSERT = """
INSERT INTO "order" (id, org_id, external_id, actor_key, status, currency, total, refunded_total,
                     created_at, placed_at, completed_at, cancelled_at, updated_at, is_shopping,
                     state, is_stale)
SELECT id, org_id, external_id, actor_key, status, currency, total, refunded_total,
       created_at, placed_at, completed_at, cancelled_at, updated_at, is_shopping, state, is_stale
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, external_id text, actor_key uuid, status text, currency text,
    total numeric, refunded_total numeric, created_at timestamptz, placed_at timestamptz,
    completed_at timestamptz, cancelled_at timestamptz, updated_at timestamptz,
    is_shopping bool, state jsonb, is_stale bool)
ON CONFLICT (id) DO UPDATE SET
    actor_key = EXCLUDED.actor_key, status = EXCLUDED.status, currency = EXCLUDED.currency,
    total = EXCLUDED.total, refunded_total = EXCLUDED.refunded_total,
    created_at = EXCLUDED.created_at, placed_at = EXCLUDED.placed_at,
    completed_at = EXCLUDED.completed_at, cancelled_at = EXCLUDED.cancelled_at,
    updated_at = EXCLUDED.updated_at, is_shopping = EXCLUDED.is_shopping,
    state = EXCLUDED.state, is_stale = EXCLUDED.is_stale,
    abandoned_at = CASE WHEN EXCLUDED.updated_at > "order".updated_at THEN NULL
                        WHEN EXCLUDED.status <> 'incomplete' THEN NULL
                        ELSE "order".abandoned_at END
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
    is_stale: bool = False
    is_new: bool = False

    @property
    def names(self) -> tuple[UUID, str]:
        """Return whose it is, and what the shop calls it."""
        return self.organization_id, self.external_id


def new(id_: UUID, organization_id: UUID, external_id: str) -> OrderRow:
    """Return an order that nobody has spoken of yet."""
    return OrderRow(id_, organization_id, external_id, State(), is_new=True)


def read(cursor: Cursor, ids: Iterable[UUID]) -> dict[UUID, OrderRow]:
    """Read orders that are locked; those that are not there are missing."""
    found = cursor.run(_READ, ids=uuid_array(ids))
    return {
        id_: OrderRow(id_, organization_id, external_id, _state(state), is_stale)
        for id_, organization_id, external_id, is_stale, state in found
    }


def write(cursor: Cursor, orders: Sequence[OrderRow]) -> None:
    """Store orders, given sorted by id, and replace their lines."""
    cursor.send(_UPSERT, rows=json_rows(map(_order, orders)))
    cursor.send(_CLEAR, orders=uuid_array(order.id for order in orders if not order.is_new))
    lines = [line for order in orders for line in _lines(order)]
    if lines:
        cursor.send(_FILL, rows=json_rows(lines))


def _order(order: OrderRow) -> dict[str, object]:
    state = order.state
    return {
        "id": order.id,
        "org_id": order.organization_id,
        "external_id": order.external_id,
        "actor_key": state.owner,
        "status": state.status,
        "currency": state.currency,
        "total": state.total,
        "refunded_total": state.refunded_total,
        "created_at": state.created_at,
        "placed_at": state.placed_at,
        "completed_at": state.completed_at,
        "cancelled_at": state.cancelled_at,
        "updated_at": state.last[0] if state.last else state.created_at,
        "is_shopping": state.is_shopping,
        "state": state,
        "is_stale": order.is_stale,
    }


def _lines(order: OrderRow) -> Iterable[Mapping[str, object]]:
    for number, line in enumerate(order.state.lines):
        yield {
            "order_id": order.id,
            "line": number,
            "org_id": order.organization_id,
            "product_id": key_of(order.organization_id, "product", line.product_id),
            "external_id": line.product_id,
            "name": line.name,
            "variant": line.variant,
            "quantity": line.quantity,
            "price": line.price,
        }


_state = msgspec.json.Decoder(State).decode
