"""When identifiers and people were first and last seen: exact backwards, to the minute forwards.

A row that every event updates would serialize them all, so `last_seen` moves only when it is more
than a minute behind; `first_seen` moves whenever an earlier event arrives.

Whose lock is held, their rows are waited for. Others' are written if nobody else is writing to
them: two who each hold what the other waits for would hold up everybody. So `last_seen` may lag
further behind until the next event; who was seen earlier is locked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec

from identity.decide import Plan
from identity.sighting import Known, Person, Sighting, Span
from keystone.db import Cursor, json_rows, uuid_array

#: `last_seen` may lag this much behind.
GRAIN = timedelta(minutes=1)

_TOUCH = """
WITH people AS (
    UPDATE profile
    SET first_seen = LEAST(profile.first_seen, said.first_seen),
        last_seen = GREATEST(profile.last_seen, said.last_seen)
    FROM json_to_recordset(%(people)s::json)
        AS said (id uuid, first_seen timestamptz, last_seen timestamptz)
    WHERE profile.id = said.id
)
UPDATE identifier
SET first_seen = LEAST(identifier.first_seen, said.first_seen),
    last_seen = GREATEST(identifier.last_seen, said.last_seen)
FROM json_to_recordset(%(identifiers)s::json)
    AS said (id uuid, first_seen timestamptz, last_seen timestamptz)
WHERE identifier.key = said.id
"""
_TOUCH_FREE = """
WITH said_people AS (
    SELECT profile.id, said.last_seen
    FROM json_to_recordset(%(people)s::json) AS said (id uuid, last_seen timestamptz)
    JOIN profile ON profile.id = said.id
    FOR NO KEY UPDATE OF profile SKIP LOCKED
), people AS (
    UPDATE profile SET last_seen = GREATEST(profile.last_seen, said.last_seen)
    FROM said_people AS said WHERE profile.id = said.id
), said_identifiers AS (
    SELECT identifier.key, said.last_seen
    FROM json_to_recordset(%(identifiers)s::json) AS said (id uuid, last_seen timestamptz)
    JOIN identifier ON identifier.key = said.id
    FOR NO KEY UPDATE OF identifier SKIP LOCKED
)
UPDATE identifier SET last_seen = GREATEST(identifier.last_seen, said.last_seen)
FROM said_identifiers AS said WHERE identifier.key = said.key
"""
# Whoever holds free rows waits for no more: what is to be written to locked people is taken first.
_HOLD = """
SELECT FROM profile WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""


class _Row(msgspec.Struct, gc=False):
    """A profile or an identifier whose times move."""

    id: UUID
    owner: UUID  # the profile
    first_seen: datetime
    last_seen: datetime
    is_earlier: bool


def of_identifiers(fresh: Iterable[Sighting]) -> dict[UUID, Span]:
    """Return when identifiers were seen in new sightings, also among attributes."""
    seen: dict[UUID, Span] = {}
    for said in fresh:
        for key in said.identifiers:
            _widen(seen, key, said.seen_at, said.seen_at)
        for key in said.mentions:
            _widen(seen, key, said.seen_at, said.seen_at)
    return seen


def spans(plan: Plan, fresh: Iterable[Sighting]) -> dict[Person, Span]:
    """Return when people were seen: in new sightings, and as the profiles they take in."""
    seen: dict[Person, Span] = {}
    for said in fresh:
        if person := plan.person(said.actor_key):
            _widen(seen, person, said.seen_at, said.seen_at)
    for collapse in plan.collapses:
        if collapse.loser.span is not None:
            _widen(seen, collapse.loser.root, *collapse.loser.span)
    return seen


def earlier(
    known: Mapping[UUID, Known], people: Mapping[Person, Span], identifiers: Mapping[UUID, Span]
) -> set[UUID]:
    """Return the existing profiles that were seen earlier than is known, or identifiers of theirs.

    They are locked: who is being merged at this moment would leave the earlier time behind.
    """
    stale = [*_stale_people(people), *_stale_identifiers(known, identifiers)]
    return {row.owner for row in stale if row.is_earlier}


def touch(
    cursor: Cursor,
    known: Mapping[UUID, Known],
    people: Mapping[Person, Span],
    identifiers: Mapping[UUID, Span],
    locked: Collection[UUID] | None = None,
) -> None:
    """Move the seen times of what the database knows; no statement where none is stale.

    `locked`: the profiles that are; None for all. Others were not seen `earlier`.
    """
    stale = _stale_people(people), _stale_identifiers(known, identifiers)
    ours = [[row for row in rows if _is_in(row, locked)] for rows in stale]
    free = [[row for row in rows if not _is_in(row, locked)] for rows in stale]
    if any(ours):
        cursor.send(_TOUCH, people=json_rows(ours[0]), identifiers=json_rows(ours[1]))
    if any(free):
        if locked:
            cursor.send(_HOLD, ids=uuid_array(locked))
        cursor.send(_TOUCH_FREE, people=json_rows(free[0]), identifiers=json_rows(free[1]))


def _is_in(row: _Row, locked: Collection[UUID] | None) -> bool:
    return locked is None or row.owner in locked


def _stale_people(people: Mapping[Person, Span]) -> list[_Row]:
    seen = (
        (person.id, person.id, span, person.span)
        for person, span in people.items()
        if person.span is not None  # else it was inserted with its times just now
    )
    return _stale(seen)


def _stale_identifiers(known: Mapping[UUID, Known], identifiers: Mapping[UUID, Span]) -> list[_Row]:
    return _stale(
        (key, said.person.id, span, said.span)
        for key, span in identifiers.items()
        if (said := known.get(key))
    )


def _stale(seen: Iterable[tuple[UUID, UUID, Span, Span]]) -> list[_Row]:
    """Rows to update, sorted by key."""
    stale = [
        _Row(id_, owner, first, last, first < known[0])
        for id_, owner, (first, last), known in seen
        if first < known[0] or last > known[1] + GRAIN
    ]
    return sorted(stale, key=lambda row: row.id.int)


Seen = TypeVar("Seen", UUID, Person)


def _widen(spans: dict[Seen, Span], who: Seen, first: datetime, last: datetime) -> None:
    before = spans.setdefault(who, (first, last))
    if first < before[0] or last > before[1]:
        spans[who] = min(first, before[0]), max(last, before[1])
