"""Reads orders back: one by its shop's own id, an organization's, one person's; newest first.

Lines, history and figures are in the order's `state`. Whose it is follows from its identifier:
looked up for a whole page at once, so that merges and undo move orders without touching them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from identity.models import Identifier
from keystone.clock import iso
from keystone.db import Row
from keystone.reading import Moment, select
from keystone.source import Source
from orders.keys import key_of
from orders.lifecycle import State, Step
from orders.lines import value_of
from orders.newest import Position, bound, page_of
from orders.read_money import Amount, amount_or_none, amount_text
from orders.says import Line

#: Written with its own digits, as `1` or `0.5`.
Quantity = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "number"})]


class LineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Some of one product in an order; `total` is price × quantity."""

    product_id: str
    name: str
    variant: str
    quantity: Quantity
    price: Amount | None
    total: Amount | None


class StepAnswer(msgspec.Struct, frozen=True):
    """The order's status became this one, by this event."""

    status: str
    occurred_at: Moment
    event_id: UUID


class OrderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One order. `profile_id` is who its identifier belongs to now."""

    order_id: str
    status: str
    profile_id: UUID | None  # None: erased
    currency: str
    total: Amount | None
    subtotal: Amount | None
    tax: Amount | None
    shipping: Amount | None
    discount: Amount | None
    refunded_total: Amount
    lines: list[LineAnswer]
    created_at: Moment
    completed_at: Moment | None
    cancelled_at: Moment | None
    abandoned_at: Moment | None
    updated_at: Moment
    history: list[StepAnswer]


class OrderPage(msgspec.Struct, frozen=True):
    """Orders, newest first."""

    results: list[OrderAnswer]
    next: str | None


#: A page, and the position after which the next one begins.
Found = tuple[list[OrderAnswer], Position | None]

_COLUMNS = """id, external_id, status, actor_key, currency, total, refunded_total, created_at,
              completed_at, cancelled_at, abandoned_at, updated_at, state::text"""
_ONE = f"""
SELECT {_COLUMNS} FROM "order" WHERE id = %(id)s AND org_id = %(organization)s
"""  # noqa: S608 - constants
_NEWEST = """
SELECT {columns} FROM "order"
WHERE {which} AND (created_at, id) < (%(at)s::timestamptz, %(id)s)
ORDER BY created_at DESC, id DESC LIMIT %(limit)s + 1
"""
_ALL = _NEWEST.format(columns=_COLUMNS, which="org_id = %(organization)s")  # order_by_org
_WITH_STATUS = _NEWEST.format(  # order_by_status
    columns=_COLUMNS, which="org_id = %(organization)s AND status = %(status)s"
)
# order_by_actor, an arm for each identifier. States are written out for the page's rows only.
_OF_ACTORS = f"""
SELECT {_COLUMNS} FROM (
    SELECT arm.* FROM unnest(%(actors)s::uuid[]) AS actor (key) CROSS JOIN LATERAL (
        {_NEWEST.format(columns="*", which="actor_key = actor.key AND org_id = %(organization)s")}
    ) AS arm
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s + 1
) AS page ORDER BY created_at DESC, id DESC
"""  # noqa: S608 - constants


class _Row(NamedTuple):
    id: UUID
    external_id: str
    status: str
    actor_key: UUID | None
    currency: str
    total: Decimal | None
    refunded_total: Decimal
    created_at: datetime
    completed_at: datetime | None
    cancelled_at: datetime | None
    abandoned_at: datetime | None
    updated_at: datetime
    state: str

    @property
    def position(self) -> Position:
        return Position(self.created_at, self.id)


def one(source: Source, order_id: str) -> OrderAnswer | None:
    """Return an order of the caller's organization by what the shop calls it."""
    id_ = key_of(source.organization_id, "order", order_id.strip())
    rows = select(_ONE, id=id_, organization=source.organization_id)
    return next(iter(_answers(source, [_Row(*row) for row in rows])), None)


def of_organization(
    source: Source, *, limit: int, status: str | None = None, after: Position | None = None
) -> Found:
    """Return a page of the orders of the caller's organization."""
    sql = _ALL if status is None else _WITH_STATUS
    organization = source.organization_id
    rows = select(sql, organization=organization, status=status, limit=limit, **bound(after))
    return _page(source, rows, limit)


def of_actors(
    source: Source, actors: Collection[UUID], *, limit: int, after: Position | None = None
) -> Found:
    """Return a page of the orders that these identifiers made."""
    rows = select(
        _OF_ACTORS,
        organization=source.organization_id,
        actors=list(actors),
        limit=limit,
        **bound(after),
    )
    return _page(source, rows, limit)


def _page(source: Source, found: Iterable[Row], limit: int) -> Found:
    rows, position = page_of([_Row(*row) for row in found], limit)
    return _answers(source, rows), position


def _answers(source: Source, rows: Collection[_Row]) -> list[OrderAnswer]:
    people = _people(source, {row.actor_key for row in rows if row.actor_key})
    return [_answer(row, row.actor_key and people.get(row.actor_key)) for row in rows]


def _people(source: Source, actors: Collection[UUID]) -> Mapping[UUID, UUID]:
    """Return to whom identifiers belong now: a second look-up, no join of two big tables."""
    known = Identifier.objects.filter(key__in=actors, organization_id=source.organization_id)
    alive = known.exclude(status=Identifier.Status.ERASED)
    return dict(alive.values_list("key", "profile_id"))


def _answer(row: _Row, profile_id: UUID | None) -> OrderAnswer:
    state = _state(row.state)
    return OrderAnswer(
        order_id=row.external_id,
        status=row.status,
        profile_id=profile_id,
        currency=row.currency,
        total=amount_or_none(row.total),
        subtotal=amount_or_none(state.money.subtotal),
        tax=amount_or_none(state.money.tax),
        shipping=amount_or_none(state.money.shipping),
        discount=amount_or_none(state.money.discount),
        refunded_total=amount_text(row.refunded_total),
        lines=[_line(line) for line in state.lines],
        created_at=iso(row.created_at),
        completed_at=_iso_or_none(row.completed_at),
        cancelled_at=_iso_or_none(row.cancelled_at),
        abandoned_at=_iso_or_none(row.abandoned_at),
        updated_at=iso(row.updated_at),
        history=[_step(step) for step in state.history],
    )


def _line(line: Line) -> LineAnswer:
    return LineAnswer(
        product_id=line.product_id,
        name=line.name,
        variant=line.variant,
        quantity=msgspec.Raw(f"{line.quantity.normalize():f}".encode()),
        price=amount_or_none(line.price),
        total=amount_or_none(value_of([line])),
    )


def _step(step: Step) -> StepAnswer:
    return StepAnswer(step.status, iso(step.occurred_at), step.event_id)


def _iso_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


_state = msgspec.json.Decoder(State).decode
