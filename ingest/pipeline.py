"""What is done with records, in order, in one transaction. Written down here and nowhere else.

A constant number of statements for 1 or 5,000 records, each over rows sorted by key. Events come
first: what is already there has had its effect and drops out as a duplicate, so that every later
step happens exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from identity import protect, refusals, work
from identity.attributes import Operation
from identity.identifiers import STRENGTH, Identifier
from identity.lineage import ProfileOperation, apply_operations
from identity.resolve import look_up, resolve
from identity.sighting import Resolution, Sighting
from ingest import events, receipts, tally
from ingest.record import Outcome, Record
from keystone.clock import to_ms
from keystone.db import Cursor


def process(
    cursor: Cursor, records: Sequence[Record], now: datetime, *, defer: bool = False
) -> list[Outcome]:
    """Store records (1..5,000, of any organizations) and let them have their effect.

    Returns one outcome a record, in order. `defer`: merges are left to `collapse_profiles`.
    Raises `psycopg.Error` for what PostgreSQL refuses and `LostRace`; the transaction is then to
    be rolled back (`ingest.isolation`).
    """
    identifiers = [_keyed(record, record.identifiers) for record in records]
    actor_keys = [next(iter(keyed)) for keyed in identifiers]
    ids = receipts.settle(cursor, records, actor_keys)
    stored = events.insert(cursor, records, ids, actor_keys)
    sightings = [
        _sighting(*said) for said in zip(records, ids, actor_keys, identifiers, strict=True)
    ]
    look = look_up(cursor, sightings)
    new, found = stored(), look()
    suppressed = protect.suppressed(sightings, found.known)
    events.remove(cursor, suppressed)
    fresh = [
        sighting
        for sighting, is_new in zip(sightings, new, strict=True)
        if is_new and sighting.event_id not in suppressed
    ]
    plan = resolve(cursor, found, fresh, now, defer=defer)
    people = [
        None if sighting.event_id in suppressed else plan.resolution(sighting)
        for sighting in sightings
    ]
    changes = apply_operations(cursor, _operations(records, sightings, people, new), now)
    work.enqueue_merges(cursor, plan.pending, now)
    outcomes = [
        _outcome(record, sighting, person, changes.get(sighting.event_id, 0), is_new=is_new)
        for record, sighting, person, is_new in zip(records, sightings, people, new, strict=True)
    ]
    tally.count(cursor, zip(records, outcomes, strict=True), now)
    refusals.record(cursor, plan.refusals, found.policies, now)
    return outcomes


def _keyed(record: Record, said: Sequence[Identifier]) -> dict[UUID, Identifier]:
    secret = record.source.organization_secret
    return {identifier.key(secret): identifier for identifier in said}


def _sighting(
    record: Record, id_: UUID, actor_key: UUID, identifiers: dict[UUID, Identifier]
) -> Sighting:
    return Sighting(
        organization_id=record.source.organization_id,
        source_id=record.source.key_id,
        event_id=id_,
        seen_at=record.occurred_at,
        actor_key=actor_key,
        identifiers=identifiers,
        mentions=_keyed(record, record.mentions),
        says_attributes=bool(record.attributes),
        trusted=not record.source.public,
    )


def _operations(
    records: Sequence[Record],
    sightings: Sequence[Sighting],
    people: Sequence[Resolution | None],
    new: Sequence[bool],
) -> list[ProfileOperation]:
    return [
        ProfileOperation(
            profile_id=person.profile_id,
            organization_id=sighting.organization_id,
            source_id=sighting.source_id,
            op=_operation(record, sighting),
        )
        for record, sighting, person, is_new in zip(records, sightings, people, new, strict=True)
        if is_new and person and record.attributes
    ]


def _operation(record: Record, sighting: Sighting) -> Operation:
    received_ms = to_ms(record.received_at)
    return Operation(
        actor_key=sighting.actor_key,
        event_id=sighting.event_id,
        occurred_at=record.occurred_at,
        client_ms=received_ms if record.client_ms is None else record.client_ms,
        strength=STRENGTH[record.identifiers[0].kind],
        patch=record.attributes or {},
    )


def _outcome(
    record: Record, sighting: Sighting, person: Resolution | None, changes: int, *, is_new: bool
) -> Outcome:
    """A repeat answers the current person; it merged and changed nothing."""
    if person is None:
        return Outcome(status="dropped", event_id=sighting.event_id, reason="suppressed")
    return Outcome(
        status="stored" if is_new else "duplicate",
        event_id=sighting.event_id,
        profile_id=person.profile_id,
        profile_kind=person.kind,
        merged_profile_ids=person.merged if is_new else (),
        is_pending=person.pending and is_new,
        changes=changes if is_new else 0,
        warnings=record.warnings,
    )
