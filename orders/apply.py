"""Brings orders in line with what new events say of them, for a whole batch at once.

1. Read what the events say (`orders.says`, pure), and ask what is known of the products.
2. Store the operations.
3. Lock carts, then checkouts, then orders, and follow what each has become to the next: whose
   operations have changed is then known, and nobody else changes them.
4. An order whose operations come in event-time order takes them as it is; any other is folded
   again from all of its operations, and from those of the carts that became it.
5. Write orders and their lines, and provision the products that nobody knew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from keystone.db import Cursor
from orders import operations, products, rows
from orders.keys import CART, CHECKOUT, ORDER, PRODUCT, key_of
from orders.lifecycle import (
    OPERATIONS_MAX,
    Operation,
    State,
    Touched,
    apply,
    fold,
    is_next,
    operation,
)
from orders.operations import Point, Stored
from orders.products import Mention
from orders.rows import OrderRow
from orders.says import Said, read

#: An order of more operations is not folded again in a request, nor are more in all of a batch (a
#: tenth of a second): these orders are stale until `update_order_lifecycle` folds them.
HISTORY_MAX, BATCH_MAX = 2_000, 10_000

#: Lowest first: what is of one kind becomes part of what is of a later one.
_KINDS = (CART, CHECKOUT, ORDER)
# Next to identity's; buckets as there.
_LOCK = (
    "SELECT pg_advisory_xact_lock(1802661752 + %(kind)s, b) FROM unnest(%(buckets)s::int[]) AS b"
)
_BUCKETS = 1_024


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One new event, as far as orders are concerned. `payload` is a JSON object."""

    organization_id: UUID
    event_id: UUID
    actor_key: UUID
    occurred_at: datetime
    trusted: bool
    kind: str
    name: str
    payload: bytes


class Effect(msgspec.Struct, frozen=True):
    """What an event did: the order that it named, if any, and what could not be used."""

    order: Touched | None = None
    warnings: tuple[str, ...] = ()


def apply_facts(cursor: Cursor, facts: Iterable[Fact]) -> dict[UUID, Effect]:
    """Take in new events that are about orders or products (`says.is_about_orders`).

    Returns by event id what each did. Statements: none for no events, else a constant number.
    """
    said = [(fact, read(fact.kind, fact.name, _payload(fact.payload))) for fact in facts]
    mentions = [mention for fact, each in said for mention in _mentions(fact, each)]
    known = products.look_up(cursor, mentions) if mentions else None
    stored = [each for each in (_stored(*one) for one in said) if each]
    orders = _bring_in_line(cursor, stored, _named(said)) if stored else {}
    if known:
        products.provision(cursor, mentions, known())
    return {fact.event_id: _effect(fact, each, orders) for fact, each in said}


def refold(cursor: Cursor, order_id: UUID) -> None:
    """Fold a stale order again, however long its history is; another is left alone."""
    _lock(cursor, ORDER, [order_id])
    order = rows.read(cursor, [order_id]).get(order_id)
    if order is None or not order.is_stale:
        return
    order.state, order.is_stale = State(), False
    while order.state.operations < OPERATIONS_MAX:
        found = operations.history(
            cursor, [order_id], HISTORY_MAX, total=HISTORY_MAX, after=order.state.last
        )
        page = found.get(order_id, ())
        for each in page:
            apply(order.state, each)
        if len(page) < HISTORY_MAX:
            break
    rows.write(cursor, [order])


def _bring_in_line(
    cursor: Cursor, stored: Sequence[Stored], named: Mapping[UUID, OrderRow]
) -> Mapping[UUID, OrderRow]:
    """Store operations; return by key the orders as they are now.

    `named`: the orders that events name, as if nobody had spoken of them.
    """
    operations.append(cursor, stored)
    followed = _follow(cursor, stored)
    if not (followed or named):
        return {}
    _lock(cursor, ORDER, followed | named.keys())
    orders = {**named, **rows.read(cursor, followed | named.keys())}
    late = (followed & orders.keys()) | {each.key for each in stored if each.parts}
    for each in sorted(stored, key=lambda each: each.operation.place):
        order = orders.get(each.key)
        if order is None or each.key in late:
            continue
        if is_next(order.state, each.operation) and not order.is_stale:
            apply(order.state, each.operation)
        else:
            late.add(each.key)
    _fold_again(cursor, [orders[id_] for id_ in sorted(late & orders.keys())], stored)
    rows.write(cursor, [orders[id_] for id_ in sorted(orders)])
    return orders


