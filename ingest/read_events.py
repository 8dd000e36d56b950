"""Reads events back: an organization's, one person's, one by its id; newest first, in pages.

A page looks at a bounded number of rows (`keystone.bounded`). Where a filter matches few of them it
may be short, or even empty, and still have a `next`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from identity.models import Identifier
from keystone import bounded
from keystone.clock import iso
from keystone.ids import lowest_id
from keystone.reading import JsonObject, Moment, select
from keystone.source import Source

_FIRST, _BEYOND = UUID(int=0), UUID(int=(1 << 128) - 1)


class EventIdentifier(msgspec.Struct, frozen=True):
    """The identifier that an event itself carried."""

    kind: str
    value: str


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `type` is the client's own word, `kind` and `name` are canonical."""

    id: UUID
    type: str
    kind: str
    name: str
    url: str
    occurred_at: Moment
    received_at: Moment
    session_id: UUID | None
    source: UUID  # id of the key that brought it
    context: JsonObject
    payload: JsonObject
    identifier: EventIdentifier | None  # None: erased


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first."""

    results: list[EventAnswer]
    next: str | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a page shows: 1..200 of those since (inclusive) and before (exclusive)."""

    limit: int
    since: datetime | None = None
    before: datetime | None = None
    #: Id of the last event on the page before.
    after: UUID | None = None
    type: str | None = None
    name: str | None = None
    source: UUID | None = None

    def reach(self, arms: int) -> int:
        """Return how many rows of each arm are looked at."""
        if (self.type, self.name, self.source) == (None, None, None):
            return self.limit + 1
        return max(self.limit + 1, bounded.REACH // max(arms, 1))

    @property
    def bounds(self) -> tuple[UUID, UUID]:
        """The ids between which they lie: an id begins with its time, in ms."""
        beyond = _BEYOND if self.before is None else lowest_id(self.before)
        since = _FIRST if self.since is None else lowest_id(self.since)
        return since, beyond if self.after is None else min(beyond, self.after)


#: A page, and the id after which the next one begins.
Found = tuple[list[EventAnswer], UUID | None]
#: (kind, value) by key.
Identifiers = Mapping[UUID, tuple[str, str]]

_COLUMNS = """id, type, kind, name, url, occurred_at, received_at, session_id, source_id,
              context::text, payload::text, actor_key"""
# How far an arm runs and what it returns: `keystone.bounded`.
_ARM = """
SELECT * FROM (
    SELECT event.*, row_number() OVER (ORDER BY id DESC) AS depth,
           (%(type)s::text IS NULL OR type = %(type)s)
           AND (%(name)s::text IS NULL OR name = %(name)s)
           AND (%(source)s::uuid IS NULL OR source_id = %(source)s) AS matches
    FROM event
    WHERE {whose} AND id >= %(since)s AND id < %(beyond)s
    ORDER BY id DESC LIMIT %(reach)s
) AS looked_at
WHERE matches OR depth = %(reach)s ORDER BY id DESC LIMIT %(limit)s + 1
"""
# event_by_org
_OF_ORGANIZATION = f"""
SELECT {_COLUMNS}, matches, depth
FROM ({_ARM.format(whose="org_id = %(organization)s")}) AS page ORDER BY id DESC
"""  # noqa: S608 - constants
# event_by_actor, an arm for each identifier. Payloads are written out for the page's rows only.
_OF_ACTORS = f"""
SELECT {_COLUMNS}, matches, depth
FROM (
    SELECT arm.* FROM unnest(%(actors)s::uuid[]) AS actor (key) CROSS JOIN LATERAL (
        {_ARM.format(whose="actor_key = actor.key AND org_id = %(organization)s")}
    ) AS arm
    ORDER BY id DESC LIMIT %(limit)s + 1
) AS page ORDER BY id DESC
"""  # noqa: S608 - constants
_ONE = f"SELECT {_COLUMNS} FROM event WHERE id = %(id)s AND org_id = %(organization)s"  # noqa: S608


class _Row(NamedTuple):
    id: UUID
    type: str
    kind: str
    name: str
    url: str
    occurred_at: datetime
    received_at: datetime
    session_id: UUID | None
    source: UUID
    context: str
    payload: str
    actor_key: UUID
    matches: bool = True
    depth: int = 0


def of_organization(source: Source, asked: Asked) -> Found:
    """Return a page of all the events of the caller's organization."""
    rows, position = _page(_OF_ORGANIZATION, source, asked, arms=1)
    return _answers(rows, identifiers_of(source, rows)), position


def of_actors(source: Source, actors: Identifiers, asked: Asked) -> Found:
    """Return a page of the events that carried these identifiers."""
    rows, position = _page(_OF_ACTORS, source, asked, arms=len(actors), actors=list(actors))
    return _answers(rows, actors), position


def one(source: Source, id_: UUID) -> EventAnswer | None:
    """Return an event of the caller's organization."""
    rows = [_Row(*row) for row in select(_ONE, id=id_, organization=source.organization_id)]
    return next(iter(_answers(rows, identifiers_of(source, rows))), None)


def identifiers_of(source: Source, rows: Sequence[_Row]) -> Identifiers:
    """Return the identifiers that events carried: a second look-up, no join of two big tables."""
    keys = {row.actor_key for row in rows}
    known = Identifier.objects.filter(key__in=keys, organization_id=source.organization_id)
    return {key: (kind, value) for key, kind, value in known.values_list("key", "kind", "value")}


def _page(
    sql: str, source: Source, asked: Asked, *, arms: int, **params: object
) -> tuple[list[_Row], UUID | None]:
    """Return the rows to show, and the last one looked at where there may be more."""
    reach = asked.reach(arms)
    since, beyond = asked.bounds
    rows = select(
        sql,
        **params,
        organization=source.organization_id,
        since=since,
        beyond=beyond,
        reach=reach,
        limit=asked.limit,
        type=asked.type,
        name=asked.name,
        source=asked.source,
    )
    shown, last = bounded.whole([_Row(*row) for row in rows], asked.limit, reach)
    return shown, last and last.id


def _answers(rows: Iterable[_Row], identifiers: Identifiers) -> list[EventAnswer]:
    return [_answer(row, identifiers.get(row.actor_key)) for row in rows]


def _answer(row: _Row, identifier: tuple[str, str] | None) -> EventAnswer:
    return EventAnswer(
        id=row.id,
        type=row.type,
        kind=row.kind,
        name=row.name,
        url=row.url,
        occurred_at=iso(row.occurred_at),
        received_at=iso(row.received_at),
        session_id=row.session_id,
        source=row.source,
        context=msgspec.Raw(row.context),
        payload=msgspec.Raw(row.payload),
        identifier=None if identifier is None else EventIdentifier(*identifier),
    )
