"""Finds or creates who did it, for a whole batch at once, and collapses those that are one person.

1. Read what is known of the identifiers (`look_up`, one trip). Decide (`identity.decide`, pure).
2. Nothing existing gains or loses anything and no identity is new: no lock is taken. New cookies
   are only inserted, and an insert that finds its identifier taken violates the primary key: a
   lost race, everything again, more carefully.
3. Otherwise advisory locks: on new identities, then on the people concerned; read and decide again
   under them, now knowing what limits these people. Whom the locks do not cover by then is a lost
   race too.
4. Write: identifiers and profiles, collapses, what was seen when.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from identity import merge, policies, seen
from identity.decide import Plan
from identity.identifiers import EXPLICIT
from identity.locks import lock_keys, lock_people
from identity.protect import Policy, suppressed
from identity.races import LostRace
from identity.sighting import ANCHOR, Known, Link, Person, Sighting, Span
from keystone.db import Cursor, Row, json_rows, uuid_array

#: Moving more identifiers than these is not for a request.
LARGE = 1_000
#: What `Person.recent` counts.
RECENT = timedelta(hours=1)

_READ = """
SELECT i.key, i.first_seen, i.last_seen, i.status, i.home_id,
       i.profile_id, p.kind, p.first_seen, p.last_seen
FROM unnest(%(keys)s::uuid[]) AS asked (key)
JOIN identifier i ON i.key = asked.key
JOIN profile p ON p.id = i.profile_id
"""
# By the index identifier (profile_id, kind, linked_at). What a shadow has is not counted, and how
# much only of those that the first look would move: another is too large to be moved at once.
_LIMITS = """
SELECT asked.id, crm_ids, emails, phones, recent,
       NOT asked.may_move OR EXISTS (
           SELECT FROM identifier WHERE profile_id = asked.id OFFSET %(large)s) AS is_large,
       ARRAY(SELECT right_id FROM cannot_link WHERE left_id = asked.id
             UNION ALL SELECT left_id FROM cannot_link WHERE right_id = asked.id) AS barred
FROM json_to_recordset(%(rows)s::json) AS asked (id uuid, is_anchor bool, may_move bool)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE kind = 'crm_id') AS crm_ids,
           count(*) FILTER (WHERE kind = 'email') AS emails,
           count(*) FILTER (WHERE kind = 'phone') AS phones
    FROM identifier
    WHERE asked.is_anchor AND profile_id = asked.id AND kind IN ('crm_id', 'email', 'phone')
) AS explicit
CROSS JOIN LATERAL (
    SELECT count(*) AS recent
    FROM (SELECT FROM identifier
          WHERE asked.is_anchor AND profile_id = asked.id
            AND kind IN ('anonymous_id', 'session', 'crm_id', 'email', 'phone')
            AND linked_at > %(since)s LIMIT 10000) AS linked
) AS linked
"""

_CREATE = """
WITH people AS (
    INSERT INTO profile (id, org_id, kind, attributes, mentioned, version,
                         first_seen, last_seen, merged_into)
    SELECT id, org_id, kind, '{}', '{}', 0, first_seen, last_seen, merged_into
    FROM json_to_recordset(%(profiles)s::json) AS new (
        id uuid, org_id uuid, kind text, first_seen timestamptz, last_seen timestamptz,
        merged_into uuid)
)
INSERT INTO identifier (key, org_id, kind, value, profile_id, home_id, source_id, event_id,
                        linked_at, first_seen, last_seen, status)
SELECT key, org_id, kind, value, profile_id, home_id, source_id, event_id,
       %(now)s, first_seen, last_seen, status
FROM json_to_recordset(%(identifiers)s::json) AS new (
    key uuid, org_id uuid, kind text, value text, profile_id uuid, home_id uuid, source_id uuid,
    event_id uuid, first_seen timestamptz, last_seen timestamptz, status text)
