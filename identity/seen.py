"""When identifiers and people were first and last seen: exact backwards, to the minute forwards.

A row that every event updates would serialize them all, so `last_seen` moves only when it is more
than a minute behind; `first_seen` moves whenever an earlier event arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from identity.decide import Plan
from identity.sighting import Known, Person, Sighting, Span
from keystone.db import Cursor, json_rows

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


def of_identifiers(fresh: Iterable[Sighting]) -> dict[UUID, Span]:
    """Return when identifiers were seen in new sightings, also among attributes."""
    return _widest(
        (key, said.seen_at, said.seen_at)
        for said in fresh
        for key in (*said.identifiers, *said.mentions)
    )


def spans(plan: Plan, fresh: Iterable[Sighting]) -> dict[Person, Span]:
    """Return when people were seen: in new sightings, and as the profiles they take in."""
    sighted = ((plan.person(said.actor_key), said.seen_at, said.seen_at) for said in fresh)
    seen = _widest((person, first, last) for person, first, last in sighted if person)
    for collapse in plan.collapses:
        if collapse.loser.span is not None:
            _widen(seen, collapse.loser.root, *collapse.loser.span)
    return seen


def earlier(people: Mapping[Person, Span]) -> set[UUID]:
    """Return the existing profiles that were seen earlier than is known.

    They are locked: who is being merged at this moment would take the earlier time along to no
    one. Later times may lag behind, and are written without a lock.
    """
    return {
        person.id
        for person, (first, _) in people.items()
        if person.span is not None and first < person.span[0]
    }


def touch(
    cursor: Cursor,
    known: Mapping[UUID, Known],
    people: Mapping[Person, Span],
    fresh: Sequence[Sighting],
) -> None:
    """Move the seen times of what the database knows; no statement where none is stale."""
    stale_identifiers = _stale(
        (key, span, known[key].span) for key, span in of_identifiers(fresh).items() if key in known
    )
    stale_people = _stale((person.id, span, person.span) for person, span in people.items())
    if stale_identifiers or stale_people:
        cursor.send(
            _TOUCH, people=json_rows(stale_people), identifiers=json_rows(stale_identifiers)
        )


Seen = TypeVar("Seen", UUID, Person)


def _widest(seen: Iterable[tuple[Seen, datetime, datetime]]) -> dict[Seen, Span]:
    spans: dict[Seen, Span] = {}
    for who, first, last in seen:
        _widen(spans, who, first, last)
    return spans


def _widen(spans: dict[Seen, Span], who: Seen, first: datetime, last: datetime) -> None:
    before = spans.get(who)
    if before is not None:
        first, last = min(first, before[0]), max(last, before[1])
    spans[who] = (first, last)


def _stale(seen: Iterable[tuple[UUID, Span, Span | None]]) -> list[dict[str, object]]:
    """Rows to update, sorted by key; what is new was inserted with its times just now."""
    stale = [
        {"id": id_, "first_seen": first, "last_seen": last}
        for id_, (first, last), known in seen
        if known is not None and (first < known[0] or last > known[1] + GRAIN)
    ]
    return sorted(stale, key=lambda row: str(row["id"]))