def _follow(cursor: Cursor, stored: Sequence[Stored]) -> set[UUID]:
    """Lock carts and checkouts, and return what their operations are part of by now.

    A new join takes operations from what came after it: that is followed too.
    """
    found: list[Point] = []
    followed: set[UUID] = set()
    for kind in (CART, CHECKOUT):
        points = [*found, *_points(stored, kind)]
        if points:
            _lock(cursor, kind, (point.key for point in points))
            found = operations.next_joins(cursor, points)
            followed |= {point.key for point in found}
    return followed


def _points(stored: Iterable[Stored], kind: str) -> Iterator[Point]:
    for each in stored:
        occurred_at, event_id = each.operation.place
        if each.kind == kind:
            yield Point(each.key, occurred_at)
        for part_kind, part in each.parts:
            if part_kind == kind:
                yield Point(part, occurred_at, event_id)


def _fold_again(cursor: Cursor, orders: Sequence[OrderRow], stored: Iterable[Stored]) -> None:
    """Fold orders again, in place; for whom that takes too long is stale, and says what it can."""
    short = [
        order.id for order in orders if not order.is_stale and order.state.operations <= HISTORY_MAX
    ]
    history: Mapping[UUID, Sequence[Operation]] = {}
    if short:
        history = operations.history(cursor, short, HISTORY_MAX + 1, total=BATCH_MAX)
    for order in orders:
        said = history.get(order.id, ())
        order.is_stale = not 0 < len(said) <= HISTORY_MAX
        if not order.is_stale:
            order.state = fold(said)
        elif order.is_new:
            order.state = fold(each.operation for each in stored if each.key == order.id)


def _stored(fact: Fact, said: Said) -> Stored | None:
    """Return what is kept of an event that names an order or, with something to say, a cart."""
    keys = _keys(fact, said)
    if not keys or (said.is_silent and not said.order_id and len(keys) == 1):
        return None
    done = operation(
        said,
        event_id=fact.event_id,
        occurred_at=fact.occurred_at,
        actor_key=fact.actor_key,
        trusted=fact.trusted,
    )
    (kind, key), *parts = keys
    return Stored(kind, key, fact.organization_id, fact.actor_key, done, parts)


def _keys(fact: Fact, said: Said) -> list[tuple[str, UUID]]:
    """Return what an event names, first what the others become part of."""
    named = ((ORDER, said.order_id), (CHECKOUT, said.checkout_id), (CART, said.cart_id))
    return [(kind, key_of(fact.organization_id, kind, id_)) for kind, id_ in named if id_]


def _named(said: Iterable[tuple[Fact, Said]]) -> dict[UUID, OrderRow]:
    return {
        (key := key_of(fact.organization_id, ORDER, each.order_id)): rows.new(
            key, fact.organization_id, each.order_id
        )
        for fact, each in said
        if each.order_id
    }


def _mentions(fact: Fact, said: Said) -> Iterator[Mention]:
    organization_id = fact.organization_id
    for product in said.products:
        id_ = key_of(organization_id, PRODUCT, product.product_id)
        yield Mention(id_, organization_id, fact.occurred_at, product)


def _effect(fact: Fact, said: Said, orders: Mapping[UUID, OrderRow]) -> Effect:
    warnings = tuple(said.warnings)
    if not said.order_id:
        return Effect(None, warnings)
    order = orders[key_of(fact.organization_id, ORDER, said.order_id)]
    return Effect(Touched(said.order_id, order.state.status, order.is_new), warnings)


def _lock(cursor: Cursor, kind: str, keys: Iterable[UUID]) -> None:
    """Lock carts before checkouts before orders, each in one order for everybody."""
    buckets = sorted({key.int % _BUCKETS for key in keys})
    if buckets:
        cursor.send(_LOCK, kind=_KINDS.index(kind), buckets=buckets)


_payload = msgspec.json.Decoder(dict).decode