"""


class Found(msgspec.Struct, frozen=True):
    """What is known of identifiers, by key, and the rules of organizations that have their own."""

    known: dict[UUID, Known]
    policies: dict[UUID, Policy]


def look_up(cursor: Cursor, sightings: Sequence[Sighting]) -> Callable[[], Found]:
    """Ask what is known of all identifiers and mentions; the call of what is returned waits."""
    keys = {key for said in sightings for key in (*said.identifiers, *said.mentions)}
    known = _ask(cursor, keys)
    rules = policies.ask(cursor, (said.organization_id for said in sightings))
    return lambda: Found(known(), rules())


def resolve(
    cursor: Cursor,
    found: Found,
    fresh: Sequence[Sighting],
    now: datetime,
    *,
    careful: bool = False,
    defer: bool = False,
) -> Plan:
    """Take new sightings in; `found` is what `look_up` found for them and for repeated ones.

    Returns the plan as written; `plan.resolution(sighting)` says whose event each is. Its
    `refusals` and what is `pending` are the caller's to store (`identity.refusals`,
    `identity.work`). `careful`: new cookies are locked too; for whoever lost a race. `defer`: all
    merges are pending. Raises `LostRace` when another transaction changed the people concerned
    meanwhile.
    """
    plan = _decide(found, fresh, defer=defer)
    new = _new_keys(plan, careful=careful)
    if new:
        lock_keys(cursor, new)
        if _ask(cursor, new)():  # somebody was faster: whom these came to is not who was read
            found = Found(_ask(cursor, new.union(found.known))(), found.policies)
            plan = _decide(found, fresh, defer=defer)
    sighted, spans = seen.of_identifiers(fresh), seen.spans(plan, fresh)
    concerned = plan.touched | seen.earlier(found.known, spans, sighted)
    if concerned:
        lock_people(cursor, concerned)
        found = _look_again(cursor, found, plan, concerned, now)
        plan = _decide(found, fresh, defer=defer)
        spans = seen.spans(plan, fresh)
        needed = plan.touched | seen.earlier(found.known, spans, sighted)
        # Nor may somebody who was erased meanwhile be found again under another name.
        if not needed <= concerned or suppressed(fresh, found.known):
            raise LostRace
    _write(cursor, plan, spans, sighted, now)
    seen.touch(cursor, found.known, spans, sighted, locked=concerned)
    return plan


def _decide(found: Found, fresh: Sequence[Sighting], *, defer: bool) -> Plan:
    plan = Plan(found.known, found.policies, defer=defer)
    plan.take_in(fresh)
    return plan


def _new_keys(plan: Plan, *, careful: bool) -> set[UUID]:
    """Return identities that nobody had: two batches that both bring them would take turns in
    failing. Cookies are many and rarely shared, and locked only after a lost race.
    """
    return {link.key for link in plan.links if careful or link.identifier.kind in EXPLICIT}


def _look_again(
    cursor: Cursor, found: Found, plan: Plan, concerned: Collection[UUID], now: datetime
) -> Found:
    """Read who is now locked; what limits people, where somebody gains anything."""
    known = {key: said for key, said in found.known.items() if said.person.id in concerned}
    answer = _ask(cursor, known)
    limits = _ask_limits(cursor, known, plan, now) if plan.links or plan.collapses else list
    again = answer()
    people = {said.person.id: said.person for said in again.values()}
    for id_, *limiting in limits():
        if id_ in people:
            _limit(people[id_], *limiting)
    return Found({**found.known, **again}, found.policies)


def _ask(cursor: Cursor, keys: Iterable[UUID]) -> Callable[[], dict[UUID, Known]]:
    answer = cursor.ask(_READ, keys=uuid_array(keys))
    return lambda: _known(answer())


def _known(rows: Iterable[Row]) -> dict[UUID, Known]:
    """Make identifiers of rows; those of one person share one `Person`."""
    people: dict[UUID, Person] = {}
    known: dict[UUID, Known] = {}
    for key, first, last, status, home, profile_id, *profile in rows:
        person = people.get(profile_id)
        if person is None:
            kind, *span = profile
            person = people[profile_id] = Person(profile_id, kind, tuple(span))
        known[key] = Known(person, (first, last), home, status)
    return known


def _ask_limits(
    cursor: Cursor, known: Mapping[UUID, Known], plan: Plan, now: datetime
) -> Callable[[], list[Row]]:
    kinds = {said.person.id: said.person.kind for said in known.values()}
    losers = {collapse.loser.id for collapse in plan.collapses}
    rows = (
        {"id": id_, "is_anchor": kinds[id_] == ANCHOR, "may_move": id_ in losers}
        for id_ in sorted(kinds)
    )
    return cursor.ask(_LIMITS, rows=json_rows(rows), large=LARGE, since=now - RECENT)


def _limit(  # noqa: PLR0913 - the columns
    person: Person,
    crm_ids: int,
    emails: int,
    phones: int,
    recent: int,
    is_large: bool,
    barred: list[UUID],
) -> None:
    person.crm_ids, person.emails, person.phones = crm_ids, emails, phones
    person.recent, person.is_large, person.barred = recent, is_large, frozenset(barred)


def _write(
    cursor: Cursor,
    plan: Plan,
    spans: Mapping[Person, Span],
    sighted: Mapping[UUID, Span],
    now: datetime,
) -> None:
    if plan.links:
        _create(cursor, plan, spans, sighted, now)
    if plan.collapses:
        winners = merge.collapse(cursor, plan.collapses, plan.links, now)
        late = (each for each in plan.collapses if each.loser.root.id in winners)
        plan.postponed.update(each.sighting.event_id for each in late)


def _create(
    cursor: Cursor,
    plan: Plan,
    spans: Mapping[Person, Span],
    sighted: Mapping[UUID, Span],
    now: datetime,
) -> None:
    """Insert new profiles with their identifiers, each already pointing at its final person."""
    profiles = [_profile_row(spans, *made) for made in plan.created]
    links = sorted(plan.links, key=lambda link: link.key.int)
    identifiers = [_identifier_row(link, *sighted[link.key]) for link in links]
    cursor.send(_CREATE, profiles=json_rows(profiles), identifiers=json_rows(identifiers), now=now)


def _profile_row(
    spans: Mapping[Person, Span], person: Person, sighting: Sighting
) -> dict[str, object]:
    root = person.root
    alone = (sighting.seen_at, sighting.seen_at)
    first, last = spans.get(person, alone) if root is person else alone
    return {
        "id": person.id,
        "org_id": sighting.organization_id,
        "kind": person.kind,
        "first_seen": first,
        "last_seen": last,
        "merged_into": None if root is person else root.id,
    }


def _identifier_row(link: Link, first: datetime, last: datetime) -> dict[str, object]:
    return {
        "key": link.key,
        "org_id": link.sighting.organization_id,
        "kind": link.identifier.kind,
        "value": link.identifier.value,
        "profile_id": link.person.root.id,
        "home_id": link.home,
        "source_id": link.sighting.source_id,
        "event_id": link.sighting.event_id,
        "first_seen": first,
        "last_seen": last,
        "status": link.status,
    }
