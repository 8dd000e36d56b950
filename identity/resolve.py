"""Finds or creates who did it, for a whole batch at once, and collapses those that are one person.

1. Read what is known of the identifiers (`look_up`, one statement). Decide (`identity.decide`,
   pure).
2. Nothing existing gains or loses anything: no lock is taken. New people are only inserted, and
   an insert that finds its identifier taken violates the primary key: a lost race, everything
   again.
3. Otherwise advisory locks on the people concerned, in one order for everybody; read and decide
   again under them. Whom the locks do not cover by then is a lost race too.
4. Write: identifiers and profiles, collapses, what was seen when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from identity import merge, seen
from identity.decide import Link, Plan
from identity.races import LostRace
from identity.sighting import Known, Person, Sighting, Span
from keystone.db import Cursor, Row, json_rows, uuid_array

_PEOPLE: LiteralString = """
SELECT i.key, i.first_seen, i.last_seen, i.profile_id, p.kind, p.first_seen, p.last_seen,
       {has_crm_id}
FROM unnest(%(keys)s::uuid[]) AS asked (key)
JOIN identifier i ON i.key = asked.key
JOIN profile p ON p.id = i.profile_id
"""
_READ = _PEOPLE.format(has_crm_id="false")
# Only who gains an identifier need be asked whether one of it is a crm_id: a look-up for each.
_READ_LOCKED = _PEOPLE.format(
    has_crm_id="EXISTS (SELECT FROM identifier c WHERE c.profile_id = p.id AND c.kind = 'crm_id')"
)
# 1,024 buckets: a lock for every key would exhaust the lock table at some 12,000 (DESIGN §4).
_LOCK = "SELECT pg_advisory_xact_lock(1802661751, b) FROM unnest(%(buckets)s::int[]) AS b"
_BUCKETS = 1_024

_CREATE = """
WITH people AS (
    INSERT INTO profile (id, org_id, kind, attributes, mentioned, version,
                         first_seen, last_seen, merged_into)
    SELECT id, org_id, kind, '{}', '{}', 0, first_seen, last_seen, merged_into
    FROM json_to_recordset(%(profiles)s::json) AS new (
        id uuid, org_id uuid, kind text, first_seen timestamptz, last_seen timestamptz,
        merged_into uuid)
)
INSERT INTO identifier (key, org_id, kind, value, profile_id, source_id,
                        first_seen, last_seen, status)
SELECT key, org_id, kind, value, profile_id, source_id, first_seen, last_seen, 'active'
FROM json_to_recordset(%(identifiers)s::json) AS new (
    key uuid, org_id uuid, kind text, value text, profile_id uuid, source_id uuid,
    first_seen timestamptz, last_seen timestamptz)
"""


def look_up(cursor: Cursor, sightings: Iterable[Sighting]) -> Callable[[], dict[UUID, Known]]:
    """Ask what is known of all identifiers and mentions; the call of what is returned waits."""
    keys = {key for said in sightings for key in (*said.identifiers, *said.mentions)}
    return _ask(cursor, _READ, keys)


def resolve(
    cursor: Cursor, known: dict[UUID, Known], fresh: Sequence[Sighting], now: datetime
) -> Plan:
    """Take new sightings in; `known` is what `look_up` found for them and for repeated ones.

    Returns the plan as written; `plan.resolution(sighting)` says whose event each is. Raises
    `LostRace` when another transaction changed the people concerned meanwhile.
    """
    plan = _decide(known, fresh)
    if plan.touched:
        locked = plan.touched
        _lock(cursor, locked)
        concerned = [key for key, said in known.items() if said.person.id in plan.touched]
        known = {**known, **_ask(cursor, _READ_LOCKED, concerned)()}
        plan = _decide(known, fresh)
        if not plan.touched <= locked:
            raise LostRace
    _write(cursor, plan, known, fresh, now)
    return plan


def _ask(
    cursor: Cursor, sql: LiteralString, keys: Iterable[UUID]
) -> Callable[[], dict[UUID, Known]]:
    answer = cursor.ask(sql, keys=uuid_array(keys))
    return lambda: _known(answer())


def _known(rows: Iterable[Row]) -> dict[UUID, Known]:
    """Make identifiers of rows; those of one person share one `Person`."""
    people: dict[UUID, Person] = {}
    known: dict[UUID, Known] = {}
    for key, first, last, profile_id, *profile in rows:
        person = people.get(profile_id)
        if person is None:
            kind, *span, has_crm_id = profile
            person = people[profile_id] = Person(profile_id, kind, tuple(span), has_crm_id)
        known[key] = Known(person, (first, last))
    return known


def _decide(known: Mapping[UUID, Known], fresh: Sequence[Sighting]) -> Plan:
    plan = Plan(known)
    plan.take_in(fresh)
    return plan


def _lock(cursor: Cursor, people: Iterable[UUID]) -> None:
    """Lock people until the commit, in one order for everybody."""
    buckets = {profile_id.int % _BUCKETS for profile_id in people}
    cursor.send(_LOCK, buckets=sorted(buckets))


def _write(
    cursor: Cursor,
    plan: Plan,
    known: Mapping[UUID, Known],
    fresh: Sequence[Sighting],
    now: datetime,
) -> None:
    spans = seen.spans(plan, fresh)
    if plan.links:
        _create(cursor, plan, spans)
    if plan.collapses:
        merge.collapse(cursor, plan, now)
    seen.touch(cursor, known, spans, fresh)


def _create(cursor: Cursor, plan: Plan, spans: Mapping[Person, Span]) -> None:
    """Insert new profiles with their identifiers, each already pointing at its final person."""
    profiles = [_profile_row(spans, *made) for made in plan.created]
    links = sorted(plan.links, key=lambda link: link.key.int)
    cursor.send(
        _CREATE, profiles=json_rows(profiles), identifiers=json_rows(map(_identifier_row, links))
    )


def _profile_row(
    spans: Mapping[Person, Span], person: Person, sighting: Sighting
) -> dict[str, object]:
    root = person.root
    first, last = spans[root] if root is person else (sighting.seen_at, sighting.seen_at)
    return {
        "id": person.id,
        "org_id": sighting.organization_id,
        "kind": person.kind,
        "first_seen": first,
        "last_seen": last,
        "merged_into": None if root is person else root.id,
    }


def _identifier_row(link: Link) -> dict[str, object]:
    return {
        "key": link.key,
        "org_id": link.sighting.organization_id,
        "kind": link.identifier.kind,
        "value": link.identifier.value,
        "profile_id": link.person.root.id,
        "source_id": link.sighting.source_id,
        "first_seen": link.sighting.seen_at,
        "last_seen": link.sighting.seen_at,
    }
