"""Brings orders in line with what new events say of them, for a whole batch at once.

1. Read what the events say (`orders.says`, pure). None of it about orders: no statement at all.
2. Lock carts, then orders; store the operations.
3. An order whose operations come in event-time order takes them as it is; any other is folded
   again from all of its operations, and from those of the carts that became it.
4. Write orders and their lines, and provision the products that nobody knew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from uuid import UUID

import msgspec

from keystone.db import Cursor
from orders import operations, products, rows
from orders.keys import key_of
from orders.lifecycle import Operation, apply, fold, is_next, operation
from orders.operations import Stored
from orders.products import Mention
from orders.rows import OrderRow
from orders.says import Said, is_about_orders, read

#: More operations of one order or cart are not for a request: `update_order_lifecycle` folds them.
HISTORY_MAX = 2_000

_LOCK = (
    "SELECT pg_advisory_xact_lock(1802661752 + %(level)s, b) FROM unnest(%(buckets)s::int[]) AS b"
)
_BUCKETS = 1_024
_CARTS, _ORDERS = 0, 1


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
    """What an event did: to which order, if it named one, and what could not be used."""

    order_id: str | None
    status: str | None
    created: bool
    warnings: tuple[str, ...] = ()


def apply_facts(cursor: Cursor, facts: Iterable[Fact], now: datetime) -> dict[UUID, Effect]:
    """Take new events in; returns by event id what those did that are about orders or products.

    Statements: none where no event is, else a constant number.
    """
    said = [
        (fact, read(fact.kind, fact.name, _payload(fact.payload)))
        for fact in facts
        if is_about_orders(fact.kind, fact.name, fact.payload)
    ]
    if not said:
        return {}
    stored = [each for each in (_stored(*one) for one in said) if each]
    written = _bring_in_line(cursor, stored, _named(said)) if stored else {}
    products.provision(
        cursor,
        (
            Mention(fact.organization_id, fact.occurred_at, product)
            for fact, each in said
            for product in each.products
        ),
    )
    return {fact.event_id: _effect(fact, each, written) for fact, each in said}


def refold(cursor: Cursor, organizations: Mapping[UUID, tuple[UUID, str]], most: int) -> None:
    """Fold orders again from all of their operations. `organizations`: (organization, external id)
    by order id.
    """
    _lock(cursor, _ORDERS, organizations)
    known = rows.read(cursor, organizations)
    _write(cursor, _folded(cursor, organizations, known, most))


def _bring_in_line(
    cursor: Cursor, stored: Sequence[Stored], named: Mapping[UUID, tuple[UUID, str]]
) -> dict[UUID, OrderRow]:
    """Store operations and return by key the orders as they are now."""
    carts = {key for each in stored for key in (each.key, *_children(each))} - named.keys()
    if carts:
        _lock(cursor, _CARTS, carts)
    operations.append(cursor, stored)
    joined = operations.orders_of_carts(cursor, carts)() if carts else set()
    _lock(cursor, _ORDERS, joined | named.keys())
    known = rows.read(cursor, joined | named.keys())
    owners = {**{id_: row.names for id_, row in known.items()}, **named}
    late = joined | {parent for each in stored for _, parent in each.joins if parent in named}
    changed = {}
    for id_, fresh in _by_order(stored, owners.keys() - late).items():
        row = known.get(id_) or rows.new(id_, *owners[id_])
        if is_next(row.state, fresh[0]) and not row.is_stale:
            for each in fresh:
                apply(row.state, each)
            changed[id_] = row
        else:
            late.add(id_)
    changed |= _folded(cursor, {id_: owners[id_] for id_ in late}, known, HISTORY_MAX)
    _write(cursor, changed)
    return changed


def _by_order(stored: Iterable[Stored], orders: Set[UUID]) -> dict[UUID, list[Operation]]:
    """Return the new operations of orders, each in event-time order."""
    found: defaultdict[UUID, list[Operation]] = defaultdict(list)
    for each in sorted(stored, key=lambda each: each.operation.place):
        if each.key in orders:
            found[each.key].append(each.operation)
    return found


def _folded(
    cursor: Cursor,
    owners: Mapping[UUID, tuple[UUID, str]],
    known: Mapping[UUID, OrderRow],
    most: int,
) -> dict[UUID, OrderRow]:
    if not owners:
        return {}
    history = operations.history(cursor, owners, most + 1)
    folded = {}
    for id_, names in owners.items():
        row = known.get(id_) or rows.new(id_, *names)
        row.is_stale = len(history[id_]) > most
        if not row.is_stale or not row.state.stage:
            row.state = fold(history[id_])
        folded[id_] = row
    return folded


def _write(cursor: Cursor, changed: Mapping[UUID, OrderRow]) -> None:
    if changed:
        rows.write(cursor, [changed[id_] for id_ in sorted(changed)])


def _stored(fact: Fact, said: Said) -> Stored | None:
    """Return what is kept of an event that names an order or, with something to say, a cart."""
    keys = _keys(fact, said)
    if not keys:
        return None
    done = operation(
        said,
        event_id=fact.event_id,
        occurred_at=fact.occurred_at,
        actor_key=fact.actor_key,
        trusted=fact.trusted,
    )
    return Stored(keys[0], fact.organization_id, done, [(child, keys[0]) for child in keys[1:]])


def _keys(fact: Fact, said: Said) -> list[UUID]:
    """Return the keys that an event names, first what the others become part of."""
    named = (("order", said.order_id), ("checkout", said.checkout_id), ("cart", said.cart_id))
    return [key_of(fact.organization_id, kind, id_) for kind, id_ in named if id_]


def _named(said: Iterable[tuple[Fact, Said]]) -> dict[UUID, tuple[UUID, str]]:
    """Return organization and external id of the orders that events name."""
    return {
        key_of(fact.organization_id, "order", each.order_id): (fact.organization_id, each.order_id)
        for fact, each in said
        if each.order_id
    }


def _children(stored: Stored) -> Iterable[UUID]:
    return (child for child, _ in stored.joins)


def _effect(fact: Fact, said: Said, written: Mapping[UUID, OrderRow]) -> Effect:
    warnings = tuple(said.warnings)
    if not said.order_id:
        return Effect(None, None, False, warnings)
    row = written[key_of(fact.organization_id, "order", said.order_id)]
    return Effect(said.order_id, row.state.status, row.is_new, warnings)


def _lock(cursor: Cursor, level: int, keys: Iterable[UUID]) -> None:
    """Lock carts before orders, each in one order for everybody."""
    buckets = sorted({key.int % _BUCKETS for key in keys})
    if buckets:
        cursor.send(_LOCK, level=level, buckets=buckets)


_payload = msgspec.json.Decoder(dict).decode
