"""What events say of orders, carts and products, and what must follow from it in PostgreSQL."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
from django.db import connections

from keystone.clock import from_ms
from keystone.db import Cursor, ingest_transaction
from orders import lifecycle, says
from orders.apply import Effect, Fact, apply_facts
from orders.keys import CART, CHECKOUT, ORDER, key_of
from orders.lifecycle import Operation, State
from orders.models import LineItem, Order
from orders.says import Line

NOON = from_ms(1_790_000_000_000)
ADA, BOB = uuid4(), uuid4()


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def fact(
    shop: UUID, minute: float, name: str, payload: Mapping[str, Any] | bytes, **fields: Any
) -> Fact:
    given = {"kind": "track", "actor_key": ADA, "trusted": True, "event_id": uuid4(), **fields}
    return Fact(
        organization_id=shop,
        occurred_at=at(minute),
        name=name,
        payload=payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
        **given,
    )


def arrive(*facts: Fact) -> dict[UUID, Effect]:
    """Take events in, in one transaction."""
    with ingest_transaction() as cursor:
        return apply_facts(cursor, facts)


def arrive_somehow(*facts: Fact) -> dict[UUID, Effect]:
    """Take events in as the pipeline does: whoever waits too long for a lock tries again."""
    for attempt in range(30):
        try:
            return arrive(*facts)
        except psycopg.errors.LockNotAvailable:
            time.sleep(0.01 * attempt)
    raise AssertionError("no attempt got its locks")


def the_order(shop: UUID) -> Order:
    return Order.objects.get(organization_id=shop)


def lines_of(order: Order) -> list[tuple[str, float]]:
    rows = LineItem.objects.filter(order_id=order.id).order_by("line")
    return [(row.external_id, float(row.quantity)) for row in rows]


#: By an order's external id.
Orders = dict[str, State]


def stored(shop: UUID) -> Orders:
    """Read an organization's orders; first look whether their columns and lines say the same."""
    found = {}
    for order in Order.objects.filter(organization_id=shop):
        state = found[order.external_id] = msgspec.convert(order.state, State, strict=False)
        assert order.id == key_of(shop, ORDER, order.external_id)
        assert (order.status, order.actor_key) == (state.status, state.owner)
        assert (order.total, order.refunded_total) == (state.total, state.refunded_total)
        assert order.updated_at == state.last[0]
        for name in ("currency", "is_shopping", "created_at", "placed_at", "completed_at"):
            assert getattr(order, name) == getattr(state, name)
        assert order.cancelled_at == state.cancelled_at
        assert [_line(row) for row in _rows(order)] == state.lines
    return found


def _rows(order: Order) -> Iterable[LineItem]:
    return LineItem.objects.filter(order_id=order.id).order_by("line")


def _line(row: LineItem) -> Line:
    assert row.product_id == key_of(row.organization_id, "product", row.external_id)
    return Line(row.external_id, row.quantity, row.variant, row.name, row.price)


def told(facts: Iterable[Fact]) -> Orders:
    """Say in plain Python what orders must follow from events, whatever order they come in.

    What was said of a cart belongs to what the cart became by the first event at or after it that
    says so, and so on; of events at one time the one with the lowest id counts.
    """
    became: defaultdict[tuple[str, str], list[tuple[datetime, UUID, tuple[str, str]]]]
    became = defaultdict(list)
    said: list[tuple[tuple[str, str], Operation]] = []
    for each in {each.event_id: each for each in facts}.values():
        read = says.read(each.kind, each.name, json.loads(each.payload))
        named = ((ORDER, read.order_id), (CHECKOUT, read.checkout_id), (CART, read.cart_id))
        names = [(kind, id_) for kind, id_ in named if id_]
        if len(names) > 1 or read.order_id or (names and not read.is_silent):
            said.append((names[0], _operation(each, read)))
            for part in names[1:]:
                became[part].append((each.occurred_at, each.event_id, names[0]))

    def home(name: tuple[str, str], when: datetime) -> tuple[str, str]:
        after = min((join for join in became[name] if join[0] >= when), default=None)
        return home(after[2], after[0]) if after else name

    operations: defaultdict[tuple[str, str], list[Operation]] = defaultdict(list)
    for name, operation in said:
        operations[home(name, operation.occurred_at)].append(operation)
    return {id_: lifecycle.fold(each) for (kind, id_), each in operations.items() if kind == ORDER}


def _operation(each: Fact, read: says.Said) -> Operation:
    return lifecycle.operation(
        read,
        event_id=each.event_id,
        occurred_at=each.occurred_at,
        actor_key=each.actor_key,
        trusted=each.trusted,
    )


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do things in threads of their own, each with a connection of its own."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result() for done in [pool.submit(in_thread(work)) for work in works]]


def in_thread(work: Callable[[], object]) -> Callable[[], object]:
    def wrapped() -> object:
        try:
            return work()
        finally:
            connections.close_all()

    return wrapped


def overlapping(first: Sequence[Fact], second: Sequence[Fact]) -> None:
    """Take in `second` while the transaction of `first` is still open."""
    with ThreadPoolExecutor(1) as pool:
        with ingest_transaction() as cursor:
            apply_facts(cursor, first)
            later = pool.submit(in_thread(lambda: arrive(*second)))
            while not (cursor.run(_IS_WAITED_FOR) or later.done()):
                time.sleep(0.002)
        later.result()


_IS_WAITED_FOR = "SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"


class CountingCursor(Cursor):
    """Knows how many statements it ran."""

    statements = 0

    def ask(self, sql: Any, **params: object) -> Any:
        self.statements += 1
        return super().ask(sql, **params)


def statements(*facts: Fact) -> int:
    """Take events in and count the statements."""
    with ingest_transaction() as cursor:
        counting = CountingCursor(cursor.connection)
        apply_facts(counting, facts)
        return counting.statements
